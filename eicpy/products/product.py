"""Whole products: written from arrays, read into arrays, checked against their declaration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from eicpy.errors import BadArgumentError, BadDataError, NotFoundError
from eicpy.opened import Opened, note_opened
from eicpy.products.declarations import definition
from eicpy.products.definitions import ProductDefinition, canonical_card
from eicpy.products.headers import Header, Issuer, cards_of
from eicpy.products.provenance import Provenance
from eicpy.products.structure import Unit, read_structure, reading, verify_unit
from eicpy.products.writer import Columns, ProductWriter

__all__ = [
    "Product",
    "ProductTable",
    "header_values",
    "provenance_of",
    "read_product",
    "read_table",
    "row_dtype",
    "table_blocks",
    "write_product",
]

_NUMPY = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "S"}


@dataclass(frozen=True, slots=True)
class ProductTable:
    """A table of a product: its name, header and columns (native byte order)."""

    name: str
    header: dict[str, Any]
    columns: dict[str, npt.NDArray[Any]]

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        return self.columns[column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True, slots=True)
class Product:
    """A product that was read.

    Parameters
    ----------
    path
        Where it stands.
    card
        Its card.
    definition
        Its declaration.
    header
        Keywords of the primary unit.
    tables
        Its tables by extension name.
    provenance
        How it was made; None for a file without a record, such as one made elsewhere.

    See Also
    --------
    read_product : Reads one.
    write_product : Writes one.
    """

    path: Path
    card: str
    definition: ProductDefinition
    header: dict[str, Any]
    tables: dict[str, ProductTable]
    provenance: Provenance | None

    @property
    def main(self) -> ProductTable:
        """The first table."""
        return next(iter(self.tables.values()))

    def __getitem__(self, table: str) -> ProductTable:
        if table in self.tables:
            return self.tables[table]
        for name, found in self.tables.items():
            if canonical_card(name) is not None and canonical_card(name) == canonical_card(table):
                return found
        for declared in self.definition.tables:
            if declared.flight_name and declared.matches(canonical_card(table) or table):
                for name, found in self.tables.items():
                    if declared.matches(canonical_card(name) or name):
                        return found
        raise NotFoundError(f"got table {table!r}, expected one of {', '.join(self.tables)}")

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(t.name)}</td><td>{len(t)}</td><td>{escape(', '.join(t.columns))}</td></tr>"
            for t in self.tables.values()
        )
        return (
            f"<table><caption>{escape(self.card)}: {escape(self.definition.title)} "
            f"({escape(self.path.name)})</caption>"
            f"<tr><th>table</th><th>rows</th><th>columns</th></tr>{rows}</table>"
        )


def write_product(
    path: Path,
    card: str,
    tables: Mapping[str, Columns],
    *,
    issuer: Issuer,
    provenance: Provenance,
    header: Header | None = None,
    table_headers: Mapping[str, Header] | None = None,
) -> Path:
    """Write a product: all of it or nothing.

    Parameters
    ----------
    path
        File name; see :func:`eicpy.products.product_file_name`.
    card
        Card, with any prefix; the file gets the issuer's.
    tables
        Columns by extension name, main table first.
    issuer
        Description of the instrument that the product belongs to.
    provenance
        How it was made.
    header
        Further keywords for every unit, as value or (value, comment).
    table_headers
        Further keywords by extension name.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    BadArgumentError
        For a card, table or column that is not declared or is missing.
    FailedError
        Where it could not be written (full disk, no permission); nothing is left behind.

    See Also
    --------
    ProductWriter : Writes a product block by block.
    read_product : Reads it back, checked.
    product_file_name : Name that the file should have.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, sections
    4.4.2.7 and 7.3, appendix J (checksums).
    """
    with ProductWriter(path, card, issuer=issuer, provenance=provenance, header=header) as product:
        for name, columns in tables.items():
            table = product.table(name)
            for keyword, value, comment in cards_of((table_headers or {}).get(name, {})):
                table.set(keyword, value, comment)
            table.append(columns)
    return Path(path)


def row_dtype(unit: Unit, path: Path) -> np.dtype[Any]:
    """Type of a row of a table extension as it stands in the file.

    Raises
    ------
    BadDataError
        For a column format that products do not use (bits, complex, variable length, scaled).
    """
    with reading(f"a header of {unit.name}", path, unit.offset):
        dtype = np.dtype(_fields(unit, path))
        width, rows = int(unit.header["NAXIS1"]), int(unit.header["NAXIS2"])
    if rows and not width:
        raise BadDataError(f"got {rows} rows of no bytes in {unit.name}", file=path, offset=unit.offset)
    if dtype.itemsize * rows > unit.data_size or dtype.itemsize != width:
        raise BadDataError(
            f"got rows of {width} bytes in {unit.name}, expected {dtype.itemsize} from its columns",
            file=path,
            offset=unit.offset,
        )
    return dtype


def _fields(unit: Unit, path: Path) -> list[tuple[Any, ...]]:
    """Name, type and, for a vector, shape of each column."""
    fields: list[tuple[Any, ...]] = []
    for number in range(1, int(unit.header["TFIELDS"]) + 1):
        name, form = str(unit.header[f"TTYPE{number}"]).strip(), str(unit.header[f"TFORM{number}"]).strip()
        count, letter = form[:-1] or "1", form[-1]
        if letter not in _NUMPY or not count.isdecimal() or unit.header.get(f"TSCAL{number}", 1) != 1:
            raise BadDataError(
                f"got column {name} of format {form} in {unit.name}, expected one of "
                f"{', '.join(_NUMPY)} without scale",
                file=path,
                offset=unit.offset,
            )
        if letter == "A":
            fields.append((name, f"S{count}"))
        elif count == "1":
            fields.append((name, _NUMPY[letter]))
        else:
            fields.append((name, _NUMPY[letter], (int(count),)))
    return fields


def provenance_of(table: ProductTable) -> Provenance:
    """The record that a PROVENANCE table holds.

    Raises
    ------
    BadDataError
        For a table that is not one.
    """
    if not {"KEY", "VALUE"} <= set(table.columns):
        raise BadDataError(f"got columns {', '.join(table.columns)} in PROVENANCE, expected KEY and VALUE")
    return Provenance.from_rows(zip(table["KEY"].tolist(), table["VALUE"].tolist(), strict=True))


def header_values(header: fits.Header) -> dict[str, Any]:
    """Keywords and values of a header; undefined values are None, comments are left out."""
    return {
        card.keyword: None if isinstance(card.value, fits.card.Undefined) else card.value
        for card in header.cards
        if card.keyword not in ("", "COMMENT", "HISTORY")
    }


def read_table(path: Path, unit: Unit) -> ProductTable:
    """Read a table extension whole.

    Raises
    ------
    BadDataError
        For a column format that products do not use.
    """
    columns = next(table_blocks(path, unit, max(1, int(unit.header["NAXIS2"]))))
    return ProductTable(unit.name, header_values(unit.header), columns)


def table_blocks(path: Path, unit: Unit, size: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Go through the columns of a table extension, so many rows at a time; an empty one has one block.

    Parameters
    ----------
    path
        The file.
    unit
        The extension.
    size
        Rows in a block at most.

    Yields
    ------
    dict
        Columns by name, in native byte order.

    Raises
    ------
    BadDataError
        For a column format that products do not use, or a file that was cut since its structure was read.
    """
    dtype = row_dtype(unit, path)
    rows = int(unit.header["NAXIS2"])
    for first in range(0, max(rows, 1), size):
        with reading(f"columns of {unit.name}", path, unit.data_offset):
            columns = _columns(path, unit, dtype, first, min(size, rows - first))
        yield columns


def _columns(
    path: Path, unit: Unit, dtype: np.dtype[Any], first: int, count: int
) -> dict[str, npt.NDArray[Any]]:
    """Columns of some rows in native byte order."""
    if dtype.itemsize == 0:
        rows = np.zeros(count, dtype=dtype)
    else:
        position = unit.data_offset + first * dtype.itemsize
        rows = np.fromfile(path, dtype=dtype, count=count, offset=position)
    if len(rows) != count:
        raise BadDataError(f"got {len(rows)} rows, expected {count} from row {first}: the file was cut")
    columns: dict[str, npt.NDArray[Any]] = {}
    for number, name in enumerate(dtype.names or (), start=1):
        values = rows[name]
        if values.dtype.kind == "S":
            columns[name] = np.char.decode(values, "utf-8") if values.size else values.astype(np.str_)
            continue
        columns[name] = values.astype(values.dtype.newbyteorder("="))
        zero = unit.header.get(f"TZERO{number}", 0)  # unsigned integers, FITS Standard 4.0 §5.2.5
        if zero and float(zero).is_integer() and values.dtype.kind in "iu":
            columns[name] = columns[name].astype(np.int64) + int(zero)
        elif zero:
            columns[name] = columns[name].astype(np.float64) + float(zero)
    return columns


def read_product(path: Path, card: str | None = None, *, verify: bool = True) -> Product:
    """Read a product and check it against its declaration.

    Parameters
    ----------
    path
        The file.
    card
        Card that is expected, with any prefix; None takes any declared product.
    verify
        Whether to compare the data with their checksums.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For one that is unreadable, empty, truncated, damaged, of another card, or without
        the columns that its card declares.

    See Also
    --------
    write_product : Writes a product.
    eicpy.events.EventFile : Photons, block by block: they need not fit into memory.
    eicpy.open_product : The same from a notebook.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, sections
    4.4.2.7 and 7.3, appendix J (checksums).
    """
    path = Path(path)
    units = read_structure(path)
    found = str(
        units[0].header.get("CARD") or next((u.header["CARD"] for u in units if "CARD" in u.header), "")
    )
    if card is not None and canonical_card(found) != canonical_card(card):
        raise BadDataError(f"got card {found or 'none'}, expected {card}", file=path, offset=0)
    try:
        declared = definition(found)
    except BadArgumentError as error:
        raise BadDataError(str(error), file=path, offset=0) from error
    tables: dict[str, ProductTable] = {}
    for unit in units:
        if verify:
            verify_unit(path, unit)
        if str(unit.header.get("XTENSION", "")).strip() == "BINTABLE":
            tables[unit.name] = read_table(path, unit)
    record = tables.pop("PROVENANCE", None)
    _check(path, declared, tables)
    with reading("a record of provenance", path):
        provenance = None if record is None else provenance_of(record)
    note_opened(Opened("product", str(path), None if provenance is None else provenance.simulated))
    return Product(path, found, declared, header_values(units[0].header), tables, provenance)


def _check(path: Path, declared: ProductDefinition, tables: Mapping[str, ProductTable]) -> None:
    """Compare the tables of a file with their declaration; foreign files may lack eicpy's own tables."""
    for table in declared.tables:
        present = [t for n, t in tables.items() if table.matches(n) or table.matches(canonical_card(n) or n)]
        if not present and not table.own and table.required:
            raise BadDataError(
                f"got tables {', '.join(tables) or 'none'}, expected {table.name} in {declared.card}",
                file=path,
            )
        for found in present:
            missing = table.missing(found.columns)
            if missing:
                raise BadDataError(
                    f"got columns {', '.join(found.columns)} in {found.name}, "
                    f"expected {', '.join(missing)} too",
                    file=path,
                )
