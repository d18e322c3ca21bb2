"""A photon file beyond 2 GB, or as large as asked: written, ingested and read back, in bounded memory.

    python benchmarks/large_photons.py [--gigabytes 2.2]

Needs three times its size on the disk of the temporary folder. Photon n has the time 3e8 + n / 1e5 s, the
pixel n modulo 6400 and the channel n modulo 1024, so that each row read back says where it should stand."""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from eicpy.events import EventFile, EventList, EventWriter
from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.products import Provenance
from eicpy.settings import Settings

START = 3.0e8
BLOCK = 500_000
ROW = 15
"""Bytes of a row, about: enough to know when to stop."""


def photons(first: int, count: int) -> EventList:
    """Photons that say where they stand."""
    number = np.arange(first, first + count)
    return EventList(START + number / 1e5, (number % 6400).astype(np.int16), (number % 1024).astype(np.int16))


def check(found: EventList, first: int) -> None:
    """Compare photons read back with those written.

    Raises
    ------
    SystemExit
        If one is not what it was.
    """
    expected = photons(first, len(found))
    same = (
        (found.time == expected.time)
        & (found.detnum == expected.detnum)
        & (found.channel == expected.channel)
    )
    if not same.all():
        sys.exit(f"photon {first + int(np.argmin(same))} is not what was written")


def memory() -> float:
    """Most memory of the process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Write, ingest, read, compare; print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=2.2)
    options = parser.parse_args()
    camera = load("eclairs")
    with tempfile.TemporaryDirectory() as name:
        path, settings = Path(name) / "large.fits", Settings.at(Path(name) / "home")
        begin, total = time.process_time(), 0
        with EventWriter(path, camera, provenance=Provenance("benchmark", simulated=True)) as writer:
            while total * ROW < options.gigabytes * 1e9:
                writer.append(photons(total, BLOCK))
                total += BLOCK
        size, at_first = path.stat().st_size, memory()
        print(
            f"written: {total} photons, {size / 1e9:.2f} GB, {time.process_time() - begin:.0f} s of processor"
        )
        begin = time.process_time()
        (outcome,) = ingest([path], "eclairs", settings)
        print(f"{outcome.summary}; {time.process_time() - begin:.0f} s of processor")
        path.unlink()
        (kept,) = (settings.home / "photons" / "eclairs").glob("*.fits")
        begin, done = time.process_time(), 0
        file = EventFile(kept)
        for block in file.blocks(BLOCK):
            check(block, done)
            done += len(block)
        if done != total:
            sys.exit(f"{done} photons were read back, {total} were written")
        rows = file.rows_between(START + (total - 1000) / 1e5, START + total / 1e5)
        if rows.stop != total or rows.stop - rows.start > 2000:
            sys.exit(f"the last photons were looked for in rows {rows.start} to {rows.stop}")
        print(f"read back and compared: {done} photons, {time.process_time() - begin:.0f} s of processor")
    print(f"memory: {at_first:.0f} MB after writing, {memory():.0f} MB in all")


if __name__ == "__main__":
    main()
