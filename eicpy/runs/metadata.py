"""What is known about a run besides its bytes: ``run.json``."""

import re
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from eicpy.errors import BadArgumentError
from eicpy.files import atomic_file

__all__ = [
    "CONFIGURATION",
    "EDITABLE",
    "METADATA_NAME",
    "RunChange",
    "RunMetadata",
    "RunPiece",
    "folder_name",
]

METADATA_NAME = "run.json"
CONFIGURATION = "configuration"
"""Suffix of runs that hold what came while the instrument was configured, outside a measurement."""
EDITABLE = ("operator", "setup", "comment", "source", "position")
"""Fields that people write, and may correct."""
_SUFFIX = re.compile("[a-z][a-z0-9]*")


class RunChange(BaseModel):
    """A correction of what is known about a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: datetime
    """UTC."""
    by: str
    field: str
    old: str
    new: str


class RunPiece(BaseModel):
    """Bytes of another run that stand at one end of this one: the other half of a packet cut by files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: int
    """Number of the other run; its bytes are as they were."""
    size: int
    """Bytes at its end, or at its beginning."""


class RunMetadata(BaseModel):
    """What is known about a run besides its bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """Progressive number in the archive of the instrument; never used twice."""
    suffix: str = ""
    """``configuration`` for what came while the instrument was configured; empty for a measurement."""
    instrument: str
    source: str
    """Where the bytes came from: a file, a connection."""
    opened: datetime
    """UTC."""
    closed: datetime | None = None
    """UTC; None while the run is open."""
    operator: str = ""
    """Who took the data."""
    setup: str = ""
    """What stood on the bench."""
    comment: str = ""
    position: str = ""
    """Where the source (or the detector) stood."""
    simulated: bool | None = None
    """Whether any packet says that it is simulated; None where packets cannot carry the mark."""
    expected_sha256: str | None = None
    """Hash of the file that this run is made of, known before the first byte was copied."""
    source_kind: str = ""
    """What the packets were taken out of (compressed, transfer frames, …); empty for a copy, byte by byte."""
    source_whole: bool = True
    """Whether nothing was missing or damaged in what they were taken out of: no frame lost, no damage."""
    begins_in: RunPiece | None = None
    """The end of another run that stands before the bytes of the file: they complete its cut packet."""
    ends_in: RunPiece | None = None
    """The beginning of another run that stands behind them: it completes the packet that they cut."""
    head_whole_in: RunPiece | None = None
    """The run in which the packet is whole that is cut at the beginning of this one, and its bytes here."""
    tail_whole_in: RunPiece | None = None
    """The same of the packet that is cut at the end. Neither half counts here, as damaged or foreign."""
    remarks: tuple[str, ...] = ()
    """What was found while the packets were taken out of the file, or a packet was joined."""
    size: int | None = None
    """Bytes at close."""
    sha256: str | None = None
    """Hash of the raw bytes at close; None until it is computed."""
    history: tuple[RunChange, ...] = Field(default=())
    """What was corrected, oldest first."""

    def own_bytes(self, size: int) -> tuple[int, int]:
        """Begin and end of the bytes, of `size`, that belong to no packet which is whole in another run."""
        head, tail = (
            0 if piece is None else piece.size for piece in (self.head_whole_in, self.tail_whole_in)
        )
        return head, size - tail

    def write(self, folder: Path) -> None:
        """Write ``run.json`` in the folder of the run, whole or not at all."""
        with atomic_file(folder / METADATA_NAME) as stream:
            stream.write(self.model_dump_json(indent=2).encode())


def folder_name(number: int, suffix: str) -> str:
    """Name of the folder of a run.

    Raises
    ------
    BadArgumentError
        For a suffix that is no word of small letters and digits.

    Examples
    --------
    >>> folder_name(12, ""), folder_name(13, "configuration")
    ('000012', '000013-configuration')
    """
    if suffix and not _SUFFIX.fullmatch(suffix):
        raise BadArgumentError(f"got suffix {suffix!r}, expected a word of small letters and digits")
    return f"{number:06d}-{suffix}" if suffix else f"{number:06d}"
