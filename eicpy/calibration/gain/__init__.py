"""Gain: the energy scale (gain and offset) of every pixel, AUX-ECL-PIX-CAL."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.calibration.gain.calibration import GainCalibration
    from eicpy.calibration.gain.calibration import GainCalibration as TABLE  # noqa: N814, what the registry finds
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
    from eicpy.calibration.gain.words import gain_states, goodness_marks
    from eicpy.instruments import Block, EnergyRequirement, Line
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "TABLE",
    "Block",
    "EnergyRequirement",
    "GainCalibration",
    "GainChange",
    "GainFit",
    "GainFitSettings",
    "GainStatus",
    "GainTable",
    "Line",
    "LineModel",
    "PassFraction",
    "compare",
    "fit_gain",
    "gain_states",
    "goodness_gate",
    "goodness_marks",
    "pass_fraction",
]
