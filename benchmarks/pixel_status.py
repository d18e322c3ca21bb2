"""How often good pixels are named, and how many bad ones are found, on planes of known truth.

Run ``python benchmarks/pixel_status.py`` for the tables of ``docs/pixel-status.md``. The planes are made
here, without the simulator: a random mask of 46² cells, the cosmic background through each of its open cells
onto each of 6400 pixels (with the Earth in front of a part of them), modules, heat pipes, sources,
efficiencies with a normal scatter.
"""

import argparse
import math
from collections.abc import Callable

import numpy as np

from eicpy.calibration import PixelStatus, pixel_status
from eicpy.instruments import load
from eicpy.typing import FloatArray

GRID = load("eclairs").pixels
SIDE, CELLS, PITCH, PIXEL, MASK, HEIGHT = 80, 46, 0.45, 0.40, 53.97, 45.81  # cm
CELL = MASK / CELLS
DETNUM = np.arange(GRID.count)
Y, Z = GRID.yz(DETNUM)
SCATTER = 0.05
Plane = tuple[FloatArray, float, FloatArray | None]
"""Expected counts of each pixel, scatter of the efficiencies, what a known source lights."""


def background(rng: np.random.Generator, earth: float | None = None) -> FloatArray:
    """Counts of each pixel from the sky through the open cells, mean 1; the Earth begins at a tangent."""
    open_cells = rng.random((CELLS, CELLS)) < 0.4
    at = (np.arange(SIDE) + 0.5) * PITCH - SIDE * PITCH / 2
    cell = (np.arange(CELLS) + 0.5) * CELL - MASK / 2
    t = (cell[None, :] - at[:, None]) / HEIGHT
    seen = np.zeros((SIDE, SIDE))
    for z in range(SIDE):
        tz = t[z][:, None, None]
        # cosθ of the pixel, and cos³θ of the solid angle
        cosine = (1.0 + tz**2 + t.T[None, :, :] ** 2) ** -2.0
        if earth is not None:
            cosine = cosine * (t.T[None, :, :] + 0.3 * tz < earth)
        seen[z] = np.einsum("kl,kly->y", open_cells.astype(float), cosine)
    plane = seen[Z, Y]
    return np.asarray(0.75 * plane / plane.mean() + 0.25)  # a quarter comes from the camera itself


def shadow(rng: np.random.Generator, ty: float, tz: float) -> FloatArray:
    """Share of each pixel that a source lights, mean 1, by 8² points in a pixel."""
    open_cells = rng.random((CELLS, CELLS)) < 0.4
    inside = (np.arange(8) + 0.5) / 8 * PIXEL - PIXEL / 2
    at = (((np.arange(SIDE) + 0.5) * PITCH - SIDE * PITCH / 2)[:, None] + inside).ravel()
    hit = [np.floor((at + HEIGHT * t + MASK / 2) / CELL).astype(int) for t in (ty, tz)]
    lit = open_cells[np.ix_(hit[1].clip(0, CELLS - 1), hit[0].clip(0, CELLS - 1))]
    plane = lit.reshape(SIDE, 8, SIDE, 8).mean(axis=(1, 3))[Z, Y]
    return np.asarray(plane / plane.mean())


def draw(
    rng: np.random.Generator,
    mean: float,
    shape: FloatArray,
    scatter: float = SCATTER,
    factor: FloatArray | float = 1.0,
) -> FloatArray:
    """Counts of pixels with a normal scatter of efficiencies."""
    efficiency = np.maximum(1.0 + scatter * rng.standard_normal(GRID.count), 0.0) * factor
    return rng.poisson(mean * shape * efficiency).astype(float)


def alarms(
    name: str,
    rng: np.random.Generator,
    mean: float,
    make: Callable[[np.random.Generator], Plane],
    planes: int,
    asked: float,
    *,
    heat_pipes: bool = False,
) -> None:
    """Print false alarms per pixel and side, over what was asked for."""
    low = high = 0
    for _ in range(planes):
        shape, scatter, lit = make(rng)
        counts = draw(rng, mean, shape, scatter)
        health = pixel_status(counts, GRID, false_alarm=asked, shadows=lit, heat_pipes=heat_pipes)
        low += int(np.sum(health.counts <= health.limits.low))
        high += int(np.sum(health.counts >= health.limits.high))
    trials = planes * GRID.count * asked
    print(
        f"| {name} | {mean:g} | {low / trials:.2f} ± {math.sqrt(low) / trials:.2f} | "
        f"{high / trials:.2f} ± {math.sqrt(high) / trials:.2f} |",
        flush=True,
    )


def false_alarms(rng: np.random.Generator, planes: int, asked: float) -> None:
    """False alarms on good planes."""
    print(f"\nFalse alarms over those asked for ({asked:g} per pixel and side, {planes} planes)\n")
    print("| plane | counts a pixel | low | high |\n|---|---|---|---|")
    bowl, half = background(np.random.default_rng(1)), background(np.random.default_rng(1), 0.1)
    light = shadow(np.random.default_rng(1), 0.08, -0.05)
    module = GRID.module(DETNUM)

    def modules(rng: np.random.Generator) -> Plane:
        return (1.0 + 0.03 * rng.standard_normal(GRID.modules))[module], SCATTER, None

    pipes = 1.0 + 0.8 * np.exp(-np.minimum(Y, SIDE - 1 - Y) / 2.7)
    for mean in (10, 50, 281, 1700):
        alarms("flat, no scatter", rng, mean, lambda _: (np.ones(GRID.count), 0.0, None), planes, asked)
        alarms("flat, 5 %", rng, mean, lambda _: (np.ones(GRID.count), SCATTER, None), planes, asked)
    both = bowl + light
    for mean in (281, 1700):
        for name, shape, known in (
            ("sky through the mask", bowl, None),
            ("the Earth half in", half, None),
            ("known source as bright as the background", both, light),
            ("source as bright, not known", both, None),
        ):
            made = (shape, SCATTER, known)
            alarms(name, rng, mean, lambda _, made=made: made, planes, asked)
        alarms("modules differ by 3 %", rng, mean, modules, planes, asked)
        made = (pipes, SCATTER, None)
        alarms("heat pipes, +80 %", rng, mean, lambda _, made=made: made, planes, asked, heat_pipes=True)


def power(rng: np.random.Generator, planes: int, mean: float) -> None:
    """Bad pixels that are found, beside what the result says of itself."""
    factors = (0.0, 0.05, 0.5, 0.65, 0.8, 1.3, 1.5, 2.0, 4.0)
    head = " | ".join("dead" if f == 0.0 else f"×{f:g}" for f in factors)
    print(f"\nFound, % ({mean:g} counts a pixel, 1e-4 asked for; 40 of each factor, {planes} planes)\n")
    print(f"| source / background | {head} | says: losses from | excesses from | blind |")
    print("|---|" + "---|" * (len(factors) + 3))
    bowl = background(np.random.default_rng(1))
    light = shadow(np.random.default_rng(1), 0.08, -0.05)
    for bright, known in ((0, False), *((b, k) for b in (0.18, 0.5, 1.0, 3.0) for k in (True, False))):
        found = np.zeros(len(factors))
        for _ in range(planes):
            order = rng.permutation(GRID.count)[: 40 * len(factors)].reshape(len(factors), 40)
            factor = np.ones(GRID.count)
            factor[order] = np.array(factors)[:, None]
            counts = draw(rng, mean, bowl + bright * light, factor=factor)
            health = pixel_status(counts, GRID, shadows=light if known else None)
            bad = (PixelStatus.DEAD, PixelStatus.LOW_EFFICIENCY, PixelStatus.NOISY)
            found += np.isin(health.status, bad)[order].mean(axis=1) / planes
        name = f"{bright:g}" + ("" if not bright else ", known" if known else ", not known")
        cells = " | ".join(f"{100 * f:.0f}" for f in found)
        blind = "yes" if health.blind else "no"
        said = f"×{health.smallest_loss:.2f} | ×{health.smallest_excess:.2f} | {blind}"
        print(f"| {name} | {cells} | {said} |", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--planes", type=int, default=40, help="planes for each row of false alarms")
    parser.add_argument("--asked", type=float, default=1e-3, help="false alarms asked for")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    power(rng, 3, 281.0)
    power(rng, 3, 1700.0)
    false_alarms(rng, chosen.planes, chosen.asked)


if __name__ == "__main__":
    main()
