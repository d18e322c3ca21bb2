"""The energy scale of every pixel: gain, offset, how well they are known, and how far to believe them.

A pixel's pulse height (channel, PHA) grows linearly with the energy left in its crystal. Channel c
holds the pulse heights between its edges c and c + 1, so the energy at its centre is

    E = gain·(channel + 0.5) + offset,

and, because gain and offset are fitted to the same lines and are strongly anticorrelated, the
statistical error of that energy needs their covariance:

    σ_E² = c²·σ_gain² + 2·c·cov(gain, offset) + σ_offset²,   c = channel + 0.5 = (E − offset)/gain.

Leaving the covariance out, as was usual, overstates the error by a factor of several.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import PixelGrid
from eicpy.products.declarations import definition
from eicpy.quantities import in_unit
from eicpy.text import UNKNOWN, Texts, setup_texts
from eicpy.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from astropy.units import Quantity

    from eicpy.figures.theme import Figure

__all__ = ["GainStatus", "GainTable"]


_ATTRIBUTES = {
    "GAIN": "gain",
    "OFFSET": "offset",
    "GAIN_ERR": "gain_error",
    "OFFSET_ERR": "offset_error",
    "COVARIANCE": "covariance",
    "STATUS": "status",
    "DEVIANCE": "deviance",
    "DOF": "dof",
    "SIGNIFICANCE": "goodness",
    "TFIT": "time",
}
"""Where a table keeps the columns of its product; their units and types are declared with the product."""
_DETNUM, *_PIXEL_COLUMNS = definition("AUX-ECL-PIX-CAL").tables[0].columns
_TYPES: dict[str, type[np.generic]] = {
    _ATTRIBUTES[c.name]: np.float64 if c.dtype().kind == "f" else c.dtype().newbyteorder("=").type
    for c in _PIXEL_COLUMNS
    if c.name in _ATTRIBUTES
} | {"status": np.uint8}  # bits, which the file keeps in the next larger type that is signed


class GainStatus(IntFlag):
    """What is known against a pixel's entry; several may hold at once, 0 is good."""

    GOOD = 0
    """Fitted on the data that the table names, and no gate objected."""
    NOT_CONVERGED = 1
    """The fit did not settle."""
    BAD_FIT = 2
    """The deviance is too high for the pixel's counts, or stands out from the plane's."""
    TOO_FEW_COUNTS = 4
    """Fewer counts around the lines than a fit can use (a dead pixel has none)."""
    OUTLIER = 8
    """The change since the last table stands out from that of the other pixels."""
    AMBIGUOUS = 16
    """The lines are not seen, or two energy scales explain the spectrum equally well."""
    BAD_DATA = 32
    """The spectrum held NaN, infinite or negative values."""
    NOMINAL = 64
    """The value is the nominal one: the pixel has never been calibrated."""
    KEPT_PREVIOUS = 128
    """The value is the one of the last table, kept for the reasons in the other bits."""


@dataclass(frozen=True, slots=True)
class GainTable:
    """Energy scale of all pixels, in the order of ``detnum``.

    Parameters
    ----------
    gain
        keV per channel, shape (n_pixels,).
    offset
        keV, shape (n_pixels,).
    gain_error, offset_error
        Standard errors, keV per channel and keV; NaN where unknown.
    covariance
        Of gain and offset, keV² per channel; NaN where unknown.
    status
        :class:`GainStatus` bits, uint8.
    deviance, dof
        Poisson deviance of the pixel's fit and its degrees of freedom; NaN and 0 where none.
    goodness
        The deviance in standard deviations of a right model's at these counts (SIGNIFICANCE):
        normal with unit width around 0 where the model is right; NaN where there was no fit.
    time
        Middle of the data behind each pixel's value (TFIT), s TT since MJDREF: that of an older table where
        the value was kept; NaN where unknown or never fitted. By default `reference_time` where the pixel
        was fitted.
    reference_time
        Middle of the data behind the table, s TT since MJDREF; NaN where unknown.

    See Also
    --------
    fit_gain : Make a table from spectra.
    eicpy.events.PixelScale : Gain and offset alone.

    Examples
    --------
    >>> table = GainTable.nominal(6400, gain=0.145, offset=3.0)
    >>> float(table.energy(0, 99))
    17.4275
    """

    gain: FloatArray
    offset: FloatArray
    gain_error: FloatArray
    offset_error: FloatArray
    covariance: FloatArray
    status: npt.NDArray[np.uint8]
    deviance: FloatArray = field(default_factory=lambda: np.empty(0))
    dof: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    goodness: FloatArray = field(default_factory=lambda: np.empty(0))
    time: FloatArray = field(default_factory=lambda: np.empty(0))
    reference_time: float = float("nan")

    def __post_init__(self) -> None:
        n = len(self.gain)
        if self.deviance.size == 0 and n:
            object.__setattr__(self, "deviance", np.full(n, np.nan))
            object.__setattr__(self, "dof", np.zeros(n, np.int32))
        if self.goodness.size == 0 and n:
            object.__setattr__(self, "goodness", np.full(n, np.nan))
        if self.time.size == 0 and n:
            elsewhere = np.asarray(self.status, np.uint8) & np.uint8(
                GainStatus.NOMINAL | GainStatus.KEPT_PREVIOUS
            )
            object.__setattr__(self, "time", np.where(elsewhere, np.nan, self.reference_time))
        for name, dtype in _TYPES.items():
            values: npt.NDArray[Any] = np.asarray(getattr(self, name), dtype=dtype)
            if values.shape != (n,):
                raise BadArgumentError(
                    f"got {name} of shape {values.shape}, expected ({n},): one value for each pixel"
                )
            object.__setattr__(self, name, values)
        usable = np.isfinite(self.gain) & np.isfinite(self.offset) & (self.gain > 0)
        if not usable.all():
            raise BadArgumentError(
                f"got {np.count_nonzero(~usable)} pixels without a finite, positive gain and a finite offset "
                f"(first: detnum {int(np.argmin(usable))}); every pixel needs a scale, nominal if need be"
            )

    def __len__(self) -> int:
        return len(self.gain)

    @classmethod
    def nominal(cls, n_pixels: int, gain: float, offset: float) -> Self:
        """The table before any calibration: the same scale for all, errors unknown.

        Parameters
        ----------
        n_pixels
            Number of pixels.
        gain, offset
            keV per channel and keV.
        """
        unknown = np.full(n_pixels, np.nan)
        return cls(
            gain=np.full(n_pixels, float(gain)),
            offset=np.full(n_pixels, float(offset)),
            gain_error=unknown,
            offset_error=unknown.copy(),
            covariance=unknown.copy(),
            status=np.full(n_pixels, GainStatus.NOMINAL, np.uint8),
        )

    def energy(self, detnum: npt.ArrayLike, channel: npt.ArrayLike) -> FloatArray:
        """Energy at the centre of a channel, keV.

        Parameters
        ----------
        detnum, channel
            Pixel number and PHA channel; broadcast against each other.
        """
        pixel = np.asarray(detnum)
        energy: FloatArray = self.gain[pixel] * (np.asarray(channel) + 0.5) + self.offset[pixel]
        return energy

    def channel(self, detnum: npt.ArrayLike, energy: "npt.ArrayLike | Quantity") -> FloatArray:
        """Inverse of :meth:`energy`: the fractional channel centred on that energy (keV or Quantity)."""
        pixel = np.asarray(detnum)
        channel: FloatArray = (in_unit(energy, "keV") - self.offset[pixel]) / self.gain[pixel] - 0.5
        return channel

    def sigma_energy(self, energy: "npt.ArrayLike | Quantity") -> FloatArray:
        """Statistical error of the reconstructed energy, with the covariance of gain and offset.

        Parameters
        ----------
        energy
            keV or a Quantity, any shape.

        Returns
        -------
        numpy.ndarray
            keV, shape of `energy` + (n_pixels,); NaN for pixels without errors.
        """
        position = (np.asarray(in_unit(energy, "keV"))[..., np.newaxis] - self.offset) / self.gain
        variance = position**2 * self.gain_error**2 + 2.0 * position * self.covariance + self.offset_error**2
        sigma: FloatArray = np.sqrt(np.maximum(variance, 0.0))
        return sigma

    @property
    def good(self) -> BoolArray:
        """Pixels fitted on the table's own data, shape (n_pixels,)."""
        good: BoolArray = self.status == np.uint8(GainStatus.GOOD)
        return good

    @property
    def age(self) -> FloatArray:
        """How long before the table's own data each pixel was fitted, s; NaN where it never was."""
        age: FloatArray = self.reference_time - self.time
        return age

    def counts_by_status(self) -> dict[str, int]:
        """How many pixels carry each bit of :class:`GainStatus` (GOOD: none)."""
        counts = {"GOOD": int(np.count_nonzero(self.good))}
        for flag in GainStatus:
            if flag:
                counts[str(flag.name)] = int(np.count_nonzero(self.status & np.uint8(flag)))
        return counts

    def to_columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of the product AUX-ECL-PIX-CAL, one row a pixel, ``DETNUM`` first.

        Their units stand in its declaration, :func:`eicpy.products.definition`.
        """
        columns: dict[str, npt.NDArray[Any]] = {"DETNUM": np.arange(len(self), dtype=np.int16)}
        return columns | {column: getattr(self, name) for column, name in _ATTRIBUTES.items()}

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, npt.ArrayLike], *, reference_time: float = float("nan")
    ) -> Self:
        """Read the columns of AUX-ECL-PIX-CAL, in any order of rows.

        Only DETNUM, GAIN and OFFSET are required (the predecessor's files have no others); errors
        that are absent become NaN.

        Raises
        ------
        BadDataError
            For missing columns, or pixel numbers that are not 0 … n − 1, each once.
        """
        required = [c.name for c in (_DETNUM, *_PIXEL_COLUMNS) if c.required]
        missing = [name for name in required if name not in columns]
        if missing:
            raise BadDataError(
                f"got columns {', '.join(columns) or '(none)'} without {', '.join(missing)}; "
                f"a gain table needs {', '.join(required)}"
            )
        detnum = np.asarray(columns["DETNUM"], dtype=np.int64)
        n = detnum.size
        if not np.array_equal(np.sort(detnum), np.arange(n)):
            raise BadDataError(f"got {n} rows with DETNUM other than 0 to {n - 1}, each once")
        order = np.argsort(detnum)
        values: dict[str, npt.NDArray[Any]] = {}
        for column, name in _ATTRIBUTES.items():
            dtype = _TYPES[name]
            if column in columns:
                values[name] = np.asarray(columns[column])[order].astype(dtype)
            elif column != "TFIT":
                values[name] = np.full(n, np.nan) if dtype is np.float64 else np.zeros(n, dtype)
        return cls(**values, reference_time=reference_time)

    def plot(self, grid: PixelGrid, quantity: Literal["gain", "offset"] = "gain") -> "Figure":
        """Draw the gain (keV/channel) or the offset (keV) of each pixel.

        Parameters
        ----------
        grid
            Where the pixels are, ``instrument.pixels``.
        quantity
            Which of the two.
        """
        from eicpy.figures.plots import detector_values  # noqa: PLC0415, only figures need Bokeh

        unit = {"gain": "keV/channel", "offset": "keV"}[quantity]
        return detector_values(getattr(self, quantity), grid, quantity.capitalize(), unit)

    def _repr_html_(self) -> str:
        texts = setup_texts()
        status = ", ".join(
            f"{texts.number(count)} {escape(texts.translated(name))}"
            for name, count in self.counts_by_status().items()
            if count
        )
        rows = [
            (texts.translated("pixels"), texts.number(len(self))),
            (f"gain ({texts.translated('keV/channel')})", _spread(self.gain, 5, texts)),
            (f"{texts.translated('offset')} (keV)", _spread(self.offset, 3, texts)),
        ]
        if len(self):
            rows += [
                (texts("sigma_median", energy=texts.figures(E)), _median(1e3 * self.sigma_energy(E), texts))
                for E in (4.0, 80.0, 150.0)
            ]
        rows.append((texts.translated("status"), status))
        body = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<table><caption>{texts.translated('Gain table')}</caption>{body}</table>"


def _spread(values: FloatArray, digits: int, texts: Texts) -> str:
    if not values.size:
        return UNKNOWN
    middle, low, high = (texts.number(float(f(values)), digits) for f in (np.median, np.min, np.max))
    return f"{middle} ({low} … {high})"


def _median(values: FloatArray, texts: Texts) -> str:
    known = values[np.isfinite(values)]
    return texts.number(float(np.median(known)), 1) if known.size else texts.translated("unknown")
