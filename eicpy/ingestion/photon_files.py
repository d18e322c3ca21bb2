"""Photon files dropped on a disk: checked, hashed, kept once, and found again by the pages that show them.

Two layouts are taken, both FITS:

- ``ECL-EVT-CAL`` of any instrument, with or without its checksums;
- a plain table, which is our own convention: the first binary table with a column ``TIME`` (as its header
  says by MJDREFI and MJDREFF, TIMESYS, TIMEUNIT, TIMEZERO; s, TT, since 57754 and 0.0008007407 where it says
  nothing), one of ``PHA`` or ``CHANNEL``, and one of ``DETNUM`` or ``PIXEL``.

A file is copied under the hash of its content, so that the copy is kept whatever happens to the
original. Photons without a time, or of a pixel or channel that the detector does not have, are left out and
counted; the copy holds them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.events import EventFile, EventList
from eicpy.ingestion.copies import copy_whole, hash_of
from eicpy.ingestion.packet_files import IngestState
from eicpy.inputs import UnreadError, open_regular, refusing
from eicpy.instruments import Instrument
from eicpy.operations.database import Database
from eicpy.operations.file_rows import FileIdentity, claim_file, find_file, mark_stored, refuse_file
from eicpy.operations.models import FileState
from eicpy.products import TimeReference, Unit, canonical_card, read_structure, table_blocks, verify_unit
from eicpy.settings import Settings

__all__ = [
    "PhotonFileOutcome",
    "ingest_photon_file",
    "is_fits",
    "photon_blocks",
    "photon_copy",
    "photon_folder",
    "says_simulated",
    "usable",
]

_MAGIC = b"SIMPLE  ="
_CHANNELS, _PIXELS = ("PHA", "CHANNEL"), ("DETNUM", "PIXEL")


@dataclass(frozen=True)
class PhotonFileOutcome:
    """The outcome of a photon file.

    Parameters
    ----------
    file
        The file.
    state
        What was done.
    sha256
        Hash of its content.
    photons
        Photons in it that can be used.
    left_out
        Photons without a time, or of a pixel or channel that the detector does not have.
    first, last
        Their times, s TT since 2017-01-01.
    """

    file: Path
    state: IngestState
    sha256: str
    photons: int
    left_out: int
    first: float
    last: float

    @property
    def summary(self) -> str:
        """Its content in a line."""
        words = f"{self.photons} photons in {self.last - self.first:.1f} s"
        return f"{words}, {self.left_out} left out" if self.left_out else words


def is_fits(path: Path) -> bool:
    """Whether a file begins as a FITS file does; False for one that does not read."""
    try:
        with open_regular(path) as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except (OSError, BadDataError):
        return False


def photon_folder(settings: Settings, instrument: str) -> Path:
    """Folder of the photon files of an instrument that were kept."""
    return settings.home / "photons" / instrument


def photon_copy(folder: Path, sha256: str) -> Path:
    """Path of the copy of a file, by the hash of its content."""
    return folder / f"{sha256}.fits"


def photon_blocks(path: Path, instrument: Instrument, size: int = 500_000) -> Iterator[EventList]:
    """Read the photons of a file, in either layout, unchanged, a block at a time.

    Parameters
    ----------
    path
        The file.
    instrument
        The detector that the pixels belong to.
    size
        Photons in a block at most.

    Raises
    ------
    BadDataError
        If it is damaged, or holds no table of photons.
    """
    units = read_structure(path)
    for unit in units:
        verify_unit(path, unit)
    if any(_is_event_list(unit) for unit in units[1:]):
        try:
            yield from EventFile(path, instrument.pixels.columns).blocks(size)
        except BadArgumentError as error:
            raise BadDataError(str(error), file=path) from error
        return
    yield from _plain(path, units, size)


def usable(photons: EventList, instrument: Instrument) -> EventList:
    """Photons that have a time, and a pixel and a channel of the detector."""
    good = np.isfinite(photons.time)
    good &= (photons.detnum >= 0) & (photons.detnum < instrument.pixels.count)
    good &= (photons.channel >= 0) & (photons.channel < instrument.energy.channels)
    return photons[good]


def ingest_photon_file(
    path: Path, instrument: Instrument, database: Database, folder: Path
) -> PhotonFileOutcome:
    """Keep a photon file, unless its content is kept already.

    Parameters
    ----------
    path
        A FITS file of photons.
    instrument
        The detector that the photons come from.
    database
        The internal database.
    folder
        Where the copies are kept.

    Raises
    ------
    BadDataError
        If it is damaged, holds no photons of this detector, or changes while it is read. Nothing is kept;
        the row of the file says why.
    FailedError
        If the copy or the database cannot be written. The next call continues.
    """
    path = Path(path).absolute()
    identity = FileIdentity.of(path)
    try:
        with refusing(path, "photons"):
            sha256 = hash_of(path, "photons")
            identity = replace(identity, sha256=sha256)
            outcome = _inspect(path, instrument, sha256)
        row, kept = find_file(database, instrument.name, sha256), photon_copy(folder, sha256)
        if row is not None and row.state is FileState.STORED and kept.is_file():
            return replace(outcome, state=IngestState.KNOWN)
        if row is None or row.state is not FileState.CLAIMED:
            claim_file(database, instrument.name, identity)
        else:
            outcome = replace(outcome, state=IngestState.RESUMED)
        copy_whole(path, kept, sha256, "photons")
    except BadDataError as error:
        if isinstance(error, UnreadError):
            identity = replace(identity, sha256=None)  # its content was not judged
        refuse_file(database, instrument.name, identity, str(error))
        raise
    mark_stored(database, instrument.name, identity, run=None, message=outcome.summary)
    return outcome


def says_simulated(path: Path) -> bool:
    """Whether any header of a FITS file says that its data are simulated (SIMULATE = T)."""
    return any(unit.header.get("SIMULATE") is True for unit in read_structure(path))


def _inspect(path: Path, instrument: Instrument, sha256: str) -> PhotonFileOutcome:
    total, good, first, last = 0, 0, np.inf, -np.inf
    for block in photon_blocks(path, instrument):
        photons = usable(block, instrument)
        total, good = total + len(block), good + len(photons)
        if len(photons):
            first, last = min(first, float(photons.time.min())), max(last, float(photons.time.max()))
    if not good:
        raise BadDataError(
            f"got {total} photons, none with a time and a pixel and channel of {instrument.name} "
            f"({instrument.pixels.count} pixels, {instrument.energy.channels} channels)",
            file=path,
            advice="is it another detector's?",
        )
    return PhotonFileOutcome(path, IngestState.STORED, sha256, good, total - good, first, last)


def _is_event_list(unit: Unit) -> bool:
    """Whether a table is an ECL-EVT-CAL, or EVENTS that name pixels by row and column."""
    cards = (unit.name, str(unit.header.get("CARD", "")))
    if any(canonical_card(card) == "ECL-EVT-CAL" for card in cards):
        return True
    return unit.name.upper() == "EVENTS" and {"JDET", "IDET"} <= set(_names(unit))


def _names(unit: Unit) -> list[str]:
    """Names of the columns of a table."""
    return [str(unit.header.get(f"TTYPE{n}", "")).strip() for n in range(1, _fields(unit) + 1)]


def _plain(path: Path, units: list[Unit], size: int) -> Iterator[EventList]:
    """Photons of a plain table, a block at a time."""
    found: list[str] = []
    for unit in units[1:]:
        if unit.header.get("XTENSION") != "BINTABLE":
            continue
        names = _names(unit)
        by_name = {name.upper(): name for name in names}
        channel = next((by_name[c] for c in _CHANNELS if c in by_name), None)
        pixel = next((by_name[c] for c in _PIXELS if c in by_name), None)
        if "TIME" in by_name and channel is not None and pixel is not None:
            number = names.index(by_name["TIME"]) + 1
            reference = TimeReference.of(path, unit, units[:1], column=number, ours=True)
            for columns in table_blocks(path, unit, size):
                picked = [columns[name] for name in (by_name["TIME"], pixel, channel)]
                if any(values.ndim != 1 or values.dtype.kind not in "iuf" for values in picked):
                    raise BadDataError(
                        f"got columns of {unit.name or 'the table'} that are not one number a row",
                        file=path,
                        offset=unit.offset,
                    )
                yield EventList(reference.seconds(picked[0]), _small(picked[1]), _small(picked[2]))
            return
        found.append(f"{unit.name or 'a table'} with {', '.join(names)}")
    raise BadDataError(
        f"got {'; '.join(found) or 'no table'}, expected ECL-EVT-CAL or a table with TIME, "
        f"{' or '.join(_CHANNELS)}, {' or '.join(_PIXELS)}",
        file=path,
    )


def _fields(unit: Unit) -> int:
    count = unit.header.get("TFIELDS", 0)
    return count if isinstance(count, int) and 0 <= count < 1000 else 0


def _small(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Pixel numbers or channels as 16 bits; what does not fit, or is no whole number, becomes −1."""
    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        fits = (wide >= 0) & (wide <= np.iinfo(np.int16).max) & (wide == np.floor(wide))
    return np.where(fits, wide, -1).astype(np.int16)
