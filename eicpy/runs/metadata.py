"""What is known about a run besides its bytes: ``run.json``, and how it may be corrected afterwards."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from eicpy.errors import BadArgumentError
from eicpy.files import atomic_file, locked_folder

if TYPE_CHECKING:
    from eicpy.runs.run import Run

__all__ = [
    "CONFIGURATION",
    "EDITABLE",
    "METADATA_NAME",
    "RunChange",
    "RunMetadata",
    "edit_run",
    "folder_name",
    "rewrite",
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
    """Whether any packet says that it is simulated; None where packets cannot tell."""
    expected_sha256: str | None = None
    """Hash of the file this run is a copy of, known before the first byte was copied."""
    size: int | None = None
    """Bytes at close."""
    sha256: str | None = None
    """Hash of the raw bytes at close; None until it is computed."""
    history: tuple[RunChange, ...] = Field(default=())
    """What was corrected, oldest first."""

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


def edit_run(run: "Run", *, by: str, **changes: str) -> RunMetadata:
    """Correct who took a run, with what set-up, comment, source or position; open or closed.

    What it said before is kept in the history of the run. The raw bytes are never altered.

    Parameters
    ----------
    run
        The run.
    by
        Who corrects it.
    **changes
        New texts of ``operator``, ``setup``, ``comment``, ``source``, ``position``.

    Returns
    -------
    RunMetadata
        As it is on the disk now.

    Raises
    ------
    BadArgumentError
        For another field, a value that is no text, or without a name of who corrects it.
    BadDataError
        If the description of the run does not read.
    FailedError
        If it cannot be written; it is as it was.

    Examples
    --------
    >>> import tempfile
    >>> from eicpy.runs import RunArchive
    >>> run = RunArchive(Path(tempfile.mkdtemp()), "eclairs").create(source="bench").close()
    >>> edit_run(run, by="Ada", setup="55Fe at 20 cm").setup
    '55Fe at 20 cm'
    >>> run.metadata.history[0].by
    'Ada'
    """
    unknown = sorted(set(changes) - set(EDITABLE))
    if unknown:
        raise BadArgumentError(f"got {', '.join(unknown)}, expected some of {', '.join(EDITABLE)}")
    if not by.strip():
        raise BadArgumentError("got no name of who corrects the run, expected one")
    for name, value in changes.items():
        if not isinstance(value, str):
            raise BadArgumentError(f"got {name} = {value!r}, expected a text")
    with locked_folder(run.folder):
        before = run.metadata
        now = datetime.now(tz=UTC)
        made = tuple(
            RunChange(time=now, by=by, field=name, old=getattr(before, name), new=value)
            for name, value in changes.items()
            if getattr(before, name) != value
        )
        if not made:
            return before
        return rewrite(run, {change.field: change.new for change in made}, made)


def rewrite(run: "Run", changes: dict[str, Any], made: tuple[RunChange, ...] = ()) -> RunMetadata:
    """Write the description of a run anew; the caller holds the lock of its folder."""
    before = run.metadata
    fields = before.model_dump() | changes | {"history": (*before.history, *made)}
    metadata = RunMetadata(**fields)
    metadata.write(run.folder)
    return metadata
