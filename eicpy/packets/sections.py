"""Where the fields of a layout table stand: offsets resolved, repeated records found, the table cut up.

A field without an offset begins where the row before it ends. Behind a record of variable number it
differs from packet to packet, so the table is cut there into *sections*, each with its own base. A record is
laid out the same way, so that records may hold records. What stands behind a record that goes to the end of
the packet has its place from that end.
"""

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace

from eicpy.errors import BadDataError
from eicpy.packets.fields import MOST_BITS, FieldSpec
from eicpy.packets.repeats import RecordCount, parse_count

__all__ = ["Group", "Section", "build_sections"]

Placed = tuple[FieldSpec, int]
WIDEST_CONDITION = 63
"""Most bits of a number that a condition may be on: kernels count with signed numbers."""


@dataclass(frozen=True)
class Group:
    """A repeated record.

    Attributes
    ----------
    sections
        What one record holds; offsets count from its first bit.
    start
        First bit of the first record from the base of the section that the group is in.
    stride
        Bits from one record to the next; where records differ in size, the fewest that one has.
    count
        How many records there are.
    tail
        Of a record to the end of the packet: bits that stand between it and that end, a checksum at the end
        aside; None where nothing stands behind it.
    """

    sections: tuple["Section", ...]
    start: int
    stride: int
    count: RecordCount
    tail: int | None = None

    @property
    def repeat(self) -> str:
        """How often the record is repeated, as the table says it."""
        return self.count.text

    @property
    def counter(self) -> str:
        """Name of the field that counts the records; empty where none does."""
        return self.count.counter

    @property
    def fields(self) -> tuple[Placed, ...]:
        """Fields of the record itself, each with its bit from the base of its section."""
        return tuple(placed for section in self.sections for placed in section.fields)

    @property
    def groups(self) -> tuple["Group", ...]:
        """Records within the record."""
        return tuple(group for section in self.sections for group in section.groups)

    @property
    def name(self) -> str:
        """Name of the first field that has values, by which the group is known."""
        names = [spec.name for spec, _ in self.fields if spec.is_data]
        return names[0] if names else self.fields[0][0].name

    @property
    def fixed_count(self) -> int | None:
        """Number of records where it is the same in every packet."""
        return self.count.fixed

    @property
    def is_plain(self) -> bool:
        """Whether a record holds no other records; all of them have `stride` bits then."""
        return not self.groups

    @property
    def is_fixed(self) -> bool:
        """Whether the group takes the same room in every packet."""
        return self.fixed_count is not None and all(group.is_fixed for group in self.groups)

    @property
    def first_bits(self) -> int:
        """Bits of a record up to where its size begins to vary; with fewer left there is no record."""
        return self.sections[0].bits


@dataclass(frozen=True)
class Section:
    """Fields at fixed positions from a base: the fields, and the repeated records among and after them.

    Only the last group may vary in size; what follows it is the next section.
    """

    fields: tuple[Placed, ...]
    groups: tuple[Group, ...]
    bits: int
    """Bits from the base to the end of the fixed part."""

    def moved(self, bits: int) -> "Section":
        """The same section with its base `bits` further on."""
        return Section(
            tuple((spec, at - bits) for spec, at in self.fields),
            tuple(replace(group, start=group.start - bits) for group in self.groups),
            self.bits - bits,
        )


class _Builder:
    """Resolves offsets row by row and cuts a table, or a record of it, into sections.

    Parameters
    ----------
    depth
        How many records are around the rows.
    cursor
        Bit where the row before ends.
    is_known
        Whether positions are the same in every packet up to here, so that rows may give theirs.
    counters
        Fields so far that may count records.
    least
        Bits that stand before the base of the section at least: of a packet without records.
    """

    def __init__(
        self,
        depth: int,
        cursor: int,
        *,
        is_known: bool,
        counters: MutableMapping[str, FieldSpec],
        least: int = 0,
    ) -> None:
        self.depth = depth
        self.cursor = cursor
        self.is_known = is_known
        self.counters = counters
        self.least = least
        self.sections: list[Section] = []
        self.fields: list[Placed] = []
        self.groups: list[Group] = []
        # A record may begin before the row that stands above it; a packet does not.
        self.ends: list[int] = [0] if depth == 0 else []

    def read(self, rows: Sequence[FieldSpec]) -> tuple[Section, ...]:
        """Sections of some rows."""
        row = 0
        while row < len(rows):
            if len(rows[row].path) == self.depth:
                self.add(rows[row])
                row += 1
            else:
                after = self.end_of_record(rows, row)
                self.add_group(rows[row:after])
                row = after
        if self.fields or self.groups or not self.sections:
            self.close_section()
        return tuple(self.sections)

    def add(self, spec: FieldSpec) -> None:
        if not self.is_known and spec.bit_offset is not None:
            raise BadDataError(
                f"field {spec.name}: got an offset behind a record of variable number, expected none",
                advice="leave bit_offset empty, write here-8 or here+8, or move the row before that record",
            )
        at = self.cursor + spec.shift if spec.bit_offset is None else spec.bit_offset
        if self.least + at < 0:
            without = "" if self.is_known else ", where no record stands before it"
            raise BadDataError(
                f"field {spec.name}: got a beginning at bit {self.least + at}{without}, expected 0 or later: "
                "bits count from the first byte behind the primary header",
                advice="what the primary header says is known without a row",
            )
        self.cursor = at + spec.bits
        self.fields.append((spec, at))
        self.ends.append(self.cursor)
        if spec.is_data:
            self.counters[spec.name] = spec

    def end_of_record(self, rows: Sequence[FieldSpec], start: int) -> int:
        """Row after the last one of the record that begins in a row."""
        first = rows[start]
        for row in range(start, len(rows)):
            spec = rows[row]
            if spec.path[: self.depth + 1] != first.path[: self.depth + 1]:
                return row
            if len(spec.path) == self.depth + 1 and spec.stride != first.stride:
                return row
        return len(rows)

    def add_group(self, rows: Sequence[FieldSpec]) -> None:
        first = rows[0]
        if len(first.path) != self.depth + 1:
            raise BadDataError(
                f"field {first.name}: got a record that begins with another record, expected a field first"
            )
        repeat = first.path[self.depth]
        count = self.count(first, repeat)
        inner = _Builder(
            self.depth + 1,
            self.cursor,
            is_known=self.is_known,
            counters=ChainMap({}, self.counters),
            least=self.least,
        )
        sections = inner.read(rows)
        begins = [at for _, at in sections[0].fields] + [group.start for group in sections[0].groups]
        start = min(begins)
        sections = (sections[0].moved(start), *sections[1:])
        group = Group(sections, start, self.stride(first, sections), count)
        self.groups.append(group)
        self.ends.append(start)
        if group.is_fixed:
            assert group.fixed_count is not None
            self.cursor = start + group.fixed_count * group.stride
            self.ends.append(self.cursor)
        else:
            self.close_section()

    def count(self, spec: FieldSpec, repeat: str) -> RecordCount:
        """How many records there are of which `spec` is the first field."""
        count = parse_count(repeat, self.counters)
        counter = self.counters.get(count.counter) if count is not None else None
        unable = counter is not None and not counter.can_count
        if count is None or unable or (count.is_fill and self.depth > 0):
            raise BadDataError(
                f"field {spec.name} repeats {repeat!r} times, expected a number, fill (not within a record), "
                "or an earlier field that is not repeated itself or is of the same record: N, 2*N+1, N==3"
            )
        if count.operator and counter is not None and counter.bit_width > WIDEST_CONDITION:
            raise BadDataError(
                f"field {spec.name}: got a condition on {count.counter} of {counter.bit_width} bits, "
                f"expected {WIDEST_CONDITION} or fewer"
            )
        return count

    @staticmethod
    def stride(first: FieldSpec, sections: Sequence[Section]) -> int:
        """Bits from one record to the next, or the fewest."""
        size = sum(section.bits for section in sections)
        if first.stride is None:
            return size
        if any(not group.is_fixed for section in sections for group in section.groups):
            raise BadDataError(
                f"field {first.name}: got a stride of {first.stride} bits for a record whose size varies",
                advice="leave repeat_stride_bits empty",
            )
        if first.stride < size:
            raise BadDataError(
                f"field {first.name}: got a stride of {first.stride} bits, expected {size} or more"
            )
        return first.stride

    def close_section(self) -> None:
        bits = max(self.ends)
        self.least += max(bits, 0)
        self.sections.append(Section(tuple(self.fields), tuple(self.groups), bits))
        self.fields, self.groups, self.cursor, self.ends, self.is_known = [], [], 0, [0], False


def build_sections(fields: Sequence[FieldSpec]) -> tuple[Section, ...]:
    """Sections of a table.

    Raises
    ------
    BadDataError
        For a table that contradicts itself.
    """
    sections = _place_from_end(_Builder(0, 0, is_known=True, counters={}).read(fields), fields)
    _check_alignment(sections, 0)
    if max(section.bits for section in sections) > MOST_BITS:
        most = max(section.bits for section in sections)
        raise BadDataError(f"got fields of {most} bits, expected {MOST_BITS} or fewer: no packet has more")
    return sections


def _place_from_end(sections: tuple[Section, ...], fields: Sequence[FieldSpec]) -> tuple[Section, ...]:
    """Sections with the place of what stands behind a record that goes to the end of the packet."""
    for k, section in enumerate(sections[:-1]):
        last = section.groups[-1]
        if not last.count.is_fill:
            continue
        behind = sections[k + 1]
        if len(sections) > k + 2 or not all(group.is_fixed for group in behind.groups):
            which = next(group for each in sections[k + 1 :] for group in each.groups if not group.is_fixed)
            raise BadDataError(
                f"field {which.name}: got a record of variable number behind {last.name}, which fills the "
                "packet; expected fields of fixed size there: they are placed from the end of the packet"
            )
        closing = fields[-1].bits if fields[-1].kind == "checksum" else 0
        early = [spec.name for spec, _ in behind.fields if spec.kind == "checksum" and spec is not fields[-1]]
        if early:
            raise BadDataError(
                f"field {early[0]}: got a checksum behind {last.name} that is not the last row"
            )
        filled = replace(last, tail=behind.bits - closing)
        changed = replace(section, groups=(*section.groups[:-1], filled))
        return (*sections[:k], changed, *sections[k + 1 :])
    return sections


def _check_alignment(sections: Sequence[Section], phase: int | None) -> None:
    """Refuse numbers with an order of bytes that do not begin at a byte.

    `phase`: bit of a byte at which the first section begins; None where that differs from packet to packet.
    """
    for section in sections:
        for spec, bit in section.fields:
            if not spec.byte_order:
                continue
            if phase is None:
                raise BadDataError(
                    f"field {spec.name}: got a byte order of a number that begins at other bits of a byte "
                    "from packet to packet, expected one that begins at a byte"
                )
            if (phase + bit) % 8:
                raise BadDataError(
                    f"field {spec.name}: got a byte order of a number that begins at bit {(phase + bit) % 8} "
                    "of a byte, expected bit 0",
                    advice="make a row of each part, with its own bits",
                )
        for group in section.groups:
            start = None if phase is None else (phase + group.start) % 8
            even = group.stride % 8 == 0 and _is_even(group)
            _check_alignment(group.sections, start if even or group.fixed_count == 1 else None)
            if group.is_fixed:
                continue
            phase = start if even else None
            if group.tail is not None:
                phase = -group.tail % 8
        if not section.groups or section.groups[-1].is_fixed:
            phase = None if phase is None else (phase + section.bits) % 8


def _is_even(group: Group) -> bool:
    """Whether the records of a group are whole bytes, however many they hold."""
    return sum(section.bits for section in group.sections) % 8 == 0 and all(
        inner.stride % 8 == 0 and _is_even(inner) for section in group.sections for inner in section.groups
    )
