"""Attitude and orbit of the satellite, dropped beside the packets: checked, kept once, found again by time.

The ground gets them as SVO-ATT-CNV and SVO-ORB-CNV (:mod:`eicpy.orbit.files`). A file is copied under the
hash of its content; its row in the ledger says which of the two it is, and from when to when it tells
something.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.ingestion.copies import copy_whole, hash_of
from eicpy.ingestion.packet_files import IngestState
from eicpy.inputs import UnreadError, refusing
from eicpy.instruments import Instrument
from eicpy.operations.database import Database
from eicpy.operations.file_rows import (
    FileIdentity,
    StoredProduct,
    claim_file,
    find_file,
    mark_stored,
    refuse_file,
)
from eicpy.operations.models import FileState
from eicpy.orbit import read_attitude, read_orbit
from eicpy.orbit.files import ATTITUDE_CARD, ORBIT_CARD
from eicpy.products import read_structure
from eicpy.settings import Settings

__all__ = [
    "SatelliteFileOutcome",
    "ingest_satellite_file",
    "satellite_card",
    "satellite_copy",
    "satellite_folder",
]

_WORDS = {ATTITUDE_CARD: "attitude", ORBIT_CARD: "orbit"}
_WHAT = "attitude or orbit"


@dataclass(frozen=True)
class SatelliteFileOutcome:
    """The outcome of a file of attitude or orbit.

    Parameters
    ----------
    file
        The file.
    state
        What was done.
    sha256
        Hash of its content.
    product
        What it is, and its span.
    entries
        Entries that may be used.
    """

    file: Path
    state: IngestState
    sha256: str
    product: StoredProduct
    entries: int

    @property
    def summary(self) -> str:
        """Its content in a line."""
        seconds = self.product.stop - self.product.start
        return f"{_WORDS[self.product.card]} of {seconds:.1f} s, {self.entries} entries"


def satellite_folder(settings: Settings, instrument: str) -> Path:
    """Folder of the attitude and orbit files that were kept with the data of an instrument."""
    return settings.home / "satellite" / instrument


def satellite_copy(folder: Path, sha256: str) -> Path:
    """Path of the copy of a file, by the hash of its content."""
    return folder / f"{sha256}.fits"


def satellite_card(path: Path) -> str:
    """Card of a FITS file of attitude or orbit; empty for any other, and for one that does not read."""
    try:
        units = read_structure(path)
    except BadDataError:
        return ""
    names = [name for unit in units for name in (str(unit.header.get("CARD", "")), unit.name)]
    return next((name for name in names if name in _WORDS), "")


def ingest_satellite_file(
    path: Path, instrument: Instrument, database: Database, folder: Path
) -> SatelliteFileOutcome:
    """Keep a file of attitude or orbit, unless its content is kept already.

    Parameters
    ----------
    path
        An SVO-ATT-CNV or SVO-ORB-CNV.
    instrument
        The detector with whose data it comes.
    database
        The internal database.
    folder
        Where the copies are kept.

    Raises
    ------
    BadDataError
        If it is damaged, or tells nothing. Nothing is kept; the row of the file says why.
    FailedError
        If the copy or the database cannot be written. The next call continues.
    """
    path = Path(path).absolute()
    identity = FileIdentity.of(path)
    try:
        with refusing(path, _WHAT):
            sha256 = hash_of(path, _WHAT)
            identity = replace(identity, sha256=sha256)
            outcome = _inspect(path, sha256)
        row, kept = find_file(database, instrument.name, sha256), satellite_copy(folder, sha256)
        if row is not None and row.state is FileState.STORED and kept.is_file():
            return replace(outcome, state=IngestState.KNOWN)
        if row is None or row.state is not FileState.CLAIMED:
            claim_file(database, instrument.name, identity)
        else:
            outcome = replace(outcome, state=IngestState.RESUMED)
        copy_whole(path, kept, sha256, _WHAT)
    except BadDataError as error:
        if isinstance(error, UnreadError):
            identity = replace(identity, sha256=None)  # its content was not judged
        refuse_file(database, instrument.name, identity, str(error))
        raise
    mark_stored(
        database, instrument.name, identity, run=None, message=outcome.summary, product=outcome.product
    )
    return outcome


def _inspect(path: Path, sha256: str) -> SatelliteFileOutcome:
    card = satellite_card(path)
    time = (read_attitude(path) if card == ATTITUDE_CARD else read_orbit(path)).time
    product = StoredProduct(card, float(time[0]), float(time[-1]))
    return SatelliteFileOutcome(path, IngestState.STORED, sha256, product, len(time))
