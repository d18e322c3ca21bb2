"""Correcting what is known about a run: its texts, with a history of what was changed by whom."""

from datetime import UTC, datetime
from typing import Any

from eicpy.errors import BadArgumentError
from eicpy.files import locked_folder
from eicpy.moved import accept_old_keywords
from eicpy.runs.metadata import EDITABLE, RunChange, RunMetadata, RunPiece
from eicpy.runs.run import Run

__all__ = ["edit_run", "remark", "rewrite"]


@accept_old_keywords(renamed={"by": "actor"})
def edit_run(run: Run, *, actor: str, **changes: str) -> RunMetadata:
    """Correct the operator, set-up, comment, source or position of a run; open or closed.

    The texts before are kept in the history of the run. The raw bytes are never altered.

    Parameters
    ----------
    run
        The run.
    actor
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
        For another field, a value that is no text, or no name of who corrects it.
    BadDataError
        If the description of the run cannot be read.
    FailedError
        If it cannot be written; it is as it was.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eicpy.runs import RunArchive
    >>> run = RunArchive(Path(tempfile.mkdtemp()), "eclairs").create(source="bench").close()
    >>> edit_run(run, actor="Ada", setup="55Fe at 20 cm").setup
    '55Fe at 20 cm'
    >>> run.metadata.history[0].by
    'Ada'
    """
    unknown = sorted(set(changes) - set(EDITABLE))
    if unknown:
        raise BadArgumentError(f"got {', '.join(unknown)}, expected some of {', '.join(EDITABLE)}")
    if not actor.strip():
        raise BadArgumentError("got no name of who corrects the run, expected one")
    for name, value in changes.items():
        if not isinstance(value, str):
            raise BadArgumentError(f"got {name} = {value!r}, expected a text")
    with locked_folder(run.folder):
        before = run.metadata
        now = datetime.now(tz=UTC)
        made = tuple(
            RunChange(time=now, by=actor, field=name, old=getattr(before, name), new=value)
            for name, value in changes.items()
            if getattr(before, name) != value
        )
        if not made:
            return before
        return rewrite(run, {change.field: change.new for change in made}, made)


def remark(run: Run, text: str, **pieces: RunPiece) -> None:
    """Add a remark to the description of a run, once, and where its halves of packets are whole."""
    with locked_folder(run.folder):
        before = run.metadata
        remarks = before.remarks if text in before.remarks else (*before.remarks, text)
        if remarks != before.remarks or any(getattr(before, name) != piece for name, piece in pieces.items()):
            rewrite(run, {"remarks": remarks, **pieces})


def rewrite(run: Run, changes: dict[str, Any], made: tuple[RunChange, ...] = ()) -> RunMetadata:
    """Write the description of a run again; the caller holds the lock of its folder."""
    before = run.metadata
    fields = before.model_dump() | changes | {"history": (*before.history, *made)}
    metadata = RunMetadata(**fields)
    metadata.write(run.folder)
    return metadata
