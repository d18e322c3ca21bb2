"""Photons of the simulated camera: processor time for each, and the memory of a long stream.

The time is that of the whole stream, from the scene of each step to blocks of photons, and of its kernel
alone; no packets are made. The presets differ in how much shines: ``quiet`` is background without Earth,
``demo`` has the Earth, a source and bad pixels, ``week-5`` a dozen sources and a camera that turns.

    python benchmarks/simulation.py
"""

import resource
import sys
import time

import numpy as np

from eicpy.simulation import PhotonStream, build_scene, preset
from eicpy.simulation.camera import photons

PRESETS = ("quiet", "demo", "week-5")
SECONDS, ROUNDS = 300.0, 5
LONG = 3600.0
TARGET = 80.0


class Clock:
    """The kernel, and the processor time that it took."""

    def __init__(self) -> None:
        self.kernel = photons.make_photons
        self.seconds = 0.0

    def __call__(self, *arguments: object) -> int:
        begin = time.process_time()
        n = int(self.kernel(*arguments))
        self.seconds += time.process_time() - begin
        return n


def stream_ns(name: str) -> tuple[float, float]:
    """Nanoseconds per photon of the stream and of its kernel, each the best of some rounds."""
    scene = build_scene(preset(name).model_copy(update={"duration": SECONDS, "saa": False}))
    clock, found = Clock(), []
    photons.make_photons = clock
    for _ in range(ROUNDS + 1):  # the first compiles
        clock.seconds, begin = 0.0, time.process_time()
        n = sum(len(block) for block in PhotonStream(scene).blocks())
        found.append((1e9 * (time.process_time() - begin) / n, 1e9 * clock.seconds / n))
    photons.make_photons = clock.kernel
    return min(one[0] for one in found), min(one[1] for one in found)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform == "linux" else 2**20)


def growth() -> tuple[float, float]:
    """Millions of photons of an hour at the full rate, and megabytes that they took more than a minute."""
    config = preset("full-day")
    scene = build_scene(config.model_copy(update={"duration": 60.0}))
    list(PhotonStream(scene).blocks())
    before = megabytes()
    stream = PhotonStream(build_scene(config.model_copy(update={"duration": LONG})))
    for _ in stream.blocks():
        pass
    return float(np.sum(stream.counts)) / 1e6, megabytes() - before


def rows() -> list[dict[str, object]]:
    """Rows of the page of benchmarks."""
    found = {name: stream_ns(name) for name in PRESETS}
    others = ", ".join(f"{name} {whole:.0f}" for name, (whole, _) in found.items() if name != "quiet")
    whole, kernel = found["quiet"]
    return [
        {
            "work": "photons of the simulated camera, preset quiet, processor time for each",
            "ours": f"{whole:.0f} ns, of which the kernel {kernel:.0f}; {others}",
            "peer": "none does this",
            "ratio": whole,
            "target": TARGET,
            "unit": "ns",
        }
    ]


def main() -> None:
    for name in PRESETS:
        whole, kernel = stream_ns(name)
        print(f"{name:8}: {whole:6.1f} ns per photon, of which the kernel {kernel:6.1f}")
    number, more = growth()
    print(f"an hour of full-day: {number:.1f} million photons, {more:.0f} MB more than a minute of it")


if __name__ == "__main__":
    main()
