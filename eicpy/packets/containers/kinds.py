"""What a file is, by its first bytes: what packets may lie in, and what is no telemetry at all.

What is not read is only named: its bytes are looked through for packets as those of any file, since packets
may follow the header of somebody's own format. The name matters where none are found.
"""

from codecs import getincrementaldecoder
from dataclasses import dataclass

__all__ = ["NAMED", "NamedKind", "copies_of", "named_kind"]

_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f\x1b")


@dataclass(frozen=True)
class NamedKind:
    """A kind of file that is recognised and not read.

    Attributes
    ----------
    words
        Its name.
    magic, at
        Bytes by which it is known, and where they stand.
    advice
        What can be done.
    """

    words: str
    magic: bytes
    at: int = 0
    advice: str = ""


_UNPACK = "unpack it and give the files in it"

NAMED = (
    NamedKind("zstd-compressed", b"\x28\xb5\x2f\xfd", advice="expand it first: zstd -d FILE"),
    NamedKind("lz4-compressed", b"\x04\x22\x4d\x18", advice="expand it first: lz4 -d FILE"),
    NamedKind("compressed by compress (.Z)", b"\x1f\x9d", advice="expand it first: uncompress FILE"),
    NamedKind("a ZIP archive", b"PK\x03\x04", advice=_UNPACK),
    NamedKind("an empty ZIP archive", b"PK\x05\x06"),
    NamedKind("a tar archive", b"ustar", 257, advice=_UNPACK),
    NamedKind("a 7z archive", b"7z\xbc\xaf\x27\x1c", advice=_UNPACK),
    NamedKind("a RAR archive", b"Rar!\x1a\x07", advice=_UNPACK),
    NamedKind("a FITS file", b"SIMPLE  =", advice="photons in FITS are read by eic ingest and open_photons"),
    NamedKind("a Parquet file", b"PAR1"),
    NamedKind("an Arrow file", b"ARROW1"),
    NamedKind("an HDF5 file", b"\x89HDF\r\n\x1a\n"),
    NamedKind("a numpy array", b"\x93NUMPY"),
    NamedKind("an SQLite database", b"SQLite format 3\0"),
    NamedKind("a PDF document", b"%PDF"),
    NamedKind("a PNG image", b"\x89PNG\r\n\x1a\n"),
    NamedKind("a JPEG image", b"\xff\xd8\xff"),
    NamedKind("a program (ELF)", b"\x7fELF"),
    NamedKind("an XML document", b"<?xml"),
    NamedKind("an HTML page", b"<!doctype html"),
    NamedKind("an HTML page", b"<html"),
)


def named_kind(head: bytes) -> NamedKind | None:
    """Kind of a file that is no telemetry, by its first bytes; None where none of them is known."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:16].lower()
    for kind in NAMED:
        if head.startswith(kind.magic, kind.at) or (kind.magic[:1] == b"<" and start.startswith(kind.magic)):
            return kind
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"} and _is_utf16(head):
        return NamedKind("text (UTF-16)", b"", advice="save it as plain text (UTF-8)")
    return NamedKind("text", b"") if _is_text(head[: 1 << 16]) else None


def _is_text(head: bytes) -> bool:
    """Whether nearly all bytes are printable, in ASCII or UTF-8."""
    if len(head) < 4 or b"\0" in head:
        return False
    printable = sum(byte in _TEXT for byte in head)
    if printable * 100 >= 99 * len(head):
        return True
    try:
        getincrementaldecoder("utf-8")().decode(head)  # the end may cut a letter
    except UnicodeDecodeError:
        return False
    return printable * 100 >= 70 * len(head)


def _is_utf16(head: bytes) -> bool:
    order = "little" if head[0] == 0xFF else "big"
    high = head[3::2] if order == "little" else head[2::2]
    return sum(byte == 0 for byte in high[:2000]) * 10 >= 9 * len(high[:2000]) > 0


def copies_of(head: bytes) -> int | None:
    """The byte of which all these are copies; None where they differ, or are none."""
    return head[0] if head and head.count(head[0]) == len(head) else None
