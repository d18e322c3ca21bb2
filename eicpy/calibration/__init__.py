"""Calibration: one folder for each table, found by a registry: energy scale, status of pixels, energy bands.

Arrays in, results out: this room knows no file, no database and no widget.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.calibration.gain.fit import GainFit, fit_gain
    from eicpy.calibration.gain.lines import LineModel
    from eicpy.calibration.gain.quality import (
        GainChange,
        PassFraction,
        compare,
        goodness_gate,
        pass_fraction,
    )
    from eicpy.calibration.gain.settings import GainFitSettings
    from eicpy.calibration.gain.table import GainStatus, GainTable
    from eicpy.calibration.pixels.by_band import BandedHealth, counts_in_bands, pixel_status_by_band
    from eicpy.calibration.pixels.status import PixelHealth, PixelStatus, pixel_status
    from eicpy.instruments import Block, EnergyRequirement, Line
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "BandedHealth",
    "Block",
    "EnergyRequirement",
    "GainChange",
    "GainFit",
    "GainFitSettings",
    "GainStatus",
    "GainTable",
    "Line",
    "LineModel",
    "PassFraction",
    "PixelHealth",
    "PixelStatus",
    "compare",
    "counts_in_bands",
    "fit_gain",
    "goodness_gate",
    "pass_fraction",
    "pixel_status",
    "pixel_status_by_band",
]
