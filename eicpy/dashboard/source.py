"""Where the live page gets its data: the newest measurement of an instrument, then the next one."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from eicpy.dashboard.following import Followed, NewestMeasurement
from eicpy.dashboard.health import HousekeepingBlock, State
from eicpy.decoding import is_simulated
from eicpy.errors import BadDataError
from eicpy.events import EventList, PhotonBlock
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.runs import Run, RunArchive, follow
from eicpy.settings import Settings

__all__ = ["STALE_AFTER", "ArchiveSource", "LiveSource", "NewPackets", "PacketTotals", "age_of"]


STALE_AFTER = 15.0
"""Time without new data after which an open run is stale, s."""


def age_of(run: Run) -> float | None:
    """Time since bytes were last added to a run, s; None where none were."""
    try:
        status = run.raw_file.stat()
    except OSError:
        return None  # it was removed
    return max(0.0, time.time() - status.st_mtime) if status.st_size else None


def _may_grow(run: Run) -> bool:
    """Whether bytes may still come: the run is open, and was not removed."""
    try:
        return run.is_open
    except BadDataError:  # whether it is open is not known
        return run.raw_file.exists()


class NewPackets(Protocol):
    """Packets since the last poll."""

    def __len__(self) -> int:
        """Packets."""

    @property
    def run(self) -> int:
        """Number of their run."""

    @property
    def index(self) -> PacketIndex:
        """The packets."""

    @property
    def photons(self) -> PhotonBlock:
        """Photons in them."""

    @property
    def housekeeping(self) -> Mapping[str, HousekeepingBlock]:
        """Housekeeping in them, by kind of packet."""


class PacketTotals:
    """Packets of a run so far, all APIDs together."""

    def __init__(self, counts: Mapping[int, Any]) -> None:
        every = list(counts.values())
        self.received = sum(c.received for c in every)
        self.lost = sum(c.lost for c in every)
        self.damaged = sum(c.damaged for c in every)
        self.disturbed = sum(c.duplicated + c.out_of_order + c.out_of_step for c in every)


class LiveSource(Protocol):
    """A stream that is polled."""

    @property
    def run(self) -> str:
        """Name of the run; empty where there is none."""

    @property
    def started(self) -> int:
        """Grows when another run begins: what was shown belongs to the run before."""

    @property
    def totals(self) -> PacketTotals:
        """Packets so far."""

    @property
    def behind(self) -> int:
        """Bytes that were not read yet."""

    @property
    def simulated(self) -> bool:
        """Whether packets of the run say that they are simulated."""

    def age(self) -> float | None:
        """Time since data came last, s; None where none came."""

    def state(self) -> State:
        """Whether it is the present."""

    def poll(self) -> NewPackets | None:
        """What is new; None if nothing is."""


@dataclass(frozen=True)
class _HousekeepingAlone:
    """New packets of a run of configuration, without photons: those on the page are of the measurement."""

    packets: NewPackets

    def __len__(self) -> int:
        return len(self.packets)

    @property
    def run(self) -> int:
        return self.packets.run

    @property
    def index(self) -> PacketIndex:
        return self.packets.index

    @property
    def photons(self) -> PhotonBlock:
        return EventList.of(self.packets.photons)[:0]

    @property
    def housekeeping(self) -> Mapping[str, HousekeepingBlock]:
        return self.packets.housekeeping


class ArchiveSource:
    """The newest measurement in the archive of an instrument.

    While the instrument is configured after it, its housekeeping goes on and its photons stay.

    Parameters
    ----------
    settings
        Set-up with the archive.
    instrument
        The detector.
    stale_after
        Time without new data after which an open run is stale, s.
    look_again
        How often to look for a newer run, s.
    """

    def __init__(
        self,
        settings: Settings,
        instrument: Instrument,
        *,
        stale_after: float = STALE_AFTER,
        look_again: float = 3.0,
    ) -> None:
        archive = RunArchive(settings.archive(instrument.name), instrument.name)
        self._newest = NewestMeasurement(archive, look_again)
        self._instrument = instrument
        self._stale_after = stale_after
        self._follower: Any = None
        self._beside: Any = None
        self.followed = Followed()
        self._ended = False
        self.started = 0
        self.simulated = False

    @property
    def run(self) -> str:
        """Number of the run."""
        return "" if self._run is None else str(self._run.number)

    @property
    def _run(self) -> Run | None:
        return self.followed.run

    @property
    def totals(self) -> PacketTotals:
        """Packets so far."""
        return PacketTotals({} if self._follower is None else self._follower.counts)

    @property
    def behind(self) -> int:
        """Bytes that were not read yet."""
        return 0 if self._follower is None else int(self._follower.behind)

    def age(self) -> float | None:
        """Time since bytes were last added to the run, s."""
        return None if self._run is None else age_of(self._run)

    def state(self) -> State:
        """Whether what is shown is the present."""
        if self._run is None:
            return State.NO_RUN
        if self._ended:
            return State.ENDED
        age = self.age()
        return State.STALE if age is None or age > self._stale_after else State.LIVE

    def poll(self) -> NewPackets | None:
        """What is new: of the measurement first, then housekeeping of the configuration after it."""
        self._find_newest()
        increment = _polled(self._follower)
        if increment is not None:
            self.simulated = self.simulated or bool(is_simulated(increment.index, self._instrument))
            return increment
        increment = _polled(self._beside)
        return None if increment is None else _HousekeepingAlone(increment)

    def close(self) -> None:
        """Let go of the files."""
        _close(self._follower)
        _close(self._beside)
        self._follower = self._beside = None

    def _find_newest(self) -> None:
        before, self.followed = self.followed, self._newest.look()
        run, beside = self.followed
        if run is None:
            return
        if before.run is None or run.number != before.run.number:
            _close(self._follower)
            self._follower = follow(run, self._instrument)
            self.started += 1
            self.simulated = False
        if beside != before.beside:
            _close(self._beside)
            self._beside = None if beside is None else follow(beside, self._instrument)
        self._ended = not _may_grow(run)


def _polled(follower: Any) -> NewPackets | None:
    if follower is None or follower.finished:
        return None
    increment = follower.poll()
    return increment if len(increment) else None


def _close(follower: Any) -> None:
    if follower is not None:
        follower.close()
