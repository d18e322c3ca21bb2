"""The rate of the detector in a band of one's own: counts in good time, divided by good time.

Of a bin from t to t + Δ the rate is n / T, where n counts the photons of the band that came within good time,
and T is the live time in the bin: its good time less the dead time of the readout, where that is known
(:mod:`eicpy.events.live_time`). Its error is √n / T (Poisson). A bin with a tenth of its width in good
time, or less, says more about its edge than about the sky: its rate is NaN, and its counts are kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import (
    DeadTime,
    EventFile,
    EventList,
    GoodTimeIntervals,
    LightCurveAccumulator,
    Multiples,
    Scale,
    readouts,
    treat_multiples,
)
from eicpy.instruments import PixelGrid
from eicpy.pipeline.time_columns import plain_columns, time_series
from eicpy.times import to_time
from eicpy.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

    from eicpy.figures.theme import Figure

__all__ = ["MOST_BINS", "Rate", "check_step", "measure_rate", "over_good_time", "photon_blocks"]

MOST_BINS = 10_000_000
CLOSE = 1e-6
"""s; events of one photon are this close where the times are no whole ticks since the epoch."""
LEAST_GOOD = 0.1
"""Share of a bin that has to be good time for a rate."""


def over_good_time(counts: AnyArray, exposure: AnyArray, step: float) -> FloatArray:
    """Divide counts by good time; NaN where there is too little of it.

    Parameters
    ----------
    counts
        Or their error, shape (bins,).
    exposure
        Good time, s, shape (bins,).
    step
        Width of the bins, s.
    """
    good = exposure > LEAST_GOOD * min(step, float(exposure.sum()))
    return np.where(good, counts / np.where(good, exposure, 1.0), np.nan)


def check_step(step: float, span: float) -> None:
    """Refuse a width of bins that no light curve can have.

    Parameters
    ----------
    step
        Width, s.
    span
        Of all bins, s.

    Raises
    ------
    BadArgumentError
        For a step that is not positive, or makes too many bins.
    """
    if not (np.isfinite(step) and step > 0):
        raise BadArgumentError(f"got bins of {step} s, expected a width of more than 0 s")
    if span / step > MOST_BINS:
        raise BadArgumentError(
            f"got bins of {step} s in {span:.0f} s, expected at most {MOST_BINS:,} of them"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Rate:
    """Rate in a band.

    Parameters
    ----------
    low, high
        The band, keV; `low` belongs to it, `high` does not.
    step
        Width of a bin, s.
    time
        Middle of each bin, s TT since the reference, shape (bins,).
    counts
        Photons in good time, shape (bins,).
    exposure
        Good time, s, shape (bins,).
    what
        Which pixels, in words; empty for the whole detector.
    live
        Live time, s, shape (bins,): `exposure` less dead time; None where the dead time is not known.
    multiples
        How photons that hit several pixels were treated (:mod:`eicpy.events.multiples`).
    """

    low: float
    high: float
    step: float
    time: FloatArray
    counts: npt.NDArray[np.int64]
    exposure: FloatArray
    what: str = ""
    live: FloatArray | None = None
    multiples: Multiples = "all"

    def __len__(self) -> int:
        return int(self.time.size)

    @property
    def rate(self) -> FloatArray:
        """Counts per second of live time, shape (bins,); NaN where there was too little good time."""
        return self._per_second(self.counts)

    @property
    def error(self) -> FloatArray:
        """Standard error of the rate, √counts over live time, shape (bins,)."""
        return self._per_second(np.sqrt(self.counts))

    def _per_second(self, values: AnyArray) -> FloatArray:
        found = over_good_time(values, self.exposure, self.step)
        if self.live is None:
            return found
        alive = self.live > 0
        return np.where(alive, found * self.exposure / np.where(alive, self.live, 1.0), np.nan)

    @property
    def name(self) -> str:
        """The band in words."""
        return f"{self.low:g}–{self.high:g} keV" + (f", {self.what}" if self.what else "")

    @property
    def columns(self) -> dict[str, tuple[AnyArray, str]]:
        """Columns with their units."""
        return {
            "rate": (self.rate, "ct/s"), "rate_error": (self.error, "ct/s"),
            "counts": (self.counts, "ct"), "exposure": (self.exposure, "s"),
            **({} if self.live is None else {"live_time": (self.live, "s")}),
        }  # fmt: skip

    def to_timeseries(self) -> "TimeSeries":
        """Return an astropy TimeSeries (TT) at the middle of the bins: rate, rate_error, counts, exposure."""
        return time_series(self.time, self.columns)

    def to_columns(self) -> dict[str, AnyArray]:
        """Return columns for a data frame, ``pandas.DataFrame(rate.to_columns())``; ``time`` is UTC."""
        return plain_columns(self.time, self.columns)

    def plot(self, title: str = "") -> "Figure":
        """Draw the rate against UTC."""
        from eicpy.figures.plots import light_curve  # noqa: PLC0415, only figures need Bokeh

        return light_curve(self.time, {self.name: self.rate}, title or f"Rate, {self.name}", step=self.step)

    def __repr__(self) -> str:
        return f"<Rate {self.name}: {len(self)} bins of {self.step:g} s, mean {self._mean:.4g} count/s>"

    @property
    def _mean(self) -> float:
        total = float((self.exposure if self.live is None else self.live).sum())
        return float(self.counts.sum()) / total if total else np.nan

    def _repr_html_(self) -> str:
        known = self.rate[np.isfinite(self.rate)]
        begin = to_time(self.time[0] - 0.5 * self.step).utc.isot[:19] if len(self) else "never"
        facts = {
            "bins": f"{len(self)} of {self.step:g} s from {begin} UTC, {known.size} with a rate",
            "good time": f"{self.exposure.sum():.1f} s",
            "photons": f"{self.counts.sum():,}",
            "several pixels at once": self.multiples,
            "mean rate": f"{self._mean:.4g} count/s",
            "range": f"{known.min():.4g} to {known.max():.4g} count/s" if known.size else "no rate",
        }
        rows = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
        return f"<table><caption>Rate, {escape(self.name)}</caption>{rows}</table>"


def measure_rate(
    files: Iterable[Path],
    scale: Scale,
    band: tuple[float, float],
    step: float,
    gti: GoodTimeIntervals,
    *,
    origin: float,
    pixels: npt.NDArray[np.bool_] | None = None,
    what: str = "",
    tick: float | None = None,
    dead: DeadTime | None = None,
    multiples: Multiples = "all",
    grid: PixelGrid | None = None,
) -> Rate:
    """Count photons of files in bins, block by block: memory does not grow with their number.

    Parameters
    ----------
    files
        Photon files, in any order.
    scale
        Gain and offset of each pixel.
    band
        (low, high), keV.
    step
        Width of a bin, s.
    gti
        Good time.
    origin
        Bins begin at whole multiples of `step` from here, s: rates with one step have one time base.
    pixels
        Which pixels count, shape (pixels,); None: all.
    what
        These in words.
    tick
        Unit of the photons' times, s: bins are whole ticks.
    dead
        Dead time of the sectors; None where it is not known.
    multiples
        How photons that hit several pixels are treated; needs `grid`, which says which pixels touch, unless
        ``all``.
    grid
        The pixels.

    Raises
    ------
    BadArgumentError
        For a band without width, a step that no light curve can have, or that is not a whole number of ticks.
    """
    low, high = band
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise BadArgumentError(f"got a band from {low:g} to {high:g} keV, expected one with low < high")
    if not len(gti):
        check_step(step, 0.0)
        nothing = np.empty(0)
        return Rate(low, high, step, nothing, np.empty(0, np.int64), nothing, what, None, multiples)
    start, stop = gti.span
    check_step(step, stop - start)
    first = origin + step * np.floor((start - origin) / step)
    curve = LightCurveAccumulator(first, stop, step, [band], gti=gti, tick=tick)
    whole = (
        curve
        if pixels is None and multiples == "all" and grid is None
        else LightCurveAccumulator(first, stop, step, [band], gti=gti, tick=tick)
    )
    recorded, wanted = (np.zeros(len(scale.gain), np.int64) for _ in range(2))
    for block in photon_blocks(files, gti):
        part = _of_pixels(_treated(block, multiples, scale, grid, tick), pixels)
        curve.add(part, scale)
        if dead is not None:
            made_dead = block if grid is None else block[readouts(block, grid, tick or CLOSE)]
            recorded += _of_each_pixel(made_dead, recorded.size)
            wanted += _of_each_pixel(part, wanted.size)
            if whole is not curve:
                whole.add(made_dead, scale, np.zeros(len(made_dead), np.uint8))
    found = curve.result()
    live = None
    if dead is not None:
        live = dead.live_in_bins(found.exposure, whole.recorded, dead.load(recorded, wanted))
    return Rate(low, high, step, found.time, found.counts[0], found.exposure, what, live, multiples)


def _treated(
    block: EventList, multiples: Multiples, scale: Scale, grid: PixelGrid | None, tick: float | None
) -> EventList:
    if multiples == "all":
        return block
    if grid is None:
        raise BadArgumentError(f"got multiples {multiples!r} without a grid, expected the detector's pixels")
    return treat_multiples(block, multiples, scale=scale, grid=grid, tick=tick or CLOSE)


def _of_pixels(block: EventList, pixels: npt.NDArray[np.bool_] | None) -> EventList:
    """Photons of some pixels."""
    if pixels is None:
        return block
    inside = (block.detnum >= 0) & (block.detnum < pixels.size)
    keep = inside & pixels[np.where(inside, block.detnum, 0)]
    return block if keep.all() else block[keep]


def _of_each_pixel(block: EventList, count: int) -> npt.NDArray[np.int64]:
    """How many photons each pixel has, shape (count,)."""
    inside = (block.detnum >= 0) & (block.detnum < count)
    return np.bincount(block.detnum[inside], minlength=count)


def photon_blocks(
    files: Iterable[Path], gti: GoodTimeIntervals, pixels: npt.NDArray[np.bool_] | None = None
) -> Iterator[EventList]:
    """Go through the photons of files that came in good time, those of some pixels alone where wanted.

    Parameters
    ----------
    files
        Photon files.
    gti
        Good time; files, and rows, that lie outside of its span are not read.
    pixels
        Which pixels, shape (pixels,); None: all.

    Yields
    ------
    EventList
        Some hundred thousand photons.
    """
    if not len(gti):
        return
    for file in files:
        for block in EventFile(file).blocks(time=gti.span):
            keep = gti.mask(block.time)
            yield _of_pixels(block if keep.all() else block[keep], pixels)
