"""Ready-made simulations."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from eicpy.errors import BadDataError, NotFoundError
from eicpy.simulation.bench.config import BenchCommand, BenchConfig, ScanConfig, SettingConfig
from eicpy.simulation.config import (
    BurstConfig,
    DetectorConfig,
    ExcursionConfig,
    FaultConfig,
    SimulationConfig,
    SourceConfig,
)
from eicpy.simulation.sky_presets import WEEK, burst_preset, week_night

__all__ = ["AnyConfig", "preset", "presets", "read_config"]

AnyConfig = SimulationConfig | BenchConfig
"""A simulation of one of the kinds there are."""

_CRAB = SourceConfig(name="Crab", ra=83.6331, dec=22.0145, norm=9.7, index=2.1)


def _demo() -> SimulationConfig:
    return SimulationConfig(
        name="demo",
        duration=10800.0,
        seed=20261120,
        detector=DetectorConfig(gain_shift=0.002, gain_shift_scatter=0.003),
        lines="bright",  # three hours with lines of the public strength do not fix the gain of a pixel
        sources=(_CRAB,),
        bursts=(BurstConfig(name="simulated burst", start=5400.0, ra=95.0, dec=12.0, peak_flux=6.0),),
        excursions=(
            ExcursionConfig(parameter="DPIX_VCTRLHVELS6", start=4000.0, duration=240.0, value=-318.0),
            ExcursionConfig(parameter="ECL_TEMPTH01", start=6500.0, duration=900.0, value=-13.5),
            ExcursionConfig(parameter="ECL_V28", start=8000.0, duration=30.0, value=25.5),
        ),
        faults=FaultConfig(
            lost=2e-4,
            damaged=1e-4,
            duplicated=2e-5,
            truncated=1e-5,
            foreign=1e-5,
            gaps=((7300.0, 7304.0),),
        ),
    )


def _quiet() -> SimulationConfig:
    return SimulationConfig(
        name="quiet",
        duration=3600.0,
        seed=2,
        saa=False,
        earth=False,
        detector=DetectorConfig(
            dead_fraction=0,
            noisy_fraction=0,
            low_efficiency_fraction=0,
            high_threshold_fraction=0,
            heat_pipe_rate=0,
        ),
    )


def _day() -> SimulationConfig:
    demo = _demo()
    return demo.model_copy(
        update={
            "name": "day",
            "duration": 86400.0,
            "start": "2026-11-20T00:00:00",
            "bursts": (demo.bursts[0].model_copy(update={"start": 40000.0}),),
        }
    )


def _full_day() -> SimulationConfig:
    return _day().model_copy(update={"name": "full-day", "saa": False, "earth": False, "sources": ()})


def _bench() -> BenchConfig:
    threshold = {"KEY": 1}
    return BenchConfig(
        name="bench",
        instrument="dpix-prototype",
        duration=480.0,
        seed=20180612,
        detector=DetectorConfig(
            gain_scatter=0.02, dead_fraction=0.005, noisy_fraction=0.005, heat_pipe_rate=0
        ),
        source="241Am",
        source_when={"RUN_MODE": 2},
        scan=ScanConfig(when={"RUN_MODE": 3}),
        commands=(
            BenchCommand(time=5.0, command="configure", arguments={"KEY": 2, "VALUE": 600}),
            BenchCommand(time=8.0, command="configure", arguments=threshold | {"VALUE": 4500}),
            BenchCommand(time=20.0, command="start-measurement", arguments={"RUN_MODE": 1}),
            BenchCommand(time=200.0, command="stop-measurement"),
            BenchCommand(time=210.0, command="configure", arguments=threshold | {"VALUE": 5000}),
            BenchCommand(time=225.0, command="start-measurement", arguments={"RUN_MODE": 2}),
            BenchCommand(time=465.0, command="stop-measurement"),
        ),
        settings={
            "threshold": SettingConfig(
                command="configure", when=threshold, field="VALUE", unit=1e-3, initial=3.7
            ),
            "high voltage": SettingConfig(command="configure", when={"KEY": 2}, field="VALUE", unit=-1.0),
            "run mode": SettingConfig(command="start-measurement", field="RUN_MODE"),
            "key": SettingConfig(command="configure", field="KEY"),
            "value": SettingConfig(command="configure", field="VALUE"),
        },
        photon_header={"DPX_PHO_SECTORMASK": 1},
        housekeeping={
            "DPX_MODE": "mode",
            "DPX_RUNMODE": "run mode",
            "DPX_HVON": "high voltage is set",
            "DPX_CONFRESULT": "configuration",
            "DPX_MODULES": 2**25 - 1,
            "DPX_HVSET": "high voltage",
            "DPX_HVMON": "high voltage",
            "DPX_NOFF": "dead pixels",
            "DPX_THRESHOLD": "threshold",
            "DPX_RATE": "rate",
            "DPX_MULTIPLE": "multiple",
            "DPX_DEADTIME": "dead time",
            "DPX_PHOLOST": 0,
            "DPX_TMCNT": "telemetry",
            "DPX_TCACC": "accepted",
            "DPX_TCREJ": "rejected",
            "DPX_CONFKEY": "key",
            "DPX_CONFVALUE": "value",
        },
    )


def _scan() -> BenchConfig:
    return _bench().model_copy(
        update={
            "name": "scan",
            "duration": 110.0,
            "detector": DetectorConfig(
                gain_scatter=0.02,
                dead_fraction=0.005,
                noisy_fraction=0.005,
                heat_pipe_rate=0,
                fwhm_scatter=0.1,
            ),
            "commands": (
                BenchCommand(time=5.0, command="configure", arguments={"KEY": 2, "VALUE": 600}),
                BenchCommand(time=15.0, command="start-measurement", arguments={"RUN_MODE": 3}),
                BenchCommand(time=100.0, command="stop-measurement"),
            ),
        }
    )


_PRESETS: dict[str, Callable[[], AnyConfig]] = {
    "demo": _demo,
    "quiet": _quiet,
    "day": _day,
    "full-day": _full_day,
    "burst": burst_preset,
    **{name: partial(week_night, name) for name in WEEK},
    "bench": _bench,
    "scan": _scan,
}


def presets() -> tuple[str, ...]:
    """Names of the ready-made configurations."""
    return tuple(_PRESETS)


def preset(name: str) -> AnyConfig:
    """A ready-made configuration.

    ``demo``: three hours with a burst, the Crab, an SAA passage, excursions, a little loss and damage; with
    bright lines, so that gains can be fitted.
    ``quiet``: an hour of background without SAA, Earth or bad pixels. ``day``: 24 hours like ``demo``.
    ``full-day``: 24 hours at the full rate, without SAA, Earth and steady source: 2.8·10⁸ photons.
    ``burst``: ten minutes with sources of the catalogue, a burst of several pulses, and the slew to it.
    ``week-1`` … ``week-7``: three hours of seven evenings of one camera, with bursts and what looks like one.
    ``bench``: eight minutes of the prototype of the detection plane, with configuration, a measurement of
    the background, and one of a 241Am source. ``scan``: its threshold scan with test pulses, two minutes.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    """
    if name not in _PRESETS:
        raise NotFoundError(f"got preset {name!r}, expected one of {', '.join(_PRESETS)}")
    return _PRESETS[name]()


def read_config(entries: Mapping[str, Any]) -> AnyConfig:
    """A configuration from what JSON holds, of the kind that it names; a night where it names none.

    Raises
    ------
    pydantic.ValidationError
        For one that does not fit the model.
    BadDataError
        For what is no object of JSON.
    """
    if not isinstance(entries, Mapping):
        raise BadDataError(f"got {type(entries).__name__}, expected a JSON object with fields")
    model = BenchConfig if entries.get("kind") == "bench" else SimulationConfig
    return model.model_validate(dict(entries))
