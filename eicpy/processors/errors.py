"""What goes wrong in a processor: a full disk, which passes, and a packet it cannot digest."""

import errno
import sqlite3
from collections.abc import Iterator

from eicpy.errors import FailedError
from eicpy.runs import Increment

__all__ = ["ProcessorError", "is_full_disk", "place_of"]


class ProcessorError(FailedError):
    """An exception in a processor, with the packet it was given."""


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that there is no room on the disk."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def place_of(batch: Increment) -> str:
    """Where a batch stands: of its first packet, and how many there are."""
    index = batch.index
    first = (
        f"run {batch.run}, offset {int(index.offset[0])}, APID {int(index.apid[0])}, "
        f"count {int(index.sequence_count[0])}"
    )
    return first if len(batch) == 1 else f"{first} and the {len(batch) - 1} packets after it"
