"""The documentation builds without a warning, its tutorial runs, no page asks another site for anything."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eicpy

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(eicpy.__path__, "eicpy.")
    if ".migrations." not in found.name  # alembic imports them, and only within a migration
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it, elsewhere."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--fresh-env"]
    done = subprocess.run(
        [*command, "docs", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.mark.slow
def test_documentation_builds_without_a_warning(pages: Path):
    assert (pages / "index.html").is_file()
    rooms = {path.stem for path in (ROOT / "docs/api").glob("*.md")} - {"index"}
    described = {room for room in rooms if f"eicpy.{room}." in (pages / f"api/{room}.html").read_text()}
    assert described == rooms


@pytest.mark.slow
def test_tutorial_was_executed(pages: Path):
    page = (pages / "tutorials/first-steps.html").read_text()
    assert 'class="cell_output' in page
    assert "Traceback (most recent call last)" not in page


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(pages: Path):
    foreign = {
        f"{page.relative_to(pages)}: {tag}"
        for page in pages.rglob("*.html")
        for tag in re.findall(
            r"<(?:script|img|iframe)[^>]*\ssrc=[\"']https?:[^>]*>|"
            r"<link[^>]*rel=[\"'](?:stylesheet|preload)[\"'][^>]*href=[\"']https?:[^>]*>",
            page.read_text(),
        )
    }
    assert foreign == set()


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_are_true(name: str):
    module = importlib.import_module(name)
    assert module.__doc__, "a module opens with what it is for"
    assert doctest.testmod(module).failed == 0


def test_examples_of_the_page_of_ten_objects_are_true():
    assert doctest.testfile(str(ROOT / "docs/ten-objects.md"), module_relative=False).failed == 0


@pytest.mark.parametrize("room", sorted({name for name in MODULES if name.count(".") == 1}))
def test_room_declares_what_it_offers(room: str):
    module = importlib.import_module(room)
    offered = getattr(module, "__all__", [])  # the dashboard is entered by its modules
    assert sorted(set(offered)) == sorted(offered)
    assert [name for name in offered if not hasattr(module, name)] == []


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    environment = os.environ | {"PYTHON": str(old)}
    done = subprocess.run(
        [ROOT / "scripts/install.sh", str(tmp_path / "venv")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Python 3.9.2 is too old, eicpy needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()
