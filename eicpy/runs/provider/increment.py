"""Packets as a reader is given them, and the position after them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eicpy.decoding.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.decoding.decode import alerts, housekeeping, photons, spectra
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex

__all__ = ["Cursor", "Increment"]


@dataclass(frozen=True, order=True)
class Cursor:
    """A position in the archive: all packets before it were given.

    Parameters
    ----------
    run
        Number of the run; 0 is before all runs.
    offset
        Byte in its raw file, where a packet begins or the file ends.

    Examples
    --------
    >>> Cursor.from_json(Cursor(12, 5010).to_json())
    Cursor(run=12, offset=5010)
    """

    run: int
    offset: int = 0

    def to_json(self) -> str:
        """As a text that :meth:`from_json` reads."""
        return json.dumps({"run": self.run, "offset": self.offset})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Cursor":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        BadArgumentError
            For a text that is no cursor.
        """
        try:
            fields = json.loads(text)
            run, offset = fields["run"], fields["offset"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadArgumentError(
                f'got {text!r}, expected a cursor such as {{"run": 12, "offset": 5010}}'
            ) from error
        if not (type(run) is type(offset) is int and run >= 0 and offset >= 0):
            raise BadArgumentError(f"got cursor {text!r}, expected whole numbers from 0 for run and offset")
        return cls(run, offset)


@dataclass(frozen=True)
class Increment:
    """Packets in the order in which they are given, and their contents, decoded when asked for.

    Parameters
    ----------
    index
        The packets; offsets count from the start of the raw file.
    data
        Bytes that hold them: a piece of the raw file, or the packets alone (see `packed`).
    start
        Offset of `data` in the raw file.
    instrument
        Its tables decode them.
    run
        Number of the run; of packets out of several runs, that of the last one (see `row_runs`).
    cursor
        The position after these packets.
    packed
        The same packets with offsets in `data`, where `data` is no piece of the raw file.
    row_runs
        Number of the run of each packet, shape (n_packets,), where there are several.
    fixed
        Whether `cursor` is a position before these packets, from which they are given again, and so that of
        each part of them: packets that are not in the order of the archive have no position after each.
    """

    index: PacketIndex
    data: bytes
    start: int
    instrument: Instrument
    run: int = 0
    cursor: Cursor = Cursor(0)
    packed: PacketIndex | None = field(default=None, repr=False)
    row_runs: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    fixed: bool = False

    @classmethod
    def nothing(cls, instrument: Instrument, cursor: Cursor = Cursor(0)) -> "Increment":
        """No packets."""
        return cls(PacketIndex.empty(), b"", 0, instrument, cursor.run, cursor)

    def __len__(self) -> int:
        return len(self.index)

    def __bool__(self) -> bool:
        """Whether there is anything: packets, or bytes that are none."""
        return len(self.index) > 0 or len(self.index.skipped) > 0

    def split(self, packets: int) -> Iterator["Increment"]:
        """In pieces of at most `packets`; skipped ranges stay with the first piece."""
        if len(self) <= packets:
            if self:
                yield self
            return
        for first in range(0, len(self), packets):
            yield self.part(first, first + packets)

    def part(self, first: int, stop: int) -> "Increment":
        """Packets from `first` up to, not with, `stop`; skipped ranges stay with the first packet."""
        stop = min(stop, len(self))
        index = self.index[first:stop]
        if first == 0:
            index = replace(index, skipped=self.index.skipped)
        cursor, run = self.cursor, self.run
        if self.row_runs is not None and stop > first:
            run = int(self.row_runs[stop - 1])
        if stop < len(self) and not self.fixed:
            cursor = self._cursor_before(stop)
        return replace(
            self,
            index=index,
            run=run,
            cursor=cursor,
            packed=None if self.packed is None else self.packed[first:stop],
            row_runs=None if self.row_runs is None else self.row_runs[first:stop],
        )

    def chosen(self, rows: npt.NDArray[np.bool_]) -> "Increment":
        """Only some of the packets; the position is still the one after all of them."""
        if rows.all():
            return self
        return replace(
            self,
            index=replace(self.index[rows], skipped=self.index.skipped),
            packed=None if self.packed is None else self.packed[rows],
            row_runs=None if self.row_runs is None else self.row_runs[rows],
        )

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """Each packet as its row in the index and its bytes."""
        starts, lengths = self.local.offset.tolist(), self.local.length.tolist()
        for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            yield row, self.data[start : start + length]

    @cached_property
    def local(self) -> PacketIndex:
        """The packets, with offsets in `data`."""
        return self.index.shifted(-self.start) if self.packed is None else self.packed

    @cached_property
    def photons(self) -> PhotonColumns:
        """Photons in these packets."""
        return photons(self.data, self.local, self.instrument)

    @cached_property
    def housekeeping(self) -> Mapping[str, HousekeepingTable]:
        """Housekeeping in these packets, by kind of packet."""
        return housekeeping(self.data, self.local, self.instrument)

    @cached_property
    def spectra(self) -> SpectraColumns:
        """On-board spectra in these packets."""
        return spectra(self.data, self.local, self.instrument)

    @cached_property
    def alerts(self) -> Mapping[str, HousekeepingTable]:
        """Alerts in these packets, by kind of packet."""
        return alerts(self.data, self.local, self.instrument)

    def _cursor_before(self, row: int) -> Cursor:
        """The position before a packet that is not the first one."""
        if self.row_runs is None:
            return Cursor(self.run, int(self.index.offset[row]))
        last = row - 1
        end = int(self.index.offset[last]) + int(self.index.length[last])
        return Cursor(int(self.row_runs[last]), end)
