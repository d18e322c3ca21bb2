"""Many files, in order: small files of packets together, everything else one by one.

A pass of a ground station is one file; a bench may leave a thousand of a few packets. What costs for each
file is not its bytes but the disk that must confirm them and the database that must know them, so small files
are read first, then stored together (:mod:`eicpy.runs.whole`), then written down in one transaction.

Only what is beyond doubt goes this way: files of which every byte belongs to an intact packet. A file with
damage, foreign bytes or half a packet, one that is large, compressed, of photons, known already or left half
copied by a process that died goes the way of :func:`eicpy.ingestion.ingest_file`.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eicpy.decoding import is_simulated
from eicpy.errors import BadDataError, EicpyError, FailedError, readable
from eicpy.ingestion.packet_files import (
    IngestOutcome,
    IngestState,
    ingest_file,
    lock_of,
    store,
)
from eicpy.ingestion.photon_files import PhotonFileOutcome, ingest_photon_file, is_fits
from eicpy.ingestion.satellite_files import SatelliteFileOutcome, ingest_satellite_file, satellite_card
from eicpy.inputs import MISTAKES, open_regular, refusing, single_byte
from eicpy.instruments import Instrument
from eicpy.operations.database import Database
from eicpy.operations.file_rows import FileIdentity, find_files, mark_many_stored
from eicpy.packets import PacketIndex, index_packets
from eicpy.runs import RunArchive
from eicpy.runs.whole import WholeRun, store_whole

__all__ = ["Kept", "Taken", "take_file", "take_files"]

_log = logging.getLogger(MISTAKES)

SMALL = 1 << 20
"""Bytes of a small file at most."""
_TOGETHER = 64
"""Small files that are stored together at most: they are held in memory."""

Kept = IngestOutcome | PhotonFileOutcome | SatelliteFileOutcome
"""What a file was taken for."""
Taken = Kept | BadDataError
"""What became of a file: it was taken, or refused with a reason."""


@dataclass(frozen=True)
class _Small:
    """A small file that was read: nothing but intact packets of the instrument."""

    identity: FileIdentity
    sha256: str
    data: bytes
    index: PacketIndex


def take_file(
    path: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    photons: Path | None = None,
    *,
    satellite: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Kept:
    """Ingest a file of packets, of photons, or of the satellite's attitude or orbit, by its content.

    Whatever the content makes a reader raise refuses this file and nothing else: see :mod:`eicpy.inputs`.

    Parameters
    ----------
    path, instrument, database, archive, progress
        As in :func:`eicpy.ingestion.ingest_file`.
    photons
        Folder for copies of photon files; None: only packets are taken.
    satellite
        Folder for copies of attitude and orbit files; None: they are not taken.

    Raises
    ------
    BadDataError, FailedError
        As :func:`eicpy.ingestion.ingest_file` and :func:`eicpy.ingestion.ingest_photon_file`.
    """
    try:
        with refusing(path, "packets or photons"):
            fits = (photons is not None or satellite is not None) and is_fits(path)
            if satellite is not None and fits and satellite_card(path):
                return ingest_satellite_file(path, instrument, database, satellite)
            if photons is not None and fits:
                return ingest_photon_file(path, instrument, database, photons)
            return ingest_file(path, instrument, database, archive, progress=progress)
    except (BadDataError, FailedError):
        raise
    except EicpyError as error:  # what a reader says about a call is said about the file here
        raise BadDataError(str(error), file=path) from error


def take_files(
    paths: Iterable[Path],
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    photons: Path | None = None,
    *,
    satellite: Path | None = None,
    progress: Callable[[Path, int, int], None] | None = None,
) -> Iterator[tuple[Path, Taken]]:
    """Ingest files, each on its own: one that is refused does not stop the others.

    Parameters
    ----------
    paths
        The files, in the order in which they are stored.
    instrument, database, archive, photons, satellite
        As in :func:`take_file`.
    progress
        Called with (file, bytes done, bytes in all).

    Yields
    ------
    tuple
        Each file with its outcome, or with the error for which it was refused; in order.

    Raises
    ------
    FailedError
        If the archive or the database cannot be written. The next call continues.
    """
    together: list[_Small] = []
    for given in paths:
        path = Path(given).absolute()
        small = _read_small(path, instrument)
        if small is not None:
            together.append(small)
        if together and (small is None or len(together) == _TOGETHER):
            yield from _take_together(together, instrument, database, archive, progress)
            together = []
        if small is None:
            shown = None if progress is None else _of_file(progress, path)
            yield _alone(path, instrument, database, archive, photons, satellite, shown)
    yield from _take_together(together, instrument, database, archive, progress)


def _of_file(progress: Callable[[Path, int, int], None], path: Path) -> Callable[[int, int], None]:
    return lambda done, total: progress(path, done, total)


def _read_small(path: Path, instrument: Instrument) -> _Small | None:
    """Read a small file; None for any other, and for one with anything but intact packets."""
    identity = FileIdentity.of(path)
    if not 0 < identity.size <= SMALL:
        return None
    try:
        with open_regular(path) as stream:
            if single_byte(stream) is not None:
                return None
            data = stream.read(SMALL + 1)
        index = index_packets(data, instrument.headers)
    except Exception:  # noqa: BLE001, whatever it is: it is said, and written down, by who takes the file alone
        return None
    apids = [header.apid for header in instrument.headers]
    clean = bool(index.good.all()) and not index.foreign_bytes and len(data) == identity.size
    if not clean or not np.isin(index.apid, apids).any():
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    return _Small(replace(identity, sha256=sha256), sha256, data, index)


def _take_together(
    together: Sequence[_Small],
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    progress: Callable[[Path, int, int], None] | None,
) -> Iterator[tuple[Path, Taken]]:
    """Store small files; one by one should that fail together for another reason than the archive."""
    if not together:
        return
    try:
        outcomes: list[tuple[Path, Taken]] = list(_store_together(together, instrument, database, archive))
    except FailedError:
        raise
    except Exception:  # noqa: BLE001, each is then taken alone, where a mistake refuses one file
        _log.exception(
            "files could not be stored together, by a mistake of eicpy itself; each is taken alone"
        )
        outcomes = [_alone(small.identity.path, instrument, database, archive) for small in together]
    for small, outcome in zip(together, outcomes, strict=True):
        if progress is not None:
            progress(small.identity.path, small.identity.size, small.identity.size)
        yield outcome


def _alone(
    path: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    photons: Path | None = None,
    satellite: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, Taken]:
    try:
        return path, take_file(
            path, instrument, database, archive, photons, satellite=satellite, progress=progress
        )
    except BadDataError as error:
        return path, error


def _store_together(
    together: Sequence[_Small], instrument: Instrument, database: Database, archive: RunArchive
) -> Iterator[tuple[Path, Taken]]:
    """Store the contents that are new in one go; the others as each of them needs."""
    with ExitStack() as locks:
        for name in sorted(
            {lock_of(small.sha256) for small in together}
        ):  # in order: nobody waits in a circle
            locks.enter_context(archive.lock(name))
        rows = find_files(database, instrument.name, {small.sha256 for small in together})
        unknown = {small.sha256: small for small in reversed(together) if small.sha256 not in rows}
        kept = archive.find_many(unknown)  # after a lost database, or a process that died
        new = {sha256: unknown[sha256] for sha256 in reversed(unknown) if sha256 not in kept}
        stored = {outcome.sha256: outcome for outcome in _store_new(list(new.values()), instrument, archive)}
        mark_many_stored(
            database,
            instrument.name,
            [(new[sha256].identity, o.run.number, o.summary) for sha256, o in stored.items()],
        )
        for small in together:
            path, outcome = small.identity.path, stored.get(small.sha256)
            if outcome is None:
                yield path, store(small.identity, rows.get(small.sha256), instrument, database, archive)
            else:
                first = new[small.sha256] is small
                yield path, outcome if first else replace(outcome, file=path, state=IngestState.KNOWN)


def _store_new(new: Sequence[_Small], instrument: Instrument, archive: RunArchive) -> list[IngestOutcome]:
    wanted = [
        WholeRun(
            small.data,
            readable(small.identity.path),
            small.sha256,
            small.index,
            is_simulated(small.index, instrument),
        )
        for small in new
    ]
    return [
        IngestOutcome(small.identity.path, IngestState.STORED, run, small.sha256, len(small.index), 0, 0)
        for small, run in zip(new, store_whole(archive, wanted, instrument.headers), strict=True)
    ]
