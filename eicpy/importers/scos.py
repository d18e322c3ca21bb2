"""From a SCOS-2000 database to an instrument: how packets are distinguished, and their tables."""

from collections import Counter, defaultdict
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.importers.scos_columns import note_columns
from eicpy.importers.scos_database import ScosDatabase, ScosRow, read_database
from eicpy.importers.scos_layout import LONGEST, PRIMARY_HEADER, Identifier, ScosLayouts
from eicpy.importers.tables import HeaderEntry, ImportedInstrument, ImportedPacket, Row
from eicpy.packets.primary_header import APIDS

__all__ = ["import_scos"]

_HEADERS = {
    0: ("none", 0, 0),
    4: ("pus-a", 0, 0),
    8: ("pus-a", 32, 0),
    9: ("pus-a", 32, 8),
    10: ("pus-a", 32, 16),
    11: ("pus-a", 32, 24),
    7: ("pus-c", 0, 0),
    12: ("pus-c", 32, 8),
    13: ("pus-c", 32, 16),
    14: ("pus-c", 32, 24),
}
"""Secondary header, and bits of coarse and fine time, by the bytes of the data field header."""
_KINDS = {3: "housekeeping", 1: "verification"}
HOUSEKEEPING_REPORT = 25
WIDEST = 63
"""Most bits of an identifier."""


def import_scos(source: Path | str, name: str) -> ImportedInstrument:
    """Import the telemetry of a SCOS-2000 database.

    Parameters
    ----------
    source
        SQLite file, or folder of ``.dat`` files with tabulators.
    name
        Name that the instrument gets.

    Returns
    -------
    ImportedInstrument
        Packets, and what could not be expressed.

    Raises
    ------
    BadDataError
        If it is no such database, or a table or column is missing.

    See Also
    --------
    import_xtce : The same from an XTCE document.

    References
    ----------
    ESA, SCOS-2000 Database Import ICD, EGOS-MCS-S2K-ICD-0001.
    """
    database = read_database(Path(source))
    made = ImportedInstrument(name, database.title, database.provenance)
    layouts = ScosLayouts(database, made)
    criteria = _Criteria(database, made)
    seen = _Seen()
    for row in database.tables["PID"]:
        try:
            header = _header(row)
            identifier, value = criteria.of(row)
            seen.check(row, value)
            packet = _packet(row, header.apid, value, layouts.rows(row, identifier))
            made.add([packet])
        except BadDataError as error:  # one packet; the others are as good as they were
            made.lack(f"packet {row.text('SPID')} ({row.text('DESCR')})", f"left out: {error.what}")
            continue
        seen.add(row, header, value)
        if seen.headers[header.apid] != header:
            made.lack(
                f"packet {row.text('SPID')} ({row.text('DESCR')})",
                f"its header or checksum is another than that of APID {header.apid}, which is used: its time "
                "and checksum are misread, its parameters are not",
            )
    made.headers = [seen.headers[apid] for apid in sorted(seen.headers)]
    _rest(database, made)
    note_columns(database, made, layouts.used)
    if not made.packets:
        raise BadDataError(
            f"got no packet that could be taken over, of {len(database.tables['PID'])}: {made.shortfalls[0]}",
            file=database.source,
        )
    return made


class _Seen:
    """Packets taken so far, each of which must differ from all others, and the header of each APID."""

    def __init__(self) -> None:
        self.packets: dict[tuple[int, ...], str] = {}
        self.headers: dict[int, HeaderEntry] = {}

    @staticmethod
    def key(row: ScosRow, value: int | None) -> tuple[int, ...]:
        """By what a packet is known."""
        return (row.number("APID"), row.number("TYPE"), row.number("STYPE"), -1 if value is None else value)

    def check(self, row: ScosRow, value: int | None) -> None:
        """Refuse a packet that cannot be distinguished from another."""
        other = self.packets.get(self.key(row, value))
        if other is not None:
            raise BadDataError(f"its APID, types and identifiers are those of packet {other}")

    def add(self, row: ScosRow, header: HeaderEntry, value: int | None) -> None:
        """Remember a packet."""
        self.packets[self.key(row, value)] = row.text("SPID")
        self.headers.setdefault(header.apid, header)


class _Criteria:
    """What distinguishes packets of one type (table PIC)."""

    def __init__(self, database: ScosDatabase, made: ImportedInstrument) -> None:
        self.rows: dict[tuple[int, int], list[ScosRow]] = defaultdict(list)
        for row in database.tables["PIC"]:
            try:
                self.rows[row.number("TYPE"), row.number("STYPE")].append(row)
            except BadDataError as error:
                made.lack("identification of packets", error.what)

    def of(self, packet: ScosRow) -> tuple[Identifier | None, int | None]:
        """Where the identifier of a packet stands, and its value."""
        rows = self.rows.get((packet.number("TYPE"), packet.number("STYPE")), [])
        own = [row for row in rows if row.text("APID") == packet.text("APID")]
        row = next(iter(own or [row for row in rows if row.text("APID") in {"", "-1"}]), None)
        if row is None or row.number("PI1_OFF") < 0:
            return None, None
        first = _identifier(row, "PI1")
        value = packet.number("PI1_VAL", 0)
        if row.number("PI2_OFF", -1) >= 0:
            second = _identifier(row, "PI2")
            if second.bit != first.bit + first.width or first.width + second.width > WIDEST:
                raise BadDataError("its two identifiers (PIC) do not stand side by side, or are too wide")
            value = value << second.width | packet.number("PI2_VAL", 0)
            first = Identifier(first.bit, first.width + second.width)
        if not 0 <= value < 1 << first.width:
            raise BadDataError(f"got identifier {value}, which {first.width} bits do not hold")
        return first, value


def _identifier(row: ScosRow, name: str) -> Identifier:
    """Place of an identifier."""
    bit, width = 8 * (row.number(f"{name}_OFF") - PRIMARY_HEADER), row.number(f"{name}_WID")
    if not 0 <= bit < 8 * LONGEST or not 1 <= width <= WIDEST:
        raise BadDataError(
            f"{row.position}: got an identifier of {width} bits at byte {row.text(f'{name}_OFF')}"
        )
    return Identifier(bit, width)


def _header(row: ScosRow) -> HeaderEntry:
    apid = row.number("APID")
    if not 0 <= apid < APIDS:
        raise BadDataError(f"got APID {apid}, expected 0 to {APIDS - 1}: no packet of the spacecraft")
    if not (0 <= row.number("TYPE") <= 255 and 0 <= row.number("STYPE") <= 255):
        raise BadDataError(f"got type {row.text('TYPE')}/{row.text('STYPE')}, expected 0 to 255")
    size = row.number("DFHSIZE") - PRIMARY_HEADER
    secondary, coarse, fine = _HEADERS.get(size, ("own", 0, 0))
    return HeaderEntry(apid, "crc16" if row.number("CHECK", 0) else "none", secondary, coarse, fine)


def _packet(row: ScosRow, apid: int, structure: int | None, rows: tuple[Row, ...]) -> ImportedPacket:
    service, subservice = row.number("TYPE"), row.number("STYPE")
    kind = _KINDS.get(service, "other")
    if kind == "housekeeping" and subservice != HOUSEKEEPING_REPORT:
        kind = "other"
    return ImportedPacket(
        f"spid-{row.number('SPID')}",
        apid,
        service or None,
        subservice if service else None,
        structure,
        kind,
        rows,
        row.text("DESCR"),
    )


def _rest(database: ScosDatabase, made: ImportedInstrument) -> None:
    """Note what is in the database besides packets of telemetry."""
    for row in database.tables["PCF"]:
        if row.text("NATUR") not in {"R", ""}:
            made.lack(f"parameter {row.text('NAME')}", "computed on the ground from others, not in a packet")
    if database.tables["CCF"]:
        made.lack(f"{len(database.tables['CCF'])} telecommands", "only telemetry is imported")
    known = Counter(row.text("TPSD") for row in database.tables["PID"])
    for structure in {row.text("TPSD") for row in database.tables["VPD"]} - set(known):
        made.lack(f"structure {structure}", "in table VPD, but of no packet in table PID")
    for header in made.headers:
        if header.secondary == "own":
            made.assumptions.append(
                f"APID {header.apid}: its data field header is of no known size; its time is not read"
            )
    made.assumptions += [
        "the epoch of the on-board time; pixels and energies",
        "a checksum, where table PID asks to check it, is a CRC-16",
    ]
