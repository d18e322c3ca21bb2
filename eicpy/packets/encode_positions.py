"""Where the fields and records of packets go that are to be made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.layout import Group, PacketLayout, Section
from eicpy.packets.primary_header import HEADER_BYTES
from eicpy.packets.sections import Placed

__all__ = ["FieldBlock", "position_fields", "record_counts"]

Ints = npt.NDArray[np.int64]
Values = Mapping[str, npt.ArrayLike]


@dataclass(frozen=True)
class FieldBlock:
    """Fields that are written in one go.

    Attributes
    ----------
    fields
        With their bit from the base.
    base
        Shape (n_rows,): bit from the start of the packet.
    counts
        Shape (n_rows,): how often they are repeated there.
    stride
        Bits from one repetition to the next.
    packet
        Shape (n_rows,): row of the packet.
    is_repeated
        Whether values are those of repeated records, all of which must be given.
    """

    fields: tuple[Placed, ...]
    base: Ints
    counts: Ints
    stride: int
    packet: Ints
    is_repeated: bool


def record_counts(
    layout: PacketLayout,
    n: int,
    given: npt.ArrayLike | Values | None,
    columns: Values,
    repeated: Values,
) -> dict[str, Ints]:
    """Number of records of each group: in each packet, or in each record around them.

    Raises
    ------
    BadArgumentError
        If neither `given` nor a field contains it.
    """
    variable = [group for group in layout.groups.values() if group.fixed_count is None]
    alone = variable[0].name if len(variable) == 1 else None
    result: dict[str, Ints] = {}

    counters = {group.counter for group in variable}
    pending: list[tuple[tuple[Section, ...], int, Values, Mapping[str, Ints]]] = [
        (layout.sections, n, columns, {})
    ]
    while pending:
        sections, rows, values, outside = pending.pop()
        for group in (group for section in sections for group in section.groups):
            number = _number(group, rows, given, values, outside, alone=group.name == alone)
            if number is None:
                raise BadArgumentError(
                    f"{layout.name}: got no counts for the records of {group.name}, expected shape ({rows},)"
                )
            result[group.name] = number
            if not group.is_plain:
                own = {k: np.asarray(v, dtype=np.int64) for k, v in values.items() if k in counters}
                known = {k: np.broadcast_to(v, (rows,)) for k, v in {**outside, **own}.items()}
                inner = {k: np.repeat(v, number) for k, v in known.items()}
                own_values = {s.name: repeated[s.name] for s, _ in group.fields if s.name in repeated}
                pending.append((group.sections, int(number.sum()), own_values, inner))
    return result


def _number(
    group: Group,
    rows: int,
    given: npt.ArrayLike | Values | None,
    values: Values,
    outside: Mapping[str, Ints],
    *,
    alone: bool,
) -> Ints | None:
    if group.fixed_count is not None:
        return np.full(rows, group.fixed_count, dtype=np.int64)
    value = given.get(group.name) if isinstance(given, Mapping) else given if alone else None
    if value is None and group.counter:
        said = values.get(group.counter, outside.get(group.counter))
        value = None if said is None else group.count.of(np.asarray(said))
    if value is None:
        return None
    array = np.asarray(value, dtype=np.int64)
    if array.ndim > 1 or array.size not in {1, rows} or (array.size and array.min() < 0):
        raise BadArgumentError(
            f"got counts of shape {array.shape} for the records of {group.name}, expected ({rows},), "
            "none below 0"
        )
    return np.ascontiguousarray(np.broadcast_to(array, (rows,)))


def position_fields(
    layout: PacketLayout, n: int, counts: Mapping[str, Ints]
) -> tuple[list[FieldBlock], Ints]:
    """Where everything goes, and the first bit after it.

    Parameters
    ----------
    layout
        Table of the fields.
    n
        Number of packets.
    counts
        As `record_counts` gives them.

    Returns
    -------
    list of FieldBlock, numpy.ndarray
        Bits from the start of each packet; shape (n,): the end of each.
    """
    end = np.full(n, 8 * HEADER_BYTES, dtype=np.int64)
    steps = list(_steps(layout.sections, end.copy(), np.arange(n), counts, end, is_repeated=False))
    return steps, end


def _steps(
    sections: tuple[Section, ...],
    base: Ints,
    packet: Ints,
    counts: Mapping[str, Ints],
    end: Ints,
    *,
    is_repeated: bool,
) -> Iterator[FieldBlock]:
    for section in sections:
        ones = np.ones(len(base), dtype=np.int64)
        yield FieldBlock(section.fields, base, ones, 0, packet, is_repeated)
        after = base + section.bits
        np.maximum.at(end, packet, after)
        for group in section.groups:
            number, start = counts[group.name], base + group.start
            if group.is_plain:
                yield FieldBlock(group.fields, start, number, group.stride, packet, is_repeated=True)
                stop = start + number * group.stride
            else:
                sizes = _record_sizes(group, counts)
                row = np.repeat(np.arange(len(start)), number)
                before = np.cumsum(sizes) - sizes
                stop = start + _sums(sizes, number)
                # What is before a record in all packets, less what is before its own row.
                begin = start[row] + before - (np.cumsum(stop - start) - (stop - start))[row]
                yield from _steps(group.sections, begin, packet[row], counts, end, is_repeated=True)
            if not group.is_fixed:
                # What is placed from the end leaves what rounds up to a byte before it.
                after = stop if group.tail is None else stop + -(stop + group.tail) % 8
                np.maximum.at(end, packet, after)
        base = after


def _record_sizes(group: Group, counts: Mapping[str, Ints]) -> Ints:
    """Bits of each record of a group."""
    total = np.zeros(int(counts[group.name].sum()), dtype=np.int64)
    for section in group.sections:
        last = section.groups[-1] if section.groups else None
        if last is None or last.is_fixed:
            total += section.bits
        elif last.is_plain:
            total += last.start + counts[last.name] * last.stride
        else:
            total += last.start + _sums(_record_sizes(last, counts), counts[last.name])
    if group.is_fixed:
        total[:] = group.stride
    return total


def _sums(values: Ints, counts: Ints) -> Ints:
    """Sums of runs of values, `counts` long."""
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    ends = np.cumsum(counts)
    result: Ints = sums[ends] - sums[ends - counts]
    return result
