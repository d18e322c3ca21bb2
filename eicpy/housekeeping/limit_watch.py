"""Limits of parameters with samples that arrive in blocks.

An excursion that has not ended with a piece is remembered by its first and its last sample, both with the
worst value: checked again with the next piece they give it as if all its samples had come at once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.housekeeping.limits import Excursion, Limits, check_limits

__all__ = ["LimitWatch"]


class LimitWatch:
    """Excursions of the parameters of a run that goes on.

    Parameters
    ----------
    state
        :attr:`state` of an earlier watch, to go on with.

    Examples
    --------
    >>> watch, limits = LimitWatch(), Limits(warning_high=30.0, alarm_high=40.0)
    >>> [str(e.level) for e in watch.check("T1", [0.0, 1.0], [20.0, 31.0], limits)]
    ['warning']
    >>> [(str(e.level), e.start, e.stop) for e in watch.check("T1", [2.0, 3.0], [41.0, 20.0], limits)]
    [('alarm', 1.0, 2.0)]
    >>> watch.check("T1", [4.0], [20.0], limits)
    []
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._open: dict[str, list[float]] = {n: list(begun) for n, begun in (state or {}).items()}

    @property
    def state(self) -> dict[str, list[float]]:
        """Excursions that have not ended, as JSON takes them: first time, last time and worst value."""
        return self._open

    def check(
        self,
        parameter: str,
        time: npt.ArrayLike,
        values: npt.ArrayLike,
        limits: Limits,
        *,
        unit: str = "",
        key: str = "",
    ) -> list[Excursion]:
        """Find the excursions in further samples of a parameter.

        Parameters
        ----------
        parameter
            Its name.
        time
            Times of the samples, s; none before those of the calls before.
        values
            Values; NaN is no sample.
        limits
            The limits.
        unit
            Put into the result.
        key
            Packet of the parameter, where several carry the name.

        Returns
        -------
        list of Excursion
            Those that began, went on or ended in these samples, each whole: with its start in earlier ones.

        Raises
        ------
        BadArgumentError
            For arrays of different lengths.
        """
        before = self._open.pop(key or parameter, None)
        times, samples = np.asarray(time, np.float64), np.asarray(values, np.float64)
        if before is not None:
            first, last, worst = before
            times, samples = np.append([first, last], times), np.append([worst, worst], samples)
        found = check_limits(times, samples, limits, parameter=parameter, unit=unit)
        for excursion in found:
            if excursion.ongoing:
                self._open[key or parameter] = [excursion.start, excursion.stop, excursion.extreme]
        return found
