"""Damage files at random and give them to the ingest: each is refused or kept whole.

    python benchmarks/fuzz_files.py [--seconds 120] [--seed 1]

Photon files (ECL-EVT-CAL and a plain table) lose bytes, gain odd numbers in their cards, are cut, get
blocks twice; packet files lose bytes, gain garbage and holes; some files are noise behind the first bytes
of another kind. What must hold: every file has an outcome; a refusal never speaks of a mistake of eicpy;
every run in the archive is closed and is one of the files, byte for byte; a good file that comes with each
lot is always taken. What goes wrong is left as ``crash-NUMBER`` in the folder where it was started."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from eicpy.events import EventList, EventWriter
from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.products import Provenance
from eicpy.runs import RunArchive
from eicpy.settings import Settings

NAME = "eclairs"
CARD, BLOCK = 80, 2880
LOT = 40
KEYWORDS = (
    "NAXIS", "NAXIS1", "NAXIS2", "BITPIX", "PCOUNT", "GCOUNT", "THEAP", "TFIELDS", "TFORM1", "TDIM1",
    "TZERO1", "TSCAL1", "TTYPE1", "ZNAXIS", "ZNAXIS1", "ZBITPIX", "GROUPS", "EXTEND", "XTENSION", "EXTNAME",
    "CARD", "DETCOLS", "TIMESYS", "TIMEZERO", "MJDREFI", "DATASUM", "CHECKSUM", "CONTINUE", "END",
    "HIERARCH", "STEPBACK", "SIMPLE",
)  # fmt: skip
VALUES = (
    "0", "1", "-1", "8", "1E30", "1E999", "-1E999", "9" * 20, "1" + "0" * 69, str(2**31), str(2**62),
    str(2**63 - 1), str(2**63), "7.5", "T", "F", "''", "'x'", "'1PJ(3)'", "'QD(9999999999)'",
    "'99999999999D'", "'0A'", "'(1,2,3)'", "(1, 2)", "NAN", "", "'open", "1 / 2 / 3", "é", "\0", "'&'",
    "ECL-EVT-CAL", "BINTABLE", "IMAGE",
)  # fmt: skip


def packets(first: int, number: int) -> bytes:
    """Good packets."""
    detector = load(NAME)
    kind, layout = detector.packets["alert"], PacketLayout.read(detector.layout_file("alert"))
    count = np.arange(first, first + number)
    headers = PacketHeaders(
        kind.apid, count % 16384, count + 10**8, 0, service=kind.service, subservice=kind.subservice
    )
    return encode(layout, headers, {}, header=detector.header(kind.apid)).tobytes()


def seeds(folder: Path) -> list[bytes]:
    """Files that are good."""
    camera = load(NAME)
    own, plain = folder / "own.fits", folder / "plain.fits"
    with EventWriter(own, camera, provenance=Provenance("fuzz", simulated=True)) as writer:
        writer.append(EventList(3.0e8 + np.arange(200), np.arange(200), np.arange(200)))
    columns = [fits.Column(name, "D", array=np.arange(300.0)) for name in ("TIME", "DETNUM", "PHA")]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(plain)
    return [own.read_bytes(), plain.read_bytes(), packets(0, 30)]


def card(draw: random.Random) -> bytes:
    """A card that nobody should write."""
    value = draw.choice(VALUES)
    return f"{draw.choice(KEYWORDS):8}= {value:>20}".encode("latin-1")[:CARD].ljust(CARD)


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The file after one to eight kinds of damage."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 9)):
        at = draw.randrange(len(changed)) if changed else 0
        how = draw.randrange(9)
        if how == 0 and changed:
            changed[at] = draw.randrange(256)
        elif how in (1, 2, 3):
            at = draw.randrange(min(len(changed), 12 * BLOCK) // CARD + 1) * CARD
            changed[at : at + CARD] = card(draw)
        elif how == 4:
            del changed[at:]
        elif how == 5:
            changed[at:at] = draw.randbytes(draw.randrange(200))
        elif how == 6:
            del changed[at : at + draw.randrange(5000)]
        elif how == 7:
            changed[at : at + BLOCK] = changed[at : at + BLOCK] * 2
        else:
            changed[at : at + 500] = bytes([draw.choice((0, 255, 32))]) * 500
    return bytes(changed)


def noise(draw: random.Random) -> bytes:
    """Bytes that begin like something."""
    starts = (b"SIMPLE  =", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x1a\xcf\xfc\x1d", b"BZh9", b"", b"\x08\x65")
    return draw.choice(starts) + draw.randbytes(draw.randrange(1, 4000))


def lot(number: int, good: list[bytes], root: Path, draw: random.Random) -> None:
    """Give one lot of files to the ingest, and check what became of them.

    Raises
    ------
    AssertionError
        If something does not hold.
    """
    folder = root / f"{number}"
    folder.mkdir()
    contents = {
        f"{i:02}": noise(draw) if i % 8 == 7 else damaged(draw.choice(good), draw) for i in range(LOT)
    }
    contents["good"] = packets(1000 + number, 3)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    settings = Settings.at(root / f"home-{number}")
    outcomes = {o.file.name: o for o in ingest([folder / name for name in contents], NAME, settings)}
    assert outcomes.keys() == contents.keys()
    for name, outcome in outcomes.items():
        assert "mistake" not in outcome.summary, (name, outcome.summary)
    assert "stored" in outcomes["good"].summary
    kept = {
        data for name, data in contents.items() if "run" in outcomes[name].summary.partition("refused")[0]
    }
    for run in RunArchive(settings.archive(NAME), NAME).runs():
        assert not run.is_open, run
        assert run.raw_file.read_bytes() in kept, run


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="of processor")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, number, begin = random.Random(options.seed), 0, time.process_time()  # noqa: S311, no secret
    with tempfile.TemporaryDirectory() as name:
        good = seeds(Path(name))
        while time.process_time() - begin < options.seconds:
            number += 1
            with tempfile.TemporaryDirectory() as root:
                try:
                    lot(number, good, Path(root), draw)
                except BaseException:
                    for file in (Path(root) / f"{number}").iterdir():
                        Path(f"crash-{number}-{file.name}").write_bytes(file.read_bytes())
                    raise
    print(f"{number * LOT} damaged and {number} good files: each refused or kept whole, none by a mistake")


if __name__ == "__main__":
    main()
