"""Catalogues of X-ray sources: what shines, where, with which spectrum.

Those of eicpy are CSV files of a format of our own, one row a source, with the reference of its numbers in
the row. The catalogue on board is not public.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.catalogue.spectrum import Spectrum, typical_spectrum
from eicpy.errors import BadDataError, NotFoundError, unreadable
from eicpy.inputs import read_text
from eicpy.typing import FloatArray, IntArray

__all__ = [
    "CATALOGUES",
    "CatalogueSource",
    "SourceCatalogue",
    "load_catalogue",
    "read_catalogue",
    "text_lines",
]

CATALOGUES = {
    "hard-x-ray": "the hundred brightest in 14-195 keV",
    "active-stars": "stars that flare in X-rays",
}
"""Catalogues that come with eicpy."""
_COLUMNS = ("name", "kind", "ra_deg", "dec_deg", "flux_14_195", "photon_index", "reference")
_UNIT = 1e-12


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """A source of a catalogue.

    Parameters
    ----------
    name
        Its usual name.
    kind
        What it is: ``LMXB``, ``HMXB``, ``Sy2``, ``flare star`` …
    ra, dec
        ICRS, degrees.
    flux
        erg cm⁻² s⁻¹ in 14-195 keV, a mean; 0 for a source that is seen in outbursts only.
    index
        Photon index in that band; NaN where none is known.
    reference
        Where the numbers are published.
    """

    name: str
    kind: str
    ra: float
    dec: float
    flux: float
    index: float
    reference: str

    @property
    def spectrum(self) -> Spectrum:
        """From 4 keV on; see :func:`typical_spectrum`, whose rule it follows.

        Raises
        ------
        NotFoundError
            For a source without a mean flux.
        """
        if self.flux == 0 or not np.isfinite(self.index):
            raise NotFoundError(
                f"got {self.name}, which has no mean flux, expected a source that shines always"
            )
        return typical_spectrum(self.flux, self.index)


class SourceCatalogue:
    """Sources, the brightest first.

    Parameters
    ----------
    name
        What it is.
    sources
        Its sources; their names differ.

    Raises
    ------
    BadDataError
        For a name that comes twice, or a source outside the sky.

    See Also
    --------
    load_catalogue : One that comes with eicpy.

    Examples
    --------
    >>> sky = load_catalogue("hard-x-ray")
    >>> [source.name for source in sky.near(83.6, 22.0, 1.0)]
    ['Crab']
    """

    def __init__(self, name: str, sources: list[CatalogueSource]) -> None:
        for source in sources:
            if not (0 <= source.ra < 360 and -90 <= source.dec <= 90 and source.flux >= 0):
                raise BadDataError(
                    f"{name}: got {source.name} at {source.ra}, {source.dec} with flux {source.flux}, "
                    "expected 0 ≤ RA < 360, −90 ≤ Dec ≤ 90 and a flux of 0 or more"
                )
        self.name = name
        self.sources = tuple(sorted(sources, key=lambda source: -source.flux))
        self._by_name = {source.name: source for source in self.sources}
        if len(self._by_name) < len(sources):
            names = [source.name for source in sources]
            twice = next(n for n in names if names.count(n) > 1)
            raise BadDataError(f"{name}: got {twice!r} twice, expected each name once")
        ra, dec = np.radians([[s.ra for s in self.sources], [s.dec for s in self.sources]])
        self.vectors: FloatArray = np.stack(
            [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], -1
        )
        """Unit vectors (ICRS), shape (n, 3)."""

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[CatalogueSource]:
        return iter(self.sources)

    def __getitem__(self, name: str) -> CatalogueSource:
        if name not in self._by_name:
            raise NotFoundError(f"got source {name!r}, expected one of the {len(self)} of {self.name}")
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def separations(self, ra: float, dec: float) -> FloatArray:
        """Angle of each source from a direction, all in degrees, shape (n,)."""
        r, d = np.radians([ra, dec])
        there = np.array([np.cos(d) * np.cos(r), np.cos(d) * np.sin(r), np.sin(d)])
        across = np.linalg.norm(np.cross(self.vectors, there), axis=1)
        return np.asarray(np.degrees(np.arctan2(across, self.vectors @ there)))

    def near(self, ra: float, dec: float, radius: float) -> list[CatalogueSource]:
        """Sources within a radius of a direction, all in degrees, the nearest first."""
        apart = self.separations(ra, dec)
        order: IntArray = np.argsort(apart, kind="stable")
        return [self.sources[n] for n in order if apart[n] <= radius]

    def brighter(self, flux: float) -> "SourceCatalogue":
        """Those with a flux (erg cm⁻² s⁻¹, 14-195 keV) above a limit."""
        kept = [source for source in self.sources if source.flux > flux]
        return SourceCatalogue(f"{self.name}, above {flux:g} erg cm⁻² s⁻¹", kept)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{s.name}</td><td>{s.kind}</td><td>{s.ra:.3f}</td><td>{s.dec:+.3f}</td>"
            f"<td>{s.flux:.3g}</td></tr>"
            for s in self.sources[:10]
        )
        return (
            f"<table><caption>{self.name}: {len(self)} sources, the brightest first</caption><tr>"
            f"<th>name</th><th>kind</th><th>RA (°)</th><th>Dec (°)</th>"
            f"<th>erg cm⁻² s⁻¹, 14-195 keV</th></tr>{rows}</table>"
        )


def text_lines(file: Path, expected: str) -> list[str]:
    """Lines of a table that somebody else may have made.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For one that cannot be read, or holds no such text.
    """
    try:
        return read_text(file, expected).splitlines()
    except OSError as error:
        raise unreadable(error)(f"cannot be read: {error.strerror}", file=file) from error


def read_catalogue(file: Path) -> SourceCatalogue:
    """Read a catalogue in eicpy's format.

    Parameters
    ----------
    file
        CSV: lines of comment that begin with ``#``, the first of which names the catalogue; then columns
        name, kind, ra_deg, dec_deg, flux_14_195 (10⁻¹² erg cm⁻² s⁻¹; 0: in outbursts only), photon_index
        (empty: not known), reference.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For a column that is missing, a value that is no number, a row without reference, a name that comes
        twice, a source outside the sky.
    """
    file = Path(file)
    lines = text_lines(file, "CSV")
    title = lines[0].lstrip("# ").strip() if lines and lines[0].startswith("#") else file.stem
    rows = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
    missing = set(_COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise BadDataError(
            f"got no column {', '.join(sorted(missing))}, expected {', '.join(_COLUMNS)}", file=file
        )
    try:
        return SourceCatalogue(title, [_source(row) for row in rows])
    except BadDataError as error:
        raise BadDataError(error.what, file=file) from error


def _source(row: dict[str, Any]) -> CatalogueSource:
    try:
        numbers = [float(row[n]) for n in ("ra_deg", "dec_deg", "flux_14_195")]
        index = float(row["photon_index"] or "nan")
    except (TypeError, ValueError) as error:
        raise BadDataError(f"{row['name']}: {error}, expected a number") from error
    if not row["name"] or not row["reference"]:
        raise BadDataError(f"got a row {row['name']!r} without name or reference, expected both")
    return CatalogueSource(
        row["name"], row["kind"], numbers[0], numbers[1], numbers[2] * _UNIT, index, row["reference"]
    )


@cache
def load_catalogue(name: str) -> SourceCatalogue:
    """A catalogue that comes with eicpy.

    Parameters
    ----------
    name
        One of :data:`CATALOGUES`.

    Raises
    ------
    NotFoundError
        For another name.
    """
    if name not in CATALOGUES:
        raise NotFoundError(f"got catalogue {name!r}, expected one of {', '.join(CATALOGUES)}")
    return read_catalogue(Path(str(files("eicpy.catalogue") / f"{name}.csv")))
