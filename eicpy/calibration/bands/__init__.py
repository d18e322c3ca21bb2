"""Bands: limits of the energy bands, AUX-ECL-BND-CAL.

The description of a detector lists the bands, in keV. The camera counts channels, and which
channel an energy falls into differs from pixel to pixel and moves with the gain. This table holds both: the
limits in keV, by which light curves and images are counted, and the channels that the energy scale in use
puts there,

    c = ceil((E − offset)/gain − 0.5),

the first channel with its centre at E or above: its median over the pixels, and how far pixels scatter
around it. The name of the product is real; its layout is not public, so the columns are eicpy's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.table import CalibrationTable, Inputs, Made, Recommendation, Treatment
from eicpy.errors import BadDataError
from eicpy.events.bands import Scale
from eicpy.typing import FloatArray, IntArray

__all__ = ["TABLE", "BandCalibration", "BandChange", "BandLimits"]

WIDEST_SPREAD = 0.1
"""Spread of the pixels at a limit, in widths of its band, at most (ours)."""


@dataclass(frozen=True, slots=True)
class BandLimits:
    """Limits of the bands.

    Parameters
    ----------
    bands
        (low, high), keV; low belongs to the band, high does not.
    channels
        First channel of each band and first channel beyond it, median of the pixels, shape (n_bands, 2).
    spread
        Half the width of the middle 68 % of the pixels, channels, of the limit where it is larger,
        shape (n_bands,).

    Examples
    --------
    >>> from eicpy.events import PixelScale
    >>> BandLimits.of([(4.0, 8.0)], PixelScale.uniform(6400, 0.145, 3.0)).channels
    array([[ 7, 34]])
    """

    bands: tuple[tuple[float, float], ...]
    channels: IntArray
    spread: FloatArray

    @property
    def widest(self) -> float:
        """Spread in widths of the band, of the band where it is largest."""
        return float((self.spread / np.maximum(np.diff(self.channels)[:, 0], 1)).max())

    @classmethod
    def of(cls, bands: tuple[tuple[float, float], ...], scale: Scale) -> "BandLimits":
        """Find the channels of bands on an energy scale."""
        edges = np.asarray(bands, np.float64)[..., np.newaxis]
        channels = np.ceil((edges - scale.offset) / scale.gain - 0.5)
        low, middle, high = np.nanpercentile(channels, (16.0, 50.0, 84.0), axis=-1)
        spread = (0.5 * (high - low)).max(axis=-1)
        return cls(tuple((float(a), float(b)) for a, b in bands), np.rint(middle).astype(np.int64), spread)

    def to_columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of the product, one row a band."""
        low, high = np.asarray(self.bands, np.float64).T
        return {
            "BAND": np.arange(1, len(self.bands) + 1),
            "E_MIN": low,
            "E_MAX": high,
            "PHA_MIN": self.channels[:, 0],
            "PHA_MAX": self.channels[:, 1],
            "PHA_SPREAD": self.spread,
        }


@dataclass(frozen=True, slots=True)
class BandChange:
    """What changed between two tables.

    Parameters
    ----------
    energies
        Whether a limit in keV did.
    channels
        Change of the limits in channels, shape (n_bands, 2); None where the limits in keV are others.
    """

    energies: bool
    channels: IntArray | None

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return self.channels is None or bool(self.channels.any())

    def __str__(self) -> str:
        if self.channels is None:
            return "The limits in keV are others than in the table in use."
        return f"The limits move by {self.channels.min():+d} to {self.channels.max():+d} channels."


class BandCalibration(CalibrationTable[BandLimits]):
    """The limits of the energy bands, AUX-ECL-BND-CAL."""

    tag = "bands"
    card = "AUX-ECL-BND-CAL"
    title = "energy bands"

    @property
    def applies(self) -> bool:
        """Whether the energy scale of the detector is calibrated at all: else channels never move."""
        return self.instrument.gain is not None

    def nominal(self) -> BandLimits:
        """The bands of the description on the nominal scale."""
        treatment = Treatment.nominal(self.instrument)
        return BandLimits.of(treatment.bands, treatment.scale)

    def make(self, inputs: Inputs, previous: BandLimits) -> Made[BandLimits]:
        """Put the bands of the description on the energy scale in use; none where the limits in use hold."""
        table = BandLimits.of(self.instrument.energy.bands, inputs.treatment.scale)
        change = self.compare(table, previous)
        figures = {"bands": len(table.bands), "widest_spread": round(table.widest, 4)}
        if not change.any:
            return Made(None, figures=figures, message="the limits in use hold for the energy scale in use")
        source = (", ".join(inputs.treatment.corrections) or "nominal", "energy scale of PHA_MIN, PHA_MAX")
        return Made(table, table.to_columns(), {"PHASCALE": source}, figures)

    def read(self, columns: Mapping[str, npt.ArrayLike], header: Mapping[str, Any]) -> BandLimits:
        """Make the table from a product."""
        del header
        order = np.argsort(np.asarray(columns["BAND"]))
        low, high, first, beyond, spread = (
            np.asarray(columns[name])[order]
            for name in ("E_MIN", "E_MAX", "PHA_MIN", "PHA_MAX", "PHA_SPREAD")
        )
        if not (len(low) and np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
            raise BadDataError(f"got bands from {low} to {high} keV, expected at least one, each low < high")
        bands = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
        return BandLimits(
            bands, np.stack([first, beyond], axis=1).astype(np.int64), spread.astype(np.float64)
        )

    def compare(self, new: BandLimits, old: BandLimits) -> BandChange:
        """Return the changes."""
        same = new.bands == old.bands
        return BandChange(not same, new.channels - old.channels if same else None)

    def recommend(self, table: BandLimits, previous: BandLimits) -> Recommendation:
        """Recommend to accept limits that nearly all pixels share and that lie within the channels."""
        low, high = table.channels.min(), table.channels.max()
        inside = low >= 0 and high <= self.instrument.energy.channels
        scatter = f"scatter by {100 * table.widest:.2g} % of the width of a band"
        judged = (
            (inside, f"The limits lie in channels {low} to {high}."),
            (
                table.widest <= WIDEST_SPREAD,
                f"Those of single pixels {scatter} (at most {100 * WIDEST_SPREAD:g} %).",
            ),
        )
        reasons = [text for _, text in sorted(judged, key=itemgetter(0))]
        change = str(self.compare(table, previous))
        return Recommendation(all(right for right, _ in judged), (*reasons, change))

    def apply(self, treatment: Treatment, table: BandLimits, name: str) -> Treatment:
        """Count photons in these bands."""
        applied = () if name == "nominal" else (f"bands {name}",)
        return replace(treatment, bands=table.bands, band_corrections=treatment.band_corrections + applied)


TABLE = BandCalibration
"""The class that the registry finds."""
