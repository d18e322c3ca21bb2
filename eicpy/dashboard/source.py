"""Where the live page gets its data: the newest run of an instrument, and the next one when it comes."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from eicpy.dashboard.health import HousekeepingBlock, State
from eicpy.decoding import is_simulated
from eicpy.errors import BadDataError
from eicpy.events import PhotonBlock
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


class ArchiveSource:
    """The newest run in the archive of an instrument.

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
        self._archive = RunArchive(settings.archive(instrument.name), instrument.name)
        self._instrument = instrument
        self._stale_after = stale_after
        self._look_again = look_again
        self._looked = float("-inf")
        self._follower: Any = None
        self._run: Run | None = None
        self._ended = False
        self.started = 0
        self.simulated = False

    @property
    def run(self) -> str:
        """Number of the run."""
        return "" if self._run is None else str(self._run.number)

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
        """What is new in the newest run."""
        self._find_newest()
        if self._follower is None or self._follower.finished:
            return None
        increment = self._follower.poll()
        if not len(increment):
            return None
        self.simulated = self.simulated or bool(is_simulated(increment.index, self._instrument))
        return increment  # type: ignore[no-any-return]  # the follower is typed Any

    def _find_newest(self) -> None:
        now = time.monotonic()
        if now - self._looked < self._look_again:
            return
        self._looked = now
        newest = self._archive.newest()
        if newest is None:
            return
        if self._run is None or newest.number != self._run.number:
            if self._follower is not None:
                self._follower.close()
            self._run, self._follower = newest, follow(newest, self._instrument)
            self.started += 1
            self.simulated = False
        self._ended = not _may_grow(self._run)
