"""What is installed from a wheel is the whole package: tables and templates as well as code."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built with the installed tools, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("eicpy-*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel_file) as opened:
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


@pytest.mark.slow
def test_in_an_empty_environment_the_wheel_brings_all_that_the_demo_needs(wheel_file: Path, tmp_path: Path):
    """Only what the wheel itself asks for is installed, in the locked versions, checked by their hashes."""
    uv, venv = Path(sys.executable).with_name("uv"), tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", venv / "bin/python"]
    done = subprocess.run(
        [*install, "--constraint", ROOT / "requirements.lock", wheel_file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
        pytest.skip(f"the packages cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (tmp_path / "scripts").mkdir()  # away from the source tree, which Python would import else
    demo = Path(shutil.copy(ROOT / "scripts/demo.sh", tmp_path / "scripts"))
    settings = {
        "EIC_HOME": str(tmp_path / "home"), "DURATION": "300", "SERVE": "no",
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings
    done = subprocess.run([demo], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("home/reports/eclairs/*/*/report.html"))) >= 2
    found = subprocess.run(
        [venv / "bin/python", "-c", "import eicpy; print(eicpy.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).is_relative_to(venv)
