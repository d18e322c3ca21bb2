"""Good time known from the photons alone: the time that they span, less the gaps between them.

A gap is a span without any photon of the whole detector, longer than a second, in which at least 20
were expected at the mean rate (a Poisson chance of 2·10⁻⁹). Shorter losses are not seen and make rates
seem lower than they were by as much as was lost; the packet counters say how much.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from eicpy.events.gti import GoodTimeIntervals

__all__ = ["EXPECTED_FOR_A_GAP", "Coverage"]

EXPECTED_FOR_A_GAP = 20.0
SHORTEST_GAP = 1.0
"""s."""
MOST_GAPS = 10_000


class Coverage:
    """The time that a stream of photons covers.

    Examples
    --------
    >>> coverage = Coverage()
    >>> coverage.add(np.concatenate([np.arange(0.0, 10.0, 0.01), np.arange(70.0, 80.0, 0.01)]))
    >>> len(coverage.gti), round(coverage.gti.exposure)
    (2, 20)
    """

    def __init__(self) -> None:
        self.first = np.inf
        self.last = -np.inf
        """Earliest and latest photon, s."""
        self.photons = 0
        self._jumps: deque[tuple[float, float]] = deque(maxlen=MOST_GAPS)

    def add(self, time: npt.NDArray[np.float64]) -> None:
        """Take in photons, nearly in order of time.

        Parameters
        ----------
        time
            s TT since the reference, shape (n,), finite.
        """
        if not len(time):
            return
        before = self.last if self.photons else float(time[0])
        front = np.maximum.accumulate(np.concatenate([[before], time]))
        for row in np.flatnonzero(np.diff(front) > SHORTEST_GAP):
            self._jumps.append((float(front[row]), float(front[row + 1])))
        self.first = min(self.first, float(time.min()))
        self.last = float(front[-1])
        self.photons += len(time)

    @property
    def gti(self) -> GoodTimeIntervals:
        """The good time: from the earliest photon to the latest, less the gaps; every photon lies in it."""
        if not self.last > self.first:
            return GoodTimeIntervals()
        longest = self._shortest_gap
        start, stop = np.reshape([jump for jump in self._jumps if jump[1] - jump[0] > longest], (-1, 2)).T
        # an interval does not hold its own end: the last photon before a gap comes just before it
        gaps = GoodTimeIntervals(np.nextafter(start, np.inf), stop)
        return GoodTimeIntervals(self.first, np.nextafter(self.last, np.inf)) - gaps

    @property
    def _shortest_gap(self) -> float:
        """From which length on a pause is a gap, s: each gap that is found raises the rate outside of it."""
        elapsed, longest = self.last - self.first, np.inf
        while True:
            kept = elapsed - sum(b - a for a, b in self._jumps if b - a > longest)
            expected = max(SHORTEST_GAP, EXPECTED_FOR_A_GAP * kept / self.photons)
            if expected >= longest:
                return float(longest)
            longest = expected
