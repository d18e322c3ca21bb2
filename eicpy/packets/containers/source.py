"""Packets of a file, whatever they lie in.

A file is recognised by its bytes, layer by layer, from outside in: compressed, hexadecimal text, a capture of
a network, transfer frames; at most `MOST_LAYERS`. Each layer gives the bytes of the next one as a stream, so
that memory does not grow with the file. A file that is none of these is its own bytes.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from eicpy.errors import BadDataError, FailedError
from eicpy.inputs import check_file, only_bytes, open_regular, single_byte
from eicpy.packets.containers.blocks import Blocks, file_blocks, first_bytes
from eicpy.packets.containers.capture_files import capture_kind
from eicpy.packets.containers.captures import capture_words, captured_bytes
from eicpy.packets.containers.compressed import COMPRESSIONS, expand
from eicpy.packets.containers.findings import Findings
from eicpy.packets.containers.frame_layout import FrameLayout
from eicpy.packets.containers.frame_survey import recognise_frames
from eicpy.packets.containers.hex_text import dump_with_addresses, from_hex, is_hex_text
from eicpy.packets.containers.kinds import copies_of, named_kind
from eicpy.packets.containers.transfer_frames import framed_packets

__all__ = ["MOST_LAYERS", "SAMPLE", "PacketSource", "open_source"]

SAMPLE = 1 << 20
"""Bytes of each layer by which the next one is recognised."""
MOST_LAYERS = 4
"""Layers one in another that are read; more are refused."""


@dataclass(frozen=True)
class PacketSource:
    """A file that was recognised.

    Attributes
    ----------
    path
        The file.
    layers
        What its packets lie in, in words, from outside in; empty for packets as they are.
    contents
        What the innermost bytes are if they are no telemetry, or cannot be read; empty otherwise.
    advice
        What can be done about that.
    is_strange
        Whether the contents are certainly no packets: nothing, or one byte again and again.
    findings
        What the last reading (`blocks`) brought to light besides packets.
    """

    path: Path
    layers: tuple[str, ...]
    contents: str
    advice: str
    is_strange: bool
    findings: Findings
    blocks: Blocks = field(repr=False)
    """Begins a new reading of the packets."""

    @property
    def is_plain(self) -> bool:
        """Whether the file's bytes are the packets."""
        return not self.layers

    @property
    def words(self) -> str:
        """What the file is, in a line; empty for packets as they are."""
        contents = [self.contents] if self.contents else []
        return ": ".join([*self.layers, *contents])

    def to_dict(self) -> dict[str, Any]:
        """All that as JSON can hold it."""
        frames = self.findings.frames
        return {
            "layers": list(self.layers),
            "contents": self.contents,
            "remarks": list(self.findings.remarks),
            "frames": None if frames is None else frames.to_dict(),
        }

    def spooled(self) -> BinaryIO:
        """The packets in a temporary file without a name, which is gone when it is closed.

        Raises
        ------
        FailedError
            If there is no space for it.
        """
        folder = tempfile.gettempdir()
        try:
            spool = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
            for block in self.blocks():
                spool.write(block)
            spool.flush()
        except OSError as error:
            raise FailedError(
                f"{folder}: the packets of {self.path} could not be kept while they are read: "
                f"{error.strerror} (set TMPDIR to a folder with space)"
            ) from error
        return spool


@dataclass(frozen=True)
class _Inner:
    """What is in a layer: another one, or its contents."""

    words: str
    blocks: Blocks | None = None
    advice: str = ""
    is_strange: bool = False


def open_source(path: Path | str, progress: Callable[[int], None] | None = None) -> PacketSource:
    """Recognise what a file is; it is read when its blocks are asked for.

    Parameters
    ----------
    path
        Any file.
    progress
        Called with the bytes of it that a reading has done.

    Raises
    ------
    NotFoundError, BadArgumentError
        If it is not there, or no file.
    BadDataError
        If it cannot be read, or has more than `MOST_LAYERS` layers.

    See Also
    --------
    inspect_file : what is in it, in one report.
    map_file : its packets as an array of bytes.
    """
    path = Path(path)
    check_file(path)
    findings = Findings()
    blocks, layers = file_blocks(path, progress), list[str]()
    only = _single_byte(path)
    if only is not None:  # holes of a sparse file are not even read
        return PacketSource(path, (), only, "", True, findings, _begun(blocks, findings))
    while True:
        inner = _inner(path, blocks, findings, inside=bool(layers))
        if inner is None or inner.blocks is None:
            break
        if len(layers) == MOST_LAYERS:
            raise BadDataError(
                f"got {MOST_LAYERS} layers, one in another ({', '.join(layers)}), and more in it; "
                f"expected at most {MOST_LAYERS}",
                file=path,
                advice="expand it first",
            )
        layers.append(inner.words)
        blocks = inner.blocks
    contents, advice, strange = (
        ("", "", False) if inner is None else (inner.words, inner.advice, inner.is_strange)
    )
    return PacketSource(path, tuple(layers), contents, advice, strange, findings, _begun(blocks, findings))


def _single_byte(path: Path) -> str | None:
    try:
        with open_regular(path) as stream:
            return single_byte(stream)
    except OSError as error:
        raise BadDataError(f"unreadable: {error.strerror or error}", file=path) from error


def _begun(blocks: Blocks, findings: Findings) -> Blocks:
    """Blocks whose reading begins with nothing found."""

    def read() -> Iterator[bytes]:
        findings.clear()
        yield from blocks()

    return read


def _inner(path: Path, blocks: Blocks, findings: Findings, *, inside: bool) -> _Inner | None:
    """What these bytes are; None for packets, or what nobody knows."""
    head, whole = first_bytes(blocks, SAMPLE)
    return (
        _monotonous(head, blocks, whole=whole, inside=inside)
        or _compressed(path, head, blocks, findings)
        or _captured(head, blocks, findings)
        or _written(head, blocks, findings)
        or _framed(head, blocks, findings, whole=whole)
    )


def _monotonous(head: bytes, blocks: Blocks, *, whole: bool, inside: bool) -> _Inner | None:
    """Nothing, or one byte again and again."""
    byte = copies_of(head)
    if not head:
        return _Inner("not one byte could be taken out" if inside else "empty: not one byte", is_strange=True)
    if byte is None or not (whole or all(copies_of(block) == byte for block in blocks())):
        return None
    return _Inner(only_bytes(byte), is_strange=True)


def _compressed(path: Path, head: bytes, blocks: Blocks, findings: Findings) -> _Inner | None:
    for compression in COMPRESSIONS:
        if head.startswith(compression.magic):
            size = path.stat().st_size
            return _Inner(compression.words, expand(compression, blocks, findings, path, size))
    return None


def _captured(head: bytes, blocks: Blocks, findings: Findings) -> _Inner | None:
    kind = capture_kind(head)
    if not kind:
        return None
    words, readable = capture_words(kind, blocks)
    if readable:
        return _Inner(words, captured_bytes(blocks, findings))
    return _Inner(words, advice="capture Ethernet, IP or Linux cooked frames")


def _written(head: bytes, blocks: Blocks, findings: Findings) -> _Inner | None:
    """Text, or a file of a kind that is known by its first bytes."""
    if dump_with_addresses(head):
        return _Inner("a hexadecimal dump with addresses", advice="make bytes of it first: xxd -r")
    if is_hex_text(head):
        return _Inner("hexadecimal text", from_hex(blocks, findings, head))
    named = named_kind(head)
    return None if named is None else _Inner(named.words, advice=named.advice)


def _framed(head: bytes, blocks: Blocks, findings: Findings, *, whole: bool) -> _Inner | None:
    frames = recognise_frames(head, whole=whole)
    if isinstance(frames, FrameLayout):
        return _Inner(frames.words, framed_packets(frames, blocks, findings))
    return None if frames is None else _Inner(frames.words, advice=frames.advice)
