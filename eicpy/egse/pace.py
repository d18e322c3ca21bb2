"""When bytes go out: as fast as they are taken, at a rate, or by the on-board time of the packets."""

import time as system_time
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from eicpy.egse.stream_chunk import StreamChunk
from eicpy.errors import BadArgumentError
from eicpy.typing import FloatArray

__all__ = ["AtRate", "Clock", "OnBoard", "Pace", "Unpaced"]


_GRAIN = 1e-3
"""What is due within a millisecond goes out together, s."""
_NAP = 0.5
"""Longest single sleep, so that a request to stop is seen, s."""
_BACK = 60.0
"""On-board time that goes back by more than this begins again (a loop, another run), s."""


class Clock(Protocol):
    """A clock that can be waited for; the module :mod:`time` is one."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Pace(Protocol):
    """Lets a stream through piece by piece."""

    def release(self, chunk: StreamChunk) -> Iterator[StreamChunk]:
        """Parts of a chunk in their order, each when it is due."""


class Unpaced:
    """As fast as the receiver takes it."""

    def release(self, chunk: StreamChunk) -> Iterator[StreamChunk]:
        """The whole chunk at once."""
        yield chunk


class _Timed:
    """Common to what waits: begins to count at the first release."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin: float | None = None

    def release(self, chunk: StreamChunk) -> Iterator[StreamChunk]:
        """Parts of a chunk in their order, each when it is due."""
        if self._origin is None:
            self._origin = self._clock.monotonic()
        due = self._due(chunk)
        done = 0
        while done < len(chunk):
            now = self._clock.monotonic()
            ready = int(np.searchsorted(due, now + _GRAIN, side="right"))
            if ready > done:
                yield chunk[done:ready]
                done = ready
            else:
                self._clock.sleep(min(float(due[done]) - now, _NAP))

    def _due(self, chunk: StreamChunk) -> FloatArray:
        raise NotImplementedError


class AtRate(_Timed):
    """A steady number of bytes per second.

    Parameters
    ----------
    rate
        Bytes per second.
    clock
        PacketSource of the time.

    Raises
    ------
    BadArgumentError
        For a rate that is not positive.
    """

    def __init__(self, rate: float, clock: Clock = system_time) -> None:
        if not 0 < rate < np.inf:
            raise BadArgumentError(f"got rate {rate}, expected bytes per second above 0")
        super().__init__(clock)
        self._rate = rate
        self._bytes = 0

    def _due(self, chunk: StreamChunk) -> FloatArray:
        """A piece is due when, at this rate, its last byte is out."""
        assert self._origin is not None
        ends = self._bytes + chunk.begin + chunk.size
        self._bytes += len(chunk.data)
        return np.asarray(self._origin + ends / self._rate)


class OnBoard(_Timed):
    """By the packets' own times, or so many times faster.

    What has no time goes with what stands before it. Packets of several APIDs are not sorted: one that
    is older than the one before goes with it. Where time goes back by more than a minute, as at the
    start of another run, it counts from there.

    Parameters
    ----------
    speed
        1 for real time, 10 for ten times faster.
    clock
        PacketSource of the time.

    Raises
    ------
    BadArgumentError
        For a speed that is not positive.
    """

    def __init__(self, speed: float = 1.0, clock: Clock = system_time) -> None:
        if not 0 < speed < np.inf:
            raise BadArgumentError(f"got speed {speed}, expected a number above 0, such as 1 or 10")
        super().__init__(clock)
        self._speed = speed
        self._zero = np.nan
        self._newest = np.nan
        self._last_due = -np.inf

    def _due(self, chunk: StreamChunk) -> FloatArray:
        due = np.empty(len(chunk))
        first = 0
        while first < len(due):
            time = chunk.time[first:]
            newest = np.fmax.accumulate(np.concatenate([[self._newest], time]))
            back = np.flatnonzero(time < newest[:-1] - _BACK)
            stop = first + int(back[0]) if len(back) else len(due)
            due[first:stop] = self._moments(newest[1 : stop - first + 1])
            if len(back):
                self._begin_anew(float(chunk.time[stop]))
            first = stop
        return due

    def _moments(self, newest: FloatArray) -> FloatArray:
        assert self._origin is not None
        if not len(newest):
            return newest
        if np.isnan(self._zero) and not np.isnan(newest[-1]):
            self._zero = float(newest[np.flatnonzero(~np.isnan(newest))[0]])
        moments = self._origin + np.nan_to_num((newest - self._zero) / self._speed)
        self._newest, self._last_due = float(newest[-1]), float(moments[-1])
        return np.asarray(moments)

    def _begin_anew(self, time: float) -> None:
        self._origin = max(self._last_due, self._origin or 0.0)
        self._zero = self._newest = time
