"""The structure of a FITS file: header and data units, their positions and checksums.

FITS Standard 4.0: a file is a sequence of header-data units in blocks of 2880 bytes; a header is 80-byte
cards up to END (§3.3, §4); CHECKSUM and DATASUM are ones' complement sums of 32-bit words (§4.4.2.7,
Appendix J). The walk knows where each unit should end, so that a truncated file is named with its offset
instead of being read as rows of zeros.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from eicpy.errors import BadDataError, unreadable
from eicpy.inputs import open_regular, refusing

__all__ = ["BLOCK", "Unit", "WordSum", "encode_checksum", "read_structure", "reading", "verify_unit"]

BLOCK = 2880
"""Bytes of a FITS block."""
_CARD = 80
_CHUNK = 1 << 22
_EXCLUDED = frozenset((*range(0x3A, 0x41), *range(0x5B, 0x61)))
_MOST_BLOCKS = 1000
"""Blocks of a header at most: 36 000 cards."""
_MOST_UNITS = 10_000
_MOST_AXES = 999
"""FITS Standard 4.0 §4.4.1.1; the same holds for the columns of a table (§7.3.1)."""
_BITPIX = (8, 16, 32, 64, -32, -64)
_LARGEST = (1 << 63) - 1
"""Largest size of a file, bytes."""
_DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, fits.VerifyError)
"""What Python, numpy and astropy raise for a value that is not of the kind expected."""


@contextmanager
def reading(what: str, path: Path, offset: int | None = None) -> Iterator[None]:
    """Name the file and the position of a value that cannot be used.

    Parameters
    ----------
    what
        What is being read, for the message.
    path
        The file.
    offset
        Byte at which it begins.

    Raises
    ------
    BadDataError
        In place of what Python, numpy or astropy raise, and of one that names no file.
    """
    with refusing(path, what):
        try:
            yield
        except BadDataError as error:
            if error.file is not None:
                raise
            raise BadDataError(error.what, file=path, offset=offset, advice=error.advice) from error
        except _DAMAGE as error:
            raise BadDataError(
                f"got {what} that cannot be read: {error}", file=path, offset=offset
            ) from error


@dataclass(frozen=True, slots=True)
class Unit:
    """A header-data unit.

    Parameters
    ----------
    name
        ``EXTNAME``, empty for the primary unit.
    header
        Its header.
    offset
        Byte at which the header begins.
    data_offset
        Byte at which the data begin.
    data_size
        Bytes of data, without padding.
    """

    name: str
    header: fits.Header
    offset: int
    data_offset: int
    data_size: int

    @property
    def end(self) -> int:
        """Byte after the padded data."""
        return self.data_offset + -(-self.data_size // BLOCK) * BLOCK


class WordSum:
    """Ones' complement sum of big-endian 32-bit words, fed with pieces of any length."""

    def __init__(self) -> None:
        self._total = 0
        self._rest = b""

    def add(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        view = memoryview(data).cast("B")
        if self._rest:
            need = 4 - len(self._rest)
            self._rest += bytes(view[:need])
            view = view[need:]
            if len(self._rest) == 4:
                self._total += int.from_bytes(self._rest, "big")
                self._rest = b""
        whole = len(view) // 4 * 4
        if whole:
            self._total += int(np.frombuffer(view[:whole], dtype=">u4").astype("=u4").sum(dtype=np.uint64))
        if whole < len(view):
            self._rest = bytes(view[whole:])

    @property
    def value(self) -> int:
        """The sum so far; a last incomplete word counts as filled with zeros."""
        total = self._total + int.from_bytes(self._rest.ljust(4, b"\0"), "big")
        while total >> 32:
            total = (total & 0xFFFFFFFF) + (total >> 32)
        return total


def encode_checksum(total: int) -> str:
    """Text for CHECKSUM that brings the sum of a unit to −0 (FITS Standard 4.0, Appendix J).

    Parameters
    ----------
    total
        Sum of the whole unit while CHECKSUM holds sixteen zeros.
    """
    word = 0xFFFFFFFF - total
    text = bytearray(16)
    for i in range(4):
        byte = (word >> (24 - 8 * i)) & 0xFF
        four = [byte // 4 + 0x30 + (byte % 4 if j == 0 else 0) for j in range(4)]
        while any(c in _EXCLUDED for c in four):
            for j in (0, 2):
                if four[j] in _EXCLUDED or four[j + 1] in _EXCLUDED:
                    four[j] += 1
                    four[j + 1] -= 1
        for j in range(4):
            text[4 * j + i] = four[j]
    return (text[-1:] + text[:-1]).decode("ascii")


def _read_header(file: BinaryIO, path: Path, offset: int) -> bytes:
    blocks: list[bytes] = []
    while len(blocks) < _MOST_BLOCKS:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise BadDataError(
                f"got {len(block)} bytes of a header block, expected {BLOCK}: the file is truncated",
                file=path,
                offset=offset + len(blocks) * BLOCK,
                advice="fetch or make the file again",
            )
        blocks.append(block)
        if b"END     " in (block[i : i + 8] for i in range(0, BLOCK, _CARD)):
            return b"".join(blocks)
    raise BadDataError(
        f"got {_MOST_BLOCKS * BLOCK // _CARD} cards of a header without its END", file=path, offset=offset
    )


def _whole(header: fits.Header, keyword: str, most: int, default: int | None = None) -> int:
    """A number of a header that says how many or how much: a whole one, from 0 to a limit."""
    if default is not None and keyword not in header:
        return default
    value = header[keyword]
    if type(value) is not int or not 0 <= value <= most:
        raise BadDataError(f"got {keyword} = {_short(value)}, expected a whole number from 0 to {most}")
    return value


def _short(value: object) -> str:
    text = "nothing" if value is None or isinstance(value, fits.card.Undefined) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _data_size(header: fits.Header) -> int:
    """Bytes of data (FITS Standard 4.0 §4.4.1.1, §6.1.1, §7.3.1), in the unlimited integers of Python."""
    bits = header["BITPIX"]
    if type(bits) is not int or bits not in _BITPIX:
        raise BadDataError(f"got BITPIX = {_short(bits)}, expected one of {', '.join(map(str, _BITPIX))}")
    axes = [_whole(header, f"NAXIS{i + 1}", _LARGEST) for i in range(_whole(header, "NAXIS", _MOST_AXES))]
    behind, groups = _whole(header, "PCOUNT", _LARGEST, 0), _whole(header, "GCOUNT", _LARGEST, 1)
    if not axes:
        return 0
    if str(header.get("XTENSION", "")).strip() == "BINTABLE":
        _check_table(header, axes, behind)
    if axes[0] == 0 and header.get("GROUPS") is True:  # random groups: the first axis is no axis
        axes = axes[1:]
    size = abs(bits) // 8 * groups * (math.prod(axes) + behind)
    if size > _LARGEST:
        raise BadDataError(f"got axes {_short(tuple(axes))}: {_short(size)} bytes, more than any file holds")
    return size


def _check_table(header: fits.Header, axes: list[int], behind: int) -> None:
    """Compare the sizes that a table states (§7.3.1, §7.3.2) with each other."""
    _whole(header, "TFIELDS", _MOST_AXES)
    if len(axes) != 2 or header["BITPIX"] != 8 or header.get("GCOUNT", 1) != 1:
        raise BadDataError(
            f"got a table of NAXIS {len(axes)}, BITPIX {header['BITPIX']}, "
            f"GCOUNT {header.get('GCOUNT')}, expected 2, 8, 1"
        )
    rows = math.prod(axes)
    heap = _whole(header, "THEAP", _LARGEST, rows)
    if not rows <= heap <= rows + behind:
        raise BadDataError(f"got THEAP = {heap}, expected {rows} to {rows + behind}")


def read_structure(path: Path) -> list[Unit]:
    """Walk through a FITS file.

    Raises
    ------
    BadDataError
        For a file that is missing, cannot be opened, is empty, is not FITS or ends too early.

    See Also
    --------
    verify_unit : Compares a unit with its checksums.
    read_product : Reads the tables, too.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section 3 (file
    organisation).
    """
    path = Path(path)
    units: list[Unit] = []
    try:
        with open_regular(path, "FITS") as file:
            size = file.seek(0, 2)
            if size == 0:
                raise BadDataError("got an empty file, expected FITS", file=path)
            offset = 0
            while offset < size:
                if len(units) == _MOST_UNITS:
                    raise BadDataError(
                        f"got more than {_MOST_UNITS} header-data units", file=path, offset=offset
                    )
                file.seek(offset)
                units.append(_unit(file, path, offset, first=not units))
                offset = units[-1].end
                if offset > size:
                    raise BadDataError(
                        f"got a file of {size} bytes, expected {offset} up to the end of "
                        f"extension {units[-1].name or 'PRIMARY'}: it is truncated",
                        file=path,
                        offset=size,
                        advice="fetch or make the file again",
                    )
    except OSError as error:
        raise unreadable(error)(f"cannot be read: {error.strerror or error}", file=path) from error
    return units


def _unit(file: BinaryIO, path: Path, offset: int, *, first: bool) -> Unit:
    start = file.read(10)
    file.seek(offset)
    if not start.startswith(b"SIMPLE  =" if first else b"XTENSION="):
        raise BadDataError(
            f"got {start!r}, expected {'SIMPLE, the start of a FITS file' if first else 'a FITS extension'}",
            file=path,
            offset=offset,
        )
    text = _read_header(file, path, offset)
    with reading("a FITS header", path, offset):
        header = _parse(text)
        size = _data_size(header)
        name = str(header.get("EXTNAME", "")).strip()
    return Unit(name, header, offset, offset + len(text), size)


def verify_unit(path: Path, unit: Unit) -> None:
    """Compare a unit with its DATASUM and CHECKSUM, where it has them.

    Raises
    ------
    BadDataError
        Where they differ.

    See Also
    --------
    encode_checksum : Text of the checksum of a header.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section 4.4.2.7
    and appendix J.
    """
    total = WordSum()
    with Path(path).open("rb") as file:
        file.seek(unit.offset)
        total.add(file.read(unit.data_offset - unit.offset))
        data = WordSum()
        left = unit.end - unit.data_offset
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            data.add(chunk)
            total.add(chunk)
            left -= len(chunk)
    where = unit.name or "PRIMARY"
    with reading(f"a DATASUM of {where}", path, unit.offset):
        stated = int(unit.header["DATASUM"]) if _is_given(unit.header, "DATASUM") else data.value
    if stated != data.value:
        raise BadDataError(
            f"got data sum {data.value} in {where}, expected {stated}: the data are damaged",
            file=path,
            offset=unit.data_offset,
            advice="fetch or make the file again",
        )
    if _is_given(unit.header, "CHECKSUM") and total.value not in (0, 0xFFFFFFFF):
        raise BadDataError(
            f"got checksum {total.value} for {where}, expected 0: its header is damaged",
            file=path,
            offset=unit.offset,
            advice="fetch or make the file again",
        )


def _is_given(header: fits.Header, keyword: str) -> bool:
    """Whether a header has a checksum; a text of blanks is one that nobody knows (§4.4.2.7)."""
    return keyword in header and str(header[keyword]).strip() != ""


def _parse(text: bytes) -> fits.Header:
    """Parse all cards of a header now, so that a damaged one is found here and not by whoever asks for it."""
    with warnings.catch_warnings():
        # a strange card of another maker is not an error as long as its value can be read
        warnings.simplefilter("ignore", AstropyUserWarning)
        header = fits.Header.fromstring(text)
        for card in header.cards:
            _ = card.value
    return header
