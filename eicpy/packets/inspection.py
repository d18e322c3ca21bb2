"""Files of packets looked at: recognised, indexed, reported; alone or one after the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eicpy.errors import EicpyError, readable
from eicpy.inputs import refusing
from eicpy.packets.buffers import ByteArray, map_source
from eicpy.packets.containers.source import PacketSource, open_source
from eicpy.packets.index import PacketIndex, Skipped
from eicpy.packets.indexer import index_packets
from eicpy.packets.joining import CONTEXT, cut_ends, joined_index, without_beginning, without_end
from eicpy.packets.report import HasHeaders, HasTime, PacketReport, report_index
from eicpy.packets.rules import HeaderRule
from eicpy.text import counted

__all__ = ["inspect_file", "inspect_files"]


def inspect_file(
    path: Path | str, checksum: str = "auto", instrument: HasHeaders | None = None
) -> PacketReport:
    """Report what is in a file of CCSDS packets.

    Parameters
    ----------
    path
        Any file; it is mapped, not loaded. Packets are taken out of compressed files, transfer frames (TM,
        AOS), hexadecimal text and captures of a network.
    checksum
        ``auto`` decides for each APID from its definition or the data; none, crc16, xor16 or iso16
        override both.
    instrument
        Its header rules to use, and whose time rule gives times in UTC; None to learn all from the data and
        leave on-board times.

    Returns
    -------
    PacketReport
        For an empty file, or one without packets, a report without packets that says what the file is.

    Raises
    ------
    BadArgumentError
        For a file that is not there, or a checksum that does not exist.
    BadDataError
        For a file that cannot be read, or that expands to more than the stated limit.
    FailedError
        If there is no space for what it expands to.

    See Also
    --------
    inspect_files : several, with the packets that their boundaries cut.
    index_packets : the index alone.
    continuity : lost, duplicated and late packets alone.

    References
    ----------
    CCSDS 132.0-B-3, TM Space Data Link Protocol; CCSDS 732.0-B-4, AOS Space Data Link Protocol.
    """
    with refusing(path, "packets"):
        return _inspect(_Inspected.of(path, checksum, instrument), instrument)


def inspect_files(
    paths: Iterable[Path | str], checksum: str = "auto", instrument: HasHeaders | None = None
) -> Iterator[PacketReport | EicpyError]:
    """Report what is in consecutive files; a packet that a boundary cuts counts once, in the second file.

    Parameters
    ----------
    paths
        The files in their order.
    checksum, instrument
        As for `inspect_file`.

    Yields
    ------
    PacketReport or EicpyError
        For each file its report, or why there is none; the next files are reported all the same. In the
        report of a second file the offset of a joined packet is negative: it begins in the file before.
    """
    headers = None if instrument is None else instrument.headers
    before: _Inspected | None = None
    for path in paths:
        try:
            with refusing(path, "packets"):
                here = _Inspected.of(path, checksum, instrument)
        except EicpyError as error:
            if before is not None:
                yield _inspect(before, instrument)
            before = None
            yield error
            continue
        if before is not None:
            before, here = _joined(before, here, headers, checksum)
            yield _inspect(before, instrument)
        before = here
    if before is not None:
        yield _inspect(before, instrument)


@dataclass(frozen=True)
class _Inspected:
    """A file, its packets and their index."""

    source: PacketSource
    data: ByteArray
    index: PacketIndex
    joined: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path | str, checksum: str, instrument: HasHeaders | None) -> "_Inspected":
        source = open_source(path)
        data = map_source(source)
        if source.is_strange and not source.layers and len(data):
            index = replace(PacketIndex.empty(), skipped=(Skipped(0, len(data), source.contents),))
        else:
            index = index_packets(data, None if instrument is None else instrument.headers, checksum)
        return cls(source, data, index)


def _inspect(here: _Inspected, instrument: HasHeaders | None) -> PacketReport:
    rule = instrument if isinstance(instrument, HasTime) else None
    report = report_index(here.source.path, here.index, rule, here.data)
    return replace(report, source=here.source, joined=here.joined)


def _joined(
    before: _Inspected, here: _Inspected, headers: Sequence[HeaderRule] | None, checksum: str
) -> tuple[_Inspected, _Inspected]:
    """Two consecutive files, the packet that their boundary cuts moved into the second one.

    Where it is whole in one of them already, as in the runs of an archive, the half in the other is left out.
    """
    tail, head = cut_ends(before.index, len(before.data)).tail, cut_ends(here.index, len(here.data)).head
    first, second = readable(before.source.path.name), readable(here.source.path.name)
    if tail and _comes_again(before, here, tail):
        left = without_end(before.index, len(before.data) - tail)
        ends = f"its last {counted(tail, 'byte')} begin a packet that is whole in {second}"
        return replace(before, index=left, joined=(*before.joined, ends)), here
    if head and not tail and _comes_again(before, here, head):
        left = without_beginning(here.index, head)
        begins = f"its first {counted(head, 'byte')} end a packet that is whole in {first}"
        return before, replace(here, index=left, joined=(begins,))
    starts_whole = len(here.index) and here.index.good[0] and here.index.offset[0] == 0
    if not tail or starts_whole or not len(here.data):
        return before, here
    start = np.flatnonzero(before.index.good & (before.index.offset >= len(before.data) - CONTEXT))[0]
    context = before.data[int(before.index.offset[start]) :]
    index = joined_index(context, tail, here.data[:CONTEXT], headers, checksum)
    if index is None:
        return before, here
    taken = int(index.offset[0]) + int(index.length[0])
    if len(here.data) > CONTEXT:
        rest = without_beginning(here.index, taken)
        index = PacketIndex.concatenate([replace(index[:1], skipped=()), rest])
    left = without_end(before.index, len(before.data) - tail)
    ends = f"its last {counted(tail, 'byte')} begin a packet that {second} completes; it is counted there"
    begins = f"its first {counted(taken, 'byte')} complete a packet that begins in {first}"
    return (
        replace(before, index=left, joined=(*before.joined, ends)),
        replace(here, index=index, joined=(begins,)),
    )


_LEAST_SAME = 4
"""Bytes that two files share at least: an identification and a sequence count."""


def _comes_again(before: _Inspected, here: _Inspected, size: int) -> bool:
    """Whether the last bytes of a file are the first of the next, and of a whole packet in one of them."""
    first, last = np.flatnonzero(here.index.good)[:1], np.flatnonzero(before.index.good)[-1:]
    whole_here = len(first) and here.index.offset[first[0]] == 0 and here.index.length[first[0]] > size
    end = before.index.offset[last] + before.index.length[last]
    whole_before = len(last) and end[0] == len(before.data) and before.index.length[last[0]] > size
    if size < _LEAST_SAME or not (whole_here or whole_before):
        return False
    return bool(np.array_equal(before.data[-size:], here.data[:size]))
