"""Known sources watched through exposures of all lengths: fluxes of cycles add up, as their images do.

A source that is taken out of every image would never be seen to flare there. What was taken out for it in
each cycle is kept, and the sum over 2ᵏ cycles is compared with its usual flux. That is quick, for the fit is
the same as long as the camera holds still, and only says where to look: the Earth, which moves, is not in it.
An outburst is one in the image of the exposure with everything taken out
(:meth:`eicpy.trigger.on_board.positions.PositionFinder.outbursts`).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eicpy.trigger.configuration import CYCLE
from eicpy.trigger.on_board.identification import SourceFluxes
from eicpy.typing import FloatArray

__all__ = ["SourceWatch", "WatchedExposure"]


@dataclass(frozen=True, slots=True)
class _Cycle:
    start: float
    exposure: float
    numbers: tuple[int, ...]
    flux: FloatArray
    variance: FloatArray


@dataclass(frozen=True, slots=True)
class WatchedExposure:
    """Fluxes of the known sources in an exposure.

    Parameters
    ----------
    start, stop
        Its bounds, s.
    stack
        k of its length, 20.48 s·2ᵏ.
    band
        Number of the band.
    exposure
        Live time, s.
    flux, variance
        Of each source: counts of a pixel that is lit fully, shape (sources,).
    """

    start: float
    stop: float
    stack: int
    band: int
    exposure: float
    flux: FloatArray
    variance: FloatArray


class SourceWatch:
    """The fluxes of the last cycles.

    Parameters
    ----------
    stacks
        k of the exposures.
    """

    def __init__(self, stacks: tuple[int, ...]) -> None:
        self._stacks = stacks
        self._kept: deque[_Cycle] = deque(maxlen=2 ** max(stacks, default=0))

    def forget(self) -> None:
        """What was seen before is another field."""
        self._kept.clear()

    def add(
        self,
        start: float,
        exposure: float,
        fit: SourceFluxes,
        images: FloatArray,
    ) -> Iterator[WatchedExposure]:
        """Fluxes of a cycle; gives out all exposures that end with it.

        Parameters
        ----------
        start
            Its begin, s.
        exposure
            Its live time, s.
        fit
            Of the sources in the field.
        images
            Counts by band, shape (bands, pixels, pixels).
        """
        numbers = tuple(one.number for one in fit.sources)
        if not numbers:
            self._kept.clear()
            return
        if self._kept and (
            self._kept[-1].numbers != numbers or abs(self._kept[-1].start + CYCLE - start) > 0.01
        ):
            self._kept.clear()
        flux, variance = fit.of(images)
        self._kept.append(_Cycle(start, exposure, numbers, flux, variance))
        latest = list(self._kept)[::-1]
        for stack in self._stacks:
            part = latest[: 2**stack]
            if len(part) < 2**stack:
                continue
            seconds = sum(one.exposure for one in part)
            flux = np.sum([one.flux for one in part], axis=0)
            variance = np.sum([one.variance for one in part], axis=0)
            for band in range(len(images)):
                yield WatchedExposure(
                    part[-1].start, start + CYCLE, stack, band, seconds, flux[band], variance[band]
                )
