"""From an XTCE document to an instrument.

Containers inherit: the packets of one begin with what its base holds. Here each packet gets a table of its
own with all of its fields, and the conditions along the way say how it is recognised.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.importers.tables import HeaderEntry, ImportedInstrument, ImportedPacket, Row, unique_name
from eicpy.importers.xtce_criteria import alternatives
from eicpy.importers.xtce_document import MOST_FIELDS, XtceDocument, is_abstract, read_document
from eicpy.importers.xtce_layout import PRIMARY_HEADER, ContainerTable
from eicpy.importers.xtce_types import description_of

__all__ = ["import_xtce"]

PUS_TYPE, PUS_SUBTYPE = (8, 8), (16, 8)
"""Bit behind the primary header and width of the PUS type and subtype."""
_PUS_BITS = {"pus-a": 32, "pus-c": 56}
"""Bits of a PUS header before the time."""
_HEADER_FIELDS = {(0, 3): "version", (3, 1): "command", (4, 1): "secondary", (5, 11): "apid"}
"""Fields of the primary header by bit and width."""
MOST_PACKETS = 10_000
"""Most packets of a document."""
MOST_NAMED = 3
"""Most containers that a parameter of which something cannot be said is named with."""

Placed = list[tuple[int, Row]]
"""Rows, each with the bit from the start of the packet at which it begins, or −1."""


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
    BadDataError
        If it is no such document, is beyond the limits of a database of packets, or no packet of it can be
        expressed.

    See Also
    --------
    import_scos : The same from a SCOS-2000 database.

    References
    ----------
    CCSDS 660.0-B-2, XML Telemetric and Command Exchange, version 1.2, February 2020.
    """
    document = read_document(Path(source))
    made = ImportedInstrument(name, document.title, document.provenance)
    for position, reason in document.unread:
        made.lack(position, reason)
    shortfalls = _Shortfalls()
    rows = 0
    for each, container in document.containers.items():
        if is_abstract(container):
            continue
        try:
            packets, lacks = _packets(each, document)
            made.add(packets)
        except BadDataError as error:  # one container; the others are as good as they were
            made.lack(f"container {each}", f"left out: {error.what}")
            continue
        shortfalls.add(each, lacks)
        rows += sum(len(packet.rows) for packet in packets)
        _check_limits(document, rows, len(made.packets))
    shortfalls.report(made)
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


def _check_limits(document: XtceDocument, rows: int, packets: int) -> None:
    """Refuse a document that is beyond any spacecraft before it takes minutes."""
    if packets > MOST_PACKETS or rows > MOST_FIELDS:
        raise BadDataError(
            f"got {packets} packets of {rows} fields, expected {MOST_PACKETS} and {MOST_FIELDS} or fewer",
            file=document.file,
        )


class _Shortfalls:
    """What of parameters cannot be said, with the containers that hold them."""

    def __init__(self) -> None:
        self.containers: dict[tuple[str, str], list[str]] = {}

    def add(self, container: str, lacks: list[tuple[str, str]]) -> None:
        """Take note of those of a container that was taken over."""
        for lack in dict.fromkeys(lacks):
            self.containers.setdefault(lack, []).append(container)

    def report(self, made: ImportedInstrument) -> None:
        """Note each once."""
        for (parameter, reason), containers in self.containers.items():
            listed = ", ".join(containers[:MOST_NAMED])
            more = len(containers) - MOST_NAMED
            also = f" and {more} more" if more > 0 else ""
            made.lack(f"parameter {parameter}", f"{reason} (in {listed}{also})")


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


def _chain(name: str, document: XtceDocument) -> list[ET.Element]:
    """A container behind all that it inherits from, the first one first."""
    chain = [document.containers[name]]
    while base := document.base(chain[-1]):
        chain.append(document.containers[base])
    return chain[::-1]


def _packets(name: str, document: XtceDocument) -> tuple[list[ImportedPacket], list[tuple[str, str]]]:
    """Packets of a container, one for each way to recognise it, and what of its parameters cannot be said."""
    if name in document.faults:
        raise BadDataError(document.faults[name])
    heirs = document.heirs.get(name, [])
    if heirs:
        others = ", ".join(heirs[:20]) + (", …" if len(heirs) > 20 else "")
        raise BadDataError(f"its own packets are those that are of none of its heirs ({others})")
    lacks: list[tuple[str, str]] = []
    table = ContainerTable(document, lambda parameter, reason: lacks.append((parameter, reason)))
    chain = _chain(name, document)
    for each in chain:
        table.add_container(each)
    table.close()
    restrictions = (part for each in chain for part in each.iterfind("BaseContainer/RestrictionCriteria"))
    ways = alternatives(restrictions, table.numbers)
    if not ways:
        raise BadDataError("its conditions contradict one another")
    if len(ways) * len(table.rows) > MOST_FIELDS:
        raise BadDataError(f"got {len(ways)} ways to recognise it, with {len(table.rows)} fields each")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    packets = [
        _packet(plain if len(ways) == 1 else f"{plain}-{number}", chain[-1], table, way)
        for number, way in enumerate(ways, start=1)
    ]
    return packets, lacks


def _packet(
    name: str, container: ET.Element, table: ContainerTable, values: dict[str, int]
) -> ImportedPacket:
    """A packet that is recognised by the values of some parameters."""
    header: dict[str, int] = {}
    others: list[tuple[int, int, int]] = []
    for parameter, value in values.items():
        position = table.positions[table.document.resolve(parameter)]
        bit, width = position.bit, position.width
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
    rows: Placed = table.rows
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
        description_of(container),
    )


def _pus(table: ContainerTable) -> str:
    """Which PUS header it is: in PUS-C a message counter of 16 bits follows the subtype."""
    positions = {(position.bit, position.width) for position in table.positions.values()}
    return "pus-c" if (PRIMARY_HEADER + 24, 16) in positions else "pus-a"


def _behind_header(rows: Placed, bits: int) -> Placed:
    """Rows behind a PUS header, which the index reads."""
    for k, (at, _) in enumerate(rows):
        if at == PRIMARY_HEADER + bits:
            pad = Row("HEADER", bits, "pad", "0", description="PUS header, read by the index")
            return [(PRIMARY_HEADER, pad), *rows[k:]]
    raise BadDataError(
        f"conditions on type and subtype, but no parameter begins behind a header of {bits} bits"
    )


def _structure(conditions: list[tuple[int, ...]], rows: Placed) -> tuple[int | None, tuple[Row, ...]]:
    """Value that distinguishes packets of an APID, and the rows with the field that holds it."""
    plain = tuple(row for _, row in rows)
    if not conditions:
        return None, plain
    first, end, value = conditions[0][0], conditions[0][0], 0
    for bit, width, number in conditions:
        if bit != end:
            raise BadDataError("conditions on parameters that do not stand side by side")
        value, end = value << width | number, bit + width
    if end - first > 63:
        raise BadDataError(f"conditions on {end - first} bits, expected 63 or fewer")
    for k, (at, row) in enumerate(rows):
        if (at - PRIMARY_HEADER, row.bit_width, row.type, row.repeat) == (first, end - first, "uint", ""):
            return value, (*plain[:k], replace(row, type="structure"), *plain[k + 1 :])
        if row.byte_order and first < at - PRIMARY_HEADER + row.bits and at - PRIMARY_HEADER < end:
            raise BadDataError(f"a condition on {row.name}, of which the least significant byte comes first")
    name = unique_name("STRUCTURE", [row.name for row in plain])
    marker = Row(name, end - first, "structure", str(first), description="distinguishes packets of one APID")
    return value, (marker, *plain)
