r"""From a detector image to an image of the sky.

A source of strength f in direction t lights each pixel by the share S(t) that the mask leaves open
(:mod:`eicpy.imaging.mask`). With a background that is smooth over the plane a pixel of efficiency ε expects

    μ = ε · (Σ c_k P_k + f · S(t)),

P_k the shapes of the background (a quadratic surface by default). For every direction of the sky grid f is
the weighted least-squares solution of that model, all shapes fitted along with it:

    f(t) = Σ w S⊥ d / Σ w S⊥²,      S⊥ = S − Σ a_k P_k,   a_k = Σ w P_k S,   Σ w P_k P_l = δ_kl,

with d = counts / ε and w = ε, zero for pixels that are left out. Written so it is the balanced correlation of
Fenimore and Cannon (1978), for any pixel weights: a mask pattern minus its mean, seen by the pixels that are
there. Two identities make it fast. S⊥ stands on the shapes, so the shapes can be taken out of the counts
*once* and the rest be correlated with S. And the variance of f is linear in the expected background,

    Var f(t) = Σ w² S⊥² Var d / (Σ w S⊥²)² = Σ_k c_k Q_k(t),

so that it needs no correlation at all: Q_k belongs to mask and pixels, c_k to the image. The variance is that
of the fitted background, not of the counts themselves: where counts fluctuate up the error must not.

The grid is that of the pixels seen from the distance of the mask: steps of one pitch (or a whole fraction)
in the tangent. On it S(t) is one pattern, shifted, and correlations are products of Fourier transforms.
There the mask is a thin one in the middle of the true one's depth. What the walls of its cells take from f is
computed with the true one on a coarse grid of directions, and put right: it is smooth, some per cent at the
edge of the field.

References
----------
Fenimore and Cannon 1978, Applied Optics 17, 337; Skinner and Ponman 1994, MNRAS 267, 518;
Goldwurm et al. 2003, A&A 411, L223.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.interpolate import RectBivariateSpline

from eicpy.errors import BadArgumentError
from eicpy.imaging.mask import Mask
from eicpy.imaging.shapes import quadratic_shapes
from eicpy.imaging.sky_image import SkyImage
from eicpy.typing import FloatArray

__all__ = ["Decoded", "SkyDecoder"]

_LEAST_CODED = 0.02
"""Directions that light less of the plane than this hold no flux."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder makes of one detector image.

    Parameters
    ----------
    flux
        Counts of a pixel that is lit fully and looks at the source, shape (sky, sky), indexed [z, y]; NaN
        where the plane is not coded.
    variance
        Of `flux`, if there is nothing but the fitted background.
    coefficients
        Of the shapes of the background, shape (shapes,).
    """

    flux: FloatArray
    variance: FloatArray
    coefficients: FloatArray

    @property
    def significance(self) -> FloatArray:
        """Flux over its standard deviation."""
        return np.asarray(self.flux / np.sqrt(self.variance))


@dataclass(frozen=True)
class SkyDecoder:
    """A mask above pixels, prepared once, that turns detector images into sky images.

    Parameters
    ----------
    mask
        The mask.
    efficiency
        Of each pixel relative to a good one, shape (pixels, pixels), indexed [z, y]; 0 for a pixel that is
        left out. None: all are good.
    shapes
        Shapes of the background, shape (shapes, pixels, pixels). None: a quadratic surface.
    oversampling
        Sky pixels to a pitch along each axis.

    Raises
    ------
    BadArgumentError
        If fewer pixels are left than there are shapes, or shapes do not fit.
    """

    mask: Mask
    efficiency: FloatArray | None = None
    shapes: FloatArray | None = None
    oversampling: int = 1
    _weight: FloatArray = field(init=False, repr=False)
    _basis: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n = self.mask.pixels
        weight = np.ones((n, n)) if self.efficiency is None else np.asarray(self.efficiency, np.float64)
        shapes = quadratic_shapes(n) if self.shapes is None else np.asarray(self.shapes, np.float64)
        if weight.shape != (n, n) or not (np.isfinite(weight) & (weight >= 0)).all():
            raise BadArgumentError(
                f"efficiency of shape {weight.shape}; expected ({n}, {n}), finite and not negative"
            )
        if shapes.ndim != 3 or shapes.shape[1:] != (n, n):
            raise BadArgumentError(f"shapes of shape {shapes.shape}; expected (any, {n}, {n})")
        if (kept := int((weight > 0).sum())) <= len(shapes):
            raise BadArgumentError(
                f"{kept} pixels are left for {len(shapes)} shapes of the background; give more pixels"
            )
        object.__setattr__(self, "_weight", weight)
        object.__setattr__(self, "_basis", _orthonormal(shapes, weight))

    @property
    def sky_side(self) -> int:
        """Pixels along a side of the sky image."""
        return (self.mask.geometry.sky_pixels - 1) * self.oversampling + 1

    @cached_property
    def tangent(self) -> FloatArray:
        """Tangents of the sky pixels' middles along an axis, shape (sky,)."""
        g = self.mask.geometry
        step = g.plane_side / self.mask.pixels / g.distance / self.oversampling
        return np.asarray((np.arange(self.sky_side) - (self.sky_side - 1) / 2) * step)

    @cached_property
    def _correlator(self) -> "_Correlator":
        return _Correlator(self.mask, self.oversampling)

    def with_shapes(self, shapes: FloatArray) -> "SkyDecoder":
        """The same mask and pixels, with other shapes of the background.

        Parameters
        ----------
        shapes
            Shape (shapes, pixels, pixels).
        """
        other = replace(self, shapes=shapes)
        other.__dict__["_correlator"] = self._correlator  # these depend on the mask, not on the shapes
        other.__dict__["depth_efficiency"] = self.depth_efficiency
        return other

    @cached_property
    def coded(self) -> FloatArray:
        """Σ w S over Σ w of a plane behind an open mask: the share of the plane that a direction codes."""
        g = self.mask.geometry
        side = np.clip((g.side + g.plane_side) / 2 - g.distance * np.abs(self.tangent), 0, g.plane_side)
        return np.outer(side, side) / g.plane_side**2

    @cached_property
    def _projections(self) -> FloatArray:
        """a_k, shape (shapes, sky, sky)."""
        return np.stack([self._correlator.exact(self._weight * p) for p in self._basis])

    @cached_property
    def norm(self) -> FloatArray:
        """Σ w S⊥²: how much a direction tells of its flux, shape (sky, sky); NaN where nothing."""
        full = self._correlator.exact(self._weight, squared=True)
        norm = full - np.square(self._projections).sum(axis=0)
        usable = (self.coded > _LEAST_CODED) & (norm > 1e-3 * _LEAST_CODED * self._weight.sum())
        return np.where(usable, norm, np.nan)

    def variance_of(self, background: npt.ArrayLike) -> FloatArray:
        """Variance of the flux for a given expectation.

        Parameters
        ----------
        background
            Expected counts of good pixels (before their efficiency), shape (pixels, pixels).

        Returns
        -------
        numpy.ndarray
            Shape (sky, sky), float64.
        """
        v = self._weight * np.asarray(background, np.float64)  # w² Var d = ε² · (ε b) / ε² = ε b
        a = self._projections
        total = self._correlator.exact(v, squared=True)
        gram = np.einsum("kzy,zy,lzy->kl", self._basis, v, self._basis)
        for k, shape in enumerate(self._basis):
            total -= 2 * a[k] * self._correlator.exact(v * shape)
            total += a[k] * np.tensordot(gram[k], a, axes=1)
        return np.asarray(total / (self.norm * self.depth_efficiency) ** 2)

    @cached_property
    def depth_efficiency(self) -> FloatArray:
        """What the depth of the mask leaves of the flux that a thin one would show, shape (sky, sky)."""
        if self.mask.geometry.thickness == 0 and self.mask.geometry.bars == 0:
            return np.ones((self.sky_side, self.sky_side))
        thin = replace(
            self.mask, geometry=self.mask.geometry.model_copy(update={"thickness": 0.0, "bars": 0})
        )
        reach = 0.97 * self.mask.geometry.edge
        grid = np.linspace(-reach, reach, 11)
        value = np.array([[self._seen_of(thin, float(ty), float(tz)) for ty in grid] for tz in grid])
        smooth = RectBivariateSpline(grid, grid, value, kx=2, ky=2, s=len(grid) ** 2 * 1e-4)
        at = np.clip(self.tangent, -reach, reach)
        return np.asarray(smooth(at, at))

    def _seen_of(self, thin: Mask, ty: float, tz: float) -> float:
        """Flux of a source of strength 1 behind the true mask, decoded with a thin one."""
        expected = thin.shadow(ty, tz)
        flat, w = self._basis.reshape(len(self._basis), -1), self._weight.ravel()
        alone = expected.ravel() - (flat @ (w * expected.ravel())) @ flat
        norm = (w * alone) @ expected.ravel()
        least = 1e-3 * _LEAST_CODED * w.sum()
        return float((w * alone) @ self.mask.shadow(ty, tz).ravel() / norm) if norm > least else 1.0

    @property
    def background_shapes(self) -> FloatArray:
        """Shapes of the background, each a sum of those that were given, shape (shapes, pixels, pixels)."""
        return self._basis

    @cached_property
    def _per_flux(self) -> Any:
        """1/norm, as float32."""
        return (1 / (self.norm * self.depth_efficiency)).astype(np.float32)

    @cached_property
    def _per_image(self) -> tuple[Any, Any, FloatArray]:
        """1/norm, Q_k and the shapes, as float32, flat."""
        q = np.stack([self.variance_of(shape) for shape in self._basis])
        return self._per_flux, q.reshape(len(q), -1).astype(np.float32), self._basis.reshape(len(q), -1)

    def decode(self, counts: npt.ArrayLike) -> Decoded:
        """Image the sky.

        Parameters
        ----------
        counts
            Counts of each pixel, shape (pixels, pixels), indexed [z, y]. Pixels that are left out may hold
            anything finite.

        Raises
        ------
        BadArgumentError
            If the image is of another shape or not finite.
        """
        n = self.mask.pixels
        counts = self._checked(counts)
        inverse, q, flat = self._per_image
        seen = np.where(self._weight > 0, counts, 0.0)  # w d
        c = flat @ seen.ravel()
        rest = seen - self._weight * (c @ flat).reshape(n, n)
        flux = self._correlator.fast(rest)
        flux *= inverse
        variance = (c.astype(np.float32) @ q).reshape(flux.shape)
        return Decoded(flux, variance, c)

    def lit(self, ty: float, tz: float) -> float:
        """Counts on the plane for a flux of 1: good pixels that a direction lights fully, or as many partly.

        Parameters
        ----------
        ty, tz
            Tangents of the direction.
        """
        return float((self._weight * self.mask.shadow(ty, tz)).sum())

    def correlate(self, rest: FloatArray) -> FloatArray:
        """Flux, shape (sky, sky), of counts from which all shapes of the background were taken out already.

        Parameters
        ----------
        rest
            Shape (pixels, pixels).
        """
        flux = self._correlator.fast(rest)
        flux *= self._per_flux
        return np.asarray(flux)

    def _checked(self, counts: npt.ArrayLike) -> FloatArray:
        counts = np.asarray(counts, np.float64)
        n = self.mask.pixels
        if counts.shape != (n, n) or not np.isfinite(counts).all():
            raise BadArgumentError(
                f"got an image of shape {counts.shape}, expected ({n}, {n}) of finite counts"
            )
        return counts

    def image(self, counts: npt.ArrayLike, **about: Any) -> SkyImage:
        """Image the sky, as an object that knows where it looks.

        Parameters
        ----------
        counts
            As for :meth:`decode`.
        **about
            ``exposure``, ``pointing``, ``band``, ``title`` and ``simulated`` of :class:`SkyImage`.
        """
        decoded = self.decode(counts)
        g = self.mask.geometry
        return SkyImage(decoded.flux, decoded.variance, self.tangent, self.coded, g.pixel_area, **about)

    def flux_at(self, counts: npt.ArrayLike, ty: float, tz: float) -> tuple[float, float]:
        """Flux and its error in one direction, on no grid and with the true depth of the mask.

        Parameters
        ----------
        counts
            As for :meth:`decode`.
        ty, tz
            Tangents of the direction.

        Returns
        -------
        tuple of float
            Counts of a pixel that is lit fully, and one standard deviation; NaN where the plane is not coded.
        """
        d = np.where(self._weight > 0, self._checked(counts), 0.0).ravel()  # w d
        flat, w = self._basis.reshape(len(self._basis), -1), self._weight.ravel()
        share = self.mask.shadow(ty, tz).ravel()
        alone = share - (flat @ (w * share)) @ flat
        norm = float((w * alone) @ alone)
        if norm <= 1e-3 * _LEAST_CODED * w.sum():
            return float("nan"), float("nan")
        background = np.maximum((flat @ d) @ flat, 0.0)
        return float(alone @ d) / norm, float(np.sqrt((w * background) @ alone**2)) / norm


def _orthonormal(shapes: FloatArray, weight: FloatArray) -> FloatArray:
    """Shapes with Σ w P_k P_l = δ_kl that span the same; the first stays a multiple of itself."""
    flat = shapes.reshape(len(shapes), -1)
    gram = (flat * weight.ravel()) @ flat.T
    if np.linalg.cond(gram) > 1e12:
        raise BadArgumentError(
            "the shapes of the background cannot be told apart on the pixels that are left; give fewer"
        )
    return np.asarray(np.linalg.solve(np.linalg.cholesky(gram), flat).reshape(shapes.shape))


class _Correlator:
    """Σ over pixels of an image times S(t) or S(t)², for all t of the grid."""

    def __init__(self, mask: Mask, oversampling: int) -> None:
        self._n, self._over = mask.pixels, oversampling
        self._step = mask.geometry.sky_pixels
        self._size = fft.next_fast_len(self._step, real=True)
        pitch = mask.geometry.plane_side / mask.pixels / mask.geometry.distance
        # A grid of s steps to a pitch is s × s grids of whole pitches, each with a pattern of its own.
        starts = (np.arange(oversampling) / oversampling - (self._step - 1) / 2) * pitch
        shares = [_share_by_position(mask, start, self._step) for start in starts]
        pattern = mask.pattern.astype(np.float64)
        self._exact = {}
        self._fast = {}
        for i, z in enumerate(shares):
            for j, y in enumerate(shares):
                seen = z @ pattern @ y.T
                for squared in (False, True):
                    spectrum = self._spectrum(seen**2 if squared else seen)
                    self._exact[i, j, squared] = spectrum
                self._fast[i, j] = self._exact[i, j, False].astype(np.complex64)

    def _spectrum(self, seen: FloatArray) -> Any:
        """Transform of a pattern whose index is pixel + sky pixel; conjugate goes with the image."""
        wrapped = np.zeros((self._size, self._size))
        index = np.arange(len(seen)) % self._size
        np.add.at(wrapped, (index[:, None], index[None, :]), seen)
        return fft.rfft2(wrapped)

    def exact(self, image: FloatArray, *, squared: bool = False) -> FloatArray:
        """In double precision."""
        f = np.conj(fft.rfft2(image, (self._size, self._size)))
        parts = {
            key[:2]: fft.irfft2(f * spectrum, (self._size, self._size))
            for key, spectrum in self._exact.items()
            if key[2] == squared
        }
        return np.asarray(self._interleave(parts, np.float64))

    def fast(self, image: FloatArray) -> Any:
        """In single precision; only the rows that hold something are transformed along the first axis."""
        rows = fft.rfft(image.astype(np.float32), self._size, axis=1)
        f = fft.fft(rows, self._size, axis=0, overwrite_x=True)
        np.conjugate(f, out=f)
        if self._over == 1:
            f *= self._fast[0, 0]
            return fft.irfft2(f, (self._size, self._size), overwrite_x=True)[: self._step, : self._step]
        return self._interleave(
            {key: fft.irfft2(f * k, (self._size, self._size)) for key, k in self._fast.items()}, np.float32
        )

    def _interleave(self, parts: dict[tuple[int, int], Any], dtype: npt.DTypeLike) -> Any:
        s, over = self._step, self._over
        out = np.empty((s * over, s * over), dtype)
        for (i, j), part in parts.items():
            out[i::over, j::over] = part[:s, :s]
        side = (s - 1) * over + 1
        return out[:side, :side]


def _share_by_position(mask: Mask, start: float, steps: int) -> FloatArray:
    """Share of a pixel covered by each cell, for pixel + sky pixel = 0, 1, …, shape (positions, cells)."""
    g, n = mask.geometry, mask.pixels
    pitch = g.plane_side / n
    centre = (np.arange(n + steps - 1) + 0.5) * pitch - g.plane_side / 2 + g.distance * start
    edges = np.linspace(-g.side / 2, g.side / 2, mask.pattern.shape[0] + 1)
    low = np.maximum(centre[:, None] - g.pixel_side / 2, edges[None, :-1])
    high = np.minimum(centre[:, None] + g.pixel_side / 2, edges[None, 1:])
    return np.asarray(np.clip(high - low, 0, None) / g.pixel_side)
