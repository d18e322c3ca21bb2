"""The runs of an archive as lines of text."""

from eicpy.errors import BadDataError, readable
from eicpy.instruments import Instrument, load
from eicpy.runs.archive import RunArchive
from eicpy.runs.label import LABEL_HEADS, RunLabel, run_label
from eicpy.runs.run import Run
from eicpy.runs.sidecar import indexed_packets
from eicpy.text import Texts, size_text

__all__ = ["runs_table"]

_RIGHT = frozenset({0, 4, 5, 6, 7, 9})
"""Columns of numbers, to the right."""


def runs_table(archive: RunArchive, last: int | None = None) -> str:
    """Write the label of each run, its state, size, operator and comment.

    Packets are counted where they are indexed and nobody did so yet; elsewhere their number is not known.

    Parameters
    ----------
    archive
        The archive.
    last
        Only so many, the newest.

    Returns
    -------
    str
        A line for each run under a head; empty if there is none. A run whose description does not read
        is listed with its size.

    See Also
    --------
    run_label : The label of one run.
    """
    texts, instrument = Texts("en"), load(archive.instrument)
    rows = [_row(run, instrument, texts) for run in archive.runs(last)]
    if not rows:
        return ""
    head = (*map(texts, (*LABEL_HEADS, "run_state", "size", "operator", "comment")),)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            c.rjust(w) if i in _RIGHT else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    )


def _row(run: Run, instrument: Instrument, texts: Texts) -> tuple[str, ...]:
    try:
        label = run_label(run, instrument, count=indexed_packets(run.raw_file) is not None)
        metadata = run.metadata
        state = "closed" if metadata.closed else ("open" if run.is_written else "left open")
        operator, comment = readable(metadata.operator), readable(metadata.comment.replace("\n", "; "))
    except (BadDataError, OSError):
        label, state, operator, comment = RunLabel(run.number, run.suffix), "unreadable", "", ""
    return (*label.cells(texts), state, _size(run), operator, comment)


def _size(run: Run) -> str:
    """Size of the raw file; empty where there is none, because it was removed."""
    try:
        return size_text(run.size)
    except OSError:
        return ""
