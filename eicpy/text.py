"""Numbers as a person reads them at a glance: three figures and a unit."""

from datetime import datetime
from itertools import pairwise

__all__ = [
    "UNKNOWN",
    "count_text",
    "counted",
    "grouped",
    "rate_text",
    "size_text",
    "span_text",
    "time_text",
]

UNKNOWN = "–"
"""What is shown where nothing is known; never 0."""
_STEPS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def size_text(size: float | None) -> str:
    """Bytes, in steps of 1000.

    Examples
    --------
    >>> size_text(0), size_text(999), size_text(12_345_678), size_text(None)
    ('0 B', '999 B', '12.3 MB', '–')
    """
    if size is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.5 or unit == "TB":
            break
        size /= 1000.0
    return f"{size:.0f} {unit}" if unit == "B" or abs(size) >= 99.95 else f"{size:.3g} {unit}"


def rate_text(rate: float | None) -> str:
    """Bytes per second.

    Examples
    --------
    >>> rate_text(12.5e6)
    '12.5 MB/s'
    """
    return UNKNOWN if rate is None else f"{size_text(rate)}/s"


def count_text(count: float | None) -> str:
    """A whole number, thousands apart.

    Examples
    --------
    >>> count_text(1234567)
    '1 234 567'
    """
    return UNKNOWN if count is None else f"{count:,.0f}".replace(",", " ")


def span_text(seconds: float | None) -> str:
    """A length of time in its two largest units.

    Examples
    --------
    >>> span_text(0.25), span_text(59.7), span_text(3725), span_text(200_000), span_text(1e9)
    ('0.2 s', '60 s', '1 h 2 min', '2 d 7 h', '32 years')
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return "0 s" if seconds < 0.05 else f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds >= 2 * 365.25 * 86400.0:
        return f"{seconds / (365.25 * 86400.0):.0f} years"
    for (unit, name), (lesser, lesser_name) in pairwise(_STEPS):
        if seconds >= unit:
            whole, rest = divmod(seconds, unit)
            return f"{whole:.0f} {name} {rest // lesser:.0f} {lesser_name}"
    return f"{seconds:.0f} s"


def time_text(moment: datetime | None, now: datetime | None = None) -> str:
    """A moment in UTC; its date only where it is not today's.

    Examples
    --------
    >>> from datetime import UTC
    >>> night = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
    >>> time_text(night), time_text(night, now=night)
    ('2026-11-21 03:04:05', '03:04:05')
    """
    if moment is None:
        return UNKNOWN
    today = now is not None and now.date() == moment.date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def grouped(number: int) -> str:
    r"""Write a whole number with thin spaces between its thousands.

    Examples
    --------
    >>> grouped(6400).replace("\u202f", "_")
    '6_400'
    """
    return f"{number:,}".replace(",", "\u202f")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write how many of something there are, in the singular or the plural.

    Parameters
    ----------
    number
        How many.
    noun
        In the singular.
    plural
        In the plural; by default with an *s*.

    Examples
    --------
    >>> counted(1, "alarm"), counted(0, "warning"), counted(2, "excursion")
    ('1 alarm', '0 warnings', '2 excursions')
    """
    return f"{grouped(number)} {noun if number == 1 else plural or noun + 's'}"
