"""Photons: speed of the chain from rows to spectra, images and light curve, beside numpy and stingray.

The photons are drawn with the rates of the simulated ECLAIRs background (4–8, 8–20, 20–50, 50–120,
120–150 keV: 1070, 1214, 522, 269, 23 counts/s), even within each range: the speed depends on the spectrum
through the caches. Each contestant runs in a process of its own, so that its
memory is its own; processor time is taken, the best of several rounds; imports and compilation are left out.
Peak memory is that of the whole process, imports included. Speed is measured twice, as the machine is and
beside a neighbour that copies large arrays in another process without a pause: it takes the cache and the
memory's bandwidth away from ours and from the peer alike.

    python benchmarks/photons.py
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

IN_MEMORY = 5_000_000
IN_FILE = 20_000_000
SPAN = 3600.0
STEP = 0.1
BLOCK = 65_536
TURNS = 8
"""Passes over the photons in memory: 4·10⁷ photons, 3.6 hours of the camera, share the cost of the tables."""
BANDS = ((5.0, 8.0), (5.0, 20.0), (8.0, 50.0), (8.0, 120.0))
PIXELS, CHANNELS, COLUMNS = 6400, 1024, 80
ROW = np.dtype(
    [("TIME", ">f8"), ("JDET", "u1"), ("IDET", "u1"), ("PHA", ">i2"), ("PI", ">i2"), ("FLAG", "u1")]
)


def draw(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(20260101)
    time_ = np.sort(rng.uniform(0, SPAN, size))
    edges = np.array([4.0, 8.0, 20.0, 50.0, 120.0, 150.0])
    part = rng.choice(5, size, p=np.array([1070, 1214, 522, 269, 23]) / 3098)
    energy = rng.uniform(edges[part], edges[part + 1])
    channel = np.clip((energy - 3.0) / 0.145, 0, CHANNELS - 1).astype(np.int16)
    return time_, rng.integers(0, PIXELS, size).astype(np.int16), channel


def gains() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(0.145, 0.0015, PIXELS), rng.normal(3.0, 0.1, PIXELS)


def packed() -> np.ndarray:
    time_, detnum, channel = draw(IN_MEMORY)
    rows = np.zeros(IN_MEMORY, dtype=ROW)
    rows["TIME"], rows["PHA"], rows["FLAG"] = time_, channel, 1
    rows["IDET"], rows["JDET"] = detnum // COLUMNS, detnum % COLUMNS
    return rows


def ours_in_memory(rows: np.ndarray) -> Callable[[], tuple[np.ndarray, ...]]:
    from eicpy.events import EventList, PhotonAccumulator, PixelScale, kernels

    scale = PixelScale(*gains())
    raw = rows.view(np.uint8).reshape(-1, ROW.itemsize)
    offsets = np.array([0, 8, 9, 10, 14])

    def chain() -> tuple[np.ndarray, ...]:
        products = PhotonAccumulator(PIXELS, CHANNELS, 0.0, SPAN, STEP, BANDS)
        for first in [*range(0, len(raw), BLOCK)] * TURNS:
            part = raw[first : first + BLOCK]
            words = np.empty(len(part), np.uint64)
            detnum, channel = np.empty(len(part), np.int16), np.empty(len(part), np.int16)
            flag = np.empty(len(part), np.uint8)
            kernels.unpack_photons(part, offsets, COLUMNS, words, detnum, channel, flag)
            products.add(EventList(words.view(np.float64), detnum, channel, flag), scale)
        return products.spectra.counts, products.images.counts, products.light_curve.result().counts

    return chain


def numpy_in_memory(rows: np.ndarray, block: int) -> Callable[[], tuple[np.ndarray, ...]]:
    gain, offset = gains()

    def chain() -> tuple[np.ndarray, ...]:
        spectra = np.zeros(PIXELS * CHANNELS, np.int64)
        images = np.zeros((len(BANDS), PIXELS), np.int64)
        bins = int(SPAN / STEP)
        curves = np.zeros((len(BANDS), bins), np.int64)
        for first in [*range(0, len(rows), block)] * TURNS:
            part = rows[first : first + block]
            time_ = part["TIME"].astype(np.float64)
            detnum = part["IDET"].astype(np.int32) * COLUMNS + part["JDET"]
            channel = part["PHA"].astype(np.int32)
            energy = gain[detnum] * (channel + 0.5) + offset[detnum]
            place = (time_ * (1.0 / STEP)).astype(np.int32)
            spectra += np.bincount(detnum * CHANNELS + channel, minlength=PIXELS * CHANNELS)
            for n, (low, high) in enumerate(BANDS):
                inside = (energy >= low) & (energy < high)
                images[n] += np.bincount(detnum[inside], minlength=PIXELS)
                curves[n] += np.bincount(place[inside], minlength=bins)
        return spectra.reshape(PIXELS, CHANNELS), images, curves

    return chain


def part_memory() -> dict[str, float]:
    """Ours and plain numpy in turn; numpy may choose its block."""
    rows = packed()
    ours = ours_in_memory(rows)
    peers = [numpy_in_memory(rows, block) for block in (1_000_000, IN_MEMORY)]
    for a, b in zip(ours(), peers[0](), strict=True):
        if not np.array_equal(a, b):
            raise SystemExit("the contestants disagree")
    best = [np.inf] * 3
    for _ in range(3):
        for n, work in enumerate((ours, *peers)):
            start = time.process_time()
            work()
            best[n] = min(best[n], time.process_time() - start)
    per_photon = [1e9 * seconds / (TURNS * IN_MEMORY) for seconds in best]
    return {"ours": per_photon[0], "numpy": min(per_photon[1:])}


def write_file(path: Path) -> None:
    from eicpy import instruments
    from eicpy.events import EventList, EventWriter
    from eicpy.products import Provenance

    events = EventList(*draw(IN_FILE))
    with EventWriter(path, instruments.load("eclairs"), provenance=Provenance("benchmark")) as writer:
        for block in events.blocks():
            writer.append(block)


def measure(work: Callable[[], int]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    best = np.inf
    counted = 0
    for _ in range(3):
        start = time.process_time()
        counted = work()
        best = min(best, time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": best, "megabytes": peak, "imports": before, "counted": counted}


def part_ours(path: Path) -> dict[str, float]:
    """Everything: spectra of each pixel, images and light curves in four bands."""
    from eicpy.events import EventFile, EventList, PhotonAccumulator, PixelScale

    scale = PixelScale.uniform(PIXELS, 0.145, 3.0)
    PhotonAccumulator(1, 1, 0, 1, 1, BANDS).add(EventList([0.0], [0], [0]), scale)  # compiles

    def work() -> int:
        products = PhotonAccumulator(PIXELS, CHANNELS, 0.0, SPAN, STEP, BANDS)
        products.add_all(EventFile(path).blocks(BLOCK), scale)
        return int(products.light_curve.result().counts[2].sum())

    return measure(work)


def part_stingray(path: Path) -> dict[str, float]:
    """One light curve in one band and one spectrum of the whole detector."""
    from stingray import EventList

    low, high = ((edge - 3.0) / 0.145 for edge in BANDS[2])

    def work() -> int:
        events = EventList.read(str(path), fmt="ogip")
        np.bincount(events.pi, minlength=CHANNELS)
        band = events.apply_mask((events.pi + 0.5 >= low) & (events.pi + 0.5 < high))
        curve = band.to_lc(dt=STEP, tstart=0.0, tseg=SPAN)
        return int(np.sum(curve.counts))

    warnings.simplefilter("ignore")  # it comments on an unknown mission
    return measure(work)


NEIGHBOUR = """
import time
import numpy as np
source = np.ones(32_000_000)
target = np.empty_like(source)
print("copying", flush=True)
end = time.monotonic() + 900
while time.monotonic() < end:
    np.copyto(target, source)
"""


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """Another process that copies 256 MB again and again, for a quarter of an hour at most."""
    with subprocess.Popen([sys.executable, "-c", NEIGHBOUR], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


def run(part: str, path: Path | None = None) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, *([str(path)] if path else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows() -> list[dict[str, object]]:
    quiet = run("memory")
    with neighbour():
        busy = run("memory")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photons.fits"
        run("write", path)
        run("ours", path)  # compiles, and warms the file
        ours, peer = run("ours", path), run("stingray", path)
        with neighbour():
            busy_ours, busy_peer = run("ours", path), run("stingray", path)
    if ours["counted"] != peer["counted"]:
        raise RuntimeError(f"ours counted {ours['counted']} photons in the band, stingray {peer['counted']}")
    chain = "unpack → energy → spectra 6400×1024, images and light curves in 4 bands"
    file = f"{IN_FILE:.0e} photons from FITS to light curve and spectrum"
    beside = "beside a process that copies memory"
    return [
        {
            **chain_row(f"photons: {chain}, one core", quiet),
            "ratio": quiet["ours"],
            "target": 7.0,
            "unit": "ns",
        },
        chain_row("photons: the same, against plain numpy", quiet),
        chain_row(f"photons: the same, against plain numpy, {beside}", busy),
        file_row(f"photons: {file} (ours: of every pixel, with images, in 4 bands)", ours, peer),
        file_row(f"photons: the same, {beside}", busy_ours, busy_peer),
        {
            "work": "photons: the same, peak memory",
            "ours": f"{ours['megabytes']:.0f} MB, of which imports {ours['imports']:.0f}",
            "peer": f"stingray {peer['megabytes']:.0f} MB, of which imports {peer['imports']:.0f}",
            "ratio": peer["megabytes"] / ours["megabytes"],
            "target": 5.0,
            "unit": "× less",
        },
    ]


def chain_row(work: str, memory: dict[str, float]) -> dict[str, object]:
    return {
        "work": work,
        "ours": f"{memory['ours']:.1f} ns per photon",
        "peer": f"numpy {memory['numpy']:.0f} ns per photon",
        "ratio": memory["numpy"] / memory["ours"],
        "target": 10.0,
        "unit": "×",
    }


def file_row(work: str, ours: dict[str, float], peer: dict[str, float]) -> dict[str, object]:
    return {
        "work": work,
        "ours": f"{ours['seconds']:.2f} s",
        "peer": f"stingray {peer['seconds']:.2f} s",
        "ratio": peer["seconds"] / ours["seconds"],
        "target": 6.0,
        "unit": "×",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("memory", "write", "ours", "stingray"))
    parser.add_argument("path", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.part is None:
        for row in rows():
            print(json.dumps(row, ensure_ascii=False))
    elif arguments.part == "memory":
        print(json.dumps(part_memory()))
    elif arguments.part == "write":
        write_file(arguments.path)
        print("{}")
    else:
        print(json.dumps({"ours": part_ours, "stingray": part_stingray}[arguments.part](arguments.path)))


if __name__ == "__main__":
    main()
