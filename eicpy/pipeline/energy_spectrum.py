"""Spectra on the calibrated energy scale: each pixel with its own gain and offset, summed on the nominal one.

Pixel p measures a channel c, whose centre lies at E = gain_p (c + ½) + offset_p. Its counts go into the bin
of the nominal scale that holds E, so that a line stands at its energy in the sum however the pixels differ.
Photons are not spread over bins: counts stay whole numbers, with Poisson errors, and a bin may meet two
channels of a pixel or none; bins of several channels, which few photons need anyhow, smooth that out.
"""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import Multiples, Scale
from eicpy.instruments import EnergyScale
from eicpy.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from astropy.table import QTable

    from eicpy.figures.theme import Figure

__all__ = ["Spectrum", "sum_on_nominal_scale"]

ENOUGH = 20
"""Photons that a bin should hold on the average to be looked at."""
MOST_JOINED = 64


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Counts per bin of energy.

    Parameters
    ----------
    edges
        keV, shape (bins + 1,).
    counts
        Shape (bins,).
    exposure
        Good time in which they came, s.
    name
        Of which pixels and times, in words.
    live
        Live time, s: `exposure` less the dead time of the readout; None where that is not known.
    multiples
        How photons that hit several pixels were treated (:mod:`eicpy.events.multiples`).
    """

    edges: FloatArray
    counts: npt.NDArray[np.int64]
    exposure: float
    name: str = ""
    live: float | None = None
    multiples: Multiples = "all"

    def __len__(self) -> int:
        return int(self.counts.size)

    @property
    def energy(self) -> FloatArray:
        """Middle of each bin, keV, shape (bins,)."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    @property
    def rate(self) -> FloatArray:
        """Counts per second of live time and keV, shape (bins,); NaN without any."""
        return self._per_second_and_kev(self.counts)

    @property
    def error(self) -> FloatArray:
        """Standard error of the rate, from √counts, shape (bins,)."""
        return self._per_second_and_kev(np.sqrt(self.counts))

    def _per_second_and_kev(self, values: AnyArray) -> FloatArray:
        seconds = self.exposure if self.live is None else self.live
        return np.asarray(values / np.diff(self.edges) / (seconds or np.nan))

    def to_columns(self) -> dict[str, AnyArray]:
        """Return columns for a data frame: bounds (keV), counts, rate and its error (count/s/keV)."""
        return {
            "energy_low": self.edges[:-1], "energy_high": self.edges[1:],
            "counts": self.counts, "rate": self.rate, "rate_error": self.error,
        }  # fmt: skip

    def to_table(self) -> "QTable":
        """Return an astropy QTable with units; good time and live time stand in its ``meta``."""
        from astropy.table import QTable  # noqa: PLC0415, takes a second: only who asks for it pays

        units = {"energy_low": "keV", "energy_high": "keV", "counts": "ct"}
        units |= dict.fromkeys(("rate", "rate_error"), "ct / (s keV)")
        meta = {
            "exposure_s": self.exposure,
            "live_time_s": self.live,
            "name": self.name,
            "multiples": self.multiples,
        }
        return QTable(self.to_columns(), units=units, meta=meta)

    def plot(self, title: str = "") -> "Figure":
        """Draw the counts per bin against energy."""
        from eicpy.figures.plots import spectrum  # noqa: PLC0415, only figures need Bokeh

        return spectrum(self.edges, self.counts, title or f"Spectrum, {self.name}", "counts per bin")

    def __repr__(self) -> str:
        return f"<Spectrum {self.name}: {self.counts.sum()} counts in {len(self)} bins>"

    def _repr_html_(self) -> str:
        facts = {
            "bins": f"{len(self)} from {self.edges[0]:.4g} to {self.edges[-1]:.4g} keV",
            "photons": f"{self.counts.sum():,}",
            "several pixels at once": self.multiples,
            "good time": f"{self.exposure:.1f} s",
        }
        rows = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
        return f"<table><caption>Spectrum, {escape(self.name)}</caption>{rows}</table>"


def sum_on_nominal_scale(
    spectra: AnyArray, scale: Scale, nominal: EnergyScale, pixels: npt.NDArray[np.bool_], join: int = 0
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Sum the spectra of pixels, each with its own gain and offset, in bins of the nominal scale.

    Parameters
    ----------
    spectra
        Counts per channel of each pixel, shape (pixels, channels).
    scale
        Gain and offset of each pixel.
    nominal
        The nominal scale; photons below and above it go into its first and last channel.
    pixels
        Which are summed, shape (pixels,).
    join
        Channels joined into a bin; 0 joins as many as few photons need to be looked at.

    Returns
    -------
    edges : numpy.ndarray
        keV, shape (bins + 1,).
    counts : numpy.ndarray
        Shape (bins,).

    Raises
    ------
    BadArgumentError
        For a `join` that does not divide the number of channels.
    """
    if join < 0 or (join and nominal.channels % join):
        raise BadArgumentError(
            f"got {join} channels for a bin, expected a divisor of {nominal.channels}, or 0"
        )
    channels = np.arange(nominal.channels)
    energy = scale.gain[pixels, None] * (channels + 0.5) + scale.offset[pixels, None]
    bins = np.clip(np.floor((energy - nominal.offset) / nominal.gain), 0, nominal.channels - 1)
    known = np.isfinite(bins)
    counts = np.bincount(
        bins[known].astype(np.int64), weights=spectra[pixels][known], minlength=nominal.channels
    ).astype(np.int64)
    joined = join or _channels_to_join(int(counts.sum()), nominal.channels)
    counts = counts.reshape(-1, joined).sum(axis=1)
    return nominal.offset + nominal.gain * joined * np.arange(counts.size + 1), counts


def _channels_to_join(photons: int, channels: int) -> int:
    wanted = max(1, min(MOST_JOINED, ENOUGH * channels // max(photons, 1)))
    return next(n for n in range(wanted, channels + 1) if channels % n == 0)
