"""The image trigger: how fast it is, and what it shows where there is nothing.

``python benchmarks/trigger_image.py [--cycles N]`` makes cycles of 20.48 s of simulated counts – a bowl of
cosmic background with the Earth moving through it, a flat part, the catalogue's sources at their usual flux –
and hands them to the trigger: 7 exposures × 4 bands, everything known taken out.
"""

import argparse
import itertools
import time

import astropy.units as u
import numpy as np

from eicpy.catalogue import load_catalogue
from eicpy.imaging import DiffuseSky, random_mask
from eicpy.instruments import load
from eicpy.orbit import CircularOrbit, Pointing, earth_radius
from eicpy.trigger import ImageTrigger, KnownSources, TriggerConfiguration
from eicpy.trigger.configuration import CYCLE
from eicpy.trigger.on_board.identification import detected_photons

RATES = np.array([700.0, 1200.0, 600.0, 500.0])
"""Counts per second between 5, 8, 20, 50 and 120 keV (rounded from the simulated camera)."""
COSMIC = np.array([0.75, 0.75, 0.7, 0.5])
"""Share of the cosmic background in them."""
ALBEDO = 0.4
"""Brightness of the Earth relative to the sky it hides (a guess)."""
EDGES = (5, 8, 20, 50, 120)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    camera, configuration = load("eclairs"), TriggerConfiguration(alert_threshold=6.5)
    assert camera.mask is not None
    mask = random_mask(camera.mask, camera.pixels.rows, 1)
    catalogue, pointing = load_catalogue("hard-x-ray"), Pointing.of(80 * u.deg, 20 * u.deg, 270 * u.deg)
    begin = time.perf_counter()
    trigger = ImageTrigger(configuration, mask, None, catalogue)
    prepared = time.perf_counter() - begin
    sky = DiffuseSky(camera.mask, mask.pixels)
    orbit = CircularOrbit.of(0.0, 618 * u.km, 29 * u.deg, 300 * u.deg, 0 * u.deg)
    light = sum(
        (
            np.array([detected_photons(one.source, a, b) for a, b in itertools.pairwise(EDGES)])
            * mask.geometry.pixel_area
            / np.sqrt(1 + one.ty**2 + one.tz**2)
        )[:, None, None]
        * mask.shadow(one.ty, one.tz)
        for one in KnownSources(configuration, catalogue, mask).visible(pointing)
    )
    rng = np.random.default_rng(arguments.seed)
    seconds: list[float] = []
    earth_seconds: list[float] = []
    rows, fired = [], 0
    for n in range(arguments.cycles):
        place = orbit.position(np.array([(n + 0.5) * CYCLE]))[0]
        nadir = pointing.rotation @ (-place / np.linalg.norm(place))
        open_sky, hidden = sky.split(nadir, float(earth_radius(place)))
        bowl = (open_sky + ALBEDO * hidden) / sky.full.sum()
        mean = RATES[:, None, None] * (COSMIC[:, None, None] * bowl + (1 - COSMIC[:, None, None]) / bowl.size)
        counts = np.zeros((6, mask.pixels, mask.pixels))
        counts[1:5] = rng.poisson(CYCLE * (mean + light))
        begin = time.perf_counter()
        fired += len(trigger.add(n * CYCLE, counts, pointing, place, CYCLE))
        (earth_seconds if hidden.any() else seconds).append(time.perf_counter() - begin)
        rows += [(m.stack, m.scatter, m.significance, hidden.any()) for m in trigger.margins]
        trigger.margins.clear()
    table = np.array(rows)
    print(f"preparing mask and pixels: {prepared:.2f} s")
    for name, times in (("no Earth in the field", seconds), ("the Earth in the field", earth_seconds)):
        if times:
            middle, best = np.median(times), np.min(times)
            print(
                f"{name}: a cycle in {1e3 * middle:.1f} ms (best {1e3 * best:.1f}), "
                f"{CYCLE / middle:.0f} × real time (best {CYCLE / best:.0f})"
            )
    print("| exposure | images | scatter | with Earth | highest: median | 99 % | > 5.5 | > 6.5 |")
    print("|---|---|---|---|---|---|---|---|")
    for k in range(7):
        part = table[table[:, 0] == k]
        if not len(part):
            continue
        clear, with_earth = part[part[:, 3] == 0][:, 1], part[part[:, 3] == 1][:, 1]
        peak = part[:, 2]
        print(
            f"| {CYCLE * 2**k:.4g} s | {len(part)} | {_mean(clear)} | {_mean(with_earth)} "
            f"| {np.median(peak):.2f} | {np.percentile(peak, 99):.2f} | {(peak > 5.5).sum()} "
            f"| {(peak > 6.5).sum()} |"
        )
    print(f"above 6.5: {fired}")


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" if len(values) else "–"


if __name__ == "__main__":
    main()
