"""Where the records of a group begin whose size differs from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.buffers import ByteArray
from eicpy.packets.byte_order import order_code
from eicpy.packets.record_kernels import (
    BEGIN,
    COUNT,
    DEEPEST,
    END,
    ENDLESS,
    REPEAT,
    SKIP,
    STEP_COLUMNS,
    walk_records,
)
from eicpy.packets.sections import Group, Section

__all__ = ["RecordPositions", "find_records", "outside_counters"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecordPositions:
    """Records of a group.

    Attributes
    ----------
    counts
        Shape (n_rows,): number of records of each packet, or of each record around them.
    position
        Shape (n_records,): first bit of each.
    after
        Shape (n_rows,): first bit after the last one.
    whole
        Shape (n_rows,), bool: whether all records that the counters promise are complete.
    """

    counts: Ints
    position: Ints
    after: Ints
    whole: npt.NDArray[np.bool_]


def outside_counters(group: Group) -> tuple[str, ...]:
    """Names of the fields outside of a record that count records within it."""
    used: dict[str, None] = {}
    inside: set[str] = set()
    waiting = [group]
    while waiting:
        each = waiting.pop()
        inside.update(spec.name for spec, _ in each.fields)
        for inner in each.groups:
            waiting.append(inner)
            if inner.counter:
                used[inner.counter] = None
    return tuple(name for name in used if name not in inside)


class _Program:
    """The steps that lead from the first bit of a record to the first one after it."""

    def __init__(self, group: Group) -> None:
        self.outside = outside_counters(group)
        self.register = {name: k for k, name in enumerate(self.outside)}
        self.steps: list[list[int]] = []
        self.sections(group.sections, depth=1)

    def add(self, *numbers: int) -> None:
        self.steps.append([*numbers, *[0] * (STEP_COLUMNS - len(numbers))])

    def sections(self, sections: tuple[Section, ...], depth: int) -> None:
        counters = {g.counter for section in sections for g in section.groups}
        waiting = [g for section in sections for g in section.groups]
        while waiting:
            inner = waiting.pop()
            counters.update(g.counter for g in inner.groups)
            waiting.extend(inner.groups)
        for section in sections:
            for spec, bit in section.fields:
                if spec.name in counters and spec.can_count:
                    at = self.register.setdefault(spec.name, len(self.register))
                    order = order_code(spec.byte_order)
                    self.add(COUNT, at, bit, spec.bit_width, int(spec.kind == "int"), order)
            last = section.groups[-1] if section.groups else None
            if last is None or last.is_fixed:
                self.add(SKIP, section.bits)
            else:
                self.group(last, depth)

    def group(self, group: Group, depth: int) -> None:
        fixed = group.fixed_count
        count = group.count
        source = (-1, fixed) if fixed is not None else (self.register[count.counter], count.operand)
        rule = count.operator, count.factor
        if group.is_plain:
            self.add(REPEAT, *source, group.start, group.stride, 0, *rule)
            return
        if depth >= DEEPEST:
            raise BadDataError(f"record {group.name}: got more than {DEEPEST} records around it")
        top = len(self.steps)
        self.add(BEGIN, *source, group.start, group.first_bits, 0, *rule)
        self.sections(group.sections, depth + 1)
        self.add(END)
        self.steps[top][5] = len(self.steps)

    def table(self) -> Ints:
        return np.array(self.steps, dtype=np.int64).reshape(-1, STEP_COLUMNS)


def find_records(
    buffer: ByteArray,
    group: Group,
    start: Ints,
    end: Ints,
    counters: Mapping[str, npt.NDArray[np.integer]],
) -> RecordPositions:
    """Find the records of a group.

    Parameters
    ----------
    buffer
        Shape (n_bytes,).
    group
        What a record holds.
    start, end
        Shape (n_rows,): first bit of the first record; first bit after the data of its packet.
    counters
        For each counter outside of the group, shape (n_rows,).

    Returns
    -------
    RecordPositions
        A record counts as soon as its part before the first counted one is complete.
    """
    program = _Program(group)
    n = len(start)
    outside = np.zeros((n, len(program.outside)), dtype=np.int64)
    for k, name in enumerate(program.outside):
        outside[:, k] = counters[name]
    fixed = group.fixed_count
    if group.count.is_fill:
        asked = np.full(n, ENDLESS)
    elif fixed is not None:
        asked = np.full(n, fixed)
    else:
        asked = np.maximum(group.count.of(counters[group.counter]), 0)
    registers = np.zeros(max(len(program.register), 1), dtype=np.int64)
    counts, after = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    whole = np.zeros(n, dtype=np.uint8)
    first = np.zeros(n, dtype=np.int64)
    positions = np.zeros(0, dtype=np.int64)
    starts, ends = np.ascontiguousarray(start), np.ascontiguousarray(end)
    # Once to count them, once to write down where they are.
    for _ in range(2):
        walk_records(
            buffer, starts, ends, asked, outside, registers, group.first_bits, program.table(),
            first, positions, counts, after, whole,
        )  # fmt: skip  # in the order of the kernel
        first = np.cumsum(counts) - counts
        positions = np.zeros(int(counts.sum()), dtype=np.int64) if not len(positions) else positions
        if not len(positions):
            break
    found = whole.astype(np.bool_)
    if group.count.is_fill:
        # A few bits only round up to a byte; more would be a part of a record.
        found &= ends - after < 8
    return RecordPositions(counts, positions, after, found)
