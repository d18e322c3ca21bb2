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
from eicpy.simulation.faults import Fault
from eicpy.simulation.lines import FluorescenceLine, fluorescence_lines
from eicpy.simulation.night import Camera, Stream, simulate
from eicpy.simulation.photons import PhotonBlock, PhotonStream
from eicpy.simulation.scene import Scene, build_scene
from eicpy.simulation.spectra import SimulatedSpectra, expected_spectra, simulate_spectra
from eicpy.simulation.truth import SimulatedNight, read_night

__all__ = [
    "BurstConfig",
    "Camera",
    "Detector",
    "DetectorConfig",
    "ExcursionConfig",
    "Fault",
    "FaultConfig",
    "FluorescenceLine",
    "OrbitConfig",
    "PhotonBlock",
    "PhotonStream",
    "PixelKind",
    "PointingConfig",
    "Scene",
    "SimulatedNight",
    "SimulatedSpectra",
    "SimulationConfig",
    "SourceConfig",
    "Stream",
    "build_scene",
    "draw_detector",
    "expected_spectra",
    "fluorescence_lines",
    "preset",
    "presets",
    "read_night",
    "simulate",
    "simulate_spectra",
]
