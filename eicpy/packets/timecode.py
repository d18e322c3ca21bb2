"""CCSDS time codes as integers (CCSDS 301.0-B-4): CUC and CDS.

A time code is kept as the integers that it is made of. Seconds as float64 lose the fine time of a mission:
2³⁰ s and a fine time of 2⁻²⁴ s together need 54 bits. Only differences become seconds.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets.buffers import Buffer, as_byte_array
from eicpy.times import CDS_TICKS, DAY, MODIFIED_JULIAN_DAY_0, day_number

__all__ = ["CdsFormat", "CucFormat", "day_text", "read_p_field", "to_day_segments"]

Ints = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

CUC_CCSDS_EPOCH, CUC_AGENCY_EPOCH, CDS_CODE = 1, 2, 4


def _octets(data: Buffer, width: int) -> Octets:
    """Time codes as rows of bytes, shape (n, width)."""
    array = np.asarray(data) if isinstance(data, np.ndarray) else as_byte_array(data)
    if array.size % width:
        raise BadDataError(f"got {array.size} bytes, expected a multiple of {width} (the length of a code)")
    rows: Octets = array.astype(np.uint8, copy=False).reshape(-1, width)
    return rows


def _number(octets: Octets) -> Ints:
    value = np.zeros(len(octets), dtype=np.int64)
    for column in octets.T:
        value = (value << 8) | column
    return value


def _bytes(value: npt.ArrayLike, width: int, what: str) -> Octets:
    number = np.atleast_1d(np.asarray(value, dtype=np.int64))
    if number.size and (int(number.min()) < 0 or int(number.max()) >> (8 * width)):
        raise BadArgumentError(
            f"got {what} {int(number.min())} to {int(number.max())}, expected 0 to {(1 << 8 * width) - 1}"
        )
    shifts = 8 * np.arange(width - 1, -1, -1)
    return ((number[:, None] >> shifts) & 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class CucFormat:
    """CCSDS unsegmented time: seconds and a binary fraction of a second (section 3.2).

    Parameters
    ----------
    coarse_bytes
        Bytes of seconds, 1 to 7.
    fine_bytes
        Bytes of the fraction, 0 to 7.
    agency_epoch
        Whether the epoch is the agency's own; otherwise it is 1958-01-01 TAI.

    See Also
    --------
    CdsFormat : the day segmented time code.
    read_p_field : the format that a preamble field announces.

    References
    ----------
    CCSDS 301.0-B-4, Time Code Formats, section 3.2 (unsegmented time code).

    Examples
    --------
    >>> CucFormat(4, 2).decode(bytes.fromhex("279617114000"))
    (array([664147729]), array([16384]))
    """

    coarse_bytes: int = 4
    fine_bytes: int = 2
    agency_epoch: bool = True

    def __post_init__(self) -> None:
        if not (1 <= self.coarse_bytes <= 7 and 0 <= self.fine_bytes <= 7):
            raise BadArgumentError(
                f"got {self.coarse_bytes} + {self.fine_bytes} bytes, expected 1 to 7 and 0 to 7"
            )

    @property
    def length(self) -> int:
        """Bytes of a code without its P-field."""
        return self.coarse_bytes + self.fine_bytes

    @property
    def tick(self) -> float:
        """Length of a unit of the fraction, s."""
        return float(2.0 ** (-8 * self.fine_bytes))

    @property
    def p_field(self) -> bytes:
        """The preamble that names this format; two bytes where one cannot."""
        code = CUC_AGENCY_EPOCH if self.agency_epoch else CUC_CCSDS_EPOCH
        coarse, fine = min(self.coarse_bytes, 4), min(self.fine_bytes, 3)
        first = code << 4 | coarse - 1 << 2 | fine
        more_coarse, more_fine = self.coarse_bytes - coarse, self.fine_bytes - fine
        if more_coarse or more_fine:
            return bytes([0x80 | first, more_coarse << 5 | more_fine << 2])
        return bytes([first])

    def decode(self, data: Buffer) -> tuple[Ints, Ints]:
        """Coarse and fine time of codes, shape (n,) each.

        Parameters
        ----------
        data
            Codes without P-field, one after the other, or an array of shape (n, length).
        """
        octets = _octets(data, self.length)
        return _number(octets[:, : self.coarse_bytes]), _number(octets[:, self.coarse_bytes :])

    def encode(self, coarse: npt.ArrayLike, fine: npt.ArrayLike) -> Octets:
        """Codes of coarse and fine times, shape (n, length)."""
        seconds = _bytes(coarse, self.coarse_bytes, "coarse time")
        if self.fine_bytes == 0:
            return seconds
        fraction = _bytes(fine, self.fine_bytes, "fine time")
        fraction = np.broadcast_to(fraction, (len(seconds), self.fine_bytes))
        return np.concatenate([seconds, fraction], axis=1)


@dataclass(frozen=True, slots=True)
class CdsFormat:
    """CCSDS day-segmented time: day, millisecond of the day, and its fraction (section 3.3).

    Parameters
    ----------
    day_bytes
        Bytes of the day number, 2 or 3.
    sub_bytes
        Bytes of the part of a millisecond: 0, 2 (microseconds) or 4 (picoseconds).
    agency_epoch
        Whether the epoch is the agency's own; otherwise it is 1958-01-01 UTC.

    See Also
    --------
    CucFormat : the unsegmented time code.
    read_p_field : the format that a preamble field announces.

    References
    ----------
    CCSDS 301.0-B-4, Time Code Formats, section 3.3 (day segmented time code).
    """

    day_bytes: int = 2
    sub_bytes: int = 0
    agency_epoch: bool = False

    def __post_init__(self) -> None:
        if self.day_bytes not in {2, 3} or self.sub_bytes not in {0, 2, 4}:
            raise BadArgumentError(
                f"got {self.day_bytes} bytes of days and {self.sub_bytes} below the millisecond, "
                "expected 2 or 3 and 0, 2 or 4"
            )

    @property
    def length(self) -> int:
        """Bytes of a code without its P-field."""
        return self.day_bytes + 4 + self.sub_bytes

    @property
    def p_field(self) -> bytes:
        """The preamble that names this format."""
        long_day = self.day_bytes - 2
        return bytes([CDS_CODE << 4 | self.agency_epoch << 3 | long_day << 2 | self.sub_bytes // 2])

    def decode(self, data: Buffer) -> tuple[Ints, Ints, Ints]:
        """Day, millisecond of the day and part of a millisecond of codes, shape (n,) each."""
        octets = _octets(data, self.length)
        cut = self.day_bytes
        return _number(octets[:, :cut]), _number(octets[:, cut : cut + 4]), _number(octets[:, cut + 4 :])

    @property
    def tick(self) -> float:
        """Length of the smallest unit, s."""
        return CDS_TICKS[8 * (4 + self.sub_bytes)]

    def encode(self, day: npt.ArrayLike, millisecond: npt.ArrayLike, part: npt.ArrayLike = 0) -> Octets:
        """Codes of days, milliseconds and parts of a millisecond, shape (n, length)."""
        days = _bytes(day, self.day_bytes, "day")
        pieces = [days, _bytes(millisecond, 4, "millisecond")]
        if self.sub_bytes:
            pieces.append(_bytes(part, self.sub_bytes, "part of a millisecond"))
        rows = max(len(piece) for piece in pieces)
        return np.concatenate([np.broadcast_to(p, (rows, p.shape[1])) for p in pieces], axis=1)


def to_day_segments(coarse: npt.ArrayLike, fine: npt.ArrayLike, bits: int) -> tuple[Ints, Ints]:
    """Day, and milliseconds of the day with what is below, as they are sent: the inverse of the index.

    Parameters
    ----------
    coarse
        86400 times the day, and the second of the day; a leap second is part of the last one.
    fine
        What is above the second, in units of `CDS_TICKS`.
    bits
        Bits behind the day: 32, 48 or 64.
    """
    whole, rest = np.asarray(coarse, dtype=np.int64), np.asarray(fine, dtype=np.int64)
    per_millisecond = round(1e-3 / CDS_TICKS[bits])
    day, second = np.divmod(whole, DAY)
    milliseconds = 1000 * second + rest // per_millisecond
    return day, (milliseconds << (bits - 32)) | rest % per_millisecond


def day_text(coarse: int, fine: float, epoch: str) -> str:
    """A day-segmented time as an ISO date in UTC, to the millisecond; leap seconds are second 60.

    Parameters
    ----------
    coarse
        86400 times the day, and the second of the day.
    fine
        What is above the second, s.
    epoch
        Date of day 0.
    """
    day, second = divmod(coarse, DAY)
    ordinal = day_number(epoch) + MODIFIED_JULIAN_DAY_0 + day
    named = date.fromordinal(ordinal).isoformat() if ordinal <= date.max.toordinal() else f"{epoch} + {day} d"
    milliseconds = int((second + fine) * 1000)
    hour, minute = min(second // 3600, 23), second // 60 % 60
    beyond = milliseconds - 60_000 * (second // 60)
    return f"{named}T{hour:02}:{minute:02}:{beyond // 1000:02}.{beyond % 1000:03}"


def read_p_field(data: Buffer) -> tuple[CucFormat | CdsFormat, int]:
    """Format that a P-field names, and the bytes it takes.

    Raises
    ------
    BadDataError
        For a time code that is neither CUC nor CDS, or a P-field that is cut short.

    See Also
    --------
    CucFormat, CdsFormat : the formats that it returns.

    References
    ----------
    CCSDS 301.0-B-4, Time Code Formats, sections 3.2 and 3.3.

    Examples
    --------
    >>> read_p_field(bytes([0x2E]))
    (CucFormat(coarse_bytes=4, fine_bytes=2, agency_epoch=True), 1)
    """
    octets = as_byte_array(data)[:2].tolist()
    if not octets or (octets[0] & 0x80 and len(octets) < 2):
        raise BadDataError(f"got a P-field of {len(octets)} bytes, expected more")
    first = octets[0]
    code = first >> 4 & 7
    if code in {CUC_CCSDS_EPOCH, CUC_AGENCY_EPOCH}:
        coarse, fine, used = (first >> 2 & 3) + 1, first & 3, 1
        if first & 0x80:
            coarse, fine, used = coarse + (octets[1] >> 5 & 3), fine + (octets[1] >> 2 & 7), 2
        return CucFormat(coarse, min(fine, 7), code == CUC_AGENCY_EPOCH), used
    if code == CDS_CODE and first & 3 != 3 and not first & 0x80:
        return CdsFormat(2 + (first >> 2 & 1), 2 * (first & 3), bool(first & 8)), 1
    raise BadDataError(f"got P-field 0x{first:02x}, expected a CUC or a CDS time code")
