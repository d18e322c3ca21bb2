"""Housekeeping of the simulated camera: slow physics, real counts, small noise, and a few excursions.

Temperatures breathe with the orbit (that of the plane moves the gains where that is asked for,
:mod:`eicpy.simulation.camera.drift`), high voltages go down in the South Atlantic Anomaly, count rates are
those of the photons. The noise is a hash of seed, parameter and time, so that it does not depend on the
blocks. All numbers are ours; limits stand in the packet tables.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.packets import PacketLayout, Polynomial
from eicpy.simulation.camera.drift import trapezoid
from eicpy.simulation.camera.photons import SimulatedPhotons
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND
from eicpy.simulation.packets.faults import hash_uniform
from eicpy.simulation.scene import Scene
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["Counts", "HousekeepingModel", "to_raw", "unit_noise"]


HIGH_VOLTAGE = -300.0
"""V, as reported for the flight."""
_RAMP = 10.0
_STEADY: dict[str, tuple[float, float, float]] = {
    "ECL_V28": (28.2, 0.0, 0.03),
    "ECL_I28": (2.4, 0.05, 0.01),
    "ECL_VP5": (5.01, 0.0, 0.002),
    "ECL_VM5": (-5.01, 0.0, 0.002),
    "ECL_VP3V3": (3.31, 0.0, 0.001),
    "ECL_CPULOAD": (42.0, 3.0, 1.0),
    "DPIX_VASIC": (3.30, 0.0, 0.001),
} | {f"DPIX_TEMPHP{k}": (-22.0 - 0.2 * k, 0.6, 0.03) for k in range(1, 5)}
"""(mean, swing with the orbit, noise), engineering units."""
_THERMISTORS = (-20.0, -20.2, -19.8, -20.1, -5.0, -5.5, -8.0, 18.0, 22.0, -23.0, -30.0, 5.0)
_OF_PLANE = 4
"""The first ones lie on the detection plane."""
_BANDS = ((4.0, 8.0), (8.0, 20.0), (20.0, 50.0), (50.0, 120.0))


def to_raw(layout: PacketLayout, name: str, value: FloatArray) -> npt.NDArray[np.generic]:
    """Raw numbers of engineering values: the inverse of the table's calibration, clipped to the field.

    Raises
    ------
    BadArgumentError
        For a field whose calibration is not a straight line.
    """
    spec = layout[name]
    if spec.kind == "float":
        return np.asarray(value, spec.dtype)
    if isinstance(spec.calibration, Polynomial):
        if len(spec.calibration.coefficients) != 2:
            raise BadArgumentError(
                f"field {name}: got a polynomial of higher degree, expected a straight line"
            )
        constant, slope = spec.calibration.coefficients
        value = (value - constant) / slope
    return np.asarray(np.clip(np.rint(value), 0, 2**spec.bit_width - 1).astype(np.int64))


def unit_noise(seed: int, name: str, time: FloatArray) -> FloatArray:
    """Noise of a parameter: the sum of three hashed uniform numbers, close to normal; its σ is 1.

    Parameters
    ----------
    seed
        Of the simulation.
    name
        Of the parameter.
    time
        s after the start of the simulation, distinct to a tenth.
    """
    second = np.rint(time * 10).astype(np.int64)
    number = zlib.crc32(name.encode())
    u = [hash_uniform(seed, 4, number + part, second) for part in range(3)]
    return 2 * (u[0] + u[1] + u[2] - 1.5)


@dataclass(frozen=True, slots=True)
class Counts:
    """PhotonArrays counted in each second of a block.

    Parameters
    ----------
    sector
        Shape (seconds, sectors).
    band
        On the nominal scale, shape (seconds, 4).
    multiple
        Of multiplicity above 1, shape (seconds,).
    """

    sector: FloatArray
    band: FloatArray
    multiple: FloatArray

    @classmethod
    def of(cls, block: SimulatedPhotons, scene: Scene, seconds: int) -> "Counts":
        """Count the photons of a block."""
        second = block.tick // TICKS_PER_SECOND - (scene.start + round(block.begin))
        second = np.minimum(second, seconds - 1)
        sectors = scene.instrument.pixels.sectors
        scale = scene.instrument.energy
        energy = scale.gain * (np.arange(scale.channels) + 0.5) + scale.offset
        band = np.searchsorted([b[0] for b in _BANDS] + [_BANDS[-1][1]], energy, side="right")[block.channel]
        return cls(
            _table(second * sectors + scene.pixels.sector[block.detnum], seconds, sectors),
            _table(second * 6 + band, seconds, 6)[:, 1:5],
            _table(second[block.multiplicity > 1], seconds, 1)[:, 0],
        )


def _table(index: IntArray, rows: int, columns: int) -> FloatArray:
    return np.bincount(index, minlength=rows * columns).reshape(rows, columns).astype(np.float64)


class HousekeepingModel:
    """Engineering values of every parameter at any time.

    Parameters
    ----------
    scene
        Orbit, pixels, anomaly.
    layouts
        Layout tables by kind of packet.

    Raises
    ------
    BadArgumentError
        For an excursion of a parameter that no packet carries.
    """

    def __init__(self, scene: Scene, layouts: dict[str, PacketLayout]) -> None:
        self._scene = scene
        rule = scene.instrument.housekeeping
        self._layouts = {k: layouts[k] for k in (() if rule is None else rule.packets)}
        known = {name for layout in self._layouts.values() for name in layout.names}
        for excursion in scene.config.excursions:
            if excursion.parameter not in known:
                raise NotFoundError(f"got an excursion of {excursion.parameter!r}, which no packet carries")
        self._commands = np.sort([*np.ravel(scene.saa), *scene.history.commands])

    def raw(
        self, kind: str, time: FloatArray, counts: Counts | None, packets: IntArray
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Raw values of a kind of packet.

        Parameters
        ----------
        kind
            ``ecl`` or ``dpix``.
        time
            Seconds after the start of the simulation, shape (n,).
        counts
            PhotonArrays of the second before each time; only for ``ecl``.
        packets
            Packets sent before each time, shape (n,).
        """
        layout = self._layouts[kind]
        values = self._ecl(time, counts, packets) if counts is not None else self._dpix(time)
        noise = self._noise(time, [n for n in values if n in _STEADY])
        for name, deviation in noise.items():
            values[name] = values[name] + deviation * _STEADY[name][2]
        for excursion in self._scene.config.excursions:
            if excursion.parameter in values:
                weight = trapezoid(time, excursion)
                normal = values[excursion.parameter]
                values[excursion.parameter] = normal + weight * (excursion.value - normal)
        return {name: to_raw(layout, name, value) for name, value in values.items()}

    def _noise(self, time: FloatArray, names: list[str]) -> dict[str, FloatArray]:
        return {name: unit_noise(self._scene.config.seed, name, time) for name in names}

    def high_voltage(self, time: FloatArray) -> FloatArray:
        """Share of the high voltage that is up: 0 inside the anomaly, ramps of 10 s."""
        up = np.ones_like(time)
        for a, b in self._scene.saa:
            up = np.minimum(up, np.clip(np.maximum(a + _RAMP - time, time - b + _RAMP) / _RAMP, 0.0, 1.0))
        return up

    def inside(self, time: FloatArray) -> BoolArray:
        """Whether the satellite is inside the anomaly."""
        result = np.zeros(len(time), np.bool_)
        for a, b in self._scene.saa:
            result |= (time >= a) & (time < b)
        return result

    def _wave(self, time: FloatArray, phase: float) -> FloatArray:
        return np.sin(2 * np.pi * (time / self._scene.orbit.period + phase))

    def _pixels(self, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels that are off, and mean threshold, by time and sector."""
        history = self._scene.history
        share = np.bincount(history.sector)
        off, threshold = np.zeros((len(time), len(share))), np.zeros((len(time), len(share)))
        number = history.number(time)
        for n in np.unique(number):
            state = history.state(float(time[number == n][0]))
            off[number == n] = np.bincount(history.sector, state.off)
            threshold[number == n] = np.bincount(history.sector, state.threshold) / share
        return off, threshold

    def _steady(self, time: FloatArray, prefix: str) -> dict[str, FloatArray]:
        return {
            name: mean + swing * self._wave(time, 0.1)
            for name, (mean, swing, _) in _STEADY.items()
            if name.startswith(prefix)
        }

    def _ecl(self, time: FloatArray, counts: Counts | None, packets: IntArray) -> dict[str, FloatArray]:
        assert counts is not None
        scene, saa = self._scene, self.inside(time)
        absolute = scene.start + time
        longitude, latitude = scene.orbit.ground_track(absolute)
        direction = scene.attitude.camera.rotation_at(absolute)[:, 0]
        n = len(time)
        values: dict[str, FloatArray] = {
            "ECL_MODE": np.where(saa, 4.0, 3.0),
            "ECL_SAAFLAG": saa.astype(np.float64),
            "ECL_TRIGSTAT": np.where(saa, 0.0, 1.0),
            "ECL_SECTORMASK": np.where(saa, 0.0, 255.0),
            "ECL_CBNRI": counts.sector.sum(axis=1),
            "ECL_CNTMULT": counts.multiple,
            "ECL_PHOLOST": np.zeros(n),
            "ECL_VP_NREC1CATIPIX": np.full(n, 99.0),
            "ECL_VP_NREC1CATJPIX": np.full(n, 101.0),
            "ECL_MEMFREE": 100.0 - 80.0 * (absolute % 86400.0) / 86400.0,
            "ECL_TMCNT": packets.astype(np.float64),
            "ECL_TCACC": np.searchsorted(self._commands, time, side="right").astype(np.float64),
            "ECL_TCREJ": np.zeros(n),
            "ECL_SATLON": longitude,
            "ECL_SATLAT": latitude,
            "ECL_SATALT": np.full(n, scene.orbit.altitude),
            "ECL_EARTHANG": np.degrees(scene.orbit.earth_angle(absolute, direction)),
        }
        for k in range(8):
            values[f"ECL_CNTELS{k + 1}"] = counts.sector[:, k]
            values[f"ECL_DTFELS{k + 1}"] = counts.sector[:, k] * scene.config.detector.dead_time
        for k in range(4):
            values[f"ECL_CNTBAND{k + 1}"] = counts.band[:, k]
        names = [f"ECL_TEMPTH{k + 1:02d}" for k in range(len(_THERMISTORS))]
        noise = self._noise(time, names)
        for k, name in enumerate(names):
            warmer = scene.config.drift.temperature + 20.0 if k < _OF_PLANE else 0.0
            values[name] = _THERMISTORS[k] + warmer + 0.4 * self._wave(time, k / 12) + 0.02 * noise[name]
        return values | self._steady(time, "ECL_")

    def _dpix(self, time: FloatArray) -> dict[str, FloatArray]:
        up, saa = self.high_voltage(time), self.inside(time)
        plane, (off, threshold) = self._scene.drift.normal_temperature(time), self._pixels(time)
        values: dict[str, FloatArray] = {
            "DPIX_HVON": (~saa).astype(np.float64),
            "DPIX_HVMASK": np.where(saa, 0.0, 255.0),
        }
        quantities = ("VCTRLHVELS", "IHVELS", "TEMPELS")
        noise = self._noise(time, [f"DPIX_{q}{k}" for q in quantities for k in range(1, 9)])
        for k in range(1, 9):
            voltage, current, temperature = (f"DPIX_{q}{k}" for q in quantities)
            values[voltage] = (HIGH_VOLTAGE + 0.1 * (k - 4) + 0.05 * noise[voltage]) * up
            values[current] = (60.0 + 2.0 * k + 0.5 * noise[current]) * up
            values[temperature] = plane[:, k - 1] + 0.02 * noise[temperature]
            values[f"DPIX_NOFFELS{k}"] = off[:, k - 1]
            values[f"DPIX_THRELS{k}"] = threshold[:, k - 1]
        return values | self._steady(time, "DPIX_")
