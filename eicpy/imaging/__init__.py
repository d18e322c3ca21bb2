"""The coded mask and its shadow; images of the sky, and what is in them."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.imaging.absorption import tantalum_transparency
    from eicpy.imaging.circles import circle_radius, upper_limit
    from eicpy.imaging.cleaned import CleanedDecoder, ShapeFit, SmoothVariance, Taken
    from eicpy.imaging.deconvolution import Decoded, SkyDecoder
    from eicpy.imaging.diffuse import DiffuseSky
    from eicpy.imaging.known_sources import KnownShadows, known_shadows
    from eicpy.imaging.localisation import FittedSource, Localisation, localise
    from eicpy.imaging.mask import Mask, random_mask, transmission
    from eicpy.imaging.posterior import PositionPosterior, position_posterior
    from eicpy.imaging.search import Search, find_sources, without_sources
    from eicpy.imaging.shapes import quadratic_shapes
    from eicpy.imaging.sky_image import Peak, SkyImage
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "CleanedDecoder",
    "Decoded",
    "DiffuseSky",
    "FittedSource",
    "KnownShadows",
    "Localisation",
    "Mask",
    "Peak",
    "PositionPosterior",
    "Search",
    "ShapeFit",
    "SkyDecoder",
    "SkyImage",
    "SmoothVariance",
    "Taken",
    "circle_radius",
    "find_sources",
    "known_shadows",
    "localise",
    "position_posterior",
    "quadratic_shapes",
    "random_mask",
    "tantalum_transparency",
    "transmission",
    "upper_limit",
    "without_sources",
]
