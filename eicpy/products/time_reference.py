"""How the times of a table become seconds of Terrestrial Time since 2017-01-01T00:00:00 UTC.

A time of a table is relative: instant = reference + TIMEZERO + TIME, in the scale and the unit that its
header names. The reference is MJDREFI + MJDREFF, or MJDREF, JDREF(I, F), DATEREF, and is itself in that
scale; TIMEZERO, or TIMEZERI + TIMEZERF, belongs to the times of its own table. Seconds are SI seconds that
passed since then: in TT and TAI that is a sum, in TDB it needs TDB − TT (at most 1.7 ms), in UTC the leap
seconds up to the reference. Where a leap second lies between reference and photons, seconds "of UTC" may or
may not count it, and nobody can know; days of UTC (TIMEUNIT d) are those of the calendar.

References
----------
- FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section 9.
- Rots et al. 2015, A&A 574, A36: time coordinates in FITS.
- Angelini, Pence and Tennant 1993, OGIP/93-003: TIMEZERO.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.products.product import header_values
from eicpy.products.structure import Unit
from eicpy.times import DATEREF, DAY, MJDREFF, MJDREFI, to_seconds

__all__ = ["TimeReference"]

F8 = npt.NDArray[np.float64]

_SCALES = {
    "TT": "tt", "TDT": "tt", "ET": "tt", "TAI": "tai", "IAT": "tai", "UTC": "utc", "GMT": "utc", "TDB": "tdb",
}  # fmt: skip
_UNITS = {
    "s": 1.0, "S": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9,
    "min": 60.0, "h": 3600.0, "d": 86400.0, "D": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_TT_MINUS_TAI = 32.184
_ELSEWHERE = ("SOLAR", "BARY", "HELIO", "GALAC", "EMBARY", "GEOC")
"""Beginnings of TIMEREF and TREFPOS that put the clock elsewhere than at the satellite."""
_LATEST = 1e6
"""MJD beyond which a reference is no date."""
_NODES = 10_000
_NODE = 3600.0
"""Distance of the points between which TDB − TT is interpolated, s: a straight line is right to 10⁻⁹ s."""


@dataclass(frozen=True, slots=True)
class TimeReference:
    """The reference of the times of a table.

    Parameters
    ----------
    scale
        ``tt``, ``tai``, ``utc`` or ``tdb``.
    day, fraction
        Reference, MJD in that scale.
    unit
        Length of a unit of the column, s.
    zero
        TIMEZERO, s.
    path, offset
        The file, and the byte at which the header begins, for messages.

    See Also
    --------
    eicpy.times.to_time : Such seconds as a Time.

    Examples
    --------
    Swift and Fermi count from 2001-01-01 UTC:

    >>> from eicpy.times import to_time
    >>> swift = TimeReference("tt", 51910.0, 7.428703703703703e-4)
    >>> to_time(swift.seconds([0.0])[0]).utc.isot
    '2001-01-01T00:00:00.000'
    """

    scale: str = "tt"
    day: float = float(MJDREFI)
    fraction: float = MJDREFF
    unit: float = 1.0
    zero: float = 0.0
    path: Path | None = None
    offset: int = 0

    @classmethod
    def of(
        cls, path: Path, unit: Unit, around: Sequence[Unit] = (), *, column: int | None = None, ours: bool
    ) -> Self:
        """Read the reference of a table.

        Parameters
        ----------
        path
            The file.
        unit
            The table.
        around
            Units whose headers say what that of the table does not: the primary unit.
        column
            Number of the column, from 1, whose TUNIT counts before TIMEUNIT.
        ours
            Whether the format of the table stands for the mission's own reference and scale where the
            header says nothing.

        Raises
        ------
        BadDataError
            For a reference, a scale, a unit or a place that is not known, with its keyword.
        """
        reader = _Header(path, unit, tuple(header_values(u.header) for u in (unit, *around)))
        reader.check_place()
        named, scale = reader.scale()
        if not named and not ours:
            raise reader.error("no TIMESYS", f"the scale of the times, one of {', '.join(_SCALES)}")
        found = reader.reference(scale)
        if found is None and not (ours and scale == "tt"):
            of_scale = f" for TIMESYS {named}" if named else ""
            raise reader.error(f"no MJDREFI and MJDREFF{of_scale}", "the reference of the times")
        day, fraction = found or (float(MJDREFI), MJDREFF)
        in_header = reader.unit("TIMEUNIT")
        in_column = (reader.unit(f"TUNIT{column}") if column else None) or in_header or 1.0
        zero = reader.zero() * (in_header or in_column)
        return cls(scale, day, fraction, in_column, zero, path, unit.offset)

    @property
    def plain(self) -> bool:
        """Whether times are the mission's seconds as they stand."""
        return (self.scale, self.unit) == ("tt", 1.0) and self._shift == 0.0

    @property
    def _shift(self) -> float:
        """From the mission's reference to this one, taken as if both were TT, s."""
        return (self.day - MJDREFI) * DAY + (self.fraction - MJDREFF) * DAY + self.zero

    def seconds(self, times: npt.ArrayLike) -> F8:
        """Seconds TT since the mission's reference.

        Parameters
        ----------
        times
            As they stand in the table, in any order; NaN stays NaN.

        Returns
        -------
        numpy.ndarray
            float64, of the shape of `times`.

        Raises
        ------
        BadDataError
            For seconds of UTC where a leap second lies between them and their reference.
        """
        values: F8 = np.asarray(times, dtype=np.float64)
        if self.plain:
            return values
        passed = values * self.unit
        if self.scale == "tt":
            return np.asarray(passed + self._shift)
        if self.scale == "tai":
            return np.asarray(passed + (self._shift + _TT_MINUS_TAI))
        known = np.isfinite(passed)
        if not known.any():
            return passed
        low, high = float(passed[known].min()), float(passed[known].max())
        if self.scale == "tdb":
            return np.asarray(passed + self._shift - self._tdb_minus_tt(passed, low, high))
        return self._from_utc(passed, low, high)

    def _tdb_minus_tt(self, passed: F8, low: float, high: float) -> F8:
        import erfa  # noqa: PLC0415, only where times are TDB

        nodes = np.linspace(low, high, min(_NODES, 2 + int((high - low) / _NODE)))
        days = self.day + self.fraction + (nodes + self.zero) / DAY
        return np.asarray(np.interp(passed, nodes, erfa.dtdb(2400000.5, days, days % 1.0, 0.0, 0.0, 0.0)))

    def _from_utc(self, passed: F8, low: float, high: float) -> F8:
        begin = float(self._calendar(np.zeros(1))[0]) + self.zero
        ends = np.array([low, high])
        if np.allclose(self._calendar(ends + self.zero), begin + ends, rtol=0.0, atol=0.5):
            return np.asarray(passed + begin)
        if self.unit == DAY:
            return self._calendar(passed + self.zero)
        raise BadDataError(
            "got TIMESYS UTC with a leap second between MJDREF and TIME, expected TT or TAI: "
            "whether seconds of UTC count it is not known",
            file=self.path,
            offset=self.offset,
        )

    def _calendar(self, passed: F8) -> F8:
        """Seconds TT of instants so many days of the calendar (UTC) after the reference."""
        import erfa  # noqa: PLC0415, only where times are UTC
        from astropy.time import Time  # noqa: PLC0415, takes most of a second: only where a time is needed

        days = np.full(passed.shape, self.day)
        with warnings.catch_warnings():
            # a reference before 1960, or in the far future, has no leap seconds of its own
            warnings.simplefilter("ignore", category=erfa.ErfaWarning)
            time = Time(days, self.fraction + passed / DAY, format="mjd", scale="utc")
            return np.asarray(to_seconds(time), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Header:
    """Keywords of time of a table, and of the headers that stand in where it has none."""

    path: Path
    table: Unit
    headers: tuple[Mapping[str, Any], ...]

    def error(self, got: str, expected: str) -> BadDataError:
        name = self.table.name or "the table"
        return BadDataError(
            f"got {got} in {name}, expected {expected}", file=self.path, offset=self.table.offset
        )

    def text(self, keyword: str, *, own: bool = False) -> str:
        """Text of a keyword; empty where it is nowhere."""
        for header in self.headers[:1] if own else self.headers:
            value = header.get(keyword)
            if value is not None and not isinstance(value, str):
                raise self.error(f"{keyword} = {value}", "text")
            if value is not None and value.strip():
                return value.strip()
        return ""

    def number(self, keyword: str, header: Mapping[str, Any]) -> float | None:
        """A number of a header; None where it has none."""
        value = header.get(keyword)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(f"{keyword} = {value!r}", "a number")
        return float(value)

    def parts(
        self, single: str, whole: str, rest: str, header: Mapping[str, Any]
    ) -> tuple[float, float] | None:
        """A number given at once or in two parts; both parts count before the one (FITS 4.0 §9.2.2)."""
        value, first, second = (self.number(key, header) for key in (single, whole, rest))
        if first is not None and (second is not None or value is None):
            return first, second or 0.0
        if value is not None:
            return value, 0.0
        if second is not None:
            raise self.error(f"{rest} without {whole}", "both")
        return None

    def reference(self, scale: str) -> tuple[float, float] | None:
        """The reference, MJD in two parts; None where no header has one."""
        for header in self.headers:
            found = self.parts("MJDREF", "MJDREFI", "MJDREFF", header)
            if found is None and (julian := self.parts("JDREF", "JDREFI", "JDREFF", header)) is not None:
                found = (julian[0] - 2400000.0, julian[1] - 0.5)
            if found is None and isinstance(date := header.get("DATEREF"), str) and date.strip():
                found = self._date(date.strip(), scale)
            if found is not None:
                if not all(abs(part) <= _LATEST for part in found):
                    raise self.error(f"a reference (MJDREF) of {found[0]:g} + {found[1]:g} d", "a date")
                return found
        return None

    def _date(self, date: str, scale: str) -> tuple[float, float]:
        if date.partition(".")[0] == DATEREF and scale == "tt":
            return float(MJDREFI), MJDREFF  # the mission's headers have the date of its reference in UTC
        from astropy.time import Time  # noqa: PLC0415, takes most of a second: only where a time is needed

        try:
            time = Time(date, scale=scale, format="isot" if "T" in date else "iso")
        except ValueError as error:
            raise self.error(f"DATEREF = {date!r}", "an ISO date") from error
        return float(time.jd1) - 2400000.0, float(time.jd2) - 0.5

    def scale(self) -> tuple[str, str]:
        """TIMESYS as it stands, and the scale that it names; TT where nothing is said."""
        named = self.text("TIMESYS").upper().partition("(")[0].strip()
        if named and named not in _SCALES:
            raise self.error(f"TIMESYS = {named!r}", f"one of {', '.join(_SCALES)}")
        return named, _SCALES[named or "TT"]

    def unit(self, keyword: str) -> float | None:
        """Length of a unit, s; None where the keyword is not there."""
        named = self.text(keyword, own=keyword.startswith("TUNIT"))
        if not named:
            return None
        if named not in _UNITS:
            raise self.error(f"{keyword} = {named!r}", f"a unit of time, one of {', '.join(_UNITS)}")
        return _UNITS[named]

    def zero(self) -> float:
        """TIMEZERO of the table, in TIMEUNIT."""
        own = self.headers[0]
        zero = sum(self.parts("TIMEZERO", "TIMEZERI", "TIMEZERF", own) or (0.0,))
        return zero + (self.number("TIMEOFFS", own) or 0.0)  # FITS 4.0 §9.4.1: moves the reference

    def check_place(self) -> None:
        """Refuse times that are not those of arrival at the satellite."""
        for keyword in ("TIMEREF", "TREFPOS"):
            place = self.text(keyword).upper()
            if place.startswith(_ELSEWHERE):
                raise self.error(f"{keyword} = {place!r}", "LOCAL: times of arrival at the satellite")
