"""What an importer makes: packet tables, how packets are distinguished, what could not be expressed."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eicpy.errors import BadArgumentError, BadDataError, ConflictError
from eicpy.packets import PacketLayout
from eicpy.packets.fields import COLUMNS

__all__ = [
    "FieldNames",
    "HeaderEntry",
    "ImportedInstrument",
    "ImportedPacket",
    "Row",
    "Shortfall",
    "numbers_text",
    "unique_name",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME = 200
"""Characters of a name that is a file name, too."""
UNREAD = "NOT_IN_DATABASE"
"""Name of the bytes of a packet that the database does not lay out."""
LONGEST_CELL = 100_000
"""Characters of a cell; the reader of tables takes up to 131072."""


@dataclass(frozen=True)
class Shortfall:
    """Something of the database that our tables do not hold.

    Attributes
    ----------
    place
        The packet, parameter, or calibration, by the name that the database gives it.
    reason
        Why, and what stands in its stead.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True)
class Row:
    """A row of a layout table, as text; the attributes are its columns (see ``docs/packet-tables.md``)."""

    name: str
    bit_width: int
    type: str
    bit_offset: str = ""
    repeat: str = ""
    repeat_stride_bits: str = ""
    calibration: str = ""
    unit: str = ""
    warning_low: str = ""
    warning_high: str = ""
    alarm_low: str = ""
    alarm_high: str = ""
    description: str = ""
    byte_order: str = ""

    @property
    def bits(self) -> int:
        """Bits of all elements of one record."""
        kind, bracket, number = self.type.partition("[")
        del kind
        return self.bit_width * (int(number[:-1]) if bracket else 1)


@dataclass(frozen=True)
class HeaderEntry:
    """What the packets of an APID look like before their own fields; as in ``instrument.toml``."""

    apid: int
    checksum: str
    secondary: str
    coarse_bits: int = 0
    fine_bits: int = 0

    def lines(self) -> Iterator[str]:
        """Its part of the description."""
        yield "[[headers]]"
        yield f"apid = {self.apid}"
        yield f'checksum = "{self.checksum}"'
        yield f'secondary = "{self.secondary}"'
        yield f"coarse_bits = {self.coarse_bits}"
        yield f"fine_bits = {self.fine_bits}"
        yield f"fine_tick = {2.0**-self.fine_bits!r}"
        yield ""


@dataclass(frozen=True)
class ImportedPacket:
    """A kind of packet.

    Attributes
    ----------
    name
        Name of the kind in ``instrument.toml``.
    structure
        Value of the field of type ``structure``, where packets share APID and type.
    kind
        housekeeping, verification or other.
    rows
        Its table.
    """

    name: str
    apid: int
    service: int | None
    subservice: int | None
    structure: int | None
    kind: str
    rows: tuple[Row, ...]
    description: str = ""

    def text(self) -> str:
        """Its table as CSV."""
        file = io.StringIO()
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _one_line(str(v)) for k, v in asdict(row).items()} for row in self.rows)
        return file.getvalue()

    def layout(self) -> PacketLayout:
        """Its table, as the decoder takes it.

        Raises
        ------
        BadDataError
            If the table contradicts itself.
        """
        return PacketLayout.parse(self.text(), self.name)

    def lines(self, layout: str) -> Iterator[str]:
        """Its part of the description."""
        if self.description:
            yield f"# {_one_line(self.description)}"
        yield f"[packets.{json.dumps(self.name)}]"
        yield f"apid = {self.apid}"
        for entry in ("service", "subservice", "structure"):
            if getattr(self, entry) is not None:
                yield f"{entry} = {getattr(self, entry)}"
        yield f"layout = {json.dumps(layout)}"
        yield f'kind = "{self.kind}"'
        yield ""


@dataclass
class ImportedInstrument:
    """A detector as a database describes it.

    Attributes
    ----------
    name
        Name that it gets here.
    title
        What the database calls itself.
    provenance
        Which database in which version, of when, from which file.
    headers, packets
        What is in it.
    shortfalls
        What of the database is not.
    assumptions
        What the database does not say and was filled in.
    """

    name: str
    title: str
    provenance: str
    headers: list[HeaderEntry] = field(default_factory=list)
    packets: list[ImportedPacket] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    _noted: set[Shortfall] = field(default_factory=set, repr=False)
    _names: set[str] = field(default_factory=set, repr=False)

    def lack(self, place: str, reason: str) -> None:
        """Note of something that could not be expressed; the same is noted once."""
        shortfall = Shortfall(place, reason)
        if shortfall not in self._noted:
            self._noted.add(shortfall)
            self.shortfalls.append(shortfall)

    def add(self, packets: Sequence[ImportedPacket]) -> None:
        """Take over packets, all or none of them.

        Raises
        ------
        BadDataError
            If a table contradicts itself, or a name is too long or stands for another packet already.
        """
        names: set[str] = set()
        for packet in packets:
            if packet.name in names or packet.name in self._names:
                raise BadDataError(f"got {packet.name} twice, expected each packet once")
            if not 1 <= len(packet.name) <= LONGEST_NAME:
                raise BadDataError(
                    f"got a name of {len(packet.name)} characters, expected 1 to {LONGEST_NAME}"
                )
            names.add(packet.name)
            packet.layout()
        self._names |= names
        self.packets += packets

    def report(self) -> str:
        """What was taken over, what was not and why, in sentences."""
        lines = [
            f"{self.title}: {len(self.packets)} kinds of packets of {len(self.headers)} APIDs",
            f"source: {self.provenance}",
        ]
        if self.shortfalls:
            lines += ["", f"{len(self.shortfalls)} things could not be expressed:"]
            lines += [f"- {shortfall}" for shortfall in self.shortfalls]
        if self.assumptions:
            lines += ["", "not in the database, filled in with placeholders or assumed:"]
            lines += [f"- {assumption}" for assumption in self.assumptions]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> Path:
        """Write description, tables and report.

        Parameters
        ----------
        folder
            Folder in which a folder of the detector's name is made.

        Returns
        -------
        pathlib.Path
            The new folder.

        Raises
        ------
        BadArgumentError
            If the name is none for a folder.
        ConflictError
            If there is one already.
        """
        if not _NAME.fullmatch(self.name):
            raise BadArgumentError(
                f"got name {self.name!r}, expected letters, digits, points, hyphens and underscores"
            )
        target = folder / self.name
        try:
            target.mkdir(parents=True)
        except FileExistsError:
            raise ConflictError(
                f"got {target}, which is there already; give another name or folder, or remove it"
            ) from None
        files: dict[str, str] = {}
        lines = list(self._head())
        for packet in self.packets:
            text = packet.text()
            if text not in files:
                files[text] = f"{packet.name}.csv"
                (target / files[text]).write_text(text, encoding="utf-8")
            lines += packet.lines(files[text])
        housekeeping = [packet.name for packet in self.packets if packet.kind == "housekeeping"]
        if housekeeping:
            lines += ["[housekeeping]", f"packets = {json.dumps(housekeeping)}", ""]
        (target / "import-report.txt").write_text(self.report(), encoding="utf-8")
        # Last, so that a folder that was not finished is no detector.
        (target / "instrument.toml").write_text("\n".join(lines), encoding="utf-8")
        return target

    def _head(self) -> Iterator[str]:
        """The description up to the packets."""
        yield f"# {_one_line(self.title)}, imported; import-report.txt lists what could not be expressed."
        yield f"name = {json.dumps(self.name)}"
        yield f"title = {_text(self.title)}"
        yield f"note = {_text('imported from ' + self.provenance)}"
        yield f"card_prefix = {json.dumps(re.sub(r'[^A-Z0-9]', '', self.name.upper())[:3] or 'XXX')}"
        yield f"telescope = {json.dumps(self.name)}"
        yield f"instrument = {json.dumps(self.name)}"
        yield from (
            "",
            "# A packet database knows neither of what follows: placeholders, fill in what you need.",
            "[time]",
            'epoch = "2000-01-01T00:00:00"',
            'scale = "utc"',
            "",
            "[pixels]",
            "rows = 1",
            "columns = 1",
            "module_rows = 1",
            "module_columns = 1",
            "sectors = 1",
            "",
            "[energy]",
            "channels = 1",
            "gain = 1.0",
            "offset = 0.0",
            "low = 0.0",
            "high = 1.0",
            "bands = [[0.0, 1.0]]",
            'note = "placeholder"',
            "",
        )
        for header in self.headers:
            yield from header.lines()


def unique_name(wanted: str, taken: Iterable[str]) -> str:
    """Name for a field: as wanted, made fit for a table, and with a number where it is taken."""
    name = re.sub(r"[^\w.-]", "_", wanted.strip()) or "FIELD"
    if name.isdigit() or name == "fill":
        name += "_"
    used = set(taken)
    if name not in used:
        return name
    return next(f"{name}_{k}" for k in range(2, len(used) + 3) if f"{name}_{k}" not in used)


class FieldNames:
    """Names of the fields of a table, each once; many of the same cost no more than others."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Name for a field, as `unique_name`, which is taken from now on."""
        name = plain = unique_name(wanted, ())
        number = self._last.get(plain, 1)
        while name in self._used:
            number += 1
            name = f"{plain}_{number}"
        self._last[plain] = number
        self._used.add(name)
        return name


def numbers_text(kind: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Cell of a calibration made of pairs; what separates them may not stand in a name.

    Raises
    ------
    BadDataError
        For one that is too long for a table.
    """
    cell = f"{kind}:" + ";".join(f"{raw}={_one_line(value).replace(';', ',')}" for raw, value in pairs)
    if len(cell) > LONGEST_CELL:
        raise BadDataError(
            f"got {len(pairs)} pairs of {len(cell)} characters, expected {LONGEST_CELL} characters or fewer"
        )
    return cell


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(text: str) -> str:
    return json.dumps(_one_line(text), ensure_ascii=False)
