r"""A sky image with more taken out of the counts than the decoder was prepared for.

The Earth moves through the field, and sources come and go with each pointing. To prepare a decoder for each
of them costs hundreds of Fourier transforms. Two things make that needless:

* counts from which the additional shapes have been fitted away hold none of them, whatever they are decoded
  with. The norm Σ w S⊥² of the decoder lacks only what a direction's shadow has in common with them: nothing
  to speak of but at the place of a source that was taken out, which is not searched;
* the variance of the flux is linear in the expected background, and a shadow that is not the direction's own
  counts in it like its mean. So the expected background is written in smooth shapes, a polynomial of degree
  four, whose variances belong to mask and pixels and are computed once.

How good that is: ``docs/trigger.md``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.imaging.deconvolution import Decoded, SkyDecoder
from eicpy.imaging.mask import Mask
from eicpy.imaging.sky_image import SkyImage
from eicpy.typing import BoolArray, FloatArray

__all__ = ["CleanedDecoder", "ShapeFit", "SmoothVariance", "Taken"]

_DEGREE = 4
_SAME = 1e-9
"""Of the squares of shapes: what stands out less from all others is not taken out by itself."""
_NEAR_SOURCE = 3
"""Steps of the grid from a source that was taken out within which the image tells nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken out of the counts of a detector image.

    Parameters
    ----------
    rest
        Counts without it, times the efficiency's weight, shape (pixels, pixels).
    background
        What is taken out: expected counts of good pixels, shape (pixels, pixels).
    coefficients
        Of :attr:`CleanedDecoder.shapes`, shape (shapes,).
    """

    rest: FloatArray
    background: FloatArray
    coefficients: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ShapeFit:
    """The weighted least-squares fit of shapes to counts; what several of them hold is shared among them.

    Parameters
    ----------
    shapes
        Each scaled to Σ w P² = 1, shape (shapes, pixels²).
    weight
        Efficiency of the pixels, shape (pixels²,).
    scale
        By what each shape was divided, shape (shapes,).
    solution
        What gives the coefficients from counts, shape (shapes, pixels²).
    """

    shapes: FloatArray
    weight: FloatArray
    scale: FloatArray
    solution: FloatArray

    def of(self, counts: npt.ArrayLike) -> FloatArray:
        """Coefficients of the scaled shapes, shape (…, shapes), for counts of shape (…, pixels, pixels)."""
        flat = np.reshape(counts, (*np.shape(counts)[:-2], -1))
        return np.asarray(np.where(self.weight > 0, flat, 0.0) @ self.solution.T)


class SmoothVariance:
    """The variance of the flux for any smooth background, prepared once for mask and pixels.

    Parameters
    ----------
    decoder
        Mask, pixels and the shapes that are always taken out.
    """

    def __init__(self, decoder: SkyDecoder) -> None:
        n = decoder.mask.pixels
        x = (np.arange(n) + 0.5) / n * 2 - 1
        powers = np.polynomial.legendre.legvander(x, _DEGREE).T
        shapes = [np.outer(powers[i], powers[j]) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
        self._shapes = np.array(shapes).reshape(len(shapes), -1)
        self._weight = np.ones(n * n) if decoder.efficiency is None else np.ravel(decoder.efficiency)
        gram = (self._shapes * self._weight) @ self._shapes.T
        self._solve = np.linalg.solve(gram, self._shapes * self._weight)
        self.maps = np.stack([decoder.variance_of(s) for s in shapes]).astype(np.float32)
        """Variance of the flux for each of the polynomials, shape (polynomials, sky, sky)."""

    def of(self, background: FloatArray) -> FloatArray:
        """Coefficients of the maps, shape (polynomials,), of a background (pixels, pixels)."""
        return np.asarray(self._solve @ np.ravel(background))


@dataclass(frozen=True)
class CleanedDecoder:
    """A decoder that takes more shapes out of the counts than it was prepared for.

    Parameters
    ----------
    base
        Mask, pixels and the shapes that are always taken out.
    smooth
        Its variances.
    extra
        Shapes that are taken out besides, shape (any, pixels, pixels).
    sources
        Tangents of the sources among them: about these the image is not looked at, shape (any, 2).

    Raises
    ------
    BadArgumentError
        If shapes do not fit the plane.
    """

    base: SkyDecoder
    smooth: SmoothVariance
    extra: FloatArray
    sources: FloatArray

    def __post_init__(self) -> None:
        n = self.base.mask.pixels
        if self.extra.ndim != 3 or self.extra.shape[1:] != (n, n):
            raise BadArgumentError(f"got shapes of shape {self.extra.shape}, expected (any, {n}, {n})")

    @property
    def mask(self) -> Mask:
        """The mask."""
        return self.base.mask

    @property
    def efficiency(self) -> FloatArray | None:
        """Of each pixel, as the decoder has it."""
        return self.base.efficiency

    @cached_property
    def shapes(self) -> FloatArray:
        """All shapes that are taken out, shape (shapes, pixels, pixels)."""
        return np.concatenate([self.base.background_shapes, self.extra])

    @property
    def tangent(self) -> FloatArray:
        """Tangents of the sky pixels' middles along an axis, shape (sky,)."""
        return self.base.tangent

    @cached_property
    def fit(self) -> "ShapeFit":
        """The fit of all shapes to counts."""
        x = self.shapes.reshape(len(self.shapes), -1)
        w = np.ones(x.shape[1]) if self.efficiency is None else np.ravel(self.efficiency)
        scale = np.sqrt(np.maximum((x * x) @ w, 1e-300))
        x = x / scale[:, None]
        return ShapeFit(x, w, scale, np.linalg.pinv((x * w) @ x.T, rcond=_SAME, hermitian=True) @ x)

    def lit(self, ty: float, tz: float) -> float:
        """Counts on the plane for a flux of 1; see :meth:`SkyDecoder.lit`."""
        return self.base.lit(ty, tz)

    def take(self, counts: FloatArray) -> Taken:
        """Take all shapes out of counts.

        Parameters
        ----------
        counts
            Counts of each pixel, shape (pixels, pixels), indexed [z, y].
        """
        shape, fit = np.shape(counts), self.fit
        c = fit.of(counts)
        background = c @ fit.shapes
        rest = np.where(fit.weight > 0, np.ravel(counts) - fit.weight * background, 0.0)
        return Taken(rest.reshape(shape), background.reshape(shape), c / fit.scale)

    @cached_property
    def searched(self) -> BoolArray:
        """Directions that are not about a source that was taken out, shape (sky, sky)."""
        t = self.tangent
        step = t[1] - t[0]
        clear = np.ones((len(t), len(t)), np.bool_)
        for ty, tz in self.sources:
            y, z = np.abs(t - ty) < _NEAR_SOURCE * step, np.abs(t - tz) < _NEAR_SOURCE * step
            clear &= ~(z[:, None] & y[None, :])
        return clear

    def decode(self, counts: npt.ArrayLike) -> Decoded:
        """Image the sky; see :meth:`SkyDecoder.decode`."""
        taken = self.take(np.asarray(counts, np.float64))
        flux = self.base.correlate(taken.rest)
        c = self.smooth.of(np.maximum(taken.background, 0.0)).astype(np.float32)
        variance = np.tensordot(c, self.smooth.maps, axes=1)
        return Decoded(flux, np.asarray(variance, np.float64), taken.coefficients)

    def image(self, counts: npt.ArrayLike, **about: Any) -> SkyImage:
        """Image the sky, as an object; see :meth:`SkyDecoder.image`. Taken-out sources are NaN."""
        decoded = self.decode(counts)
        flux = np.where(self.searched, decoded.flux, np.nan)
        g = self.mask.geometry
        return SkyImage(flux, decoded.variance, self.tangent, self.base.coded, g.pixel_area, **about)
