"""Housekeeping of a detector on the bench: what telecommands set, what is counted, and steady values.

A parameter that the configuration does not name lies in the middle of its limits, with a noise of a
fortieth of their width: enough to look alive, far from an alarm.

Series that a configuration may name: ``mode`` (1 standby, 2 while the last telecommand configured, 3 in a
measurement), ``configuration`` (0 none, 1 applied, 2 refused), ``rate``, ``multiple`` (photons of the second
before), ``dead time`` (its share), ``dead pixels``, ``telemetry`` (packets so far), ``accepted``,
``rejected`` (telecommands so far), the name of a setting, or ``<setting> is set`` (1 where it is not 0).
"""

import numpy as np
import numpy.typing as npt

from eicpy.errors import NotFoundError
from eicpy.packets import Limits, PacketLayout
from eicpy.simulation.bench.config import BenchCommand, SettingConfig
from eicpy.simulation.bench.scene import TIMING, BenchScene
from eicpy.simulation.camera.detector import PixelKind
from eicpy.simulation.packets.housekeeping import to_raw, unit_noise
from eicpy.typing import FloatArray

__all__ = ["BenchHousekeeping", "PerSecond"]

PerSecond = dict[str, FloatArray]
"""What is counted in the second before each packet."""

STANDBY, CONFIGURATION, MEASUREMENT = 1.0, 2.0, 3.0
NONE, APPLIED, REFUSED = 0.0, 1.0, 2.0
_NOISE = 1 / 40
_IS_SET = " is set"


class BenchHousekeeping:
    """Values of every parameter at any time.

    Parameters
    ----------
    scene
        Telecommands, measurements, pixels.
    layouts
        Layout tables by kind of packet.

    Raises
    ------
    BadArgumentError
        For a parameter that no packet carries, or a series that does not exist.
    """

    def __init__(self, scene: BenchScene, layouts: dict[str, PacketLayout]) -> None:
        self._scene = scene
        rule = scene.instrument.housekeeping
        self.kinds = () if rule is None else rule.packets
        self._layouts = {kind: layouts[kind] for kind in self.kinds}
        self._commands = sorted(scene.config.commands, key=lambda c: c.time)
        known = {name for layout in self._layouts.values() for name in layout.names}
        unknown = set(scene.config.housekeeping) - known
        if unknown:
            raise NotFoundError(f"got housekeeping of {sorted(unknown)}, which no packet carries")

    def raw(self, kind: str, time: FloatArray, counted: PerSecond) -> dict[str, npt.NDArray[np.generic]]:
        """Raw values of a kind of packet.

        Parameters
        ----------
        kind
            Kind of packet.
        time
            Seconds after the start of the simulation, shape (n,).
        counted
            What is counted, each of shape (n,).
        """
        layout = self._layouts[kind]
        names = [n for n in layout.single if layout[n].is_data]
        return {name: to_raw(layout, name, self._value(layout, name, time, counted)) for name in names}

    def _value(self, layout: PacketLayout, name: str, time: FloatArray, counted: PerSecond) -> FloatArray:
        chosen = self._scene.config.housekeeping.get(name)
        if isinstance(chosen, str):
            return self._series(chosen, time, counted)
        if chosen is not None:
            return np.full(len(time), float(chosen))
        middle, width = _middle(layout.limits.get(name))
        return middle + _NOISE * width * unit_noise(self._scene.config.seed, name, time)

    def _series(self, name: str, time: FloatArray, counted: PerSecond) -> FloatArray:
        settings = self._scene.config.settings
        known: PerSecond = counted | {
            "mode": self._mode(time),
            "configuration": self._configuration(time),
            "accepted": self._reported(time, refused=False),
            "rejected": self._reported(time, refused=True),
            "dead pixels": np.full(len(time), float((self._scene.detector.kind == PixelKind.DEAD).sum())),
        }
        for setting, how in settings.items():
            known[setting] = self._setting(how, time)
            known[setting + _IS_SET] = np.asarray(known[setting] != 0, np.float64)
        if name not in known:
            raise NotFoundError(f"got housekeeping series {name!r}, expected one of {', '.join(known)}")
        return known[name]

    def _done(self) -> list[BenchCommand]:
        return [command for command in self._commands if command.refuse is None]

    def _setting(self, setting: SettingConfig, time: FloatArray) -> FloatArray:
        changes = [
            (command.time + TIMING.start, setting.value(command))
            for command in self._done()
            if setting.is_set_by(command)
        ]
        return _steps(time, changes, setting.initial)

    def _configures(self, command: BenchCommand) -> bool:
        rule = self._scene.instrument.measurement
        return rule is None or command.command not in {rule.start.packet, rule.stop.packet}

    def _mode(self, time: FloatArray) -> FloatArray:
        changes = [(c.time + TIMING.start, CONFIGURATION) for c in self._done() if self._configures(c)]
        changes += [(one.begin, MEASUREMENT) for one in self._scene.measurements]
        changes += [(one.end, STANDBY) for one in self._scene.measurements]
        return _steps(time, sorted(changes), STANDBY)

    def _configuration(self, time: FloatArray) -> FloatArray:
        changes = [
            (c.time + TIMING.start, APPLIED if c.refuse is None else REFUSED)
            for c in self._commands
            if self._configures(c)
        ]
        return _steps(time, changes, NONE)

    def _reported(self, time: FloatArray, *, refused: bool) -> FloatArray:
        moments = [
            c.time + TIMING.acceptance for c in self._commands if (c.refuse == "acceptance") == refused
        ]
        return np.asarray(np.searchsorted(np.array(moments), time, side="right"), np.float64)


def _steps(time: FloatArray, changes: list[tuple[float, float]], before: float) -> FloatArray:
    """A value that changes at moments and is constant in between."""
    moments = np.array([moment for moment, _ in changes])
    values = np.array([before, *(value for _, value in changes)], np.float64)
    return np.asarray(values[np.searchsorted(moments, time, side="right")])


def _middle(limits: Limits | None) -> tuple[float, float]:
    """Middle and width of the limits of a parameter."""
    if limits is None or (limits.warning_low is None and limits.warning_high is None):
        return 0.0, 0.0
    low = limits.warning_low if limits.warning_low is not None else 0.0
    high = limits.warning_high if limits.warning_high is not None else 0.0
    return (low + high) / 2, abs(high - low)
