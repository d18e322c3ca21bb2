"""What a calibration table is, and which there are.

A table is one folder here with one class: which product it is, what it needs, how it is made from a night,
whether it should be accepted, and what it changes in the photons of the nights that follow. The night, the
decisions, the records and the reports loop over :func:`calibration_tables` and know no table by name.

A table imports no other table: what it needs of another, such as the energy scale, comes in with its inputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from eicpy.errors import NotFoundError
from eicpy.events.bands import PixelScale, Scale
from eicpy.instruments import Instrument
from eicpy.products.declarations import declare, definition
from eicpy.products.definitions import Column, ProductDefinition, canonical_card
from eicpy.registry import Registry
from eicpy.typing import AnyArray, FloatArray, IntArray

__all__ = [
    "REGISTRY",
    "CalibrationTable",
    "Inputs",
    "Made",
    "PixelStates",
    "Recommendation",
    "Treatment",
    "calibration_table",
    "calibration_tables",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Treatment:
    """How photons of a night become energies and counts: what tables in use change.

    Parameters
    ----------
    scale
        Gain (keV per channel) and offset (keV) of each pixel.
    bands
        Bands of light curves and images, (low, high) in keV; low belongs to the band, high does not.
    corrections
        Corrections that a photon file and everything in bands names as applied.
    band_corrections
        Corrections that everything in bands names besides.
    """

    scale: Scale
    bands: tuple[tuple[float, float], ...]
    corrections: tuple[str, ...] = ()
    band_corrections: tuple[str, ...] = ()

    @classmethod
    def nominal(cls, instrument: Instrument) -> "Treatment":
        """Before any calibration."""
        energy = instrument.energy
        scale = PixelScale.uniform(instrument.pixels.count, energy.gain, energy.offset)
        return cls(scale, energy.bands)

    def digest(self) -> bytes:
        """Bytes that change with whatever changes the counts."""
        arrays = (self.scale.gain, self.scale.offset, np.asarray(self.bands))
        return b"".join(np.asarray(a, np.float64).tobytes() for a in arrays)


@dataclass(frozen=True)
class Inputs:
    """Data of a night from which tables are made.

    Parameters
    ----------
    spectra
        Counts of each pixel and channel (PHA) in good time, shape (pixels, channels).
    exposure
        Good time, s.
    middle
        Middle of the data, s TT since the reference.
    treatment
        How the photons of the night were treated.
    threads
        Threads that a table may use.
    shadows
        Share of each pixel that known sources lit, shape (sources, pixels); None where the pointing or the
        mask is not known.
    sources
        Their names.
    sources_note
        Why no shadow is known, in a sentence; empty where shadows are given.
    live_time
        Live time of each pixel, s, shape (pixels,); None where it is the good time.
    """

    spectra: IntArray | npt.NDArray[np.int32]
    exposure: float
    middle: float
    treatment: Treatment
    threads: int = 1
    shadows: FloatArray | None = None
    sources: tuple[str, ...] = ()
    sources_note: str = ""
    live_time: FloatArray | None = None


@dataclass(frozen=True)
class Made(Generic[T]):
    """Result of making a table.

    Parameters
    ----------
    table
        The table; None where none was made.
    columns
        Its columns, as the product declares them.
    header
        Cards of its table besides: value, or (value, comment).
    figures
        Numbers by name for the decision.
    message
        Why no table was made, in a phrase.
    """

    table: T | None
    columns: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True)
class Recommendation:
    """Whether to accept a table.

    Parameters
    ----------
    accept
        None where there is nothing to accept.
    reasons
        Each in a sentence, those against it first.
    """

    accept: bool | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PixelStates:
    """The state of every pixel in a table, in words.

    Parameters
    ----------
    codes
        A code each, shape (pixels,).
    labels
        What a code is called, in the order in which they are listed.
    meanings
        What a code means, in a phrase; may be empty.
    ordinary
        A code that is not worth a line; None where each is.
    details
        On what the states stand: rows of a second table, values by heading.
    sources
        Known sources that were taken out: rows of a third table, values by heading.
    sources_note
        Why none was, in a sentence.
    """

    codes: AnyArray
    labels: Mapping[int, str]
    meanings: Mapping[int, str] = field(default_factory=dict)
    ordinary: int | None = None
    details: tuple[Mapping[str, object], ...] = ()
    sources: tuple[Mapping[str, object], ...] = ()
    sources_note: str = ""


class CalibrationTable(ABC, Generic[T]):
    """A calibration table of a detector: how it is made, judged and applied.

    Parameters
    ----------
    instrument
        The detector.

    Attributes
    ----------
    tag
        Short name, that of its folder.
    card
        Its product, with the prefix ECL.
    product
        Declaration of the product, with name, unit, type and description of each column. Only a table of
        another package gives one; those of eicpy stand in :mod:`eicpy.products.declarations`.
    title
        What a reader calls it.
    absent
        Why a detector has none, in a sentence.
    needs
        Products of the night that it is made from; they are named in its provenance.
    released
        Whether a person decides about it, and nights then use it. A table that is not released is a result of
        its night and changes nothing.
    report
        Nightly notebook that shows it, if any.
    """

    tag: ClassVar[str]
    card: ClassVar[str]
    product: ClassVar[ProductDefinition | None] = None
    title: ClassVar[str]
    absent: ClassVar[str] = "No such table is made for this detector."
    needs: ClassVar[tuple[str, ...]] = ()
    released: ClassVar[bool] = True
    report: ClassVar[str] = ""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        if self.product is not None:
            declare(self.product)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, as the product declares them."""
        return definition(self.card).tables[0].columns

    @property
    @abstractmethod
    def applies(self) -> bool:
        """Whether a night of this detector makes one."""

    @abstractmethod
    def nominal(self) -> T:
        """Return the table before any calibration."""

    @abstractmethod
    def make(self, inputs: Inputs, previous: T) -> Made[T]:
        """Make the table from a night.

        Parameters
        ----------
        inputs
            Data of the night.
        previous
            The table in use.
        """

    @abstractmethod
    def read(self, columns: Mapping[str, npt.ArrayLike], header: Mapping[str, Any]) -> T:
        """Make the table from the columns and the header of its product.

        Raises
        ------
        BadDataError
            For columns that are no such table, or one of another detector.
        """

    @abstractmethod
    def compare(self, new: T, old: T) -> Any:
        """Return the changes, as an object that a notebook shows."""

    def recommend(self, table: T, previous: T) -> Recommendation:
        """Recommend to accept `table` or not, after `previous`; here there is nothing to accept."""
        del table, previous
        return Recommendation(None)

    def apply(self, treatment: Treatment, table: T, name: str) -> Treatment:
        """Return the treatment of photons with this table.

        Parameters
        ----------
        treatment
            The treatment so far.
        table
            The table in use.
        name
            Its file name; ``nominal`` for the nominal one.
        """
        del table, name
        return treatment

    def states(self, table: T) -> PixelStates | None:
        """Return the state of each pixel; None for a table without states."""
        del table
        return None

    @property
    def energies(self) -> Mapping[str, float]:
        """Energies on which the table stands, keV by name: worth a mark in a spectrum."""
        return {}


_FOLDERS = [m.name for m in iter_modules([str(Path(__file__).parent)]) if m.ispkg]

REGISTRY = Registry(
    "calibration table", "eicpy.calibration_tables", {tag: f"{__package__}.{tag}:TABLE" for tag in _FOLDERS}
)
"""Classes of tables by tag: each folder beside this module, and the entry points of other packages."""


def calibration_tables(instrument: Instrument) -> dict[str, CalibrationTable[Any]]:
    """Return all calibration tables of a detector by their card.

    Examples
    --------
    >>> from eicpy.instruments import load
    >>> sorted(table.tag for table in calibration_tables(load("eclairs")).values())
    ['bands', 'gain', 'pixels']
    """
    made = (REGISTRY.load(tag)(instrument) for tag in REGISTRY.names())
    return {table.card: table for table in made}


def calibration_table(name: str, instrument: Instrument) -> CalibrationTable[Any]:
    """Find a calibration table by its tag, or by its card with any prefix.

    Raises
    ------
    NotFoundError
        For a table that is not registered.
    """
    tables = calibration_tables(instrument)
    card = canonical_card(name)
    for table in tables.values():
        if name == table.tag or card == table.card:
            return table
    known = ", ".join(f"{t.tag} ({t.card})" for t in tables.values())
    raise NotFoundError(f"got calibration table {name!r}, expected one of {known}")
