"""The coded mask and its shadow; the sky image comes later."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.imaging.absorption import tantalum_transparency
    from eicpy.imaging.mask import Mask, random_mask, transmission
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = ["Mask", "random_mask", "tantalum_transparency", "transmission"]
