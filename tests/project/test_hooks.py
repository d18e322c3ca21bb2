"""What `make hooks` does: outputs of notebooks stay out of commits, and stay in the files one works with."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def clone(tmp_path):
    """An empty clone with the script of the project."""
    folder = tmp_path / "a clone"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/hooks.sh", folder / "scripts")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.mark.skipif(not (BIN / "nbstripout").is_file(), reason="no nbstripout beside this Python")
def test_a_notebook_is_added_without_its_outputs_and_keeps_them_on_disk(clone):
    for _ in range(2):  # a second call changes nothing
        subprocess.run([clone / "scripts/hooks.sh", BIN.parent], check=True, capture_output=True)
    cell = new_code_cell("1", outputs=[new_output("stream", text="x" * 1000)], execution_count=3, id="a-word")
    nbformat.write(new_notebook(cells=[cell]), clone / "mine.ipynb")
    subprocess.run(["git", "add", "mine.ipynb"], cwd=clone, check=True, capture_output=True)
    stored = subprocess.run(["git", "show", ":mine.ipynb"], cwd=clone, check=True, capture_output=True).stdout
    (kept,) = json.loads(stored)["cells"]
    assert (kept["outputs"], kept["execution_count"], kept["id"]) == ([], None, "a-word")
    assert "xxx" in (clone / "mine.ipynb").read_text()
    assert (clone / ".git/info/attributes").read_text().count("filter=") == 1


def test_without_nbstripout_it_says_what_to_do(clone, tmp_path):
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [clone / "scripts/hooks.sh", tmp_path / "empty"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make install first" in done.stderr
