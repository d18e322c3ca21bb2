"""Many small files in an inbox: how many are taken in a second, and what each costs.

    python benchmarks/inbox.py [--files 1000] [--packets 10]

Each file holds a few housekeeping packets. The whole way is measured that ``eic watch --once`` goes:
looking into the folder, reading, checking, storing each file as a run of its own on the disk, the rows of
the database. What the disk alone needs is measured beside it, on the same file system and just before: so
many folders with two small files each, forced to the disk one after the other."""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from eicpy.ingestion import watch
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.settings import Settings

NAME = "eclairs"


def write_files(folder: Path, files: int, packets: int) -> None:
    """Files of housekeeping packets, each with counts of its own."""
    detector = load(NAME)
    kind, layout = detector.packets["ecl"], PacketLayout.read(detector.layout_file("ecl"))
    folder.mkdir(parents=True)
    for number in range(files):
        count = np.arange(number * packets, (number + 1) * packets)
        headers = PacketHeaders(
            kind.apid, count % 16384, count + 10**8, 0, service=kind.service, subservice=kind.subservice
        )
        raw = encode(
            layout, headers, {layout.structure.name: kind.structure}, header=detector.header(kind.apid)
        )
        (folder / f"{number:06d}.ccsds").write_bytes(raw.tobytes())


def disk_seconds(folder: Path, times: int = 50) -> float:
    """Seconds that the disk takes to keep a folder with two small files, forced one after the other."""
    begin = time.perf_counter()
    for number in range(times):
        made = folder / str(number)
        made.mkdir()
        for name in ("a", "b"):
            with (made / name).open("wb") as stream:
                stream.write(bytes(1000))
                stream.flush()
                os.fsync(stream.fileno())
        descriptor = os.open(made, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return (time.perf_counter() - begin) / times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--packets", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_files(root / "first", 2, options.packets)
        watch(root / "first", NAME, Settings.at(root / "spare"), once=True)  # compiles, imports
        write_files(root / "inbox", options.files, options.packets)
        (root / "disk").mkdir()
        alone = disk_seconds(root / "disk")
        begin, processor = time.perf_counter(), time.process_time()
        outcomes = watch(root / "inbox", NAME, Settings.at(root / "home"), once=True)
        wall, processor = time.perf_counter() - begin, time.process_time() - processor
        clean = sum(outcome.exit_code == 0 for outcome in outcomes)
    print(f"{clean} of {options.files} files, each a run: {clean / wall:.0f} a second of wall time, with the")
    print("second in which files must lie still;")
    print(f"processor: {1e3 * processor / clean:.1f} ms a file, {clean / processor:.0f} files a second")
    print(f"the disk alone, one after the other: {1e3 * alone:.1f} ms a file = {1 / alone:.0f} a second")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
