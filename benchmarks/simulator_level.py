"""The simulator beside the public pre-launch files of the response: background, lines, area, off-axis map.

The files are not part of the project (GPL-3, github.com/JPalmerio/GRB_population_model); FOLDER holds the
four ``ECLAIRs_rf_*.txt``. Prints the tables of docs/simulation.md, in which only deviations stand, and
draws the curves into a page of its own where asked; the page holds public values and stays out of the
project.

    python benchmarks/simulator_level.py --response FOLDER [--figures PAGE.html]
"""

import argparse
from pathlib import Path

import numpy as np

from eicpy.simulation import public_level as level
from eicpy.simulation.camera import lines, structure

RANGES = ((4, 8), (8, 20), (20, 50), (50, 90), (90, 120), (120, 150))
CELL = 0.25


def deviation(values: np.ndarray) -> str:
    return f"{100 * np.sqrt((values**2).mean()):.1f} % | {100 * np.abs(values).max():.1f} %"


def background_table(public: level.PublicResponse) -> list[str]:
    edges = np.arange(4.0, 150.1, 2.0)
    theirs = level.binned(edges, public.energy, public.background)
    relative = level.spectrum(edges) / theirs - 1
    area_edges = public.energy
    area = level.area_of_singles(area_edges) / public.area - 1
    rows = [
        "| energies, keV | background in 2-keV bins: rms | largest | area: rms | largest |",
        "|---|---|---|---|---|",
    ]
    for low, high in (*RANGES, (4, 150)):
        bins = (edges[:-1] >= low) & (edges[1:] <= high)
        points = (area_edges >= low) & (area_edges <= high)
        rows.append(f"| {low}–{high} | {deviation(relative[bins])} | {deviation(area[points])} |")
    return rows


def line_table(public: level.PublicResponse) -> list[str]:
    energy = np.arange(4.0, 150.0, CELL) + CELL / 2
    edges = np.append(energy - CELL / 2, energy[-1] + CELL / 2)
    theirs = level.line_rates(energy, np.interp(energy, public.energy, public.background))
    ours = {s: level.line_rates(energy, level.spectrum(edges, s) / CELL) for s in ("public", "bright")}
    rows = [
        "| lines | simulated, counts/s | relative to the public file | `bright` lines |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {ours['public'][name]:.1f} | {ours['public'][name] / rate:.2f} |"
        f" {ours['bright'][name] / rate:.1f} |"
        for name, rate in theirs.items()
    ]
    return rows


def cause_table() -> list[str]:
    rows = ["| K lines of | transport estimate, counts/s | factor | counts/s |", "|---|---|---|---|"]
    return rows + [
        f"| {element} | {rate:.2f} | {lines.FACTORS[element]:.2f} | {rate * lines.FACTORS[element]:.1f} |"
        for element, rate in lines.estimates().items()
    ]


def sky_lines(public: level.PublicResponse) -> list[str]:
    ours = level.off_axis_map()
    difference = ours - public.off_axis
    theirs = (public.off_axis * public.solid_angle).sum()
    return [
        f"off-axis map, 89 × 89 cells: rms {difference.std():.1e}, largest {np.abs(difference).max():.1e}",
        f"étendue by area: {(ours * public.solid_angle).sum() / theirs:.4f} of the public one",
        f"étendue used for the sky: {structure.FULL_ETENDUE} cm² sr",
    ]


def draw(public: level.PublicResponse, page: Path) -> None:
    from bokeh.layouts import column
    from bokeh.plotting import figure, output_file, save

    energy = np.arange(4.0, 150.0, CELL) + CELL / 2
    edges = np.append(energy - CELL / 2, energy[-1] + CELL / 2)
    first = figure(width=1100, height=420, y_axis_type="log", title="Background, counts/s/keV")
    first.line(public.energy, public.background, color="black", legend_label="public file")
    for strength, color in (("public", "crimson"), ("bright", "orange")):
        density = level.spectrum(edges, strength) / CELL
        first.line(energy, density, color=color, legend_label=f"simulator, {strength} lines")
    second = figure(width=1100, height=360, title="Area on the axis for singles above 4 keV, cm²")
    second.line(public.energy, public.area, color="black", legend_label="public file")
    second.line(energy, level.area_of_singles(energy), color="crimson", legend_label="simulator")
    third = figure(width=500, height=500, title="Off-axis transmission: simulator less public file")
    third.image([level.off_axis_map() - public.off_axis], x=-44, y=-44, dw=89, dh=89, palette="Viridis256")
    first.x_range.start, first.x_range.end = 4, 150
    second.x_range = first.x_range
    output_file(str(page), title="Simulator and public response", mode="inline")
    save(column(first, second, third))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--response", type=Path, required=True, help="folder with ECLAIRs_rf_*.txt")
    parser.add_argument("--figures", type=Path, help="HTML page to draw; holds values of the public files")
    arguments = parser.parse_args()
    public = level.PublicResponse.read(arguments.response)
    tables = (background_table(public), line_table(public), cause_table(), sky_lines(public))
    print("\n\n".join("\n".join(table) for table in tables))
    if arguments.figures is not None:
        draw(public, arguments.figures)
        print(f"\nfigures: {arguments.figures}")


if __name__ == "__main__":
    main()
