"""The coded mask and its shadow; the sky image comes later."""

from eicpy.imaging.mask import Mask, random_mask, transmission

__all__ = ["Mask", "random_mask", "transmission"]
