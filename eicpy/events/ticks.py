"""Time bins in whole units of the counter that the times come from.

The times of photons are whole ticks (20 µs aboard ECLAIRs) and stand in files as seconds, in which a tick is
no round number: a bin number found by dividing seconds goes either way at the edges of bins, and bins of
0.1 ms hold 4 to 6 ticks. That looks like a periodic signal. Here a time is rounded to its tick, which is
exact (seconds are good to 0.06 µs), and ticks are counted in whole numbers: every bin holds as many.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument

__all__ = ["TickBins", "tick_of"]

_WHOLE = 1e-6
"""Share of a tick by which a width may miss whole ticks: what is left of a decimal fraction in binary."""
_LATE = 0.02
"""Share of a tick by which a start that is meant to be on one may be late: seconds are good to 0.003."""


def tick_of(instrument: Instrument) -> float | None:
    """Unit of an instrument's photon times, s; None where they are no whole units since the epoch.

    Counted from the time of each packet, the units of one packet lie between those of another.
    """
    rule = instrument.photons
    return None if rule is None or rule.time.counted_from != "epoch" else rule.time.tick


@dataclass(frozen=True, slots=True)
class TickBins:
    """Bins of whole ticks.

    Parameters
    ----------
    tick
        Length of a tick, s; ticks are counted from the reference of the times.
    first
        Number of the first tick of the first bin.
    width
        Ticks in a bin.

    Examples
    --------
    >>> TickBins.of(3.0e8, 1e-4, 2e-5)
    TickBins(tick=2e-05, first=15000000000000, width=5)
    """

    tick: float
    first: int
    width: int

    @classmethod
    def of(cls, start: float, step: float, tick: float) -> "TickBins":
        """Bins of a width from the first tick that is not before a time.

        Raises
        ------
        BadArgumentError
            For a width that is not a whole number of ticks.
        """
        width = round(step / tick)
        if width < 1 or abs(step / tick - width) > _WHOLE * width:
            near = [f"{n * tick:g}" for n in sorted({max(1, int(step / tick)), int(step / tick) + 1})]
            raise BadArgumentError(
                f"got bins of {step:g} s, expected whole ticks of {tick:g} s, such as {' or '.join(near)} s"
            )
        return cls(tick, int(np.ceil(start / tick - _LATE)), width)

    @property
    def step(self) -> float:
        """Width of a bin, s."""
        return self.width * self.tick

    def edge(self, number: int) -> float:
        """Start of a bin, s."""
        return (self.first + number * self.width) * self.tick

    def edges(self, first: int, count: int) -> npt.NDArray[np.float64]:
        """Edges of bins, s, shape (count + 1,)."""
        ticks = self.first + (first + np.arange(count + 1, dtype=np.int64)) * self.width
        return np.asarray(ticks * self.tick)
