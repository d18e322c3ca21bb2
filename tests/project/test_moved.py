"""Import paths and calls of the version before work for one more release, with a warning."""

import warnings
from dataclasses import dataclass
from importlib import import_module

import pytest

from eicpy.moved import MODULES, NAMES, accept_old_keywords


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


@dataclass(frozen=True)
class Options:
    speed: float = 1.0
    timeout: float = 5.0


@accept_old_keywords(renamed={"patience": "timeout"}, options=Options)
def play(run, *, options=Options()):
    return run, options


@accept_old_keywords(positions=("table", "speed", "timeout", "rows"), options=Options)
def make(table, options, rows=0):
    return table, options, rows


def test_an_old_keyword_goes_into_the_options_object():
    with pytest.warns(
        DeprecationWarning, match=r"play\(speed\) is now play\(options=Options\(…\)\)"
    ) as caught:
        assert play(3, speed=2.0) == (3, Options(2.0))
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"play\(patience\)"):
        assert play(3, patience=1.0, options=Options(2.0)) == (3, Options(2.0, 1.0))


def test_an_old_call_by_position_is_understood():
    with pytest.warns(
        DeprecationWarning, match=r"make\(speed, timeout\) is now make\(options=Options\(…\)\)"
    ):
        assert make("T", 2.0, 1.0, rows=4) == ("T", Options(2.0, 1.0), 4)


def test_the_new_form_gives_no_warning():
    assert play(3, options=Options(2.0)) == (3, Options(2.0))
    assert make("T", Options(2.0), 4) == make("T", options=Options(2.0), rows=4) == ("T", Options(2.0), 4)


def test_an_unknown_keyword_is_still_refused():
    with pytest.raises(TypeError, match="spead"):
        play(3, spead=2.0)
