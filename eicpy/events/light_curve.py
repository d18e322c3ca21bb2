"""Light curves: counts in time bins and bands, with the good time of each bin."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import counting
from eicpy.events.bands import EnergyBands, Scale
from eicpy.events.event_list import PhotonBlock
from eicpy.events.gti import GoodTimeIntervals
from eicpy.events.ticks import TickBins
from eicpy.products import span_cards
from eicpy.quantities import in_unit
from eicpy.times import to_seconds, to_time

if TYPE_CHECKING:
    from astropy.time import Time
    from astropy.units import Quantity

    from eicpy.figures.theme import Figure

__all__ = ["LightCurve", "LightCurveAccumulator"]

F8 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LightCurve:
    """Counts of the whole detector in time bins of equal width.

    Parameters
    ----------
    start
        Start of the first bin, s TT since the reference.
    step
        Width of a bin, s.
    bands
        (low, high), keV.
    counts
        int64, shape (bands, bins).
    exposure
        Good time of each bin, s, shape (bins,).
    tick
        Unit of the photons' times of which a bin is a whole number, s; None where bins are not counted in it.
    live
        Live time of each bin, s, shape (bins,): `exposure` less dead time. None where it is not known; rates
        are then per second of good time.

    See Also
    --------
    LightCurveAccumulator : Makes one from photons.

    References
    ----------
    Angelini, Pence and Tennant 1993, OGIP/93-003, timing FITS file format.
    """

    start: float
    step: float
    bands: tuple[tuple[float, float], ...]
    counts: npt.NDArray[np.int64]
    exposure: F8
    tick: float | None = None
    live: F8 | None = None

    @property
    def time(self) -> F8:
        """Middle of each bin, s."""
        return np.asarray(self.start + (np.arange(self.exposure.size) + 0.5) * self.step)

    @property
    def rate(self) -> F8:
        """Counts per second of live time, shape (bands, bins); NaN where there is none."""
        return _over(self.counts, self._divisor)

    @property
    def rate_error(self) -> F8:
        """Standard error of the rate, √counts over live time; NaN where there is none."""
        return _over(np.sqrt(self.counts), self._divisor)

    @property
    def _divisor(self) -> F8:
        return self.exposure if self.live is None else self.live

    def rebin(self, factor: int) -> Self:
        """Join `factor` bins into one; a rest that fills no bin is dropped."""
        if factor < 1:
            raise BadArgumentError(f"got factor {factor}, expected 1 or more")
        bins = self.exposure.size // factor
        good, live = (
            None if values is None else values[: bins * factor].reshape(bins, factor).sum(axis=1)
            for values in (self.exposure, self.live)
        )
        assert good is not None
        return type(self)(
            self.start,
            self.step * factor,
            self.bands,
            self.counts[:, : bins * factor].reshape(len(self.bands), bins, factor).sum(axis=2),
            good,
            self.tick,
            live,
        )

    def to_tables(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Tables of the product ECL-QLK-LCV, for :func:`eicpy.products.write_product`."""
        curve: dict[str, npt.NDArray[Any]] = {
            "TIME": self.start + np.arange(self.exposure.size) * self.step,
            "EXPOSURE": self.exposure,
        }
        if self.live is not None:
            curve["LIVETIME"] = self.live
        curve |= {f"COUNTS_{n}": counts for n, counts in enumerate(self.counts, start=1)}
        return {"ECL-QLK-LCV": curve, "BANDS": band_columns(self.bands)}

    def to_header(self) -> dict[str, tuple[str | float | bool, str]]:
        """Keywords of the table ECL-QLK-LCV: its bins, and what they are not corrected for."""
        stop = self.start + self.exposure.size * self.step
        live = None if self.live is None else float(self.live.sum())
        cards = span_cards(self.start, stop, float(self.exposure.sum()), live)
        cards += [
            ("TIMEDEL", self.step, "s, width of a bin"),
            ("TIMEPIXR", 0.0, "TIME is the beginning of the bin"),
        ]
        if self.tick is not None:
            cards.append(("TIMETICK", self.tick, "s, bins are whole units of this"))
        return {keyword: (value, comment) for keyword, value, comment in cards if value is not None}

    def plot(self, title: str = "Light curve") -> "Figure":
        """Draw the rate of each band (count/s) against UTC; bins without good time are gaps."""
        from eicpy.figures.plots import light_curve  # noqa: PLC0415, only figures need Bokeh

        rates = dict(zip(EnergyBands(self.bands).names, self.rate, strict=True))
        return light_curve(self.time, rates, title, step=self.step)

    def __repr__(self) -> str:
        return f"<LightCurve of {self.exposure.size} bins of {self.step:g} s in {len(self.bands)} bands>"

    def _repr_html_(self) -> str:
        begin = escape(to_time(self.start).utc.isot)
        rows = "".join(
            f"<tr><td>{low:g}–{high:g}</td><td>{counts.sum():,}</td>"
            f"<td>{counts.sum() / self.exposure.sum() if self.exposure.sum() else np.nan:.2f}</td></tr>"
            for (low, high), counts in zip(self.bands, self.counts, strict=True)
        )
        return (
            f"<table><caption>Light curve from {begin} UTC: {self.exposure.size} bins of {self.step:g} s, "
            f"{self.exposure.sum():.1f} s good</caption>"
            f"<tr><th>band (keV)</th><th>counts</th><th>mean rate (count/s)</th></tr>{rows}</table>"
        )


def _over(counts: npt.NDArray[Any], exposure: F8) -> F8:
    quotient = np.full(counts.shape, np.nan)
    np.divide(counts, exposure, where=exposure > 0, out=quotient)
    return quotient


def band_columns(bands: Sequence[tuple[float, float]]) -> dict[str, npt.NDArray[Any]]:
    """Columns of the table BANDS of a quick-look product."""
    low, high = np.asarray(tuple(bands), dtype=np.float64).T
    return {"BAND": np.arange(1, len(low) + 1), "E_MIN": low, "E_MAX": high}


class LightCurveAccumulator:
    """A light curve, accumulated block by block.

    Parameters
    ----------
    start, stop
        Span, s TT since the reference or a Time; the last bin may reach beyond `stop`.
    step
        Width of a bin, s or a Quantity.
    bands
        (low, high) in keV or as Quantity; they may overlap.
    gti
        Good time intervals: photons outside are not counted, and the exposure is the good time. Without
        them all times count as good.
    tick
        Unit of the photons' times, s, as of :func:`eicpy.events.tick_of`: bins are then whole ticks, counted
        in integers, and the first begins with the first tick that is not before `start`. Without it, a photon
        within a rounding of an edge may be counted on either side.

    Attributes
    ----------
    outside
        Photons before the first bin or after the last.
    outside_gti
        Photons outside the good time intervals.

    Raises
    ------
    BadArgumentError
        For a span or a step that is not positive, and for a step that is not a whole number of ticks.

    See Also
    --------
    PhotonAccumulator : Spectra and detector images at the same time.
    GoodTimeIntervals.exposure_in : The good time of bins.

    Examples
    --------
    >>> from eicpy.events import EventList, PixelScale
    >>> curve = LightCurveAccumulator(0.0, 2.0, 1.0, [(4, 150)])
    >>> curve.add(EventList([0.5, 1.5, 1.6], [0, 0, 0], [100, 100, 100]), PixelScale.uniform(1, 0.145, 3.0))
    >>> curve.result().counts
    array([[1, 2]])
    """

    def __init__(
        self,
        start: "float | Time",
        stop: "float | Time",
        step: "float | Quantity",
        bands: "EnergyBands | Sequence[tuple[float, float]] | Sequence[tuple[Quantity, Quantity]]",
        *,
        gti: GoodTimeIntervals | None = None,
        tick: float | None = None,
    ) -> None:
        start, stop, step = to_seconds(start), to_seconds(stop), in_unit(step, "s")
        if not (stop > start and step > 0):
            raise BadArgumentError(
                f"got {start} to {stop} in steps of {step} s, expected a span and a step > 0"
            )
        self.bands = bands if isinstance(bands, EnergyBands) else EnergyBands(bands)
        self._bins = None if tick is None else TickBins.of(start, step, tick)
        self.step = float(step) if self._bins is None else self._bins.step
        self.gti = gti
        self._origin = float(start)
        self._advanced = 0
        self.outside = 0
        self.outside_gti = 0
        bins = int(np.ceil((stop - start) / step * (1 - 1e-12)))
        self._counts: npt.NDArray[np.int64] = np.zeros((max(1, bins), self.bands.segments), dtype=np.int64)

    def add(self, block: PhotonBlock, scale: Scale, segments: npt.NDArray[np.uint8] | None = None) -> None:
        """Add photons.

        Parameters
        ----------
        block
            Photons.
        scale
            Gain and offset of each pixel; keep handing over the same object while it does not change.
        segments
            Result of :meth:`EnergyBands.sort` for the block, where it is known already.
        """
        if segments is None:
            segments = self.bands.sort(block.detnum, block.channel, scale)
        time = block.time
        if self.gti is not None:
            good = self.gti.mask(time)
            bad = int(good.size - np.count_nonzero(good))
            if bad:
                self.outside_gti += bad
                time, segments = time[good], segments[good]
        if (bins := self._bins) is None:
            outside = counting.count_light_curve(time, segments, self.start, 1.0 / self.step, self._counts)
        else:
            first = bins.first + self._advanced * bins.width
            outside = counting.count_ticks(
                time, segments, 1.0 / bins.tick, first, 1.0 / bins.width, self._counts
            )
        self.outside += int(outside)

    @property
    def recorded(self) -> npt.NDArray[np.int64]:
        """Photons of each bin, of every energy, shape (bins,)."""
        return np.asarray(self._counts.sum(axis=1))

    @property
    def start(self) -> float:
        """Start of the first bin, s."""
        if self._bins is not None:
            return self._bins.edge(self._advanced)
        return self._origin + self._advanced * self.step

    def advance(self, bins: int) -> None:
        """Move the span later by whole bins: the first ones are dropped, empty ones follow the last.

        Raises
        ------
        BadArgumentError
            For less than 0 bins.
        """
        if bins < 0:
            raise BadArgumentError(f"got {bins} bins to advance by, expected 0 or more")
        kept = self._counts[bins:].copy()
        self._counts[:] = 0
        self._counts[: len(kept)] = kept
        self._advanced += bins

    def __iadd__(self, other: Self) -> Self:
        if (self.start, self.step, self._counts.shape) != (other.start, other.step, other._counts.shape):
            raise BadArgumentError(
                f"got a light curve from {other.start} in steps of {other.step} s, "
                f"expected from {self.start} in steps of {self.step} s"
            )
        self._counts += other._counts
        self.outside += other.outside
        self.outside_gti += other.outside_gti
        return self

    @property
    def edges(self) -> F8:
        """Edges of the bins, s."""
        if self._bins is not None:
            return self._bins.edges(self._advanced, self._counts.shape[0])
        return np.asarray(self.start + np.arange(self._counts.shape[0] + 1) * self.step)

    def result(self) -> LightCurve:
        """The light curve so far."""
        exposure = np.full(self._counts.shape[0], self.step)
        if self.gti is not None:
            exposure = self.gti.exposure_in(self.edges)
        return LightCurve(
            self.start,
            self.step,
            self.bands.bands,
            np.ascontiguousarray(self.bands.combine(self._counts).T),
            exposure,
            None if self._bins is None else self._bins.tick,
        )
