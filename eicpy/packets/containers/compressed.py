"""Compressed files, expanded block by block in bounded memory.

gzip (RFC 1952), bzip2 and xz are read; several of them one after the other in a file (members, streams)
count as one. Of a file that is damaged or ends too early, the bytes before the damage are given and the
damage is named. zstd is recognised and not read: Python knows it from version 3.14 on only.

A small file can be made that expands to more than any disk holds. Expansion ends with an error beyond
`FREE` bytes if the file is more than `RATIO` times smaller: telemetry that is not all the same byte does not
come near that.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eicpy.errors import BadDataError
from eicpy.packets.containers.blocks import BLOCK, Blocks
from eicpy.packets.containers.findings import Findings

__all__ = ["COMPRESSIONS", "FREE", "RATIO", "Compression", "expand"]

RATIO = 200
"""A file that expands to more than so many times its size is refused, …"""
FREE = 1 << 26
"""… but not before it has given so many bytes."""
XZ_MEMORY = 1 << 28
"""Memory that an xz file may ask for, bytes; ``xz -9`` asks for 65 MiB."""


class _Expander(Protocol):
    """A decompressor, as bz2 and lzma of the standard library have them."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before more is put in."""

    @property
    def unused_data(self) -> bytes:
        """What was put in after the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Put bytes in and take at most so many out."""


class _Gzip:
    """The decompressor of zlib, with the buffering that the two others have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail and not self._full

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length
        return out


@dataclass(frozen=True)
class Compression:
    """A way to compress.

    Attributes
    ----------
    words
        Its name.
    magic
        The bytes it begins with.
    expander
        Makes a decompressor of the standard library.
    """

    words: str
    magic: bytes
    expander: Callable[[], _Expander]


COMPRESSIONS = (
    Compression("gzip-compressed", b"\x1f\x8b\x08", _Gzip),
    Compression("bzip2-compressed", b"BZh", bz2.BZ2Decompressor),
    Compression(
        "xz-compressed", b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    ),
)


def expand(compression: Compression, blocks: Blocks, findings: Findings, file: Path, size: int) -> Blocks:
    """Expanded bytes of compressed blocks.

    Parameters
    ----------
    compression
        How they were compressed.
    blocks
        The compressed bytes.
    findings
        Takes the damage.
    file
        For the words of an error.
    size
        Bytes of the file on the disk: the measure of how much more may come out.

    Returns
    -------
    Blocks
        Of at most a MiB each. They raise `BadDataError` beyond the limit (see the module).
    """
    most = max(FREE, RATIO * size)

    def read() -> Iterator[bytes]:
        given = 0
        for block in _expanded(compression, blocks, findings):
            given += len(block)
            if given > most:
                raise BadDataError(
                    f"{compression.words}: got more than {given // 2**20} MiB out of {size} bytes, "
                    f"expected at most {RATIO} times as many (a decompression bomb?)",
                    file=file,
                    advice="if it is telemetry, expand it yourself and give the expanded file",
                )
            yield block

    return read


_PART = 512
"""Compressed bytes that are expanded at once."""
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError)
"""What the decompressors raise; bz2 has no error of its own."""


def _expanded(compression: Compression, blocks: Blocks, findings: Findings) -> Iterator[bytes]:
    """Members of a compressed stream one after the other; ends, with a remark, at damage."""
    ready, given, damage = bytearray(), 0, ""
    for piece in _members(compression, blocks, findings):
        if isinstance(piece, _Damage):
            damage = f"{compression.words}: {piece.words}"
            break
        ready += piece
        given += len(piece)
        if len(ready) >= BLOCK:
            yield bytes(ready)
            ready.clear()
    if ready:
        yield bytes(ready)
    if damage:
        findings.remark(f"{damage}; the {given} bytes before that were read")


@dataclass(frozen=True)
class _Damage:
    """Why no more comes out."""

    words: str


def _members(compression: Compression, blocks: Blocks, findings: Findings) -> Iterator[bytes | _Damage]:
    """What comes out, piece by piece; last of all the damage, where there is any."""
    begun, taken = False, 0
    member: _Expander | None = None
    for part in _parts(blocks):
        taken += len(part)
        data = part
        while data:
            if member is None:
                data = data.lstrip(b"\0") if begun else data  # tapes and block devices pad with zeros
                if not data:
                    break
                if not compression.magic.startswith(data[: len(compression.magic)]):
                    findings.remark(
                        f"{compression.words}: what follows its end is not compressed and was left out"
                    )
                    return
                member, begun = compression.expander(), True
            try:
                yield from _pieces(member, data)
            except _DAMAGE as error:
                yield _Damage(f"damaged before byte {taken}: {error}")
                return
            data, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        yield _Damage("the file ends too early")


def _parts(blocks: Blocks) -> Iterator[bytes]:
    """Compressed bytes in small parts: of the part that is damaged, nothing comes out."""
    for block in blocks():
        for first in range(0, len(block), _PART):
            yield block[first : first + _PART]


def _pieces(member: _Expander, data: bytes) -> Iterator[bytes]:
    """All that comes out of a decompressor when bytes are put in."""
    while True:
        if piece := member.decompress(data, BLOCK):
            yield piece
        if member.eof or member.needs_input:
            return
        data = b""
