"""Pixels: which are dead, noisy or weak, AUX-ECL-PIX-STA."""

from eicpy.calibration.pixels.by_band import BandedHealth, counts_in_bands, pixel_status_by_band
from eicpy.calibration.pixels.calibration import BandQuality, PixelCalibration, PixelChange, PixelStatusTable
from eicpy.calibration.pixels.status import PixelHealth, PixelStatus, pixel_status

__all__ = [
    "TABLE",
    "BandQuality",
    "BandedHealth",
    "PixelCalibration",
    "PixelChange",
    "PixelHealth",
    "PixelStatus",
    "PixelStatusTable",
    "counts_in_bands",
    "pixel_status",
    "pixel_status_by_band",
]

TABLE = PixelCalibration
"""The class that the registry finds."""
