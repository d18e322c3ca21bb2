"""The runs of an archive as lines of text."""

from eicpy.errors import BadDataError, readable
from eicpy.runs.archive import RunArchive
from eicpy.runs.run import Run
from eicpy.runs.sidecar import indexed_packets

__all__ = ["runs_table"]

_HEAD = ("run", "", "opened (UTC)", "state", "MB", "packets", "operator", "comment")
_RIGHT = {0, 4, 5}


def runs_table(archive: RunArchive, last: int | None = None) -> str:
    """Number, suffix, times, size, packets where they are indexed, and comment of each run.

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
    """
    rows: list[tuple[str, ...]] = []
    for run in archive.runs(last):
        size, number = _megabytes(run), str(run.number)
        try:
            m = run.metadata
            within = m.own_bytes(run.size) if m.head_whole_in or m.tail_whole_in else None
            count = _packets(run, within)
            state = "closed" if m.closed else ("open" if run.is_written else "left open")
        except (BadDataError, OSError):
            rows.append((number, run.suffix, "", "unreadable", size, _packets(run), "", ""))
            continue
        texts = (readable(m.operator), readable(m.comment.replace("\n", "; ")))
        rows.append((number, run.suffix, f"{m.opened:%Y-%m-%d %H:%M:%S}", state, size, count, *texts))
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in [_HEAD, *rows]) for i in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            c.rjust(w) if i in _RIGHT else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [_HEAD, *rows]
    )


def _packets(run: Run, within: tuple[int, int] | None = None) -> str:
    """Packets by the index, but halves that are whole in another run; empty where none is kept."""
    packets = indexed_packets(run.raw_file, within)
    return "" if packets is None else str(packets)


def _megabytes(run: Run) -> str:
    """Size of the raw file; empty where there is none, because it was removed."""
    try:
        return f"{run.size / 1e6:.3f}"
    except OSError:
        return ""
