"""Packets of one kind that are laid out in more than one way, where no header says in which.

An instrument may be told to send more, or less, in each record of a packet. Which layout a packet has is
judged by what fits: it must be whole by the layout, without a part of a record left over, and what must be 0
must be 0. Where several fit, the nearest packet that only one of them fits decides, as the instrument is
switched seldom; without such a packet it is the first layout, and the packet is named as *undecided*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.buffers import Buffer
from eicpy.packets.decode import DecodedPackets, GroupRows, decode
from eicpy.packets.index import PacketIndex
from eicpy.packets.layout import PacketLayout
from eicpy.typing import BoolArray, IntArray

__all__ = ["AlternativePackets", "check_alternatives", "decode_alternatives"]


@dataclass(frozen=True)
class AlternativePackets:
    """Columns of packets of one kind, each decoded by the layout that fits it.

    Attributes
    ----------
    decoded
        Columns of all packets; the repeated fields are those of all layouts, records in the order of the
        packets. A packet that no layout fits is as the first one reads it, and not complete.
    chosen
        Shape (n_packets,), int64: number of the layout that was taken.
    undecided
        Shape (n_packets,), bool: whether other layouts fit as well and nothing decides between them.
    absent
        By repeated field that not all layouts have: shape (n_records,), bool, whether a record is without it
        (its value is 0). Without an entry all records have the field.
    """

    decoded: DecodedPackets
    chosen: IntArray
    undecided: BoolArray
    absent: dict[str, BoolArray] = field(default_factory=dict)


def check_alternatives(layouts: Sequence[PacketLayout]) -> None:
    """Check that layouts can stand for one another.

    Raises
    ------
    BadDataError
        If they differ in the fields that a packet has once, in their groups of records, or in the type of a
        field; or have records within records.
    """
    first = layouts[0]
    for other in layouts[1:]:
        if [_form(first, name) for name in first.single] != [_form(other, name) for name in other.single]:
            raise BadDataError(
                f"{other.name}: got other single fields than {first.name}, expected the same",
                advice="alternative layouts differ in their records only",
            )
        if list(first.groups) != list(other.groups):
            raise BadDataError(
                f"{other.name}: got records {', '.join(other.groups) or 'none'}, expected as in "
                f"{first.name}: {', '.join(first.groups) or 'none'}",
                advice="records are known by their first field",
            )
        unlike = [n for n in other.repeated if n in first and _form(first, n) != _form(other, n)]
        if unlike:
            raise BadDataError(
                f"{other.name}: got field {unlike[0]} of another type than in {first.name}, expected the same"
            )
    if len(layouts) > 1 and any(not group.is_plain for one in layouts for group in one.groups.values()):
        raise BadDataError(f"{first.name}: got records within records, expected plain ones in alternatives")


def decode_alternatives(
    buffer: Buffer, index: PacketIndex, layouts: Sequence[PacketLayout]
) -> AlternativePackets:
    """Decode packets of one kind, each by the layout that fits it.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Packets of the kind, in the order received.
    layouts
        One or more, which :func:`check_alternatives` lets pass; the first is taken where nothing decides.

    Returns
    -------
    AlternativePackets
        Of one layout: what :func:`decode` gives.

    See Also
    --------
    decode : packets of one layout.
    """
    first = decode(buffer, index, layouts[0])
    if len(layouts) == 1:
        return AlternativePackets(first, np.zeros(len(index), np.int64), np.zeros(len(index), np.bool_))
    read = [first, *(decode(buffer, index, layout) for layout in layouts[1:])]
    chosen, undecided = _choose(read)
    parts = []
    for number, layout in enumerate(layouts):
        rows = np.flatnonzero(chosen == number)
        whole = len(rows) == len(index)
        parts.append(_Part(layout, rows, read[number] if whole else decode(buffer, index[rows], layout)))
    decoded, absent = _merge(parts, len(index))
    return AlternativePackets(decoded, chosen, undecided, absent)


@dataclass(frozen=True)
class _Part:
    """The packets of one layout: their rows among all, and what was decoded."""

    layout: PacketLayout
    rows: IntArray
    decoded: DecodedPackets

    def places(self, group: str, begin: IntArray) -> IntArray:
        """Row of each record of a group among all records; `begin` is that of the first of each packet."""
        mine = self.decoded.groups[group]
        within = np.arange(len(mine.packet)) - (np.cumsum(mine.counts) - mine.counts)[mine.packet]
        places: IntArray = begin[self.rows][mine.packet] + within
        return places


def _form(layout: PacketLayout, name: str) -> tuple[Any, ...]:
    spec = layout[name]
    return (name, spec.kind, spec.dtype, spec.bit_width, spec.elements)


def _choose(read: Sequence[DecodedPackets]) -> tuple[IntArray, BoolArray]:
    """Number of the layout of each packet, and whether nothing decides between several."""
    fits = np.stack([one.complete for one in read])
    several = fits.sum(axis=0) > 1
    filled = np.any([group.counts > 0 for one in read for group in one.groups.values()], axis=0)
    chosen: IntArray = np.argmax(fits, axis=0).astype(np.int64)
    undecided: BoolArray = np.zeros(fits.shape[1], np.bool_)
    sure = np.flatnonzero(fits.sum(axis=0) == 1)
    for row in np.flatnonzero(several & filled).tolist():
        near = sure[fits[chosen[sure], row]]
        undecided[row] = not len(near)
        if len(near):
            chosen[row] = chosen[near[np.argmin(np.abs(near - row))]]
    return chosen, undecided


def _merge(parts: Sequence[_Part], packets: int) -> tuple[DecodedPackets, dict[str, BoolArray]]:
    """The packets of all layouts as one, records in the order of the packets; and what records lack."""
    complete: BoolArray = np.zeros(packets, np.bool_)
    columns: dict[str, npt.NDArray[Any]] = {}
    for part in parts:
        complete[part.rows] = part.decoded.complete
        for name, values in part.decoded.columns.items():
            _room(columns, name, values, packets)[part.rows] = values
    repeated: dict[str, npt.NDArray[Any]] = {}
    groups: dict[str, GroupRows] = {}
    absent: dict[str, BoolArray] = {}
    for group in parts[0].layout.groups:
        counts = np.zeros(packets, np.int64)
        for part in parts:
            counts[part.rows] = part.decoded.groups[group].counts
        groups[group] = GroupRows(counts)
        total = int(counts.sum())
        for part in parts:
            places = part.places(group, np.cumsum(counts) - counts)
            for name in _names(part.layout, group):
                values = part.decoded.repeated[name]
                _room(repeated, name, values, total)[places] = values
                absent.setdefault(name, np.ones(total, np.bool_))[places] = False
    everywhere = set.intersection(*(set(part.layout.repeated) for part in parts))
    lacking = {name: rows for name, rows in absent.items() if name not in everywhere}
    return DecodedPackets(columns, repeated, groups, complete), lacking


def _room(
    columns: dict[str, npt.NDArray[Any]], name: str, values: npt.NDArray[Any], rows: int
) -> npt.NDArray[Any]:
    if name not in columns:
        columns[name] = np.zeros((rows, *values.shape[1:]), values.dtype)
    return columns[name]


def _names(layout: PacketLayout, group: str) -> list[str]:
    return [spec.name for spec, _ in layout.groups[group].fields if spec.is_data]
