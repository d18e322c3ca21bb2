"""Numbers, durations and counts as a person reads them at a glance, and the words of pages in each language.

What a terminal, a log or a report says is English (the functions). A page speaks the language of its reader
(:class:`Texts`); its words stand in gettext catalogues, which translators' tools open: ``locale/eicpy.pot``
holds the English words, ``locale/<language>/LC_MESSAGES/eicpy.po`` those of another language. Symbols of
units are those of the SI; in French, bytes are octets and days are jours.
"""

import gettext
import math
import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from eicpy.errors import BadArgumentError

__all__ = [
    "LANGUAGES",
    "LANGUAGE_VARIABLE",
    "UNKNOWN",
    "Texts",
    "counted",
    "grouped",
    "rate_text",
    "setup_language",
    "setup_texts",
    "size_text",
    "span_text",
    "time_text",
    "unit_sign",
]

UNKNOWN = "–"
"""What is shown where nothing is known; never 0."""
LANGUAGES = {"en": "English", "fr": "Français"}
"""Languages of the pages, and their own names."""
LANGUAGE_VARIABLE = "EIC_LANGUAGE"
"""Environment variable: language of the reports of a set-up, one of :data:`LANGUAGES`; English without it."""
SIGNS = {"deg_C": "°C", "degC": "°C", "deg": "°", "um": "µm", "us": "µs", "Ohm": "Ω"}
"""Units as tables write them, and as a reader does."""
_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_YEAR = 365.25 * 86400.0
"""s."""


def size_text(size: float | None) -> str:
    """Bytes, in steps of 1000.

    Examples
    --------
    >>> size_text(0), size_text(999), size_text(12_345_678), size_text(None)
    ('0 B', '999 B', '12.3 MB', '–')
    """
    if size is None:
        return UNKNOWN
    value, prefix, digits = _scaled(size)
    return f"{value:.{digits}f} {prefix}B"


def _scaled(size: float) -> tuple[float, str, int]:
    """A number in steps of 1000: what stands before the prefix, the prefix, decimals for three figures."""
    prefix = ""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(size) < 999.5 or prefix == "T":
            break
        size /= 1000.0
    return size, prefix, 0 if not prefix or abs(size) >= 99.95 else 1 if abs(size) >= 9.995 else 2


def rate_text(rate: float | None) -> str:
    """Bytes per second.

    Examples
    --------
    >>> rate_text(12.5e6)
    '12.5 MB/s'
    """
    return UNKNOWN if rate is None else f"{size_text(rate)}/s"


def span_text(seconds: float | None) -> str:
    """A length of time in its two largest units.

    Examples
    --------
    >>> span_text(0.25), span_text(59.7), span_text(3725), span_text(200_000), span_text(1e9)
    ('0.2 s', '60 s', '1 h 2 min', '2 d 8 h', '32 years')
    >>> span_text(600), span_text(3599.7), span_text(3)
    ('10 min', '1 h', '3 s')
    """
    return UNKNOWN if seconds is None else _span(seconds, ".", "d", "years")


def _span(seconds: float, mark: str, day: str, years: str) -> str:
    """Write a length of time in its two largest units; the second only where there is something of it."""
    if seconds < 9.95:
        tenths = f"{max(seconds, 0.0):.1f}"
        return f"{tenths.removesuffix('.0').replace('.', mark)} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds >= 2 * _YEAR:
        return f"{seconds / _YEAR:.0f} {years}"
    steps = ((86400.0, day), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
    largest = next(place for place, (unit, _name) in enumerate(steps) if seconds >= unit)
    (unit, name), (lesser, lesser_name) = steps[largest : largest + 2]
    rounded = round(seconds / lesser) * lesser
    if largest and rounded >= steps[largest - 1][0]:
        return _span(rounded, mark, day, years)
    whole, rest = divmod(rounded, unit)
    left = f" {rest / lesser:.0f} {lesser_name}" if rest else ""
    return f"{whole:.0f} {name}{left}"


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


def grouped(number: float | None) -> str:
    r"""Write a whole number with narrow no-break spaces between its thousands.

    Examples
    --------
    >>> grouped(6400).replace("\u202f", "_"), grouped(None)
    ('6_400', '–')
    """
    return UNKNOWN if number is None else f"{number:,.0f}".replace(",", _SPACE).replace("-", _MINUS)


def counted(number: float | None, noun: str, plural: str = "") -> str:
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


def unit_sign(unit: str) -> str:
    """Unit as a reader writes it.

    Examples
    --------
    >>> unit_sign("deg_C"), unit_sign("keV")
    ('°C', 'keV')
    """
    return SIGNS.get(unit, unit)


class _Message(NamedTuple):
    one: str
    other: str


class _Words(NamedTuple):
    messages: dict[str, _Message]
    plural: Callable[[int], int]
    """Which form a number takes: 0 for `one`."""
    by_source: dict[str, str]
    """By the English words."""


@cache
def _words(language: str) -> _Words:
    from babel.messages.pofile import read_po  # noqa: PLC0415, a command that shows no page does not wait for it

    english = language == "en"
    path = "eicpy.pot" if english else f"{language}/LC_MESSAGES/eicpy.po"
    with (files("eicpy") / "locale" / path).open("rb") as stream:
        catalogue = read_po(stream, locale=language)
    messages: dict[str, _Message] = {}
    by_source: dict[str, str] = {}
    for message in catalogue:
        words = (message.id if english else message.string) or ""
        if message.context:
            one, *others = [words] if isinstance(words, str) else words
            messages[message.context] = _Message(one, *others or [one])
            if isinstance(message.id, str):
                by_source.setdefault(message.id, one)
    return _Words(messages, gettext.c2py(catalogue.plural_expr), by_source)


def setup_language() -> str:
    """Language of the reports of this set-up, by ``EIC_LANGUAGE``.

    Raises
    ------
    BadArgumentError
        For one that is not among :data:`LANGUAGES`.
    """
    asked = os.environ.get(LANGUAGE_VARIABLE) or "en"
    if asked not in LANGUAGES:
        raise BadArgumentError(f"got {LANGUAGE_VARIABLE}={asked!r}, expected one of {', '.join(LANGUAGES)}")
    return asked


def setup_texts() -> "Texts":
    """Words in the language of the reports of this set-up."""
    return Texts(setup_language())


class Texts:
    """The words and numbers of one language.

    Parameters
    ----------
    language
        One of :data:`LANGUAGES`; anything else is English.

    Examples
    --------
    >>> Texts("fr")("title", instrument="ECLAIRs", page="Caméra")
    'ECLAIRs : Caméra'
    """

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"

    def __call__(self, key: str, n: float | None = None, /, **values: object) -> str:
        """Words of a key, with values put in.

        Parameters
        ----------
        key
            Of the message in the catalogue.
        n
            The number that decides between singular and plural; by default the plural.
        **values
            What stands in braces in the message.

        Examples
        --------
        >>> Texts("en")("restarted", 1, count="1"), Texts("fr")("passed_over", count="3")
        ('restarted 1 time', '3 passés')
        """
        messages, plural, _ = _words(self.language)
        message = messages.get(key, _Message(key, key))
        one = n is not None and plural(round(n)) == 0
        return (message.one if one else message.other).format(**values)

    def translated(self, words: str) -> str:
        """Words of a table, a notebook or a description, given in English, where the catalogue has them.

        Others stay as they are: names, units, and what users write themselves.

        Examples
        --------
        >>> Texts("fr").translated("Reports"), Texts("fr").translated("my own words")
        ('Rapports', 'my own words')
        """
        if self.language == "en" or not words:
            return words
        return _words(self.language).by_source.get(words, words)

    def template(self, key: str) -> str:
        """Words of a key with the names in braces left where they are, for somebody else to put values in.

        Examples
        --------
        >>> Texts("en").template("ago")
        '{age} ago'
        """
        return _words(self.language)[0].get(key, _Message(key, key)).other

    def number(self, value: float | None, digits: int = 0) -> str:
        r"""Write a number with a decimal mark of the language, thousands apart.

        Examples
        --------
        >>> Texts("fr").number(1234.5, 1).replace("\u202f", "_"), Texts("en").number(None)
        ('1_234,5', '–')
        """
        if value is None:
            return UNKNOWN
        text = f"{value:,.{digits}f}".replace(",", _SPACE).replace("-", _MINUS)
        return text.replace(".", self._decimal_mark)

    def figures(self, value: float, digits: int = 4) -> str:
        r"""Write a number with so many significant figures at most.

        Examples
        --------
        >>> Texts("fr").figures(-0.14512), Texts("en").figures(31234.5).replace("\u202f", "_")
        ('−0,1451', '31_230')
        >>> Texts("en").figures(1.5e-7), Texts("en").figures(float("nan"))
        ('1.5e−07', '–')
        """
        if not math.isfinite(value):
            return UNKNOWN if math.isnan(value) else f"{_MINUS if value < 0 else ''}∞"
        text = f"{value:.{digits}g}"
        if "e" in text:
            plain = abs(value) >= 1 and abs(value) < 1e9
            if not plain:
                return text.replace("-", _MINUS).replace("e+", "e").replace(".", self._decimal_mark)
            text = f"{float(text):.0f}"
        _whole, _point, rest = text.partition(".")
        return self.number(float(text), len(rest))

    @property
    def _decimal_mark(self) -> str:
        from babel.numbers import get_decimal_symbol  # noqa: PLC0415, as above

        return get_decimal_symbol(self.language)

    def size(self, size: float | None) -> str:
        """Write bytes in steps of 1000, with three figures.

        Examples
        --------
        >>> Texts("en").size(12_345_678), Texts("fr").size(None), Texts("fr").size(999)
        ('12.3 MB', '–', '999 o')
        """
        if size is None:
            return UNKNOWN
        value, prefix, digits = _scaled(size)
        return f"{self.number(value, digits)} {prefix}{self('byte')}"

    def duration(self, seconds: float | None) -> str:
        """Write a length of time in its two largest units, as :func:`span_text`.

        Examples
        --------
        >>> Texts("en").duration(0.4), Texts("en").duration(200.0), Texts("fr").duration(180_000.0)
        ('0.4 s', '3 min 20 s', '2 j 2 h')
        """
        if seconds is None:
            return UNKNOWN
        return _span(seconds, self._decimal_mark, self("day"), self("years"))
