"""Live time: good time less the time in which the readout took no photon.

After each photon a sector is dead for a time τ, and a photon that comes meanwhile is lost without making it
longer (non-paralysable). A sector that recorded N photons in a good time T was therefore dead for N·τ,
however its rate changed, and its live time is

    L = T − N·τ

A pixel lives as long as its sector. For the whole plane, with shares f of the photons in its sectors, the
rate Σ N_s/L_s is N/L to first order in the differences between them, with

    L = T − N·τ·Σ f_s²

which needs the photons in each bin of time and the shares of the whole span alone. A photon that hit two
pixels of a sector made it dead once and counts twice in N: where 2.8 % of the counts are such halves, the
dead time is 1.4 % of itself too long.

References
----------
Knoll, Radiation Detection and Measurement, 4th edition, chapter 4.VII (models of dead time behaviour).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument

__all__ = ["DeadTime"]

F8 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class DeadTime:
    """The dead time of the sectors of a detector.

    Parameters
    ----------
    length
        τ, s.
    sector
        Sector of each pixel, shape (pixels,).

    Examples
    --------
    Two sectors of two pixels, of which one had 1000 photons in 1 s:

    >>> dead = DeadTime(2e-5, np.array([0, 0, 1, 1]))
    >>> dead.live_times(1.0, np.array([600, 400, 0, 0]))
    array([0.98, 0.98, 1.  , 1.  ])
    """

    length: float
    sector: npt.NDArray[np.integer[Any]]

    @classmethod
    def of(cls, instrument: Instrument) -> "DeadTime | None":
        """The dead time of an instrument; None where its description has none."""
        if instrument.dead_time is None:
            return None
        return cls(instrument.dead_time.length, instrument.pixels.sector(np.arange(instrument.pixels.count)))

    def in_sectors(self, counts: Counts) -> F8:
        """Photons of each sector, from those of each pixel."""
        if counts.shape != self.sector.shape:
            raise BadArgumentError(
                f"got counts of shape {counts.shape}, expected {self.sector.shape}: one for each pixel"
            )
        return np.asarray(np.bincount(self.sector, weights=counts))

    def live_times(self, good_time: float, recorded: Counts) -> F8:
        """Live time of each pixel, s.

        Parameters
        ----------
        good_time
            s.
        recorded
            Photons of every energy that each pixel recorded within it, shape (pixels,).

        Returns
        -------
        numpy.ndarray
            float64, shape (pixels,); 0 where a sector recorded more than it can.
        """
        live = np.maximum(0.0, good_time - self.in_sectors(recorded) * self.length)
        return np.asarray(live[self.sector])

    def live_time(self, good_time: float, recorded: Counts, wanted: Counts | None = None) -> float:
        """Live time of the plane, or of some of its photons, as a whole, s.

        Parameters
        ----------
        good_time
            s.
        recorded, wanted
            As of :meth:`load`.
        """
        return max(0.0, good_time - float(recorded.sum()) * self.length * self.load(recorded, wanted))

    def load(self, recorded: Counts, wanted: Counts | None = None) -> float:
        """Share of the photons in the sector of one of them, Σ w_s·f_s; 1/sectors for a plane lit evenly.

        Parameters
        ----------
        recorded
            Photons of each pixel, shape (pixels,).
        wanted
            Those whose rate is asked, where these are not all.
        """
        all_of_them = self.in_sectors(recorded)
        asked = all_of_them if wanted is None else self.in_sectors(wanted)
        total = all_of_them.sum() * asked.sum()
        return float((all_of_them * asked).sum() / total) if total else 0.0

    def live_in_bins(self, exposure: F8, recorded: Counts, load: float) -> F8:
        """Live time of bins, s.

        Parameters
        ----------
        exposure
            Good time of each bin, s, shape (bins,).
        recorded
            Photons of every energy and pixel that were recorded within it, shape (bins,).
        load
            As of :meth:`load`.
        """
        return np.asarray(np.maximum(0.0, exposure - recorded * (self.length * load)))
