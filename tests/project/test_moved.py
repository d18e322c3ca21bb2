"""Import paths of the version before work for one more release, with a warning that names the new one."""

import warnings
from dataclasses import dataclass
from importlib import import_module

import pytest

from eicpy.moved import MODULES, NAMES, gathered_keywords, renamed_keyword


@pytest.mark.parametrize("old", sorted(MODULES))
def test_an_old_module_is_the_new_one(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package that it was in may have moved, too
        import_module(old.rpartition(".")[0])
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MODULES[old]}"):
        module = import_module(old)
    assert module is import_module(MODULES[old])


@pytest.mark.parametrize(
    ("package", "old", "module", "new"),
    [
        (package, *entry.partition("=")[:1], module, entry.rpartition("=")[2])
        for package, homes in NAMES.items()
        for module, names in homes.items()
        for entry in names.split()
    ],
)
def test_an_old_name_is_the_new_one(package, old, module, new):
    with pytest.warns(DeprecationWarning, match=f"{package}.{old} is now {module}.{new}"):
        found = getattr(import_module(package), old)
    assert found is getattr(import_module(module), new)


def test_a_renamed_keyword_is_taken_with_a_warning():
    @renamed_keyword("by", "actor")
    def decide(*, actor: str) -> str:
        return actor

    with pytest.warns(DeprecationWarning, match="by of .*decide is now actor") as caught:
        assert decide(by="Ada") == "Ada"
    assert caught[0].filename == __file__
    assert decide(actor="Grace") == "Grace"  # a warning would be an error here


@dataclass(frozen=True)
class _Options:
    interval: float = 2.0
    settle: float = 1.0


def test_keywords_that_an_object_holds_now_are_taken_with_a_warning():
    @gathered_keywords("options", _Options)
    def watch(folder: str, *, options: _Options = _Options()) -> tuple[str, _Options]:
        return folder, options

    with pytest.warns(DeprecationWarning, match=r"interval of .*watch is now options=_Options\(…\)"):
        assert watch("inbox", interval=5.0) == ("inbox", _Options(interval=5.0))
    with pytest.warns(DeprecationWarning, match="settle of"):
        assert watch("inbox", settle=3.0, options=_Options(interval=4.0))[1] == _Options(4.0, 3.0)
    assert watch("inbox")[1] == _Options()
