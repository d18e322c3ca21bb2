"""The count-rate trigger: how fast it is, and how often it fires where there is nothing.

``python benchmarks/trigger_count_rate.py [--hours N]`` draws photons at a constant 3000 per second over
plane and energies, counts them in bins and searches all windows: 12 scales × 4 bands × 9 zones, background
included.
"""

import argparse
import time

import numpy as np

from eicpy.events import EventList, PixelScale
from eicpy.instruments import load
from eicpy.trigger import CountRateSettings, CountRateTrigger, PhotonBinner, TriggerConfiguration

RATE, BLOCK = 3000.0, 61.44


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    camera = load("eclairs")
    configuration = TriggerConfiguration(count_rate=CountRateSettings(threshold=4.5))
    scale = PixelScale.uniform(camera.pixels.count, camera.energy.gain, camera.energy.offset)
    binner = PhotonBinner(configuration, camera, scale, 0.0)
    trigger = CountRateTrigger(configuration, camera)
    rng = np.random.default_rng(arguments.seed)
    counting, searching, best = [], [], []
    blocks = int(arguments.hours * 3600 / BLOCK) + 2
    for n in range(blocks):
        photons = _photons(rng, n * BLOCK)
        begin = time.perf_counter()
        binned = binner.add(photons, (n + 1) * BLOCK)
        middle = time.perf_counter()
        found = trigger.add(binned)
        end = time.perf_counter()
        best += [e.significance for e in found]
        if n > 1:  # the first compiles
            counting.append(middle - begin)
            searching.append(end - middle)
    both = np.add(counting, searching)
    print(f"counting photons: {1e9 * np.median(counting) / (RATE * BLOCK):.1f} ns each")
    print(
        f"counting and searching: {BLOCK / np.median(both):.0f} × real time "
        f"(best block {BLOCK / both.min():.0f}), searching alone {BLOCK / np.median(searching):.0f}"
    )
    levels = ", ".join(f"> {s}: {sum(v > s for v in best)}" for s in (4.5, 5.0, 5.5, 6.0))
    print(f"best excesses in {blocks * BLOCK / 3600:.2f} h, {levels}")


def _photons(rng: np.random.Generator, start: float) -> EventList:
    n = int(rng.poisson(RATE * BLOCK))
    return EventList(
        np.sort(start + BLOCK * rng.random(n)),
        rng.integers(0, 6400, n).astype(np.int16),
        np.minimum(rng.exponential(120.0, n), 1023).astype(np.int16),
    )


if __name__ == "__main__":
    main()
