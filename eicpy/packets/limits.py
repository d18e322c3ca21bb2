"""Limits of an engineering value, and on which side of them a value lies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Ranges of a parameter, in its unit; None where there is no limit. False where there is none at all.

    Examples
    --------
    >>> Limits(warning_low=-25.0, warning_high=-15.0, alarm_high=-10.0).high
    (-15.0, -10.0)
    """

    warning_low: float | None = None
    warning_high: float | None = None
    alarm_low: float | None = None
    alarm_high: float | None = None

    def __bool__(self) -> bool:
        return (self.warning_low, self.warning_high, self.alarm_low, self.alarm_high) != (None,) * 4

    @property
    def low(self) -> tuple[float, float]:
        """Lower limits (warning, alarm); −inf where there is none, the alarm's where only that is given."""
        alarm = -np.inf if self.alarm_low is None else float(self.alarm_low)
        return (alarm if self.warning_low is None else float(self.warning_low)), alarm

    @property
    def high(self) -> tuple[float, float]:
        """Upper limits (warning, alarm); +inf where there is none, the alarm's where only that is given."""
        alarm = np.inf if self.alarm_high is None else float(self.alarm_high)
        return (alarm if self.warning_high is None else float(self.warning_high)), alarm

    def passed(self, values: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """Count the ranges that each value is outside of.

        Parameters
        ----------
        values
            Any shape.

        Returns
        -------
        array
            Same shape: 0 inside (a value at a limit is), 1 outside the warning range, 2 outside the alarm
            range, −1 for NaN, which is no sample.

        Examples
        --------
        >>> limits = Limits(warning_high=30.0, alarm_high=40.0)
        >>> limits.passed([30.0, 31.0, float("inf"), float("nan")]).tolist()
        [0, 1, 2, -1]
        """
        v = np.asarray(values, dtype=np.float64)
        (warning_low, alarm_low), (warning_high, alarm_high) = self.low, self.high
        found = np.where(np.isnan(v), -1, 0).astype(np.int8)
        found[(v < warning_low) | (v > warning_high)] = 1
        found[(v < alarm_low) | (v > alarm_high)] = 2
        return found

    def check(self) -> None:
        """Refuse limits that are not in order.

        Raises
        ------
        BadArgumentError
            Naming them.
        """
        given = [
            v for v in (self.alarm_low, self.warning_low, self.warning_high, self.alarm_high) if v is not None
        ]
        if not all(np.isfinite(given)) or given != sorted(given):
            raise BadArgumentError(
                f"got {self}, expected alarm_low ≤ warning_low ≤ warning_high ≤ alarm_high, all finite"
            )
