"""How a product is declared: once, as data.

The declaration drives the writer, the reader, the documentation and the tests, so that the four cannot
disagree. A column says whether it stands in the real files or is eicpy's own addition.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eicpy.errors import BadArgumentError, NotFoundError

__all__ = ["Column", "ProductDefinition", "TableDefinition", "canonical_card", "card_for"]

_NUMPY = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "S"}
_CARD = re.compile(
    r"(?P<auxiliary>AUX-)?(?P<prefix>[A-Z0-9]{2,4})(?P<kind>-[A-Z0-9]{3}-[A-Z0-9]{3}(?:-GRP)?)"
)
CANONICAL_PREFIX = "ECL"
"""Prefix under which the products are declared."""
_SATELLITE_PREFIX = "SVO"
"""Prefix of what belongs to the satellite: it stays, whatever the instrument."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name
        ``TTYPE``. A name that ends in ``#`` stands for a family: ``COUNTS_#`` is COUNTS_1, COUNTS_2, …
    format
        FITS letter: B, I, J, K, E, D or A.
    unit
        ``TUNIT``, empty for a pure number.
    description
        What it is, in a sentence.
    own
        True for a column that the real product does not have, or is not known to have.
    required
        False for a column that may be absent.
    vector
        True for a row that holds an array, whose length is that of the data.
    """

    name: str
    format: str
    unit: str
    description: str
    own: bool = False
    required: bool = True
    vector: bool = False

    @property
    def family(self) -> bool:
        """True for a numbered family of columns."""
        return self.name.endswith("#")

    def matches(self, name: str) -> bool:
        """Whether a column of a file is this one, or one of this family."""
        if not self.family:
            return name == self.name
        stem = self.name[:-1]
        return name.startswith(stem) and name[len(stem) :].isdigit()

    def dtype(self, width: int = 1) -> np.dtype[Any]:
        """Type of a value as it stands in the file (big-endian); `width` for text and vectors."""
        if self.format == "A":
            return np.dtype(f"S{width}")
        base = np.dtype(_NUMPY[self.format])
        return np.dtype((base, (width,))) if self.vector else base

    def tform(self, width: int = 1) -> str:
        """``TFORM`` of the column."""
        return f"{width}{self.format}" if self.vector or self.format == "A" else self.format


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A table extension: its name, what it holds, its columns in order.

    `required` is False for a table that may be absent; `several` is True for one that may come under
    further names that begin the same (``GTICAL-NSA``, ``GTICAL-STA`` …). `flight_name` is the name of the
    extension in flight files, where ours has the one that other people's software looks for; `ogip` are
    HDUCLAS1, HDUCLAS2 … of a table that follows a layout of the OGIP.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    own: bool = False
    required: bool = True
    several: bool = False
    flight_name: str = ""
    ogip: tuple[str, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether an extension of a file is this table."""
        if self.several:
            return name.startswith(self.name)
        return name == self.name or bool(self.flight_name and name == self.flight_name)

    def column(self, name: str) -> Column:
        """Declaration of a column.

        Raises
        ------
        NotFoundError
            For a column that is not declared.
        """
        for column in self.columns:
            if column.matches(name):
                return column
        raise NotFoundError(
            f"got column {name!r} for table {self.name}, "
            f"expected one of {', '.join(c.name for c in self.columns)}"
        )

    def missing(self, names: Iterable[str]) -> list[str]:
        """Required columns that are not among `names`."""
        present = list(names)
        return [c.name for c in self.columns if c.required and not any(c.matches(n) for n in present)]


@dataclass(frozen=True, slots=True)
class ProductDefinition:
    """A product: its card, what it is, its tables.

    Parameters
    ----------
    card
        Name of the product, with the prefix ECL; see :func:`card_for`.
    title
        What it is, in a phrase.
    tables
        Table extensions, the main one first.
    note
        Where the layout comes from: which part is real, which part is eicpy's.
    own
        True for a product that only eicpy knows.
    """

    card: str
    title: str
    tables: tuple[TableDefinition, ...]
    note: str
    own: bool = False

    def table(self, name: str) -> TableDefinition:
        """Declaration of an extension; `name` may carry any instrument's prefix.

        Raises
        ------
        NotFoundError
            For an extension that is not declared.
        """
        canonical = canonical_card(name) or name
        for table in self.tables:
            if table.matches(name) or table.matches(canonical):
                return table
        raise NotFoundError(
            f"got table {name!r} for {self.card}, expected one of {', '.join(t.name for t in self.tables)}"
        )


def canonical_card(card: str) -> str | None:
    """The card under which a product is declared; None for text that is not a card.

    Examples
    --------
    >>> canonical_card("AUX-MDA-PIX-CAL")
    'AUX-ECL-PIX-CAL'
    """
    match = _CARD.fullmatch(card)
    if match is None:
        return None
    prefix = _SATELLITE_PREFIX if match["prefix"] == _SATELLITE_PREFIX else CANONICAL_PREFIX
    return f"{match['auxiliary'] or ''}{prefix}{match['kind']}"


def card_for(card: str, prefix: str) -> str:
    """The card of a product for an instrument; that of the satellite for a product of the satellite.

    Parameters
    ----------
    card
        Card with any prefix.
    prefix
        The instrument's ``card_prefix``.

    Raises
    ------
    BadArgumentError
        For text that is not a card.

    Examples
    --------
    >>> card_for("AUX-ECL-PIX-CAL", "MDA")
    'AUX-MDA-PIX-CAL'
    """
    match = _CARD.fullmatch(card)
    if match is None:
        raise BadArgumentError(f"got {card!r}, expected a product card such as ECL-EVT-CAL")
    prefix = match["prefix"] if match["prefix"] == _SATELLITE_PREFIX else prefix
    return f"{match['auxiliary'] or ''}{prefix}{match['kind']}"
