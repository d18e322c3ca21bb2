"""Times of the files: seconds of Terrestrial Time since 2017-01-01T00:00:00 UTC.

SVOM files count TT seconds from MJDREFI + MJDREFF = 57754.000800740741, which is the TT reading of
2017-01-01T00:00:00 UTC (TT − UTC was 69.184 s). The header value is that instant rounded to 12 decimals
of a day, 0.02 ns off; here second 0 is the instant itself.

A float64 holds such a time to better than 0.06 µs until 2034, far below the 20 µs of a photon's stamp.
"""

from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = [
    "CDS_DAY_BITS",
    "CDS_EPOCH",
    "CDS_TICKS",
    "DATEREF",
    "DAY",
    "MJDREFF",
    "MJDREFI",
    "check_day_segments",
    "day_number",
    "day_of",
    "to_seconds",
    "to_time",
]

DAY = 86400
"""Seconds of a day without a leap second."""
CDS_EPOCH = "1958-01-01"
"""Day 0 of a day-segmented time code that has not the agency's own (CCSDS 301.0-B-4, section 3.3)."""
CDS_DAY_BITS = (16, 24)
CDS_TICKS = {32: 1e-3, 48: 1e-6, 64: 1e-12}
"""Length of the smallest unit, s, by the bits behind the day: milliseconds of the day, and what is below."""
MODIFIED_JULIAN_DAY_0 = 678576
"""1858-11-17 as Python counts days."""

MJDREFI = 57754
"""Integer part of the reference, MJD (TT)."""
MJDREFF = 0.000800740741
"""Fraction of the reference, d (TT), as it stands in the files."""
DATEREF = "2017-01-01T00:00:00"
"""The reference as a UTC date."""


def day_number(date_text: str) -> int:
    """Modified Julian Day of an ISO date.

    Raises
    ------
    BadArgumentError
        If it is none.
    """
    try:
        return date.fromisoformat(date_text).toordinal() - MODIFIED_JULIAN_DAY_0
    except ValueError as error:
        raise BadArgumentError(f"got day 0 {date_text!r}, expected a date like {CDS_EPOCH}") from error


def check_day_segments(day_epoch: str, coarse_bits: int, fine_bits: int) -> None:
    """Refuse widths that no day-segmented time has, and an epoch that is no date.

    Raises
    ------
    BadArgumentError
        Naming them.
    """
    day_number(day_epoch)
    if coarse_bits not in CDS_DAY_BITS or fine_bits not in CDS_TICKS:
        raise BadArgumentError(
            f"got {coarse_bits} + {fine_bits} bits of a day-segmented time, expected 16 or 24 of the day, "
            "and 32, 48 or 64 of the millisecond of the day and what is below"
        )


@cache
def _reference() -> "Time":
    from astropy.time import Time  # noqa: PLC0415, takes most of a second: only where a time is needed

    return Time(DATEREF, scale="utc", format="isot").tt


def to_seconds(time: "Time | str | npt.ArrayLike") -> Any:
    """Seconds TT since the reference.

    Parameters
    ----------
    time
        A time of any scale and shape; text is read as an ISO date in UTC; numbers are such seconds already.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `time`.

    Raises
    ------
    BadArgumentError
        For text that is not an ISO date, and for what is neither a time nor a number.

    Examples
    --------
    >>> to_seconds("2017-01-01T00:00:00")
    0.0
    >>> to_seconds("2017-01-02")
    86400.0
    """
    if isinstance(time, str):
        from astropy.time import Time  # noqa: PLC0415, as above

        try:
            time = Time(time, scale="utc")
        except ValueError as error:
            raise BadArgumentError(
                f"got time {time!r}, expected an ISO date such as 2026-11-21T02:00:00 (UTC)"
            ) from error
    seconds: Any = (time.tt - _reference()).sec if hasattr(time, "tt") else time
    try:
        return float(seconds) if np.ndim(seconds) == 0 else np.asarray(seconds, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadArgumentError(f"got {time!r}, expected a Time, an ISO date (UTC) or seconds") from error


def to_time(seconds: float | npt.ArrayLike) -> "Time":
    """Time (scale TT) of seconds since the reference.

    Raises
    ------
    BadArgumentError
        For seconds that are not finite: there is no such time.

    Examples
    --------
    >>> to_time(86400.0).utc.isot
    '2017-01-02T00:00:00.000'
    """
    from astropy.time import TimeDelta  # noqa: PLC0415, as above

    known = np.asarray(seconds, dtype=np.float64)
    if not np.isfinite(known).all():
        bad = known[~np.isfinite(known)].flat[0]
        raise BadArgumentError(f"got a time of {bad} s, expected finite seconds since {DATEREF} UTC")
    return _reference() + TimeDelta(known, format="sec")


def day_of(seconds: float) -> date:
    """Calendar day of a time: whole days of 86400 s since the reference.

    UTC days as long as no leap second follows that of 2017-01-01; none has been announced.

    Examples
    --------
    >>> day_of(86399.0), day_of(-1.0)
    (datetime.date(2017, 1, 1), datetime.date(2016, 12, 31))
    """
    return date(2017, 1, 1) + timedelta(days=int(seconds // 86400.0))
