"""Pixels: which are dead, noisy or weak, AUX-ECL-PIX-STA."""

from eicpy.calibration.pixels.calibration import PixelCalibration, PixelChange, PixelStatusTable
from eicpy.calibration.pixels.status import PixelHealth, PixelStatus, pixel_status

__all__ = [
    "TABLE",
    "PixelCalibration",
    "PixelChange",
    "PixelHealth",
    "PixelStatus",
    "PixelStatusTable",
    "pixel_status",
]

TABLE = PixelCalibration
"""The class that the registry finds."""
