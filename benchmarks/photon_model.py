"""Photons: where the time of the chain goes, stage by stage, beside a model of the bytes that each must move.

The model is what a stage must take at least, within the scatter of the machine: its bytes at the speed of a
plain sum or fill in the same run (from memory for the rows of the file, within the cache for columns of a
block), and its counters at the speed of a loop with nothing else to do, which a histogram of one byte per
photon in 256 counters measures. The tables of the detector are made once for all photons; their share is what
a chain of few photons costs more per photon.

    python benchmarks/photon_model.py
"""

import time
from collections.abc import Callable

import numpy as np
import photons

from eicpy.events import EventList, PixelScale, counting, kernels
from eicpy.events.bands import EnergyBands
from eicpy.events.photon_queues import PhotonQueues
from eicpy.kernels import kernel

ROUNDS = 7
ROW_BYTES = photons.ROW.itemsize
COLUMN_BYTES = 8 + 2 + 2 + 1
MEMORY, CACHE = 64_000_000, 128_000
"""Bytes that lie beyond the caches of a core, and within them."""


@kernel
def increase(values: np.ndarray, counters: np.ndarray) -> None:
    for n in range(values.size):
        counters[values[n]] += np.uint16(1)


def best(work: Callable[[], object]) -> float:
    """Processor time in seconds, the best of several rounds after one that compiles."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def read_ns_per_byte(size: int, total: int = 256_000_000) -> float:
    """Time to read a byte, by sums over `size` bytes in words."""
    source = np.ones(size // 8, np.uint64)
    return 1e9 * best(lambda: [source.sum() for _ in range(total // size)]) / (total // size * size)


def write_ns_per_byte(size: int, total: int = 256_000_000) -> float:
    """Time to write a byte, by filling `size` bytes."""
    target = np.empty(size, np.uint8)
    return 1e9 * best(lambda: [target.fill(1) for _ in range(total // size)]) / (total // size * size)


def counter_ns() -> float:
    """Time to increase a counter in the first cache, for values that are read in a row."""
    values = np.random.default_rng(1).integers(0, 256, 1_000_000).astype(np.uint8)
    counters = np.zeros(256, np.uint16)
    return 1e9 * best(lambda: increase(values, counters)) / values.size


def chain_ns(rows: np.ndarray, turns: int) -> float:
    photons.TURNS = turns
    return 1e9 * best(photons.ours_in_memory(rows)) / (turns * len(rows))


def stages(rows: np.ndarray) -> dict[str, float]:
    """Nanoseconds per photon of each stage alone, on the same blocks as in the chain."""
    raw = rows.view(np.uint8).reshape(-1, ROW_BYTES)
    parts = [raw[first : first + photons.BLOCK] for first in range(0, len(raw), photons.BLOCK)]
    offsets = np.array([0, 8, 9, 10, 14])
    scale = PixelScale(*photons.gains())
    bands = EnergyBands(photons.BANDS)

    def unpack(part: np.ndarray) -> EventList:
        words = np.empty(len(part), np.uint64)
        detnum, channel = np.empty(len(part), np.int16), np.empty(len(part), np.int16)
        flag = np.empty(len(part), np.uint8)
        kernels.unpack_photons(part, offsets, photons.COLUMNS, words, detnum, channel, flag)
        return EventList(words.view(np.float64), detnum, channel, flag)

    def unpack_all() -> None:
        for part in parts:
            unpack(part)

    blocks = [unpack(part) for part in parts]
    segments = [bands.sort(block.detnum, block.channel, scale) for block in blocks]
    spectra = PhotonQueues(photons.PIXELS, photons.CHANNELS)
    with_images = PhotonQueues(photons.PIXELS, photons.CHANNELS)
    images = bands.channels_below(scale), np.zeros((photons.PIXELS, bands.segments), np.int32)
    curve = np.zeros((int(photons.SPAN / photons.STEP), bands.segments), np.int64)
    work = {
        "unpack the rows": unpack_all,
        "queues and spectra": lambda: [spectra.add(block.detnum, block.channel) for block in blocks],
        "the same and images": lambda: [
            with_images.add(block.detnum, block.channel, images) for block in blocks
        ],
        "find the band": lambda: [bands.sort(block.detnum, block.channel, scale) for block in blocks],
        "light curve": lambda: [
            counting.count_light_curve(block.time, part, 0.0, 1 / photons.STEP, curve)
            for block, part in zip(blocks, segments, strict=True)
        ],
    }
    return {name: 1e9 * best(one) / len(rows) for name, one in work.items()}


def main() -> None:
    rows = photons.packed()
    read_far, write_far = read_ns_per_byte(MEMORY), write_ns_per_byte(MEMORY)
    read_near, write_near = read_ns_per_byte(CACHE), write_ns_per_byte(CACHE)
    counter = counter_ns()
    taken = stages(rows)
    taken["images"] = taken.pop("the same and images") - taken["queues and spectra"]
    model = {
        "unpack the rows": ROW_BYTES * read_far + COLUMN_BYTES * write_near,
        "queues and spectra": 4 * read_near + 2 * write_far + 2 * read_far + 2 * counter,
        "images": 0.0,
        "find the band": 4 * read_near + write_near,
        "light curve": 9 * read_near + counter,
    }
    print(f"ns a byte: memory, read {read_far:.3f}, written {write_far:.3f};", end=" ")
    print(f"cache, read {read_near:.3f}, written {write_near:.3f}; ns a counter: {counter:.2f}")
    for name, least in model.items():
        print(f"{name:20}: {taken[name]:5.2f} ns per photon, at least {least:5.2f} by the model")
    print(f"{'together':20}: {sum(taken.values()):5.2f} ns per photon, at least {sum(model.values()):5.2f}")
    long, short = chain_ns(rows, 8), chain_ns(rows, 2)
    once = (short - long) * len(rows) / (1 / 2 - 1 / 8) * 1e-6
    print(f"the chain of {8 * len(rows):.0e} photons: {long:.2f} ns per photon,")
    print(f"of {2 * len(rows):.0e} photons: {short:.2f} ns per photon,")
    print(f"so tables that are made once cost {once:.0f} ms in all")


if __name__ == "__main__":
    main()
