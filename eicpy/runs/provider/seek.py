"""Where a reader begins: the position of a packet number or of a time, found in the index of a run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eicpy.decoding.times import packet_seconds
from eicpy.errors import NotFoundError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Cursor, Follower
from eicpy.runs.provider.deduplicate import REMEMBERED, Deduplicator
from eicpy.runs.provider.selection import Selection
from eicpy.runs.provider.walk import runs_with_bytes
from eicpy.times import to_seconds

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["begin_at_time", "end_of_run", "first_run", "position_of_packet", "position_of_time", "recall"]


def end_of_run(archive: RunArchive, instrument: Instrument, run: int) -> Cursor:
    """Place after the packets that a run holds now; one that is incomplete so far is not among them."""
    with Follower(archive.run(run), instrument) as follower:
        while follower.behind > 0:
            follower.poll()
        return follower.cursor


def position_of_packet(archive: RunArchive, instrument: Instrument, run: int, number: int) -> Cursor:
    """Position of a packet in its run.

    Parameters
    ----------
    archive, instrument
        Where the run is, and what describes its packets.
    run
        Number of the run.
    number
        Number of the packet, from 0, damaged packets counted; the number of packets in the run is its end.

    Raises
    ------
    NotFoundError
        For a number beyond the end, or a run that is not there.
    """
    index = archive.run(run).index(instrument)
    if not 0 <= number <= len(index):
        raise NotFoundError(
            f"got packet number {number}, expected 0 to {len(index)}: run {run} holds {len(index)} packets"
        )
    if number < len(index):
        return Cursor(run, int(index.offset[number]))
    return end_of_run(archive, instrument, run)


def first_at(index: PacketIndex, instrument: Instrument, moment: float) -> int | None:
    """Row of the first packet whose time is not before a moment, s (TT since MJDREFI); None without one."""
    later = index.good & (packet_seconds(index, instrument) >= moment)
    return int(np.argmax(later)) if later.any() else None


def position_of_time(
    archive: RunArchive, instrument: Instrument, runs: Sequence[int], moment: "Time | str | float"
) -> Cursor | None:
    """Position of the first intact packet whose time is not before a moment.

    Parameters
    ----------
    archive, instrument
        Where the runs are, and what describes their packets.
    runs
        Numbers of the runs, in the order in which they are read.
    moment
        A time, or s (TT since MJDREFI 57754).

    Returns
    -------
    Cursor or None
        None if all packets are before it.
    """
    seconds = float(moment) if isinstance(moment, int | float) else float(to_seconds(moment))
    for run in runs_with_bytes(archive, runs):
        index = run.index(instrument)
        row = first_at(index, instrument, seconds)
        if row is not None:
            return Cursor(run.number, int(index.offset[row]))
    return None


def first_run(archive: RunArchive, numbers: list[int] | None) -> int:
    """Number of the run in which a packet number counts.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    there = archive.names().numbers[-1:] if numbers is None else numbers
    first = next(runs_with_bytes(archive, there), None)
    if first is None:
        raise NotFoundError(f"got a packet number, expected a run that it is in: none in {archive.folder}")
    return first.number


def begin_at_time(
    archive: RunArchive, instrument: Instrument, numbers: list[int] | None, moment: "Time | str | float"
) -> Cursor | None:
    """Position of a time; the end of the runs where all packets are before it."""
    if numbers is not None:
        found = position_of_time(archive, instrument, numbers, moment)
        return found or _end_of_last(archive, instrument, numbers)
    there = archive.names().numbers
    best: Cursor | None = None
    for run in runs_with_bytes(archive, there[::-1]):  # the newest runs that reach beyond it
        found = position_of_time(archive, instrument, [run.number], moment)
        if found is None:
            break
        best = found
    return best or _end_of_last(archive, instrument, there)


def _end_of_last(archive: RunArchive, instrument: Instrument, numbers: Sequence[int]) -> Cursor | None:
    last = next(runs_with_bytes(archive, numbers[::-1]), None)
    return None if last is None else end_of_run(archive, instrument, last.number)


def recall(
    repeats: Deduplicator, archive: RunArchive, selection: Selection, runs: Sequence[int], start: Cursor
) -> None:
    """Remember again the packets that were given before a position, as many as are remembered at all.

    Parameters
    ----------
    repeats
        The memory, empty.
    archive
        Where the runs are.
    selection
        What was given.
    runs
        Numbers of the runs that were read, in that order.
    start
        The position.
    """
    instrument = selection.instrument
    before = (
        list(runs[: runs.index(start.run) + 1]) if start.run in runs else [n for n in runs if n < start.run]
    )
    missing, begin = REMEMBERED, []
    for run in runs_with_bytes(archive, before[::-1]):
        number, index = run.number, run.index(instrument)
        rows = int(np.searchsorted(index.offset, start.offset)) if number == start.run else len(index)
        first = max(0, rows - missing)
        begin.append((number, int(index.offset[first]) if rows else 0))
        missing -= rows
        if missing <= 0:
            break
    for number, offset in reversed(begin):
        run = archive.run(number)
        end = min(start.offset, run.size) if number == start.run else run.size
        with Follower(run, instrument, offset) as follower:
            while follower.position < end:
                given = follower.poll()
                given = selection.of(given.chosen(given.index.offset < end))
                repeats.fresh(given.data, given.local)
