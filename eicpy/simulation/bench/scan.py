"""Threshold scans with test pulses: the S-curve of every pixel.

All pixels are told the same low threshold T, step by step, and at each step N test pulses of one charge,
which stands for the energy E, are given to each. A pixel whose threshold deviates by δ from what it is told,
and whose electronics have the noise σ, counts a pulse with the chance

    P(T) = Φ((E − T − δ)/σ),

and its noise alone crosses the threshold upwards f₀·exp(−(T + δ)²/(2σ²)) times per second (Rice 1945, Bell
Syst. Tech. J. 24, 46), which shows at low thresholds only. Where half of the pulses are counted T is E − δ,
and the width of the step from all to none is σ. Truth has δ and σ of each pixel.

The packets are ours (``threshold-scan.csv``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from eicpy.errors import BadArgumentError
from eicpy.simulation.bench.config import ScanConfig
from eicpy.simulation.bench.scene import BenchScene, Measurement
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder, PacketBatch
from eicpy.typing import FloatArray, IntArray

__all__ = ["Scanner", "chance"]

PACKET = "threshold-scan"
PIXELS_PER_PACKET = 400
_STREAM = 7
"""Of the random numbers of scans."""
_FULL = 2**16 - 1
_KEV = 1e-3
"""Unit of energies in packets, keV."""


def chance(threshold: float, pulse: float, deviation: FloatArray, sigma: FloatArray) -> FloatArray:
    """Chance that a pixel counts a test pulse.

    Parameters
    ----------
    threshold
        What all pixels are told, keV.
    pulse
        Charge of the pulse as an energy, keV.
    deviation, sigma
        Of each pixel, keV, shape (n_pixels,).
    """
    return np.asarray(ndtr((pulse - threshold - deviation) / sigma))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a scan that was finished.

    Parameters
    ----------
    end
        s after the start of the simulation.
    measurement, number
        Position of the measurement, and of the step in it.
    """

    end: float
    measurement: int
    number: int


class Scanner:
    """Makes the packets of threshold scans.

    Parameters
    ----------
    scene
        The bench.
    encoder
        Where packets are made.

    Raises
    ------
    BadArgumentError
        For an instrument that has no packet for scans.
    """

    def __init__(self, scene: BenchScene, encoder: Encoder) -> None:
        self._scene, self._encoder = scene, encoder
        scans = [(n, one) for n, one in enumerate(scene.measurements) if one.scan]
        if scans and PACKET not in encoder.layouts:
            raise BadArgumentError(
                f"got {scene.instrument.name}, expected an instrument with packet {PACKET!r}"
            )
        self.steps = [step for n, one in scans for step in _steps(n, one, scene.config.scan or ScanConfig())]
        """Those that were finished before their measurement was stopped."""

    def packets(self, begin: float, end: float) -> list[PacketBatch]:
        """Packets that are sent from `begin` on and before `end`, s after the start, as one batch or none."""
        due = [step for step in self.steps if begin <= step.end < end]
        if not due:
            return []
        pixels = len(self._scene.detector)
        first = np.arange(0, pixels, PIXELS_PER_PACKET)
        size = np.minimum(first + PIXELS_PER_PACKET, pixels) - first
        scan = self._scene.config.scan or ScanConfig()
        ticks = [round((self._scene.start + step.end) * TICKS_PER_SECOND) for step in due]
        time = np.repeat(np.array(ticks, np.int64), len(first))
        number = np.repeat(np.array([step.number for step in due], np.int64), len(first))
        columns: dict[str, Any] = {
            "SCAN_STEP": number,
            "SCAN_THRESHOLD": np.rint((scan.first + scan.step * number) / _KEV).astype(np.int64),
            "SCAN_PULSE": np.full(len(time), round(scan.pulse / _KEV)),
            "SCAN_PULSES": np.full(len(time), scan.pulses),
            "SCAN_FIRST": np.tile(first, len(due)),
        }
        counts = [self._counts(scan, step) for step in due]
        repeated = {"SCAN_COUNTS": np.concatenate(counts)}
        return [self._encoder.packets(PACKET, time, time, columns, repeated, np.tile(size, len(due)))]

    def _counts(self, scan: ScanConfig, step: Step) -> IntArray:
        detector = self._scene.detector
        state = self._scene.history.state(step.end - scan.dwell / 2)
        seed = np.random.SeedSequence(
            self._scene.config.seed, spawn_key=(_STREAM, step.measurement, step.number)
        )
        rng = np.random.default_rng(seed)
        sigma = detector.fwhm / np.sqrt(8 * np.log(2))
        threshold = scan.first + scan.step * step.number
        pulses = rng.binomial(scan.pulses, chance(threshold, scan.pulse, detector.deviation, sigma))
        real = np.maximum(threshold + detector.deviation, 0.0)
        noise = scan.noise_rate * np.exp(-0.5 * (real / sigma) ** 2) * scan.dwell
        counts = np.minimum(pulses + rng.poisson(noise), _FULL)
        return np.where(state.off, 0, counts).astype(np.int64)


def _steps(number: int, measurement: Measurement, scan: ScanConfig) -> list[Step]:
    done = int((measurement.end - measurement.begin) / scan.dwell + 1e-9)
    ends = measurement.begin + scan.dwell * (1 + np.arange(min(done, scan.steps)))
    return [Step(round(float(end), 6), number, k) for k, end in enumerate(ends)]
