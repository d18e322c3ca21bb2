"""For how long photons were really counted: the time they span, less the gaps in the data.

A gap is a stretch without any photon of the whole detector, longer than a second and so long that at
least 20 were expected in it at the mean rate (a Poisson chance of 2·10⁻⁹). Shorter losses are not seen
and make rates seem lower than they were by as much as was lost; the packet counters tell how much.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

__all__ = ["EXPECTED_FOR_A_GAP", "Exposure"]

EXPECTED_FOR_A_GAP = 20.0
SHORTEST_GAP = 1.0
"""s."""
MOST_GAPS = 10_000


class Exposure:
    """The time that a stream of photons covers, known from the photons alone.

    Examples
    --------
    >>> exposure = Exposure()
    >>> exposure.add(np.concatenate([np.arange(0.0, 10.0, 0.01), np.arange(70.0, 80.0, 0.01)]))
    >>> round(exposure.between(0.0, 80.0))
    20
    """

    def __init__(self) -> None:
        self.first = np.inf
        self.last = -np.inf
        """Earliest and latest photon, s."""
        self.photons = 0
        self._jumps: deque[tuple[float, float]] = deque(maxlen=MOST_GAPS)

    def add(self, time: npt.NDArray[np.float64]) -> None:
        """Take in photons, nearly in order of time."""
        if not len(time):
            return
        before = self.last if self.photons else float(time[0])
        front = np.maximum.accumulate(np.concatenate([[before], time]))
        for place in np.flatnonzero(np.diff(front) > SHORTEST_GAP):
            self._jumps.append((float(front[place]), float(front[place + 1])))
        self.first = min(self.first, float(time.min()))
        self.last = float(front[-1])
        self.photons += len(time)

    def between(self, start: float, stop: float) -> float:
        """Exposure within [start, stop], s: 0 outside of the stream."""
        start, stop = max(start, self.first), min(stop, self.last)
        if not stop > start:
            return 0.0
        longest = self._shortest_gap
        lost = sum(max(0.0, min(b, stop) - max(a, start)) for a, b in self._jumps if b - a > longest)
        return stop - start - lost

    @property
    def _shortest_gap(self) -> float:
        """From which length on a pause is a gap, s: what gaps there are raises the mean rate without them."""
        elapsed, longest = self.last - self.first, np.inf
        while True:
            kept = elapsed - sum(b - a for a, b in self._jumps if b - a > longest)
            expected = max(SHORTEST_GAP, EXPECTED_FOR_A_GAP * kept / self.photons)
            if expected >= longest:
                return float(longest)
            longest = expected

    @property
    def total(self) -> float:
        """Exposure of the whole stream, s."""
        return self.between(self.first, self.last)
