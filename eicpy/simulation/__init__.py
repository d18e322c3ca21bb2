"""From the sky to packets, with the truth kept beside them. Everything written here says it is simulated."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.simulation.bench.config import BenchCommand, BenchConfig, ScanConfig, SettingConfig
    from eicpy.simulation.bench.emitter import Bench
    from eicpy.simulation.bench.scene import BenchScene, Measurement, build_bench
    from eicpy.simulation.camera.detector import Detector, PixelKind, draw_detector
    from eicpy.simulation.camera.lines import FluorescenceLine, fluorescence_lines
    from eicpy.simulation.camera.photons import PhotonStream, SimulatedPhotons
    from eicpy.simulation.config import (
        BodyConfig,
        BurstConfig,
        DetectorConfig,
        DriftConfig,
        EnvironmentConfig,
        ExcursionConfig,
        FaultConfig,
        FlareConfig,
        OrbitConfig,
        PixelChange,
        PointingConfig,
        PulseConfig,
        ShowerConfig,
        SimulationConfig,
        SlewConfig,
        SourceConfig,
        StreamConfig,
        VariabilityConfig,
    )
    from eicpy.simulation.night import Camera
    from eicpy.simulation.packets.commands import Refusal, Telecommand, Timing
    from eicpy.simulation.packets.faults import Fault
    from eicpy.simulation.partner_files import Partners, read_partners
    from eicpy.simulation.partners import GrmLightCurve, Sighting
    from eicpy.simulation.presets import preset, presets, read_config
    from eicpy.simulation.scene import Scene, build_scene
    from eicpy.simulation.sky.attitude import SimulatedAttitude, simulate_attitude
    from eicpy.simulation.sky.bursts import BURST_KINDS, burst_flux, burst_truth, draw_burst
    from eicpy.simulation.sky.points import PointSource
    from eicpy.simulation.spectra import SimulatedSpectra, expected_spectra, simulate_spectra
    from eicpy.simulation.stream import TelemetryStream, write_simulation
    from eicpy.simulation.truth import SimulatedNight, read_night
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "BURST_KINDS",
    "Bench",
    "BenchCommand",
    "BenchConfig",
    "BenchScene",
    "BodyConfig",
    "BurstConfig",
    "Camera",
    "Detector",
    "DetectorConfig",
    "DriftConfig",
    "EnvironmentConfig",
    "ExcursionConfig",
    "Fault",
    "FaultConfig",
    "FlareConfig",
    "FluorescenceLine",
    "GrmLightCurve",
    "Measurement",
    "OrbitConfig",
    "Partners",
    "PhotonStream",
    "PixelChange",
    "PixelKind",
    "PointSource",
    "PointingConfig",
    "PulseConfig",
    "Refusal",
    "ScanConfig",
    "Scene",
    "SettingConfig",
    "ShowerConfig",
    "Sighting",
    "SimulatedAttitude",
    "SimulatedNight",
    "SimulatedPhotons",
    "SimulatedSpectra",
    "SimulationConfig",
    "SlewConfig",
    "SourceConfig",
    "StreamConfig",
    "Telecommand",
    "TelemetryStream",
    "Timing",
    "VariabilityConfig",
    "build_bench",
    "build_scene",
    "burst_flux",
    "burst_truth",
    "draw_burst",
    "draw_detector",
    "expected_spectra",
    "fluorescence_lines",
    "preset",
    "presets",
    "read_config",
    "read_night",
    "read_partners",
    "simulate_attitude",
    "simulate_spectra",
    "write_simulation",
]
