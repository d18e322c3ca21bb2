"""pyproject.toml, the lock and the two environment files tell the same story."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
EVERYTHING = [
    *RUNTIME,
    *(Requirement(line) for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines),
    *(Requirement(line) for lines in PROJECT["dependency-groups"].values() for line in lines),
]
LOCK = (ROOT / "requirements.lock").read_text()


def locked_versions() -> dict[str, list[tuple[str, str | None]]]:
    """Version and marker of each entry of the lock, by name."""
    entries: dict[str, list[tuple[str, str | None]]] = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; (.+?))? \\$", LOCK, re.MULTILINE):
        entries.setdefault(canonicalize_name(name), []).append((version, marker or None))
    return entries


@pytest.mark.parametrize("requirement", EVERYTHING, ids=str)
def test_lock_satisfies_every_dependency(requirement: Requirement):
    versions = [version for version, _ in locked_versions()[canonicalize_name(requirement.name)]]
    assert all(requirement.specifier.contains(version) for version in versions)


def test_lock_holds_a_hash_for_every_entry():
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 150
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert sum(map(len, locked_versions().values())) == len(entries)


def test_lock_holds_no_address():
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)", LOCK, re.MULTILINE)


def test_lock_is_what_is_installed():
    from importlib.metadata import version

    marked = locked_versions()
    single = [name for name in ("numpy", "numba", "voila", "bokeh", "papermill", "click") if name in marked]
    assert all(version(name) in {entry for entry, _ in marked[name]} for name in single)


def environment(path: str) -> tuple[list[str], list[str]]:
    """The conda lines and the pip lines of an environment file."""
    content = yaml.safe_load((ROOT / path).read_text())
    assert set(content) == {"name", "channels", "dependencies"}
    conda = [line for line in content["dependencies"] if isinstance(line, str)]
    (pip,) = [line["pip"] for line in content["dependencies"] if isinstance(line, dict)]
    return conda, pip


def test_environment_file_lists_the_dependencies_of_the_package():
    conda, pip = environment("environment.yml")
    assert {str(Requirement(line)) for line in pip} == {str(requirement) for requirement in RUNTIME}
    python, other = conda
    assert other == "pip"
    version = python.removeprefix("python=")
    assert version in Requirement("python" + PROJECT["project"]["requires-python"]).specifier


def test_binder_has_its_own_copy():
    # Where a folder binder/ exists, Binder reads nothing at the root.
    assert (ROOT / "binder/environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


def test_repo2docker_accepts_the_project(tmp_path: Path):
    copy = tmp_path / "clone"
    (copy / "binder").mkdir(parents=True)
    for name in ("binder/environment.yml", "binder/postBuild", "binder/start", "environment.yml"):
        target = copy / name
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod((ROOT / name).stat().st_mode)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Building conda environment for python=3.11" in told
    assert re.search(r"COPY .*src/binder/environment\.yml", told)
    assert "./binder/postBuild" in told
    assert "/binder/start" in told


def test_binder_scripts_can_run_and_hand_over():
    start, post = ROOT / "binder/start", ROOT / "binder/postBuild"
    assert start.read_text().rstrip().endswith('exec "$@"')
    assert "pip install --no-deps --editable ." in post.read_text()
    assert all(script.stat().st_mode & 0o111 for script in (start, post))
