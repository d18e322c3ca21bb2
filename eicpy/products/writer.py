"""Writing products, a block at a time.

A photon list of a day has 2.7·10⁸ rows that never stand in memory together: rows are appended as they come,
the number of rows and the checksums are put into the header at the end, and only then does the file get its
name. Products that fit in memory take the same way.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from eicpy.errors import BadArgumentError
from eicpy.files import atomic_file
from eicpy.products.declarations import PROVENANCE_TABLE, definition
from eicpy.products.definitions import Column, TableDefinition, canonical_card, card_for
from eicpy.products.headers import (
    Header,
    HeaderValue,
    Issuer,
    cards_of,
    class_cards,
    common_cards,
    finish_header,
    put,
    serialise,
)
from eicpy.products.provenance import Provenance
from eicpy.products.structure import BLOCK, WordSum

__all__ = ["Columns", "ProductWriter", "TableWriter"]

Columns = Mapping[str, npt.ArrayLike]
_SPARE_CARDS = 36


def _as_column(column: Column, name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if column.format == "A":
        text = array.astype(np.str_)
        return np.char.encode(text, "utf-8") if text.size else text.astype("S1")
    wanted = column.dtype().base
    if array.dtype.kind not in "biuf":
        raise BadArgumentError(f"got {array.dtype} for column {name}, expected numbers")
    if array.ndim != 1 + column.vector:
        raise BadArgumentError(
            f"got shape {array.shape} for column {name}, expected {1 + column.vector} axes"
        )
    if wanted.kind in "iu" and array.size and not np.can_cast(array.dtype, wanted):
        if array.dtype.kind == "f" and not np.array_equal(array, np.trunc(array)):
            raise BadArgumentError(f"got fractions for column {name}, expected integers")
        limits = np.iinfo(wanted)
        low, high = array.min(), array.max()
        if low < limits.min or high > limits.max:
            raise BadArgumentError(
                f"got {low} to {high} for column {name}, expected {limits.min} to {limits.max} "
                f"(FITS format {column.format})"
            )
    return array


class TableWriter:
    """A table extension that grows; made by :meth:`ProductWriter.table`."""

    def __init__(
        self, file: BinaryIO, table: TableDefinition, name: str, cards: list[tuple[str, HeaderValue, str]]
    ) -> None:
        self.definition = table
        self.name = name
        self.rows = 0
        self._file = file
        self._cards = cards
        self._offset = file.tell()
        self._sum = WordSum()
        self._dtype: np.dtype[Any] | None = None
        self._header = fits.Header()
        self._header_size = 0

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Type of a row as it stands in the file; None before the first rows."""
        return self._dtype

    def set(self, keyword: str, value: HeaderValue, comment: str = "") -> None:
        """Set a keyword; possible until the product is closed."""
        self._cards.append((keyword, value, comment))
        if self._dtype is not None:
            put(self._header, keyword, value, comment)

    def append(self, columns: Columns) -> None:
        """Append rows.

        Parameters
        ----------
        columns
            Arrays of equal length by column name; vectors have shape (rows, n). The first call decides
            which optional columns the table has.

        Raises
        ------
        BadArgumentError
            For columns that are missing, unknown or not of one length, and for values that do not fit.
        """
        arrays = {n: _as_column(self.definition.column(n), n, values) for n, values in columns.items()}
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) > 1:
            raise BadArgumentError(
                f"got columns of {sorted(lengths)} rows for {self.name}, expected one length"
            )
        dtype = self._dtype or self._begin(arrays)
        if set(arrays) != set(dtype.names or ()):
            raise BadArgumentError(f"got columns {sorted(arrays)}, expected {sorted(dtype.names or ())}")
        rows = np.empty(lengths.pop() if lengths else 0, dtype=dtype)
        for column, array in arrays.items():
            if array.shape[1:] != rows[column].shape[1:]:
                raise BadArgumentError(
                    f"got rows of {array.shape[1:]} for {column}, expected {rows[column].shape[1:]}"
                )
            rows[column] = array
        self._write(rows)

    def append_rows(self, rows: npt.NDArray[np.void] | npt.NDArray[np.uint8]) -> None:
        """Append rows that already have the form of the file (see :attr:`dtype`).

        Parameters
        ----------
        rows
            Structured rows, or their bytes, shape (rows, bytes of a row).
        """
        if self._dtype is None:
            self._begin({c.name: np.empty(0, c.dtype()) for c in self.definition.columns})
        assert self._dtype is not None
        width = rows.shape[1] if rows.dtype == np.uint8 and rows.ndim == 2 else rows.dtype.itemsize
        if width != self._dtype.itemsize:
            raise BadArgumentError(f"got rows of {width} bytes, expected {self._dtype.itemsize}")
        self._write(rows)

    def _write(self, rows: npt.NDArray[Any]) -> None:
        view = np.ascontiguousarray(rows).view(np.uint8).reshape(-1).data
        if view.nbytes:
            self._file.write(view)
            self._sum.add(view)
        self.rows += len(rows)

    def _begin(self, arrays: Mapping[str, npt.NDArray[Any]]) -> np.dtype[Any]:
        missing = self.definition.missing(arrays)
        if missing:
            raise BadArgumentError(f"got no column {', '.join(missing)} for {self.name}, expected one")
        order = [(name, c) for c in self.definition.columns for name in arrays if c.matches(name)]
        widths = {
            name: max(1, a.dtype.itemsize) if a.dtype.kind == "S" else (a.shape[1] if a.ndim == 2 else 1)
            for name, a in arrays.items()
        }
        dtype = self._dtype = np.dtype([(name, c.dtype(widths[name])) for name, c in order])
        header = self._header
        structure: list[tuple[str, HeaderValue, str]] = [
            ("XTENSION", "BINTABLE", "binary table"),
            ("BITPIX", 8, "bytes"),
            ("NAXIS", 2, "a table"),
            ("NAXIS1", dtype.itemsize, "bytes of a row"),
            ("NAXIS2", 0, "rows"),
            ("PCOUNT", 0, "no heap"),
            ("GCOUNT", 1, "one group"),
            ("TFIELDS", len(order), "columns"),
        ]
        for keyword, value, comment in structure:
            put(header, keyword, value, comment)
        for number, (name, column) in enumerate(order, start=1):
            put(header, f"TTYPE{number}", name, column.description)
            header[f"TFORM{number}"] = column.tform(widths[name])
            if column.unit:
                header[f"TUNIT{number}"] = column.unit
        header["EXTNAME"] = self.name
        for keyword, value, comment in self._cards:
            put(header, keyword, value, comment)
        used = len(header.tostring(sep="", endcard=False, padding=False))
        self._header_size = -(-(used + 80 * (1 + _SPARE_CARDS)) // BLOCK) * BLOCK
        self._file.write(serialise(header, self._header_size))
        return dtype

    def close(self) -> None:
        """Pad the data and put the number of rows and the checksums into the header."""
        if self._dtype is None:
            empty = {
                c.name: np.empty((0, 1) if c.vector else 0, c.dtype().base) for c in self.definition.columns
            }
            self._begin({n: a for n, a in empty.items() if not n.endswith("#")})
        end = self._file.tell()
        padding = -(end - self._offset) % BLOCK
        self._file.write(b"\0" * padding)
        self._header["NAXIS2"] = self.rows
        self._file.seek(self._offset)
        self._file.write(finish_header(self._header, self._sum.value, self._header_size))
        self._file.seek(end + padding)


class ProductWriter:
    """A product being written; a context manager.

    Parameters
    ----------
    path
        Name the file will have once it is complete.
    card
        Card, with any prefix; the file gets the issuer's.
    issuer
        Description of the instrument that the product belongs to.
    provenance
        How it is made. Assign a fuller record to :attr:`provenance` before the end if need be.
    header
        Further keywords for every unit, as value or (value, comment).

    Raises
    ------
    FailedError
        Where the file could not be written (full disk, no permission); nothing is left behind.
    BadArgumentError
        For a card, table or column that is not declared.

    See Also
    --------
    write_product : Writes a product that fits into memory.
    read_product : Reads it back, checked.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section 7.3
    (binary tables).

    Examples
    --------
    ::

        with ProductWriter(path, "ECL-EVT-CAL", issuer=instrument, provenance=record) as product:
            table = product.table("ECL-EVT-CAL")
            for block in blocks:
                table.append({"TIME": block.time, ...})
    """

    def __init__(
        self,
        path: Path,
        card: str,
        *,
        issuer: Issuer,
        provenance: Provenance,
        header: Header | None = None,
    ) -> None:
        self.path = Path(path)
        self.definition = definition(card)
        self.card = card_for(card, issuer.card_prefix)
        self.provenance = provenance
        self._prefix = issuer.card_prefix
        self._cards = common_cards(self.card, issuer)
        self._cards += cards_of(header or {})
        self._tables: list[TableWriter] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(atomic_file(self.path))
            self._primary_size = len(serialise(self._primary(), None)) + BLOCK
            self._file.write(serialise(self._primary(), self._primary_size))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            self._finish()
        return None

    def table(self, name: str) -> TableWriter:
        """Begin an extension; the one before it is closed.

        Parameters
        ----------
        name
            Declared name, with any prefix.
        """
        table = self.definition.table(name)
        self._close_last()
        actual = name if canonical_card(name) is None else card_for(name, self._prefix)
        cards = [*self._cards, *class_cards(table, self._prefix)]
        writer = TableWriter(self._file, table, table.name if table.flight_name else actual, cards)
        self._tables.append(writer)
        return writer

    def _close_last(self) -> None:
        """Complete the extension that was begun last; readers look there for what the first header says."""
        if self._tables:
            if self.provenance.simulated is not None:
                self._tables[-1].set("SIMULATE", self.provenance.simulated, "T: simulated data")
            self._tables[-1].close()

    def _primary(self) -> fits.Header:
        header = fits.Header()
        header["SIMPLE"] = (True, "FITS standard 4.0")
        header["BITPIX"] = 8
        header["NAXIS"] = 0
        header["EXTEND"] = True
        for keyword, value, comment in (*self._cards, *self.provenance.to_cards()):
            put(header, keyword, value, comment)
        return header

    def _finish(self) -> None:
        missing = [
            t.name
            for t in self.definition.tables
            if t.required and not any(w.definition is t for w in self._tables)
        ]
        if missing:
            raise BadArgumentError(f"got no table {', '.join(missing)} for {self.card}, expected one")
        self._close_last()
        self.provenance = self.provenance.finished()
        record = TableWriter(self._file, PROVENANCE_TABLE, "PROVENANCE", [])
        keys, values = zip(*self.provenance.to_rows(), strict=True)
        record.append({"KEY": list(keys), "VALUE": list(values)})
        record.close()
        self._file.seek(0)
        self._file.write(finish_header(self._primary(), 0, self._primary_size))
        self._file.seek(0, 2)
