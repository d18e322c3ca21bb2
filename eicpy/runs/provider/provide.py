"""The provider: packets of the archive for any reader, live and in playback by the same call.

::

    with provide(archive, instrument) as provider:             # live, from the newest run on
    with provide(archive, instrument, runs=12, speed=10.0) …   # run 12, ten times as fast as it was
        for increment in provider.stream():
            work(increment.photons)

Each reader has a provider of its own, with its own position in the archive: one that is slow, stops or dies
disturbs no other. ``next`` gives every packet, whatever the input rate; ``last`` gives the newest ones only,
for a quick look, and counts those passed over.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from eicpy.decoding.running_continuity import PacketCounts
from eicpy.decoding.times import onboard_seconds
from eicpy.errors import BadArgumentError, ConflictError
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.deduplicate import Deduplicator
from eicpy.runs.provider.live_merge import WINDOW, LiveMerge
from eicpy.runs.provider.merge import MergedRuns, is_written
from eicpy.runs.provider.newest import Newest
from eicpy.runs.provider.pace import LONGEST_WAIT, Pacer
from eicpy.runs.provider.seek import begin_at_time, first_run, position_of_packet, recall
from eicpy.runs.provider.selection import Selection
from eicpy.runs.provider.walk import RunWalk, Source

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Mode", "ProvideOptions", "Provider", "Runs", "provide"]

Mode: TypeAlias = Literal["next", "last"]
"""``next``: every packet; ``last``: the newest."""
Runs: TypeAlias = Literal["live"] | int | Sequence[int] | None
"""``live``: the newest run and those that follow; a number, numbers, or None for all there are."""

_SHORTEST_SLEEP = 1e-3
_LONGEST_SLEEP = 1e-2
_MOST_PIECES = 16
"""Pieces read by one poll that finds nothing that is wanted, so that it ends soon."""


class Provider:
    """Gives packets. Use :func:`provide`.

    Parameters
    ----------
    source
        Where the packets come from.
    instrument
        Describes the packets.
    selection
        Which are wanted.
    mode
        ``next`` or ``last``.
    pacer
        When packets are due; None: at once.
    repeats
        Remembers the packets that were given, so that none is given twice; None to give all.
    start
        The position before the first packet.

    See Also
    --------
    provide : makes one.
    """

    def __init__(
        self,
        source: Source,
        instrument: Instrument,
        selection: Selection,
        *,
        mode: Mode = "next",
        pacer: Pacer | None = None,
        repeats: Deduplicator | None = None,
        start: Cursor = Cursor(0),  # noqa: B008, it is immutable
    ) -> None:
        self.instrument = instrument
        self.mode = mode
        self.skipped = 0
        """Packets passed over in the mode ``last``."""
        self._repeated = 0
        self._source = source
        self._selection = selection
        self._pacer = pacer
        self._repeats = repeats
        self._cursor = start
        self._pending: Increment | None = None
        self._due: npt.NDArray[np.float64] = np.empty(0)
        self._paused = False

    @property
    def cursor(self) -> Cursor:
        """The position after all packets that were given; a provider that starts there gives the rest."""
        return self._cursor

    @property
    def behind(self) -> int:
        """Bytes in the archive after the cursor."""
        return self._source.behind(self._cursor)

    @property
    def finished(self) -> bool:
        """Whether a playback was given to its end; never in live."""
        return self._pending is None and self._source.finished

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Received, lost, duplicated, out of order and damaged telemetry packets read so far, by APID."""
        return self._source.counts

    @property
    def repeated(self) -> int:
        """Packets that were not given again."""
        return self._source.repeated if isinstance(self._source, LiveMerge) else self._repeated

    @property
    def late(self) -> Mapping[int, int]:
        """Packets that came later than the window of a live merge, given out of order, by run."""
        return self._source.late if isinstance(self._source, LiveMerge) else {}

    @property
    def run(self) -> int | None:
        """Number of the run that is being read; None before there is one."""
        return self._source.run

    def poll(self, most_packets: int | None = None) -> Increment:
        """What is due now. Never waits.

        Parameters
        ----------
        most_packets
            Packets to give at most; in the mode ``last``, of each APID (default 1).

        Returns
        -------
        Increment
            Empty if nothing is due. Damaged packets and skipped ranges are marked in its index.
        """
        if most_packets is not None and most_packets < 1:
            raise BadArgumentError(f"got most_packets {most_packets}, expected 1 or more")
        if self._paused:
            return self._nothing()
        if self.mode == "last":
            return self._newest(most_packets or 1)
        self._fill()
        return self._give(self._rows_due(most_packets))

    def step(self, packets: int = 1) -> Increment:
        """The next packets, due or not, step by step.

        Parameters
        ----------
        packets
            How many at most; fewer where a run ends, or where no more have come yet.
        """
        if packets < 1:
            raise BadArgumentError(f"got {packets} packets to step, expected 1 or more")
        while not self.finished:
            before = self._cursor
            self._fill()
            increment = self._give(packets)
            if increment or (self._pending is None and self._cursor == before):
                if self._pacer is not None:
                    self._restart_pace()
                return increment
        return self._nothing()

    def stream(self, stop: threading.Event | None = None, packets: int | None = None) -> Iterator[Increment]:
        """Packets as they come due, waiting for them.

        Parameters
        ----------
        stop
            Set by another thread, or a signal, to end.
        packets
            Packets in an increment at most.

        Yields
        ------
        Increment
            Never without packets or skipped ranges. Ends with the playback; live, when `stop` is set.
        """
        stop = stop or threading.Event()
        pause = _SHORTEST_SLEEP
        while not stop.is_set() and not self.finished:
            before = self._cursor
            increment = self.poll(packets)
            if increment:
                pause = _SHORTEST_SLEEP
                yield increment
            elif self._cursor == before:
                stop.wait(pause)
                pause = min(2 * pause, _LONGEST_SLEEP)

    def pause(self) -> None:
        """Hold a playback: nothing is given but step by step."""
        self._paused = True

    def resume(self) -> None:
        """Go on after a pause; the next packet is due at once."""
        self._paused = False
        self._restart_pace()

    @property
    def speed(self) -> float | None:
        """Multiple of the on-board time's pace; None: as fast as possible. May be changed in playback."""
        return None if self._pacer is None else self._pacer.speed

    @speed.setter
    def speed(self, speed: float | None) -> None:
        clock = time.monotonic if self._pacer is None else self._pacer.clock
        longest = LONGEST_WAIT if self._pacer is None else self._pacer.longest_wait
        self._pacer = None if speed is None else Pacer(speed, longest, clock)
        self._restart_pace()

    def close(self) -> None:
        """Close the files."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _fill(self) -> None:
        """Read until wanted packets are at hand, or no more are available."""
        for _ in range(_MOST_PIECES):
            if self._pending is not None:
                return
            piece = self._source.pull()
            if piece is None:
                return
            wanted = self._new(self._selection.of(piece))
            if wanted:
                self._pending = wanted
                self._schedule()
            else:
                self._cursor = piece.cursor

    def _new(self, increment: Increment) -> Increment:
        if self._repeats is None or not len(increment):
            return increment
        fresh = self._repeats.fresh(increment.data, increment.local)
        self._repeated += len(fresh) - int(fresh.sum())
        return increment.chosen(fresh)

    def _schedule(self) -> None:
        if self._pacer is not None and self._pending is not None:
            index = self._pending.index
            seconds = onboard_seconds(index, self.instrument)
            self._due = self._pacer.due(np.where(index.good, seconds, np.nan))

    def _restart_pace(self) -> None:
        if self._pacer is not None:
            self._pacer.restart()
            self._schedule()

    def _rows_due(self, most: int | None) -> int:
        if self._pending is None:
            return 0
        rows = len(self._pending)
        if self._pacer is not None:
            rows = int(np.searchsorted(self._due, self._pacer.clock(), side="right"))
        return rows if most is None else min(rows, most)

    def _give(self, rows: int) -> Increment:
        """The first packets of those at hand."""
        pending = self._pending
        if pending is None or (rows == 0 and len(pending)):
            return self._nothing()
        if rows >= len(pending):
            given, self._pending = pending, None
        else:
            given, self._pending = pending.part(0, rows), pending.part(rows, len(pending))
            self._due = self._due[rows:]
        self._cursor = given.cursor
        return given

    def _newest(self, most: int) -> Increment:
        newest = Newest(most)
        while True:
            before = self._cursor
            self._fill()
            given = self._give(self._rows_due(None))
            newest.add(given)
            if not given and self._cursor == before:
                break
        found = newest.increment(self._nothing())
        self.skipped += newest.seen - len(found)
        return found

    def _nothing(self) -> Increment:
        return Increment.nothing(self.instrument, self._cursor)


@dataclass(frozen=True, kw_only=True)
class ProvideOptions:
    """What else a reader may ask of :func:`provide`.

    Parameters
    ----------
    from_time
        Begin with the first packet whose time is not before this: a time, an ISO date (UTC), or s (TT since
        MJDREFI 57754).
    from_packet
        Begin with this packet of the first run, counted from 0.
    apids, commands
        Which packets are wanted, see :class:`Selection`.
    mode
        ``next``: every packet; ``last``: the newest of each APID at each poll.
    longest_wait
        Longest wait between two packets of a paced playback, s: longer pauses are shortened to it.
    clock
        Counts the seconds of the pace.
    window
        With `unique`, while runs are still written: how long a packet is held, s of on-board time, so that
        those of another station take their place before it. None: 10 s for several runs; in live, and of one
        run, packets come in the order received and none is held.

    Raises
    ------
    BadArgumentError
        For two positions, or an unknown mode.
    """

    from_time: "Time | str | float | None" = None
    from_packet: int | None = None
    apids: Sequence[int] = ()
    commands: bool | None = None
    mode: Mode = "next"
    longest_wait: float = LONGEST_WAIT
    clock: Callable[[], float] = time.monotonic
    window: float | None = None

    def __post_init__(self) -> None:
        if self.from_time is not None and self.from_packet is not None:
            raise BadArgumentError("got from_time and from_packet, expected one of them")
        if self.mode not in {"next", "last"}:
            raise BadArgumentError(f"got mode {self.mode!r}, expected next or last")
        if self.window is not None and not (np.isfinite(self.window) and self.window > 0):
            raise BadArgumentError(f"got a window of {self.window} s, expected more than 0")


@accept_old_keywords(options=ProvideOptions)
def provide(
    archive: RunArchive,
    instrument: Instrument,
    runs: Runs = "live",
    *,
    start: Cursor | None = None,
    kinds: Sequence[str] = (),
    speed: float | None = None,
    unique: bool = False,
    options: ProvideOptions = ProvideOptions(),
) -> Provider:
    """Provide the packets of an archive, live or in playback.

    Parameters
    ----------
    archive
        Where the runs are.
    instrument
        Describes their packets.
    runs
        ``live``: the newest run from its beginning and on across run switches, for ever. A number: that
        run; while it is open it is followed until it is closed. Several numbers: those runs one after the
        other or, with `unique`, merged in the order of the on-board time; while one of them is still written,
        within a window (see :attr:`ProvideOptions.window`). None: all runs of the archive.
    start
        Where to begin: the :attr:`Provider.cursor` of an earlier one.
    kinds
        Kinds of packets that are wanted, see :class:`Selection`; empty for all.
    speed
        Pace of a playback as a multiple of the on-board time's; None: as fast as it is taken.
    unique
        Give packets with the same bytes once: see :class:`Deduplicator`.
    options
        Where else to begin, what else to select, and which packets to give when they come faster than they
        are read.

    Returns
    -------
    Provider
        Close it when done, or use it as a context manager.

    Raises
    ------
    BadArgumentError
        For a run or a position that does not exist, or arguments that exclude each other.

    See Also
    --------
    eicpy.runs.follow : blocks of one run as it grows, without pace, selection or several runs.
    eicpy.processors.run_processor : gives packets to a processor and keeps its cursor.
    """
    from_packet, from_time, mode = options.from_packet, options.from_time, options.mode
    if options.window is not None and not unique:
        raise BadArgumentError("got a window, expected `unique` with it: packets are merged each once")
    if start is not None and (from_time is not None or from_packet is not None):
        raise BadArgumentError("got start and from_time or from_packet, expected one position")
    if runs == "live" and speed is not None:
        raise BadArgumentError(f"got speed {speed} in live, expected none: live is as fast as packets come")
    selection = Selection(instrument, tuple(options.apids), tuple(kinds), options.commands)
    pacer = None if speed is None else Pacer(speed, options.longest_wait, options.clock)
    numbers = _numbers(archive, runs)
    if unique and not isinstance(runs, str | int | None) and numbers is not None:
        merged = _merged(archive, instrument, numbers, start, options)
        return Provider(merged, instrument, selection, mode=mode, pacer=pacer, start=merged.cursor)
    if from_packet is not None:
        first = first_run(archive, numbers)
        start = position_of_packet(archive, instrument, first, from_packet)
    elif from_time is not None:
        start = begin_at_time(archive, instrument, numbers, from_time)
    walk: RunWalk | LiveMerge = RunWalk(archive, instrument, numbers, start)
    repeats = Deduplicator() if unique else None
    if repeats is not None and start is not None:
        recall(repeats, archive, selection, archive.names().numbers if numbers is None else numbers, start)
    if options.window is not None:
        walk = LiveMerge([walk], instrument, options.window, repeats, options.clock)
        repeats = None
    return Provider(walk, instrument, selection, mode=mode, pacer=pacer, repeats=repeats, start=walk.cursor)


def _merged(
    archive: RunArchive,
    instrument: Instrument,
    numbers: Sequence[int],
    start: Cursor | None,
    options: ProvideOptions,
) -> MergedRuns | LiveMerge:
    """Several runs merged: whole ones, or, while one of them is still written, within a window."""
    if any(is_written(archive.run(number)) for number in numbers):
        if options.from_packet is not None or options.from_time is not None or (start and start.run):
            raise ConflictError(
                "got a position in a merge of runs of which one is still written, expected none: what comes "
                "later may lie before it; begin without a position, or merge the runs when they are closed"
            )
        walks = [RunWalk(archive, instrument, [number]) for number in numbers]
        return LiveMerge(walks, instrument, options.window or WINDOW, clock=options.clock)
    merged = MergedRuns(archive, instrument, numbers, start=start)
    if options.from_packet is not None:
        merged.skip_to_packet(options.from_packet)
    elif options.from_time is not None:
        merged.skip_to_time(options.from_time)
    return merged


def _numbers(archive: RunArchive, runs: Runs) -> list[int] | None:
    """Numbers of the runs, None for live."""
    if isinstance(runs, str):
        if runs != "live":
            raise BadArgumentError(f"got runs {runs!r}, expected 'live' or numbers of runs")
        return None
    if runs is None:
        return list(archive.names().numbers)
    numbers = [runs] if isinstance(runs, int) else list(runs)
    if not numbers:
        raise BadArgumentError("got no run, expected at least one number, or None for all runs")
    if len(set(numbers)) < len(numbers):
        raise BadArgumentError(f"got runs {numbers}, expected each number once")
    for number in numbers:
        archive.run(number)
    return numbers
