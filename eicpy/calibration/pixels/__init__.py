"""Pixels: which are dead, noisy or weak, AUX-ECL-PIX-STA."""

from eicpy.calibration.pixels.status import PixelHealth, PixelStatus, pixel_status

__all__ = [
    "PixelHealth",
    "PixelStatus",
    "pixel_status",
]
