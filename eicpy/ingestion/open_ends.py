"""Packets that the boundary of two files cut: their halves find each other, in whatever order they come.

Files are pieces of a stream, cut where a clock or a size said so. The end of one and the beginning of the
next are then halves of one packet. A run that ends, or begins, with part of a packet is written down in
``open-ends.json`` of the archive; a file that comes later, in the same call or another year, is compared with
what is written there. They are joined on evidence alone (:mod:`eicpy.packets.joining`).

The whole packet stands in the run of the file that came later: no closed run is ever altered, and no packet
is in two. That run begins with the bytes that end the other one (or ends with those that begin it); the
descriptions of both say so. The half in the other run stays in its raw bytes, and counts there no longer: its
description names it (``tail_whole_in``, ``head_whole_in``), and its index leaves it out.

An end is claimed for a file, by its hash, before its run is opened: a process that is killed goes on with the
same half, and no other file is given it meanwhile. The file is derived: without it nothing is lost but that
halves find each other.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from eicpy.errors import BadDataError
from eicpy.files import atomic_file
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, index_packets
from eicpy.packets.buffers import as_byte_array
from eicpy.packets.joining import CONTEXT, cut_ends, joined_index
from eicpy.packets.primary_header import HEADER_BYTES, LENGTH_EXCESS
from eicpy.runs import Run, RunArchive, RunPiece, remark
from eicpy.text import counted

__all__ = ["claim_beginning", "claim_end", "piece_bytes", "settle_ends"]

_NAME = "open-ends.json"
_LOCK = "open-ends"
_MOST = 256
"""Ends that are kept; the oldest are forgotten."""
_HEAD, _TAIL = "head", "tail"


@dataclass(frozen=True)
class _OpenEnd:
    """A part of a packet at one end of a run."""

    run: int
    side: str
    size: int
    claimed_by: str = ""
    """Hash of the file that completes it."""


def claim_beginning(
    first: bytes, instrument: Instrument, archive: RunArchive, sha256: str
) -> RunPiece | None:
    """The end of another run that the first bytes of a file complete; claimed for the file.

    Parameters
    ----------
    first
        The first bytes of its packets, `CONTEXT` of them where there are as many.
    instrument
        Its header rules.
    archive
        The archive.
    sha256
        Hash of the file.
    """
    index = index_packets(first, instrument.headers)
    good = np.flatnonzero(index.good)
    head = int(index.offset[good[0]]) if len(good) else None
    if head == 0:
        return None

    def fits(end: _OpenEnd) -> bool:
        run = archive.run(end.run)
        half = _last_bytes(run, end.size)
        length = _length(half + first[:HEADER_BYTES])
        missing = length - end.size
        if not 0 < missing <= len(first) or (head is not None and missing != head):
            return False
        return _joins(run, end.size, first, instrument)

    return _claim(archive, _TAIL, sha256, fits)


def claim_end(
    run: Run, index: PacketIndex, instrument: Instrument, archive: RunArchive, sha256: str
) -> RunPiece | None:
    """The beginning of another run that completes the packet at the end of this one; claimed for its file.

    Parameters
    ----------
    run
        A run that holds all bytes of its file.
    index
        Its packets.
    instrument, archive, sha256
        As for `claim_beginning`.
    """
    tail = cut_ends(index, run.size).tail
    if not tail:
        return None
    half = _last_bytes(run, tail)

    def fits(end: _OpenEnd) -> bool:
        other = archive.run(end.run)
        first = _first_bytes(other, CONTEXT)
        length = _length(half + first[:HEADER_BYTES])
        return length == tail + end.size and _joins(run, tail, first, instrument, index)

    return _claim(archive, _HEAD, sha256, fits)


def settle_ends(run: Run, index: PacketIndex, archive: RunArchive, sha256: str) -> None:
    """Write down what of a closed run is still open, and that what was claimed for it is completed."""
    metadata = run.metadata
    ends = cut_ends(index, run.size)
    open_ends = [
        _OpenEnd(run.number, side, size)
        for side, size, joined in (
            (_HEAD, ends.head, metadata.begins_in or metadata.head_whole_in),
            (_TAIL, ends.tail, metadata.ends_in or metadata.tail_whole_in),
        )
        if size and joined is None
    ]
    with archive.lock(_LOCK):
        known = _read(archive)
        kept = [e for e in known if e.claimed_by != sha256 and e.run != run.number] + open_ends
        if kept != known:
            _write(archive, kept)
    for piece, where, which, half in (
        (metadata.begins_in, "end", "begins", "tail_whole_in"),
        (metadata.ends_in, "beginning", "ends", "head_whole_in"),
    ):
        if piece is not None:
            bytes_there = counted(piece.size, "byte")
            remark(
                run,
                f"it {which} with the {bytes_there} at the {where} of run {piece.run}: the packet that the "
                "boundary of the two files cut is whole here",
            )
            remark(
                archive.run(piece.run),
                f"the packet cut at its {where} ({bytes_there}) is whole in run {run.number}",
                **{half: RunPiece(run=run.number, size=piece.size)},
            )


def piece_bytes(archive: RunArchive, piece: RunPiece | None, side: str) -> bytes:
    """Bytes at the ``end`` or the ``beginning`` of another run; none for None."""
    if piece is None:
        return b""
    run = archive.run(piece.run)
    return _last_bytes(run, piece.size) if side == "end" else _first_bytes(run, piece.size)


def _claim(archive: RunArchive, side: str, sha256: str, fits: Callable[[_OpenEnd], bool]) -> RunPiece | None:
    """The newest open end that fits, or that was claimed before, written down as claimed."""
    if not (archive.folder / _NAME).is_file():
        return None
    with archive.lock(_LOCK):
        known = _read(archive)
        candidates = [e for e in reversed(known) if e.side == side and e.claimed_by in {"", sha256}]
        for end in sorted(candidates, key=lambda e: e.claimed_by != sha256):
            if _is_there(archive, end) and fits(end):
                claimed = replace(end, claimed_by=sha256)
                if claimed != end:
                    _write(archive, [claimed if other == end else other for other in known])
                return RunPiece(run=end.run, size=end.size)
    return None


def _is_there(archive: RunArchive, end: _OpenEnd) -> bool:
    """Whether its run is in the archive still; people may remove runs."""
    try:
        return archive.run(end.run).size >= end.size
    except (BadDataError, ValueError, OSError):
        return False


def _joins(
    run: Run, tail: int, first: bytes, instrument: Instrument, index: PacketIndex | None = None
) -> bool:
    """Whether the end of a run and these bytes are halves of one packet."""
    index = run.index(instrument) if index is None else index
    near = np.flatnonzero(index.good & (index.offset >= run.size - CONTEXT))
    start = int(index.offset[near[0]]) if len(near) else run.size - tail
    before = _last_bytes(run, run.size - start)
    joined = joined_index(as_byte_array(before), tail, as_byte_array(first), instrument.headers)
    return joined is not None and int(joined.length[0]) - tail <= len(first)


def _length(header: bytes) -> int:
    """Bytes of a packet, by its header."""
    return int.from_bytes(header[4:HEADER_BYTES], "big") + LENGTH_EXCESS


def _last_bytes(run: Run, size: int) -> bytes:
    with run.raw_file.open("rb") as stream:
        stream.seek(-size, 2)
        return stream.read(size)


def _first_bytes(run: Run, size: int) -> bytes:
    with run.raw_file.open("rb") as stream:
        return stream.read(size)


def _read(archive: RunArchive) -> list[_OpenEnd]:
    try:
        return [_OpenEnd(**end) for end in json.loads((archive.folder / _NAME).read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError):  # torn or of another version: it is derived
        return []


def _write(archive: RunArchive, ends: Sequence[_OpenEnd]) -> None:
    with atomic_file(Path(archive.folder) / _NAME) as stream:
        stream.write(json.dumps([asdict(end) for end in ends[-_MOST:]], indent=1).encode())
