"""The faces of the rooms: all names are offered, imported when asked for, and hidden by no file."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import eicpy

PACKAGE = Path(eicpy.__file__).parent
LAZY = sorted(
    ".".join(("eicpy", *file.relative_to(PACKAGE).parent.parts))
    for file in PACKAGE.rglob("__init__.py")
    if "attach(__name__" in file.read_text() and file.parent.name != "monitor"
)


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("package", LAZY)
def test_every_name_that_a_package_offers_is_there_and_nothing_else(package):
    face = importlib.import_module(package)
    assert {name for name in face.__all__ if getattr(face, name, None) is None} == set()
    assert dir(face) == sorted(face.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = face.no_such_name


@pytest.mark.parametrize("package", LAZY)
def test_the_list_of_names_and_the_imports_agree(package):
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text())
    imported = {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        for alias in statement.names
    }
    assert imported == set(importlib.import_module(package).__all__)


def test_a_file_does_not_hide_a_name():
    code = "import eicpy.simulation.presets, eicpy.simulation as s; print(callable(s.presets))"
    assert python(code) == "True"


def test_a_package_imports_nothing_until_it_is_asked():
    code = (
        "import sys, eicpy, eicpy.runs, eicpy.operations; before = set(sys.modules); "
        "eicpy.operations.Database; "
        "print(sorted({'numpy', 'sqlalchemy', 'click'} & before), 'sqlalchemy' in sys.modules)"
    )
    assert python(code) == "[] True"
