"""When each packet of a playback is due: at the pace of the on-board time, or a multiple of it.

The pace goes by how far the on-board time advances from packet to packet. A packet that comes late (its
time lies before one that was given) is due at once. Packets without a time, and damaged ones, whose time
means nothing, go with the one before them. A jump, such as a pause of hours between two passes or a clock
that was set, is shortened to a stated longest wait.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError

__all__ = ["LONGEST_WAIT", "Pacer"]

LONGEST_WAIT = 10.0
"""Longest wait between two packets of a playback, s."""


@dataclass
class Pacer:
    """Says when packets are due.

    Parameters
    ----------
    speed
        On-board seconds in a second of playback.
    longest_wait
        Longest wait between two packets, s of playback.
    clock
        Counts seconds; another one in tests.
    """

    speed: float
    longest_wait: float = LONGEST_WAIT
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise BadArgumentError(f"got speed {self.speed}, expected a factor above 0, such as 1 or 10")
        if not self.longest_wait >= 0:
            raise BadArgumentError(f"got a longest wait of {self.longest_wait} s, expected 0 or more")
        self._reached = self._due = math.nan

    def due(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """When the next packets are due.

        Parameters
        ----------
        seconds
            On-board times of the packets that follow those asked before, s; NaN for those without one.

        Returns
        -------
        numpy.ndarray
            Times of the clock, never decreasing, shape (n_packets,).
        """
        if math.isnan(self._due):
            self._due = self.clock()
        due, reached = self._due, self._reached
        jump = self.longest_wait * self.speed
        times = np.empty(len(seconds))
        for row, now in enumerate(seconds.tolist()):
            ahead = now - reached
            if ahead > 0:
                due += min(ahead / self.speed, self.longest_wait)
                reached = now
            elif ahead < -jump or (math.isnan(reached) and not math.isnan(now)):
                reached = now  # a clock that was set back, or the first time
            times[row] = due
        self._due, self._reached = due, reached
        return times

    def restart(self) -> None:
        """Restart: the next packet is due now, as after a pause."""
        self._due = self._reached = math.nan
