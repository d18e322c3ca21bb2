r"""Whether a burst that another mission saw was here, and if not, how bright it can have been.

The time is known to some seconds and perhaps the position. In a window of length T a source of flux F (counts
per second of a pixel that is lit fully) with the share φ_s of its counts in segment s of energy expects

    μ_sp = T (β_sp + F φ_s S_p),

β the rate of the background in segment and pixel, from both sides of the time, S_p the share of the pixel
that the mask leaves open. With u = φ_s S_p / β_sp for each photon, twice the log-likelihood ratio is

    Λ = 2 max_F [Σ ln(1 + F u_i) − F T Σ_sp φ_s S_p],

exact for a few photons too. A sky image knows only contrast, S less its mean; Λ knows the mean as well, since
the background is known from outside, and the spectrum. For a mask with the open share o the two bring

    SNR²(Λ) / SNR²(image) = Σ S² / Σ S⊥² ≈ 1 / (1 − o),

1.29 in significance at o = 0.4, before the spectrum. To search the sky, segments weighted by φ_s/β_s are
added and decoded once (contrast), and joined with the weighted excess of all counts (mean), which is
independent of it; the exact Λ is taken where that is highest.

The three spectra are those usual for such searches: Band functions with (α, β, peak) of (−1.9, −3.7, 70 keV),
(−1, −2.3, 230 keV) and (0, −1.5, 1 MeV).
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import optimize

from eicpy.errors import BadArgumentError, MissingDataError
from eicpy.imaging import SkyDecoder
from eicpy.typing import FloatArray, IntArray

__all__ = ["SPECTRA", "SeededSearch", "SeededWindow", "band_spectrum", "folded_spectra"]

SPECTRA = {"soft": (-1.9, -3.7, 70.0), "normal": (-1.0, -2.3, 230.0), "hard": (0.0, -1.5, 1000.0)}
"""α, β and peak energy (keV) of the Band functions."""


def band_spectrum(energy: npt.ArrayLike, alpha: float, beta: float, peak: float) -> FloatArray:
    """Photons per keV of a Band function, 1 at 100 keV below its break (Band et al. 1993).

    Parameters
    ----------
    energy
        keV.
    alpha, beta
        Slopes, alpha > beta.
    peak
        Of E²N(E), keV.
    """
    e = np.asarray(energy, np.float64)
    scale = peak / (2 + alpha)
    edge = (alpha - beta) * scale
    low = (e / 100) ** alpha * np.exp(-e / scale)
    high = (edge / 100) ** (alpha - beta) * np.exp(beta - alpha) * (e / 100) ** beta
    return np.asarray(np.where(e < edge, low, high))


def folded_spectra(
    edges: npt.ArrayLike, energy: npt.ArrayLike, area: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """What of each spectrum is counted in each segment; energies are not redistributed.

    Parameters
    ----------
    edges
        Bounds of the segments, keV, shape (segments + 1,).
    energy, area
        keV, and effective area of a pixel that is lit fully there, cm².

    Returns
    -------
    tuple of numpy.ndarray
        Shares of the counts, shape (spectra, segments), and mean area for the photons between the first and
        the last bound, cm², shape (spectra,).
    """
    bounds = np.asarray(edges, np.float64)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all() or not bounds[0] > 0:
        raise BadArgumentError(f"bounds {bounds}; expected two or more that rise, above 0 keV")
    grid, cm2 = np.asarray(energy, np.float64), np.asarray(area, np.float64)
    counts, photons = [], []
    for parameters in SPECTRA.values():
        pairs = [np.geomspace(a, b, 64) for a, b in pairwise(bounds)]
        flux = [band_spectrum(e, *parameters) for e in pairs]
        counts.append(
            [np.trapezoid(f * np.interp(e, grid, cm2), e) for e, f in zip(pairs, flux, strict=True)]
        )
        photons.append(sum(np.trapezoid(f, e) for e, f in zip(pairs, flux, strict=True)))
    total = np.sum(counts, axis=1)
    return np.array(counts) / total[:, None], total / np.array(photons)


@dataclass(frozen=True, slots=True)
class SeededWindow:
    """The best window of a seeded search.

    Parameters
    ----------
    start, stop
        s.
    spectrum
        Number of the spectrum.
    ty, tz
        Tangents of the direction.
    flux
        Counts per second of a pixel that is lit fully, over all segments.
    statistic
        Λ, twice the log-likelihood ratio. √Λ is no number of standard deviations: how high Λ comes by chance
        grows with the windows, spectra and directions that were tried, and is not known here.
    """

    start: float
    stop: float
    spectrum: int
    ty: float
    tz: float
    flux: float
    statistic: float


@dataclass(frozen=True)
class SeededSearch:
    """Photons around a time, with what is expected there.

    Parameters
    ----------
    decoder
        Mask and pixels.
    time, segment, pixel
        Of the photons: s; number of the segment of energy; z · pixels + y.
    shares
        Of the counts of each spectrum in the segments, shape (spectra, segments).
    seed
        The time, s.
    live
        First and last time with data, s. They must reach beyond the searched time on a side at least.
    reach
        Windows lie within so many s of the time.
    longest
        Of the windows, s.

    Raises
    ------
    MissingDataError
        If neither side holds 20 s of data for the background, or the time itself has none.
    BadArgumentError
        If arrays do not fit or are not finite.
    """

    decoder: SkyDecoder
    time: FloatArray
    segment: IntArray
    pixel: IntArray
    shares: FloatArray
    seed: float
    live: tuple[float, float]
    reach: float = 20.0
    longest: float = 20.48
    _rate: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        time = np.asarray(self.time, np.float64)
        n, shares = self.decoder.mask.pixels**2, np.asarray(self.shares, np.float64)
        if not (time.shape == np.shape(self.segment) == np.shape(self.pixel)) or time.ndim != 1:
            raise BadArgumentError("time, segment and pixel differ in shape; expected one of each per photon")
        if shares.ndim != 2 or not (np.isfinite(shares) & (shares >= 0)).all():
            raise BadArgumentError(
                f"shares of shape {shares.shape}; expected (spectra, segments), none negative"
            )
        if not np.isfinite([*time[:1], *time[-1:], self.seed, *self.live]).all() or (np.diff(time) < 0).any():
            raise BadArgumentError("times that are not finite or do not rise; sort the photons")
        if len(time) and not (
            0 <= np.min(self.segment) <= np.max(self.segment) < shares.shape[1]
            and 0 <= np.min(self.pixel) <= np.max(self.pixel) < n
        ):
            raise BadArgumentError(f"photons outside {shares.shape[1]} segments or {n} pixels")
        sides = [max(self._begin - self.live[0], 0.0), max(self.live[1] - self._end, 0.0)]
        if max(sides) < 20 or not self.live[0] <= self.seed <= self.live[1]:
            raise MissingDataError(
                f"{sides[0]:.0f} s before and {sides[1]:.0f} s after the searched time hold data; "
                "give at least 20 s on one side, and the time itself"
            )
        object.__setattr__(self, "_rate", self._background(sum(sides)))

    @property
    def _begin(self) -> float:
        return self.seed - self.reach - self.longest / 2

    @property
    def _end(self) -> float:
        return self.seed + self.reach + self.longest / 2

    def _background(self, seconds: float) -> FloatArray:
        """Counts per second in segment and pixel, shape (segments, pixels²): mean of both sides, smooth."""
        side, segments = self.decoder.mask.pixels, np.shape(self.shares)[1]
        outside = (self.time < self._begin) | (self.time > self._end)
        flat = self.segment[outside] * side**2 + self.pixel[outside]
        image = np.bincount(flat, minlength=segments * side**2).reshape(segments, -1) / seconds
        y = (np.arange(side) - (side - 1) / 2) / side
        zz, yy = (x.ravel() for x in np.meshgrid(y, y, indexing="ij"))
        shapes = np.stack([np.ones(side**2), yy, zz, yy**2, zz**2, yy * zz], axis=1)
        efficiency = np.ones(side**2) if self.decoder.efficiency is None else self.decoder.efficiency.ravel()
        used = efficiency > 0
        fit, *_ = np.linalg.lstsq(shapes[used] * efficiency[used, None], image[:, used].T, rcond=None)
        smooth = (shapes @ fit).T
        least = 1e-3 * np.maximum(image.mean(axis=1, keepdims=True), 1e-6)
        return np.asarray(np.maximum(smooth, least) * efficiency)

    @cached_property
    def _efficiency(self) -> FloatArray:
        n = self.decoder.mask.pixels
        return np.ones((n, n)) if self.decoder.efficiency is None else np.asarray(self.decoder.efficiency)

    def windows(self) -> FloatArray:
        """All that are looked at: 10 ms·2ⁿ, by a quarter of their length; shape (windows, 2), s."""
        found = []
        for k in range(12):
            length = 0.01 * 2**k
            if length > self.longest * 1.001:
                break
            first = np.arange(self.seed - self.reach, self.seed + self.reach - length / 2, length / 4)
            found.append(np.stack([first, first + length], axis=1))
        every = np.concatenate(found)
        return every[(every[:, 0] >= self.live[0]) & (every[:, 1] <= self.live[1])]

    def at(self, ty: float, tz: float) -> SeededWindow:
        """The best window for a source in a direction.

        Raises
        ------
        BadArgumentError
            If it lights nothing of the plane.
        """
        return self._best_at(ty, tz, self.windows())

    def _best_at(self, ty: float, tz: float, windows: FloatArray) -> SeededWindow:
        best = SeededWindow(self.seed, self.seed, 0, ty, tz, 0.0, 0.0)
        first, last = np.searchsorted(self.time, windows.T)
        length = windows[:, 1] - windows[:, 0]
        lit = self._lit(ty, tz)
        for k in range(len(self.shares)):
            u, expected, information = self._ratios(k, lit)
            sums = np.concatenate([[0.0], np.cumsum(u)])
            score = (sums[last] - sums[first] - length * expected) / np.sqrt(length * information)
            # The linear score orders windows; the likelihood itself decides among the best of each length.
            scale = np.rint(np.log2(length / 0.01)).astype(int)
            for n in np.unique(scale):
                rows = np.flatnonzero(scale == n)
                for i in rows[np.argsort(-score[rows])[:5]]:
                    flux, value = _likelihood(u[first[i] : last[i]], length[i] * expected)
                    if value > best.statistic:
                        start, stop = (float(x) for x in windows[i])
                        best = SeededWindow(start, stop, k, ty, tz, flux, value)
        return best

    def _lit(self, ty: float, tz: float) -> FloatArray:
        lit = (self.decoder.mask.shadow(ty, tz) * self._efficiency).ravel()
        if not lit.any():
            raise BadArgumentError(f"the direction ({ty:.3f}, {tz:.3f}) lies outside the field of view")
        return np.asarray(lit)

    def _ratios(self, spectrum: int, lit: FloatArray) -> tuple[FloatArray, float, float]:
        """Ratio u of each photon, counts per second at F = 1, and information on F per second."""
        share = np.asarray(self.shares)[spectrum]
        ratio = share[:, None] * np.divide(
            lit, self._rate, out=np.zeros_like(self._rate), where=self._rate > 0
        )
        information = float((ratio * share[:, None] * lit).sum())
        return ratio[self.segment, self.pixel], float(share.sum() * lit.sum()), information

    def sky(self, *, kept: int = 20) -> SeededWindow:
        """The best window and direction of the whole field.

        Parameters
        ----------
        kept
            Windows of each length and spectrum that are imaged: those with the highest weighted excess.
        """
        windows = self.windows()
        scale = np.rint(np.log2((windows[:, 1] - windows[:, 0]) / 0.01)).astype(int)
        top: list[tuple[int, int, float, float]] = []
        for k in range(len(self.shares)):
            excess = self._excess(windows, k)
            for n in np.unique(scale):
                rows = np.flatnonzero(scale == n)
                peaks = []
                for i in rows[np.argsort(-excess[rows])[:kept]]:
                    z = self.map(float(windows[i, 0]), float(windows[i, 1]), k)
                    zz, yy = divmod(int(np.nanargmax(z)), z.shape[1])
                    peaks.append((float(z[zz, yy]), k, int(i), yy, zz))
                # The linear score of few photons is not normal: lengths do not compete in it.
                at = self.decoder.tangent
                top += [
                    (k, i, float(at[yy]), float(at[zz]))
                    for _, k, i, yy, zz in sorted(peaks, reverse=True)[:3]
                ]
        found = [self._in(windows[i], ty, tz, k) for k, i, ty, tz in top]
        best = max(found, key=lambda w: w.statistic)
        pitch = float(self.decoder.tangent[1] - self.decoder.tangent[0])
        steps = np.linspace(-0.6, 0.6, 7) * pitch
        window = np.array([best.start, best.stop])
        around = [self._in(window, best.ty + dy, best.tz + dz, best.spectrum) for dy in steps for dz in steps]
        return max([best, *around], key=lambda w: w.statistic)

    def _in(self, window: FloatArray, ty: float, tz: float, spectrum: int) -> SeededWindow:
        """One window in one direction."""
        first, last = np.searchsorted(self.time, window)
        start, stop = (float(x) for x in window)
        share = np.asarray(self.shares)[spectrum]
        lit = (self.decoder.mask.shadow(ty, tz) * self._efficiency).ravel()
        segment, pixel = self.segment[first:last], self.pixel[first:last]
        rate = self._rate[segment, pixel]
        u = np.divide(share[segment] * lit[pixel], rate, out=np.zeros_like(rate), where=rate > 0)
        flux, value = _likelihood(u, (stop - start) * float(share.sum() * lit.sum()))
        return SeededWindow(start, stop, spectrum, ty, tz, flux, value)

    def _excess(self, windows: FloatArray, spectrum: int) -> FloatArray:
        """Weighted excess of all counts in units of its noise, shape (windows,)."""
        b = self._rate.sum(axis=1)
        a = np.asarray(self.shares)[spectrum] / np.maximum(b, 1e-12)
        sums = np.concatenate([[0.0], np.cumsum(a[self.segment])])
        first, last = np.searchsorted(self.time, windows.T)
        length = windows[:, 1] - windows[:, 0]
        return np.asarray((sums[last] - sums[first] - length * (a @ b)) / np.sqrt(length * (a**2 @ b)))

    def map(self, start: float, stop: float, spectrum: int) -> FloatArray:
        """Linear score over the sky: contrast and mean together, in standard deviations; NaN where not coded.

        Parameters
        ----------
        start, stop
            Of the window, s.
        spectrum
            Number of the spectrum.
        """
        side = self.decoder.mask.pixels
        first, last = np.searchsorted(self.time, [start, stop])
        b = self._rate.sum(axis=1) * (stop - start)
        a = np.asarray(self.shares)[spectrum] / np.maximum(b, 1e-12) * b.sum()
        weight = a[self.segment[first:last]]
        image = np.bincount(self.pixel[first:last], weight, minlength=side**2).reshape(side, side)
        # The noise is that of the expected background: with few counts that of the image is not known.
        expected = ((a**2)[:, None] * self._rate).sum(axis=0).reshape(side, side) * (stop - start)
        decoded = self.decoder.decode(image)
        variance = self._unit_variance * float(expected.sum())
        lit = self.decoder.mask.open_fraction * self.decoder.coded * float(self._efficiency.sum())
        mean, noise = weight.sum() - a @ b, a**2 @ b
        with np.errstate(divide="ignore", invalid="ignore"):
            total = decoded.flux / variance + mean * lit / noise
            z = total / np.sqrt(1 / variance + lit**2 / noise)
        return np.asarray(np.where(self.decoder.coded >= 0.05, z, np.nan))

    @cached_property
    def _unit_variance(self) -> FloatArray:
        """Of the flux in an image of one expected count with the shape of the background."""
        total = self._rate.sum(axis=0).reshape(self._efficiency.shape)
        good = np.divide(total, self._efficiency, out=np.zeros_like(total), where=self._efficiency > 0)
        return np.asarray(self.decoder.variance_of(good / total.sum()))

    def upper_limit(
        self, start: float, stop: float, ty: float, tz: float, spectrum: int, confidence: float = 0.9
    ) -> float:
        """Flux above which no source hides, with this confidence: counts per second of a fully lit pixel.

        Parameters
        ----------
        start, stop, ty, tz, spectrum
            Window, direction and spectrum.
        confidence
            Of the limit: a share of the likelihood over F ≥ 0 (a flat prior). Divide by the area of
            :func:`folded_spectra` for photons cm⁻² s⁻¹.
        """
        if not 0 < confidence < 1 or not start < stop:
            raise BadArgumentError(
                f"confidence={confidence}, window {start}–{stop}; expected 0–1 and a length"
            )
        if not self.live[0] <= start < stop <= self.live[1]:
            raise MissingDataError(f"the window {start}–{stop} reaches beyond the data, {self.live}")
        first, last = np.searchsorted(self.time, [start, stop])
        u, expected, information = self._ratios(spectrum, self._lit(ty, tz))
        length = stop - start
        ratios = u[first:last]
        flux, _ = _likelihood(ratios, length * expected)
        width = 1 / np.sqrt(length * information) + 1 / (length * expected)
        grid = np.linspace(0.0, flux + 12 * width, 2000)
        value = np.array([np.log1p(f * ratios).sum() for f in grid]) - grid * length * expected
        share = np.cumsum(np.exp(value - value.max()))
        return float(np.interp(confidence, share / share[-1], grid))


def _likelihood(u: FloatArray, expected: float) -> tuple[float, float]:
    """The flux ≥ 0 at which Λ is largest, and Λ."""
    u = u[u > 0]
    if not len(u) or u.sum() <= expected:
        return 0.0, 0.0
    top = len(u) / expected  # Σ u/(1 + F u) < n/F: the slope is negative from there on
    flux = float(optimize.brentq(lambda f: (u / (1 + f * u)).sum() - expected, 0.0, top))
    return flux, float(2 * (np.log1p(flux * u).sum() - flux * expected))
