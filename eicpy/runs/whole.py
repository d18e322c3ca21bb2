"""Small files into the archive, many at a time: each appears as a closed run, complete, in one rename.

To force something to the disk takes the disk milliseconds, whatever its size. A run that is written piece by
piece forces eleven things one after the other; a run that is there whole before anybody may see it forces
three, and those of many runs together: the system then writes them in one go.

The order holds what the archive promises. The numbers are written down before the runs exist. All files of
all drafts are on the disk before the first draft gets its name. A process that is killed leaves runs that are
whole, and drafts that the next one who opens a run removes.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eicpy.errors import FailedError
from eicpy.files import sync_folder
from eicpy.instruments import PacketHeader
from eicpy.packets import PacketIndex
from eicpy.runs.archive import RunArchive
from eicpy.runs.metadata import METADATA_NAME, RunMetadata, folder_name
from eicpy.runs.run import RAW_NAME, Run
from eicpy.runs.sidecar import write_index

__all__ = ["WholeRun", "store_whole"]

_AT_ONCE = 16
"""Requests to the disk that wait at the same time."""


@dataclass(frozen=True)
class WholeRun:
    """A run of which all is known before it exists.

    Parameters
    ----------
    data
        Its bytes.
    source
        Where they come from.
    sha256
        Their hash.
    index
        Their packets.
    simulated
        Whether they are simulated; None where packets cannot carry the mark.
    """

    data: bytes
    source: str
    sha256: str
    index: PacketIndex
    simulated: bool | None


def store_whole(
    archive: RunArchive, wanted: Sequence[WholeRun], headers: Sequence[PacketHeader]
) -> list[Run]:
    """Store runs, each closed and complete from the moment it can be seen.

    Parameters
    ----------
    archive
        The archive.
    wanted
        The runs, in the order of their numbers. All are held in memory.
    headers
        Header rules by which their packets were found.

    Returns
    -------
    list of Run
        In the same order.

    Raises
    ------
    FailedError
        If the archive cannot be written. Runs that were stored before stay; nothing else is left behind.
    """
    if not wanted:
        return []
    with archive.lock("archive"), _failing(archive.folder):
        first = archive.claim_numbers(len(wanted))
        drafts = [archive.folder / f".{folder_name(first + i, '')}.new" for i in range(len(wanted))]
        try:
            for i, (draft, run) in enumerate(zip(drafts, wanted, strict=True)):
                _write(draft, first + i, archive.instrument, run)
            _force([path for draft in drafts for path in (draft / RAW_NAME, draft / METADATA_NAME, draft)])
            for draft, run in zip(drafts, wanted, strict=True):
                write_index(draft / RAW_NAME, run.index, headers)  # derived: need not survive a power failure
            return [_place(archive, draft, first + i) for i, draft in enumerate(drafts)]
        finally:
            for draft in drafts:
                with suppress(FileNotFoundError):
                    shutil.rmtree(draft)
            sync_folder(archive.folder)


def _write(draft: Path, number: int, instrument: str, run: WholeRun) -> None:
    draft.mkdir()
    (draft / RAW_NAME).write_bytes(run.data)
    now = datetime.now(tz=UTC)
    metadata = RunMetadata(
        number=number,
        instrument=instrument,
        source=run.source,
        opened=now,
        closed=now,
        simulated=run.simulated,
        expected_sha256=run.sha256,
        size=len(run.data),
        sha256=run.sha256,
    )
    (draft / METADATA_NAME).write_bytes(metadata.model_dump_json(indent=2).encode())


def _place(archive: RunArchive, draft: Path, number: int) -> Run:
    folder = archive.folder / folder_name(number, "")
    draft.rename(folder)
    return Run(folder)


def _force(paths: Sequence[Path]) -> None:
    """Force files and folders to the disk: they wait together, and the disk serves all in one go."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(_force_one, paths):
            pass


def _force_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FailedError(f"{folder}: runs could not be stored: {error.strerror or error}") from error
