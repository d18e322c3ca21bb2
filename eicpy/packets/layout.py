"""The layout of a packet as a table: one row a field, read from CSV (see ``docs/packet-tables.md``).

Fields may overlap, have 1 to 64 bits, start at any bit, and repeat: a fixed number of times, as often as
another field says, or to the end of the packet; what stands behind that is placed from the end.
``repeat`` and stride; a record may hold further records.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy.typing as npt

from eicpy.errors import BadDataError, NotFoundError
from eicpy.packets.curves import TextCalibration
from eicpy.packets.fields import COLUMNS, REQUIRED, FieldSpec, read_field
from eicpy.packets.limits import Limits
from eicpy.packets.repeats import FILL
from eicpy.packets.sections import Group, Section, build_sections
from eicpy.packets.table_text import decode_text, read_regular, split_table

__all__ = ["COLUMNS", "FieldSpec", "Group", "PacketLayout", "Section"]


class PacketLayout:
    """Fields of a kind of packet.

    Parameters
    ----------
    fields
        In the order of the table.
    name
        For messages.

    Raises
    ------
    BadDataError
        For a table that contradicts itself.

    See Also
    --------
    decode : packets to columns by a layout.
    encode : columns to packets by a layout.
    eicpy.importers : layouts from SCOS-2000 and XTCE databases.

    Examples
    --------
    >>> layout = PacketLayout.parse('''name,bit_offset,bit_width,type
    ... MODE,0,3,uint
    ... RATE,,13,uint
    ... ''')
    >>> layout.names
    ('MODE', 'RATE')
    >>> layout["RATE"].dtype
    dtype('uint16')
    """

    def __init__(self, fields: Iterable[FieldSpec], name: str = "layout") -> None:
        self.name = name
        self.fields = tuple(fields)
        self._by_name = {spec.name: spec for spec in self.fields if spec.is_data}
        known: set[str] = set()
        for spec in self.fields:
            if spec.is_data and spec.name in known:
                raise BadDataError(f"{name}: got field {spec.name} twice, expected each name once")
            known.add(spec.name)
        try:
            self.sections = build_sections(self.fields)
        except BadDataError as error:
            raise BadDataError(f"{name}: {error.what}", advice=error.advice) from error

    @classmethod
    def read(cls, path: Path | str) -> "PacketLayout":
        """Read a layout table.

        Raises
        ------
        BadDataError
            With the file and the row that is wrong.
        """
        path = Path(path)
        try:
            octets = read_regular(path)
            return cls.parse(decode_text(octets), name=path.name)
        except OSError as error:
            raise BadDataError(f"unreadable: {error}", file=path) from error
        except BadDataError as error:
            raise BadDataError(error.what, file=path, advice=error.advice) from error

    @classmethod
    def parse(cls, text: str, name: str = "layout") -> "PacketLayout":
        """Read a layout from the text of a table, as an editor or a spreadsheet writes it.

        Raises
        ------
        BadDataError
            With the row, the field and the column that is wrong.
        """
        table = split_table(text, COLUMNS, REQUIRED)
        fields = [read_field(row.cells, row.line, table.separator) for row in table.rows]
        names = {spec.name for spec in fields}
        if any(FILL in spec.repeat.lower() for spec in fields):
            # A spreadsheet begins a cell with a capital.
            fields = [
                replace(spec, repeat=FILL)
                if spec.repeat.lower() == FILL and spec.repeat not in names
                else spec
                for spec in fields
            ]
        return cls(fields, name=name)

    def __getitem__(self, name: str) -> FieldSpec:
        """Field of a name."""
        try:
            return self._by_name[name]
        except KeyError:
            raise NotFoundError(f"got field {name!r}, expected one of {', '.join(self.names)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the decoded fields."""
        return tuple(self._by_name)

    @property
    def single(self) -> tuple[str, ...]:
        """Names of the fields with one value a packet."""
        return tuple(name for name, spec in self._by_name.items() if not spec.repeat)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Names of the fields of repeated records."""
        return tuple(name for name, spec in self._by_name.items() if spec.repeat)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Repeated records by the name of their first field, inner ones after the one around them."""
        found: dict[str, Group] = {}
        waiting = [group for section in self.sections for group in section.groups][::-1]
        while waiting:
            group = waiting.pop()
            found[group.name] = group
            waiting += group.groups[::-1]
        return found

    @property
    def structure(self) -> FieldSpec | None:
        """The field that distinguishes packets of one type, if there is one."""
        return next((spec for spec in self.fields if spec.kind == "structure"), None)

    @property
    def places_checksum(self) -> bool:
        """Whether the checksum is a row of the table; otherwise it is the last two bytes of the packet."""
        return any(spec.kind == "checksum" for spec in self.fields)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each field."""
        return {name: spec.unit for name, spec in self._by_name.items()}

    @property
    def limits(self) -> Mapping[str, Limits]:
        """Limits of the fields that have some."""
        return {name: spec.limits for name, spec in self._by_name.items() if spec.limits}

    def calibrate(self, name: str, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Engineering values of raw numbers, float64; unit as in `units`."""
        return self[name].calibration(raw)

    def texts(self, name: str, raw: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Names of raw numbers, or None for a field whose values have none."""
        calibration = self[name].calibration
        return calibration.texts(raw) if isinstance(calibration, TextCalibration) else None

    def __repr__(self) -> str:
        return f"<PacketLayout {self.name}: {len(self.names)} fields>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(s.name)}</td><td>{s.bit_width}</td><td>{s.kind}</td><td>{escape(s.repeat)}</td>"
            f"<td>{escape(s.unit)}</td><td>{escape(s.description)}</td></tr>"
            for s in self._by_name.values()
        )
        head = "".join(f"<th>{h}</th>" for h in ("field", "bits", "type", "repeat", "unit", "description"))
        return f"<table><caption>{escape(self.name)}</caption><tr>{head}</tr>{rows}</table>"
