"""Import paths of the version before work for one more release, with a warning that names the new one."""

from importlib import import_module

import pytest

from eicpy.moved import MODULES, NAMES


@pytest.mark.parametrize("old", sorted(MODULES))
def test_an_old_module_is_the_new_one(old):
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MODULES[old]}"):
        module = import_module(old)
    assert module is import_module(MODULES[old])


@pytest.mark.parametrize(
    ("package", "new", "name"),
    [(p, new, n) for p, homes in NAMES.items() for new, names in homes.items() for n in names.split()],
)
def test_an_old_name_is_the_new_one(package, new, name):
    old_name, _, new_name = name.partition("=")
    new_name = new_name or old_name
    with pytest.warns(DeprecationWarning, match=f"{package}.{old_name} is now {new}.{new_name}"):
        found = getattr(import_module(package), old_name)
    assert found is getattr(import_module(new), new_name)
