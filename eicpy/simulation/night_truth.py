"""The truth of a night, beyond what every simulation records: passages, sources, bursts, the orbit."""

from typing import Any

import numpy as np
from astropy.io import fits

from eicpy.simulation.illumination import STEP
from eicpy.simulation.scene import Scene

__all__ = ["night_facts", "night_tables"]


def night_facts(scene: Scene) -> dict[str, Any]:
    """What happened when, for JSON."""
    config, start = scene.config, scene.start
    hidden = [scene.hidden(step) for step in range(scene.steps)]
    return {
        "mask": scene.mask.name,
        "saa": [(start + a, start + b) for a, b in scene.saa],
        "hidden_by_the_earth": {
            source.name: _intervals([h[number] for h in hidden], start, start + config.duration)
            for number, source in enumerate(scene.sources)
        },
        "bursts": [
            b.model_dump(mode="json")
            | {"start": start + b.start, "stop": start + b.start + b.rise + 10 * b.decay}
            for b in config.bursts
        ],
        "excursions": [
            {"parameter": e.parameter, "start": start + e.start, "stop": start + e.start + e.duration}
            | {"value": e.value}
            for e in config.excursions
        ],
    }


def night_tables(scene: Scene) -> list[fits.BinTableHDU]:
    """Sources, and the orbit every ten seconds."""
    time = np.asarray(scene.start + STEP * np.arange(scene.steps + 1), np.float64)
    longitude, latitude = scene.orbit.ground_track(time)
    orbit = [
        fits.Column("TIME", "D", unit="s", array=time),
        fits.Column("POSITION", "3D", unit="km", array=scene.orbit.position(time)),
        fits.Column("LONGITUDE", "D", unit="deg", array=longitude),
        fits.Column("LATITUDE", "D", unit="deg", array=latitude),
    ]
    sources = [fits.Column("NAME", "32A", array=np.array([s.name for s in scene.sources], "U32"))]
    units = (("ra", "deg"), ("dec", "deg"), ("ty", None), ("tz", None), ("lit", None), ("rate", "ct/s"))
    for name, unit in units:
        values = [getattr(s, name) for s in scene.sources]
        sources.append(fits.Column(name.upper(), "D", unit=unit, array=values))
    tables = (("SOURCES", sources), ("ORBIT", orbit))
    return [fits.BinTableHDU.from_columns(columns, name=name) for name, columns in tables]


def _intervals(flags: list[bool], start: float, stop: float) -> list[tuple[float, float]]:
    """Intervals of steps whose flag is up."""
    up = np.concatenate([[False], flags, [False]])
    change = np.flatnonzero(up[1:] != up[:-1])
    return [
        (start + a * STEP, min(start + b * STEP, stop))
        for a, b in zip(change[::2].tolist(), change[1::2].tolist(), strict=True)
    ]
