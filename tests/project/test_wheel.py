"""What is installed from a wheel is the whole package: tables and templates as well as code."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def built_wheel(folder: Path) -> Path:
    """The wheel of this tree, built with the installed tools, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("eicpy-*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built_wheel(tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile):
    ignored = {".pyc", ".nbi", ".nbc"}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "eicpy").rglob("*")
        if path.is_file() and path.suffix not in ignored and "__pycache__" not in path.parts
    }
    held = set(wheel.namelist())
    assert there - held == set()
    assert "eicpy/py.typed" in held
    assert any(name.endswith("instrument.toml") for name in held)
    assert any(name.endswith(".csv") for name in held)
    assert "eicpy/notebooks/nightly/monitoring.ipynb" in held
    assert "eicpy/dashboards/camera.ipynb" in held


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile):
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"eicpy"}


def test_wheel_offers_the_command_and_the_licence(wheel: zipfile.ZipFile):
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "eic = eicpy.cli:main" in wheel.read(entry).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
