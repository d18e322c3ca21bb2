"""The picture of the house in docs/house.md is what the contracts and the imports say."""

import re
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = (ROOT / "docs/house.md").read_text()


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("eicpy", cache_dir=None)


def floors_of_the_page() -> list[set[str]]:
    """Rooms by floor, the ground first."""
    floors: dict[int, set[str]] = {}
    for floor, rooms in re.findall(r"(?m)^\| (\d+) \| ([^|]+) \|", HOUSE):
        floors.setdefault(int(floor), set()).update(re.findall(r"`(\w+)`", rooms))
    assert sorted(floors) == list(range(len(floors)))
    return [floors[number] for number in sorted(floors)]


def test_the_floors_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers" and "containers" not in c)
    contract = [set(re.findall(r"eicpy\.(\w+)", layer)) for layer in reversed(layers)]
    ground = floors_of_the_page()
    assert set.union(*contract) == set.union(*ground)
    number = {room: floor for floor, rooms in enumerate(ground) for room in rooms}
    spans = [sorted({number[room] for room in layer}) for layer in contract]
    assert spans == sorted(spans)
    assert all(len(span) == 1 for span in spans)


def rooms_that_each_imports(graph: grimp.ImportGraph) -> str:
    """A line a room, from the top of the house down to the first floor; the ground is open to all."""
    lines = []
    ground, *upper = floors_of_the_page()
    for rooms in reversed(upper):
        for room in sorted(rooms):
            inside = {f"eicpy.{room}", *graph.find_descendants(f"eicpy.{room}")}
            imported = {name for module in inside for name in graph.find_modules_directly_imported_by(module)}
            others = {name.split(".")[1] for name in imported - inside if name.startswith("eicpy.")}
            lines.append(f"{room:<12} → {', '.join(sorted(others - ground)) or '–'}")
    return "\n".join(lines)


def test_the_arrows_are_the_imports(graph):
    expected = rooms_that_each_imports(graph)
    assert f"```\n{expected}\n```" in HOUSE, f"docs/house.md should show:\n{expected}"


def test_every_module_is_in_a_room_of_the_page(graph):
    rooms = {module.split(".")[1] for module in graph.modules if "." in module}
    assert rooms == set.union(*floors_of_the_page())
