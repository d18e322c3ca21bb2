"""What the tree of the project must always be: its floors, its words, its notebooks, its links."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import click
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def project_files() -> list[Path]:
    """The files of the project, as git knows them; without git, those that lie there."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if known.returncode == 0 and known.stdout:
        return [path for name in known.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    skipped = {".venv", ".git", "__pycache__", "_build", "build", "dist", ".ipynb_checkpoints"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not skipped & set(path.parts)]


NOTEBOOKS = sorted(path.relative_to(ROOT).as_posix() for path in project_files() if path.suffix == ".ipynb")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in project_files() if path.suffix == ".md")


def test_floors_of_the_house():
    # In a process of its own: the checker imports the package under its own settings.
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_on_a_floor():
    config = (ROOT / "pyproject.toml").read_text()
    rooms = {path.stem if path.is_file() else path.name for path in (ROOT / "eicpy").iterdir()}
    rooms -= {"__init__", "__pycache__", "py", "locale"}  # the catalogues of words are no room
    assert {room for room in rooms if f"eicpy.{room}" not in config} == set()
    house = (ROOT / "docs/house.md").read_text()
    assert {room for room in rooms if f"`{room}`" not in house} == set()


# A path of one machine, a registry's address or an archive's: none of them is a fact about the project.
FOREIGN = re.compile(
    r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/|"
    r"(?:pypi[.]org|python(?:hosted)[.]org|npmjs[.](?:org|com)|deb[.]debian[.]org|anaconda[.]org)"
)


def test_no_file_names_a_machine_or_a_registry():
    found = []
    for path in project_files():
        text = path.read_bytes()
        if b"\0" in text or path == Path(__file__):
            continue
        found += [
            f"{path.relative_to(ROOT)}: {hit.group()}"
            for hit in FOREIGN.finditer(text.decode("utf-8", "replace"))
        ]
    assert found == []


def test_no_file_is_large():
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in project_files()}
    assert {name: size for name, size in large.items() if size > 500_000} == {}


def test_no_data_of_others_came_along(shared_data: Path):
    sizes = {
        path.stat().st_size
        for path in shared_data.rglob("*")
        if path.is_file() and path.stat().st_size > 2000
    }
    same = [path for path in project_files() if path.stat().st_size in sizes]
    theirs = {
        path.read_bytes(): path
        for path in shared_data.rglob("*")
        if path.is_file() and path.stat().st_size in {copy.stat().st_size for copy in same}
    }
    assert [path for path in same if path.read_bytes() in theirs] == []


def test_modules_stay_small():
    lines = {
        str(path.relative_to(ROOT)): path.read_text().count("\n") for path in (ROOT / "eicpy").rglob("*.py")
    }
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_the_library_is_quiet_and_light():
    # matplotlib and pandas are nobody's business at import, whatever a notebook does later.
    code = "import sys, eicpy.cli; print(sorted({'matplotlib', 'pandas', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def code_lines(cell) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_thin_and_clean(name: str):
    text = (ROOT / name).read_text()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code), "strip it: make format"
    assert not any(re.search(r"(?m)^\s*(async def|def|class) ", cell.source) for cell in code)
    body = [cell for cell in code if "parameters" not in cell.metadata.get("tags", [])]
    lines = [line for cell in body for line in code_lines(cell) if not re.match(r"(from|import) ", line)]
    assert len(lines) <= 45, "about 40 lines besides the imports; the rest belongs in the package"
    assert notebook.metadata.kernelspec.name == "python3"
    raw = json.loads(text)
    assert (raw["nbformat"], raw["nbformat_minor"] >= 5) == (4, True)
    ids = [cell.get("id") for cell in raw["cells"]]
    assert all(ids), "each cell needs an id, or it gets another at each reading"
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name.startswith("notebooks/nightly/")])
def test_nightly_notebook_has_one_annotated_parameters_cell(name: str):
    notebook = nbformat.read(ROOT / name, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert code_lines(tagged[0])
    lines = [line for line in code_lines(tagged[0]) if not re.match(r"(from|import) ", line)]
    assert all(re.match(r"\w+: .+ = .+", line) for line in lines), "types and ranges are read there"


def test_there_are_notebooks():
    folders = {Path(name).parent.as_posix() for name in NOTEBOOKS}
    assert {"notebooks/nightly", "notebooks/tutorials", "dashboards"} <= folders


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name: str):
    page = ROOT / name
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text)
    local = [unquote(target.split("#")[0]) for target in targets if not re.match(r"[a-z]+:|#", target)]
    # A tutorial is copied beside the pages when the documentation is built.
    lost = [
        target
        for target in local
        if not (page.parent / target).exists() and not (ROOT / "notebooks" / target.lstrip("./")).exists()
    ]
    assert lost == []


def shown_in(text: str) -> list[str]:
    """What a page shows as typed: the lines of its shell blocks, and what stands in backticks."""
    blocks = re.findall(r"```(?:sh|bash|console|text)?\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split(" #")[0] for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_a_page_exist(name: str):
    from eicpy.cli import main

    assert isinstance(main, click.Group)
    shown = shown_in((ROOT / name).read_text())
    for line in shown:
        for word, rest in re.findall(r"(?:^|[\s/$(])eic ([a-z][\w-]*)(.*)", line):
            command = main.get_command(click.Context(main), word)
            assert command is not None, line
            verb = rest.split()[0] if rest.split() else ""
            if isinstance(command, click.Group) and verb in command.commands:
                command = command.commands[verb]
            options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            assert set(re.findall(r"(?<=\s)--[a-z][\w-]*", rest)) <= options, line
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {target for line in shown for target in re.findall(r"^make ([a-z]+)", line)} <= targets


def test_readme_shows_the_two_commands():
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL))
    assert "make demo" in blocks
    assert "make test" in blocks


def test_continuous_integration_runs_what_a_developer_runs():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    commands = [
        line for line in script.read_text().splitlines() if "make" in line and not line.startswith("#")
    ]
    assert commands == ["exec make test </dev/null"]


def test_make_finds_its_way():
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make on this machine")
    done = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"install", "test", "demo", "benchmark", "docs"} <= set(re.findall(r"make (\w+)", done.stdout))


def test_pages_that_code_refers_to_exist():
    named = {
        (path.relative_to(ROOT).as_posix(), page)
        for path in project_files()
        if path.suffix in {".py", ".toml", ".yml", ".sh"}
        for page in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert named
    assert {(where, page) for where, page in named if not (ROOT / page).is_file()} == set()
