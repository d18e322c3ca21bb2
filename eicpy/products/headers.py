"""Keywords of the headers: what stands in every product, and headers as bytes.

Keywords and their meaning: FITS Standard 4.0 §4.4; names as in the SVOM product cards.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Protocol

from astropy.io import fits

from eicpy.errors import BadArgumentError
from eicpy.products.definitions import TableDefinition, card_for
from eicpy.products.structure import BLOCK, WordSum, encode_checksum
from eicpy.times import DATEREF, MJDREFF, MJDREFI, to_time

__all__ = [
    "Header",
    "HeaderValue",
    "Issuer",
    "cards_of",
    "class_cards",
    "common_cards",
    "finish_header",
    "put",
    "serialise",
    "span_cards",
]

HeaderValue = str | int | float | bool | None
_MOST_SECONDS = 6e10
"""From the reference to a year that no longer has four digits, or none."""
Header = Mapping[str, HeaderValue | tuple[HeaderValue, str]]
_PLAIN = str.maketrans({"−": "-", "·": "*", "×": "x", "–": "-", "µ": "u", "\n": " ", "\t": " "})


class Issuer(Protocol):
    """The instrument that the product belongs to; an :class:`eicpy.instruments.Instrument` fits."""

    @property
    def card_prefix(self) -> str:
        """Prefix of the product cards."""

    @property
    def telescope(self) -> str:
        """``TELESCOP``."""

    @property
    def fits_instrument(self) -> str:
        """``INSTRUME``."""


def cards_of(header: Header) -> list[tuple[str, HeaderValue, str]]:
    """Keywords as (keyword, value, comment)."""
    return [(k, *v) if isinstance(v, tuple) else (k, v, "") for k, v in header.items()]


def common_cards(card: str, issuer: Issuer) -> list[tuple[str, HeaderValue, str]]:
    """Keywords that stand in every unit of a product."""
    return [
        ("ORIGIN", f"{issuer.card_prefix}-IC", "instrument centre that made the file"),
        ("TELESCOP", issuer.telescope, "mission"),
        ("INSTRUME", issuer.fits_instrument, "instrument"),
        ("CREATOR", f"eicpy {version('eicpy')}", "software that made the file"),
        ("PROC_VER", version("eicpy"), "version of the processing"),
        ("CARD", card, "product"),
        ("TIMEREF", "LOCAL", "times are those of arrival at the satellite"),
        ("TIMESYS", "TT", "time scale"),
        ("TIMEUNIT", "s", "unit of times"),
        ("MJDREFI", MJDREFI, "reference of times, MJD, integer part"),
        ("MJDREFF", MJDREFF, "reference of times, MJD, fraction"),
        ("DATEREF", DATEREF, "reference of times, UTC"),
        ("CLOCKCOR", False, "on-board clock taken as perfect"),
        ("RADESYS", "ICRS", "celestial reference"),
        ("DATE", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "UTC, when the file was written"),
    ]


def class_cards(table: TableDefinition, prefix: str) -> list[tuple[str, HeaderValue, str]]:
    """Keywords by which other people's software knows a table."""
    cards: list[tuple[str, HeaderValue, str]] = []
    if table.flight_name:
        cards.append(("HDUNAME", card_for(table.flight_name, prefix), "name of the table in flight files"))
    if table.ogip:
        cards += [("HDUCLASS", "OGIP", "layout after the OGIP"), ("HDUVERS", "1.0.0", "its version")]
        cards += [(f"HDUCLAS{n}", name, "kind of table") for n, name in enumerate(table.ogip, start=1)]
    return cards


def span_cards(
    start: float, stop: float, good_time: float | None = None, live_time: float | None = None
) -> list[tuple[str, HeaderValue, str]]:
    """Keywords of the span of an observation; dates are in the scale of TIMESYS (FITS 4.0 §9.5).

    Parameters
    ----------
    start, stop
        s TT since the reference.
    good_time
        Sum of the good time, s; None where it is not known.
    live_time
        Good time less dead time, s; None where dead time is not taken off.
    """
    cards: list[tuple[str, HeaderValue, str]] = [
        ("TSTART", start, "s, start of the data"),
        ("TSTOP", stop, "s, end of the data"),
        ("TELAPSE", stop - start, "s, TSTOP - TSTART"),
    ]
    if max(abs(start), abs(stop)) < _MOST_SECONDS:
        cards += [
            ("DATE-OBS", to_time(start).isot, "TT, date of TSTART"),
            ("DATE-END", to_time(stop).isot, "TT, date of TSTOP"),
        ]
    if good_time is not None:
        cards.append(("ONTIME", good_time, "s, sum of the good time"))
    if good_time is not None and live_time is None:
        cards += [
            ("DEADAPP", False, "dead time is not taken off"),
            ("EXPOSURE", good_time, "s, good time, dead time not taken off"),
        ]
    elif good_time is not None and live_time is not None:
        cards += [
            ("DEADAPP", True, "dead time is taken off LIVETIME, EXPOSURE"),
            ("LIVETIME", live_time, "s, good time less dead time"),
            ("EXPOSURE", live_time, "s, live time"),
        ]
        if good_time > 0:
            cards.append(("DEADC", live_time / good_time, "LIVETIME/ONTIME"))
    return cards


def put(header: fits.Header, keyword: str, value: HeaderValue, comment: str = "") -> None:
    """Set a keyword: FITS takes ASCII, no NaN, a comment that fits beside its value; None leaves it out."""
    if not 1 <= len(keyword) <= 8:
        raise BadArgumentError(f"got keyword {keyword!r}, expected 1 to 8 characters")
    if isinstance(value, str):
        value = _ascii(value)
    elif isinstance(value, float) and not math.isfinite(value):
        value = None
    if value is None:
        header.remove(keyword, ignore_missing=True)
        return
    room = 80 - 10 - max(20, len(str(value)) + 2) - 3
    header[keyword] = (value, _ascii(comment)[: max(0, room)])


def _ascii(text: str) -> str:
    return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")


def serialise(header: fits.Header, size: int | None = None) -> bytes:
    """Header as bytes, filled with blank cards to `size` (default: the next block)."""
    text: bytes = header.tostring(sep="", endcard=False, padding=False).encode("ascii")
    if size is None:
        size = -(-(len(text) + 80) // BLOCK) * BLOCK
    if len(text) + 80 > size:
        raise BadArgumentError(f"got {len(text) // 80} header cards, room was kept for {size // 80 - 1}")
    return text.ljust(size - 80) + b"END".ljust(80)


def finish_header(header: fits.Header, data_sum: int, size: int) -> bytes:
    """Header with DATASUM and CHECKSUM, as `size` bytes."""
    header["DATASUM"] = (str(data_sum), "sum of the data")
    header["CHECKSUM"] = ("0" * 16, "sum of the unit")
    total = WordSum()
    total.add(serialise(header, size))
    total.add(data_sum.to_bytes(4, "big"))
    header["CHECKSUM"] = encode_checksum(total.value)
    return serialise(header, size)
