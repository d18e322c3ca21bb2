"""From an XTCE document to an instrument, through the object model of space_packet_parser.

Containers inherit: the packets of one begin with what its base holds. Here each packet gets a table of its
own with all of its fields, and the conditions along the way say how it is recognised.
"""

import importlib
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eicpy.errors import BadDataError, FailedError
from eicpy.importers.tables import HeaderEntry, ImportedInstrument, ImportedPacket, Row, unique_name
from eicpy.importers.xtce_criteria import alternatives
from eicpy.importers.xtce_document import XtceDocument, read_document
from eicpy.importers.xtce_types import parameter_row

__all__ = ["import_xtce"]

PRIMARY_HEADER = 48
"""Bits of the primary header."""
PUS_TYPE, PUS_SUBTYPE = (8, 8), (16, 8)
"""Bit behind the primary header and width of the PUS type and subtype."""
_PUS_BITS = {"pus-a": 32, "pus-c": 56}
"""Bits of a PUS header before the time."""
_HEADER_FIELDS = {(0, 3): "version", (3, 1): "command", (4, 1): "secondary", (5, 11): "apid"}
"""Fields of the primary header by bit and width."""


def import_xtce(source: Path | str, name: str) -> ImportedInstrument:
    """Import the telemetry of an XTCE document.

    Parameters
    ----------
    source
        XML file.
    name
        Name that the instrument gets.

    Returns
    -------
    ImportedInstrument
        Packets, and what could not be expressed.

    Raises
    ------
    FailedError
        If space_packet_parser is not installed.
    BadDataError
        If it is no such document, or no packet of it can be expressed.

    See Also
    --------
    import_scos : The same from a SCOS-2000 database.

    References
    ----------
    CCSDS 660.0-B-2, XML Telemetric and Command Exchange, version 1.2, February 2020.
    """
    document = read_document(Path(source))
    made = ImportedInstrument(name, document.title, document.provenance)
    definition = _definition(document, made)
    for position, reason in document.unread:
        made.lack(position, reason)
    for container in definition.containers.values():
        if container.abstract:
            continue
        try:
            made.add(list(_packets(container, definition.containers, document, made)))
        except BadDataError as error:  # one container; the others are as good as they were
            made.lack(f"container {container.name}", f"left out: {error.what}")
    if not made.packets:
        why = made.shortfalls[0] if made.shortfalls else "all are abstract"
        raise BadDataError(f"got no container that could be taken over: {why}", file=document.file)
    made.headers = list(_headers(made))
    made.assumptions += [
        "packets have no checksum",
        "which fields are the packet's time: those of the secondary header stand in the tables",
        "the epoch of the on-board time; pixels and energies",
    ]
    return made


def _headers(made: ImportedInstrument) -> Iterator[HeaderEntry]:
    """Header of each APID: a PUS one where packets are distinguished by its type and subtype."""
    for apid in sorted({packet.apid for packet in made.packets}):
        packets = [p for p in made.packets if p.apid == apid and p.service is not None]
        pus = {row.bit_width for p in packets for row in p.rows if (row.name, row.type) == ("HEADER", "pad")}
        secondary = next((name for name, bits in _PUS_BITS.items() if bits in pus), "own")
        if pus:
            made.assumptions.append(
                f"APID {apid}: a {secondary} header, since types and subtypes stand where it has them"
            )
        yield HeaderEntry(apid, "none", secondary)


def _definition(document: XtceDocument, made: ImportedInstrument) -> Any:
    """The object model of a document."""
    try:
        library = importlib.import_module("space_packet_parser.xtce.definitions")
    except ImportError as error:
        raise FailedError(
            "reading XTCE needs the package space_packet_parser, which is not installed: install eicpy[xtce]"
        ) from error
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            definition = library.XtcePacketDefinition.from_xtce(io.BytesIO(document.octets))
    except Exception as error:  # the library raises what happens to be raised
        raise BadDataError(
            f"space_packet_parser cannot read it: {type(error).__name__}: {error}", file=document.file
        ) from error
    for warning in caught:
        made.assumptions.append(f"space_packet_parser says: {warning.message}")
    return definition


@dataclass
class _Table:
    """Rows of a container with all that it inherits, as they are found.

    Attributes
    ----------
    positions
        For each parameter its name in the table, and its bit from the start of the packet and its width.
    at
        Bit from the start of the packet; −1 behind a parameter of varying size.
    """

    made: ImportedInstrument
    rows: list[Row] = field(default_factory=list)
    positions: dict[str, tuple[str, tuple[int, int]]] = field(default_factory=dict)
    at: int = 0

    def add(self, parameter: Any) -> None:
        """Append a parameter; those of the primary header are read by the index."""
        row = parameter_row(parameter, self.made, self.positions, self.at)
        if 0 <= self.at < PRIMARY_HEADER:
            if self.at + row.bit_width > PRIMARY_HEADER or row.repeat:
                raise BadDataError(f"parameter {parameter.name}: reaches over the end of the primary header")
            self.positions[parameter.name] = ("", (self.at, row.bit_width))
            self.at += row.bit_width
            return
        if row.repeat and self.rows and self.rows[-1].repeat == row.repeat:
            # Two records that repeat alike would be taken for one.
            self.rows.append(Row("BOUND", 1, "pad", "here-1"))
        name = unique_name(row.name, [each.name for each in self.rows])
        offset = "0" if not self.rows else ""
        if any(each.repeat == "fill" for each in self.rows):
            raise BadDataError(f"parameter {parameter.name}: behind one that fills the packet")
        self.rows.append(replace(row, name=name, bit_offset=offset))
        self.positions[parameter.name] = (name, (self.at, row.bit_width))
        self.at = -1 if row.repeat or self.at < 0 else self.at + row.bit_width


def _chain(container: Any, containers: dict[str, Any]) -> list[Any]:
    """A container behind all that it inherits from, the first one first."""
    chain = [container]
    while chain[0].base_container_name:
        chain.insert(0, containers[chain[0].base_container_name])
    return chain


def _parameters(container: Any) -> Iterator[Any]:
    """Parameters of a container, those of containers in its entries in their position."""
    for entry in container.entry_list:
        if hasattr(entry, "entry_list"):
            yield from _parameters(entry)
        else:
            yield entry


def _used(container: Any) -> Iterator[str]:
    """Names of a container and of those in its entries."""
    yield container.name
    for entry in container.entry_list:
        if hasattr(entry, "entry_list"):
            yield from _used(entry)


def _packets(
    container: Any, containers: dict[str, Any], document: XtceDocument, made: ImportedInstrument
) -> Iterator[ImportedPacket]:
    """Packets of a container, one for each way to recognise it."""
    if container.inheritors:
        others = ", ".join(container.inheritors)
        raise BadDataError(f"its own packets are those that are of none of its heirs ({others})")
    chain = _chain(container, containers)
    for part in (name for each in chain for name in _used(each)):
        notes = document.passed_over.get(part, [])
        if notes:
            raise BadDataError(f"{', '.join(notes)} (in {part})")
    table = _Table(made)
    for each in chain:
        for parameter in _parameters(each):
            table.add(parameter)
    ways = alternatives(criterion for each in chain for criterion in each.restriction_criteria)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", container.name)
    for number, way in enumerate(ways, start=1):
        yield _packet(name if len(ways) == 1 else f"{name}-{number}", container, table, way)
    if not ways:
        raise BadDataError("its conditions contradict one another")


def _packet(name: str, container: Any, table: _Table, values: dict[str, int]) -> ImportedPacket:
    header: dict[str, int] = {}
    others: list[tuple[int, int, int]] = []
    for parameter, value in values.items():
        if parameter not in table.positions:
            raise BadDataError(f"a condition on {parameter}, which is not in the packet")
        _, (bit, width) = table.positions[parameter]
        if bit < 0 or not 0 <= value < 1 << width:
            raise BadDataError(
                f"a condition {parameter} == {value}, which is at no fixed position or too large"
            )
        if (bit, width) in _HEADER_FIELDS:
            header[_HEADER_FIELDS[bit, width]] = value
        elif bit < PRIMARY_HEADER:
            raise BadDataError(f"a condition on {parameter} in the primary header")
        else:
            others.append((bit - PRIMARY_HEADER, width, value))
    if "apid" not in header:
        raise BadDataError("no condition says which APID it has")
    if header.get("version", 0) or header.get("command", 0):
        raise BadDataError("packets of another version, or telecommands")
    rows = table.rows
    service = subservice = None
    criteria = {(bit, width): value for bit, width, value in others}
    if PUS_TYPE in criteria and PUS_SUBTYPE in criteria:
        service, subservice = criteria.pop(PUS_TYPE), criteria.pop(PUS_SUBTYPE)
        rows = _behind_header(rows, _PUS_BITS[_pus(table)])
    structure, laid_out = _structure(sorted((*position, value) for position, value in criteria.items()), rows)
    return ImportedPacket(
        name,
        header["apid"],
        service,
        subservice,
        structure,
        "other",
        laid_out,
        container.short_description or container.long_description or "",
    )


def _pus(table: _Table) -> str:
    """Which PUS header it is: in PUS-C a message counter of 16 bits follows the subtype."""
    positions = [position for _, position in table.positions.values()]
    return "pus-c" if (PRIMARY_HEADER + 24, 16) in positions else "pus-a"


def _behind_header(rows: list[Row], bits: int) -> list[Row]:
    """Rows behind a PUS header, which the index reads."""
    position = 0
    for k, row in enumerate(rows):
        if position == bits:
            pad = Row("HEADER", bits, "pad", "0", description="PUS header, read by the index")
            return [pad, *rows[k:]]
        if position > bits or row.repeat:
            break
        position += row.bit_width
    raise BadDataError(
        f"conditions on type and subtype, but no parameter begins behind a header of {bits} bits"
    )


def _structure(conditions: list[tuple[int, ...]], rows: list[Row]) -> tuple[int | None, tuple[Row, ...]]:
    """Value that distinguishes packets of an APID, and the rows with the field that holds it."""
    if not conditions:
        return None, tuple(rows)
    first, end, value = conditions[0][0], conditions[0][0], 0
    for bit, width, number in conditions:
        if bit != end:
            raise BadDataError("conditions on parameters that do not stand side by side")
        value, end = value << width | number, bit + width
    if end - first > 63:
        raise BadDataError(f"conditions on {end - first} bits, expected 63 or fewer")
    position = 0
    for k, row in enumerate(rows):
        if (position, row.bit_width, row.type) == (first, end - first, "uint"):
            return value, (*rows[:k], replace(row, type="structure"), *rows[k + 1 :])
        position += row.bit_width
    name = unique_name("STRUCTURE", [row.name for row in rows])
    marker = Row(name, end - first, "structure", str(first), description="distinguishes packets of one APID")
    return value, (marker, *rows)
