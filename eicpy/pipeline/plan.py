"""The plan of a night: which packets of which runs belong to it, and how the work is cut.

A packet belongs to the night in which it was made on board, so every packet belongs to exactly one. A
damaged packet, whose own time cannot be trusted, goes with the intact one before it. What came while the
instrument was configured (a run with suffix ``configuration``) is monitored and counted like the rest, but
its photons are in no product: thresholds and voltages change under them. The photon packets
are cut into segments of some millions of photons, so that memory does not grow with the night and a
night that was interrupted goes on after the last finished segment.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.decoding import is_simulated, packet_seconds
from eicpy.errors import BadDataError
from eicpy.events import GoodTimeIntervals
from eicpy.instruments import Instrument, load
from eicpy.packets import PacketIndex, Skipped, continuity, map_file
from eicpy.pipeline.cross_run_duplicates import find_repeats
from eicpy.runs import Run, RunArchive
from eicpy.runs.metadata import CONFIGURATION
from eicpy.settings import Settings
from eicpy.times import day_of, to_seconds

__all__ = ["NightPlan", "RunSelection", "Segment", "days_with_data", "plan_night"]

SEGMENT_BYTES = 48 << 20
"""Photon packets of a segment: some six million photons of eight bytes."""
MOST_SEGMENTS = 99
"""File names count with two digits."""
DAY = 86400.0
SLACK = 600.0
"""A photon whose time lies further than this outside the night has a wrong time, s."""
SHORTEST_GAP = 10.0
"""Photon packets this close, s, with consecutive counters leave no gap between them."""


@dataclass(frozen=True)
class RunSelection:
    """Packets of one run.

    Parameters
    ----------
    run
        Number of the run.
    file
        Its raw bytes.
    index
        The packets, in the order received.
    repeats
        Those that a run with a lower number holds as well, shape (packets,); None where none is.
    configuration
        Whether it holds what came while the instrument was configured.
    joined
        Whether it goes on where the reception of the run before ended.
    """

    run: int
    file: Path
    index: PacketIndex
    repeats: npt.NDArray[np.bool_] | None = None
    configuration: bool = False
    joined: bool = False

    @property
    def size(self) -> int:
        """Bytes of the packets."""
        return int(self.index.length.sum(dtype=np.int64))

    @property
    def key(self) -> str:
        """Hash that identifies these packets within the archive."""
        digest = hashlib.sha256(f"{self.file}\n".encode())
        for column in (self.index.offset, self.index.length, self.index.status):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Segment:
    """A share of the photon packets of a night.

    Parameters
    ----------
    number
        From 1.
    stretches
        Its packets.
    """

    number: int
    stretches: tuple[RunSelection, ...]

    @property
    def size(self) -> int:
        """Bytes of its packets."""
        return sum(s.size for s in self.stretches)


@dataclass(frozen=True)
class NightPlan:
    """What a night is made from.

    Parameters
    ----------
    instrument
        The detector.
    night
        Name of the night: YYYYMMDD of its begin.
    start, stop
        Begin and end, s.
    stretches
        All packets of the night, run by run, in order of time.
    skipped
        Ranges of bytes that hold no packet, in the runs that begin in this night, with the run's number.
    gti
        Times in which photon packets came without a gap.
    simulated
        Whether any packet says so; None where packets do not say.
    """

    instrument: Instrument
    night: str
    start: float
    stop: float
    stretches: tuple[RunSelection, ...]
    skipped: tuple[tuple[int, Skipped], ...]
    gti: GoodTimeIntervals
    simulated: bool | None

    @property
    def day(self) -> date:
        """Date of the night."""
        return day_of(self.start)

    @property
    def runs(self) -> list[int]:
        """Numbers of the runs that have packets in this night."""
        return [s.run for s in self.stretches]

    @property
    def photon_stretches(self) -> list[RunSelection]:
        """The intact photon packets of measurements, each once, in the order of their counter, run by run."""
        measured = [s for s in self.stretches if not s.configuration]
        return self._photons(measured)

    @property
    def configuration_runs(self) -> list[int]:
        """Runs of what came while the instrument was configured: their photons are in no product."""
        return [s.run for s in self.stretches if s.configuration]

    @property
    def packets_aside(self) -> int:
        """Intact photon packets of those runs."""
        aside = self._photons([s for s in self.stretches if s.configuration])
        return sum(len(s.index) for s in aside)

    def _photons(self, stretches: Sequence[RunSelection]) -> list[RunSelection]:
        rule = self.instrument.photons
        if rule is None:
            return []
        apid = self.instrument.packets[rule.packet].apid
        chosen = [RunSelection(s.run, s.file, s.index[_each_once(s, {apid})]) for s in stretches]
        return [s for s in chosen if len(s.index)]

    @property
    def telemetry_stretches(self) -> list[RunSelection]:
        """The intact packets of the other kinds, each once, run by run."""
        rule = self.instrument.photons
        others = {h.apid for h in self.instrument.headers}
        if rule is not None:
            others -= {self.instrument.packets[rule.packet].apid}
        chosen = [RunSelection(s.run, s.file, s.index[_each_once(s, others)]) for s in self.stretches]
        return [s for s in chosen if len(s.index)]

    def segments(self) -> list[Segment]:
        """The photon packets, cut into shares of about equal size."""
        stretches = self.photon_stretches
        total = sum(s.size for s in stretches)
        # whole multiples, so that a night that grows keeps the cuts it has
        share = SEGMENT_BYTES * max(1, -(-total // (SEGMENT_BYTES * (MOST_SEGMENTS - 1))))
        segments: list[Segment] = []
        parts: list[RunSelection] = []
        room = share
        for stretch in stretches:
            for part in _cut(stretch, room, share):
                parts.append(part)
                room -= part.size
                if room <= 0:
                    segments.append(Segment(len(segments) + 1, tuple(parts)))
                    parts, room = [], share
        if parts:
            segments.append(Segment(len(segments) + 1, tuple(parts)))
        return segments


def _cut(stretch: RunSelection, room: int, share: int) -> Iterator[RunSelection]:
    """Cut a stretch into pieces: the first of at least `room` bytes, the others of at least `share`."""
    ends = np.cumsum(stretch.index.length, dtype=np.int64)
    first, done = 0, 0
    while first < len(ends):
        stop = min(int(np.searchsorted(ends, done + room)) + 1, len(ends))
        yield RunSelection(stretch.run, stretch.file, stretch.index[first:stop])
        first, done, room = stop, int(ends[stop - 1]), share


def plan_night(instrument: Instrument, settings: Settings, start: float, stop: float) -> NightPlan:
    """Find the packets of a night in the archive.

    Parameters
    ----------
    instrument
        The detector.
    settings
        The set-up.
    start, stop
        Begin (included) and end (excluded), s.
    """
    stretches: list[tuple[float, RunSelection]] = []
    skipped: list[tuple[int, Skipped]] = []
    simulated: bool | None = None
    for before, run in pairwise([None, *_runs(instrument, settings)]):
        assert run is not None
        first, last = _span(run.folder, run.size, instrument.name)
        if not (first < stop and last >= start):
            continue
        index = run.index(instrument)
        time = _belonging(index, instrument)
        chosen = (time >= start) & (time < stop)
        if not chosen.any():
            continue
        if time[0] >= start:
            skipped += [(run.number, gap) for gap in index.skipped]
        skipped += [(run.number, gap) for gap in _lost_since(run)]
        said = is_simulated(index, instrument)
        simulated = said if simulated is None else simulated or bool(said)
        part = index if chosen.all() else index[chosen]
        selection = RunSelection(
            run.number, run.raw_file, part,
            configuration=run.suffix == CONFIGURATION,
            joined=before is not None and run.goes_on_from(before),
        )  # fmt: skip
        stretches.append((float(time[chosen][0]), selection))
    ordered = _without_repeats([s for _, s in sorted(stretches, key=lambda item: item[0])])
    plan = NightPlan(
        instrument,
        f"{day_of(start):%Y%m%d}",
        start,
        stop,
        ordered,
        tuple(skipped),
        GoodTimeIntervals(),
        simulated,
    )
    return replace(plan, gti=_good_time(plan.photon_stretches, instrument))


def _lost_since(run: Run) -> list[Skipped]:
    """Bytes that the archive's file had when the run was closed and has no longer."""
    try:
        closed = run.metadata.size
    except BadDataError:  # reported where the bytes are read
        return []
    if closed is None or closed <= run.size:
        return []
    return [
        Skipped(run.size, closed - run.size, "lost: the file of the archive was longer when the run ended")
    ]


def days_with_data(
    instrument: Instrument, settings: Settings, start: str | None, stop: str | None
) -> list[tuple[float, float]]:
    """Cut an interval into nights of at most a day and keep those with packets.

    Parameters
    ----------
    instrument
        The detector.
    settings
        The set-up.
    start, stop
        ISO, UTC; None for the begin of the first day and the end of the last day with data.

    Returns
    -------
    list of tuple
        (begin, end) of each night, s.
    """
    spans = [_span(run.folder, run.size, instrument.name) for run in _runs(instrument, settings)]
    known = [s for s in spans if s[0] <= s[1]]
    if not known:
        return []
    begin = _begin(start, day_of(min(first for first, _ in known)))
    end = to_seconds(stop) if stop else np.inf
    nights: set[int] = set()
    for run in _runs(instrument, settings):
        first, last = _span(run.folder, run.size, instrument.name)
        if first < end and last >= begin:
            time = _belonging(run.index(instrument), instrument)
            inside = time[(time >= begin) & (time < end)]
            nights |= set(np.unique((inside - begin) // DAY).astype(int).tolist())
    return [(begin + DAY * n, min(begin + DAY * (n + 1), end)) for n in sorted(nights)]


def _begin(start: str | None, first_day: date) -> float:
    """Begin of the first night, s: whole days before the first data are left out, leap seconds with them."""
    if start is None:
        return float(to_seconds(first_day.isoformat()))
    begin = datetime.fromisoformat(start)
    empty = (first_day - begin.date()).days - 1
    return float(to_seconds((begin + timedelta(days=max(empty, 0))).isoformat()))


@lru_cache(maxsize=1 << 17)  # of all runs: it is asked for each night
def _span(folder: Path, size: int, instrument: str) -> tuple[float, float]:  # noqa: ARG001, a run that grew is read again
    """First and last time of a run's packets, s; (inf, −inf) where there is none."""
    detector = load(instrument)
    time = _belonging(Run(folder).index(detector), detector)
    return (float(time.min()), float(time.max())) if time.size else (np.inf, -np.inf)


def _runs(instrument: Instrument, settings: Settings) -> list[Run]:
    return [
        run
        for run in RunArchive(settings.archive(instrument.name), instrument.name).runs()
        if _has_bytes(run)
    ]


def _has_bytes(run: Run) -> bool:
    try:
        return run.size > 0
    except FileNotFoundError:
        return False  # its raw file was removed


def _without_repeats(stretches: Sequence[RunSelection]) -> tuple[RunSelection, ...]:
    """Mark the packets that another run holds as well."""
    found = find_repeats([(s.run, s.file, s.index) for s in stretches])
    return tuple(
        replace(s, repeats=mask) if mask.any() else s for s, mask in zip(stretches, found, strict=True)
    )


def _each_once(stretch: RunSelection, apids: set[int]) -> npt.NDArray[np.int64]:
    """Rows of the intact packets of some APIDs, each once, APID by APID in the order of its counter."""
    index = stretch.index
    rows = [np.empty(0, np.int64)]
    for apid, found in sorted(continuity(index, buffer=map_file(stretch.file)).items()):
        if apid in apids:
            good = index.good[found.rows] & ~found.duplicate
            order = np.argsort(found.count[good], kind="stable")
            rows.append(found.rows[good] if found.several_counters else found.rows[good][order])
    chosen = np.concatenate(rows)
    return chosen if stretch.repeats is None else chosen[~stretch.repeats[chosen]]


def _belonging(index: PacketIndex, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Time of each packet; that of the intact one before where its own is not known. Empty if none is."""
    apids = [header.apid for header in instrument.headers]
    time = packet_seconds(index, instrument)
    trusted = index.good & np.isin(index.apid, apids) & np.isfinite(time)
    rows = np.flatnonzero(trusted)
    if not rows.size:
        return np.empty(0)
    before = np.maximum(np.searchsorted(rows, np.arange(len(index)), side="right") - 1, 0)
    return np.asarray(time[rows[before]])


def _good_time(stretches: Sequence[RunSelection], instrument: Instrument) -> GoodTimeIntervals:
    """Times between photon packets with none missing between them and no long silence."""
    starts, stops = [np.empty(0)], [np.empty(0)]
    for stretch in stretches:
        time = packet_seconds(stretch.index, instrument)
        if len(time) < 2:
            continue
        step = np.diff(time)
        usual = max(float(np.median(step)), 0.0)
        consecutive = np.ones(len(time), np.bool_)
        for found in continuity(stretch.index, buffer=map_file(stretch.file)).values():
            consecutive[found.breaks] = False
        follows = consecutive[1:] & (step >= 0) & (step <= max(SHORTEST_GAP, 10.0 * usual))
        # a packet that nobody follows holds photons too: about as long as usual
        last = np.append(~follows, True)
        starts += [time[:-1][follows], time[last]]
        stops += [time[1:][follows], time[last] + usual]
    return GoodTimeIntervals(np.concatenate(starts), np.concatenate(stops))
