"""Columns over time for other people's tools: an astropy TimeSeries, or plain columns for a data frame.

A TimeSeries keeps the scale of the files, TT. Data frames know no scales; everybody reads their times as UTC,
so plain columns are in UTC (TT is 69.184 s ahead of it).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from eicpy.times import to_time
from eicpy.typing import AnyArray

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

__all__ = ["plain_columns", "time_series"]


def time_series(seconds: AnyArray, columns: Mapping[str, tuple[AnyArray, str]]) -> "TimeSeries":
    """Make a TimeSeries (TT) of columns with their units.

    Parameters
    ----------
    seconds
        s TT since the reference, shape (n,).
    columns
        Values, shape (n,), and unit by name; no unit: a plain column.
    """
    import astropy.units as u  # noqa: PLC0415, takes a second: only who asks for it pays
    from astropy.timeseries import TimeSeries  # noqa: PLC0415, as above

    series = TimeSeries(time=to_time(seconds))
    for name, (values, unit) in columns.items():
        series[name] = u.Quantity(values, u.Unit(unit, parse_strict="silent")) if unit else values
    return series


def plain_columns(seconds: AnyArray, columns: Mapping[str, tuple[AnyArray, str]]) -> dict[str, AnyArray]:
    """Make columns for a data frame; the first, ``time``, is UTC as numpy's datetime64.

    Parameters
    ----------
    seconds, columns
        As for :func:`time_series`.
    """
    times = to_time(seconds).utc.datetime64 if len(seconds) else np.empty(0, "datetime64[ns]")
    return {"time": times, **{name: values for name, (values, _unit) in columns.items()}}
