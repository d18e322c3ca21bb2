"""From the sky to packets, with the truth kept beside them. Everything written here says it is simulated."""

from eicpy.simulation.config import (
    BurstConfig,
    DetectorConfig,
    ExcursionConfig,
    FaultConfig,
    OrbitConfig,
    PointingConfig,
    SimulationConfig,
    SourceConfig,
    preset,
    presets,
)
from eicpy.simulation.detector import Detector, PixelKind, draw_detector
from eicpy.simulation.lines import FluorescenceLine, fluorescence_lines
from eicpy.simulation.spectra import SimulatedSpectra, expected_spectra, simulate_spectra

__all__ = [
    "BurstConfig",
    "Detector",
    "DetectorConfig",
    "ExcursionConfig",
    "FaultConfig",
    "FluorescenceLine",
    "OrbitConfig",
    "PixelKind",
    "PointingConfig",
    "SimulatedSpectra",
    "SimulationConfig",
    "SourceConfig",
    "draw_detector",
    "expected_spectra",
    "fluorescence_lines",
    "preset",
    "presets",
    "simulate_spectra",
]
