"""The truth of a night, beyond what every simulation records: passages, sources, bursts, orbit, attitude."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from eicpy.orbit import Track, write_attitude, write_orbit
from eicpy.products import Provenance, product_file_name
from eicpy.simulation.camera.illumination import STEP
from eicpy.simulation.config import BurstConfig
from eicpy.simulation.scene import Scene
from eicpy.simulation.sky.bursts import burst_truth
from eicpy.simulation.sky.environment import ParticleEnvironment
from eicpy.times import day_of
from eicpy.typing import FloatArray

__all__ = ["night_facts", "night_tables", "write_satellite_files"]

_LETTER, _VERSION = "T", 1
"""T as for all products of simulated nights."""
_EVERY = 1.0


def night_facts(scene: Scene) -> dict[str, Any]:
    """What happened when, for JSON."""
    config, start = scene.config, scene.start
    return {
        "mask": scene.mask.name,
        "saa": [(start + a, start + b) for a, b in scene.saa],
        "hidden_by_the_earth": {
            source.name: [(start + float(a), start + float(b)) for a, b in source.hidden]
            for source in scene.sources
        },
        "observations": [
            {
                "start": observation.start,
                "ra": float(np.degrees(observation.pointing.ra)),
                "dec": float(np.degrees(observation.pointing.dec)),
                "roll": float(np.degrees(observation.pointing.roll)),
            }
            for observation in scene.attitude.observations
        ],
        "incidents": [
            one.config.model_dump(mode="json")
            | {
                "start": start + one.config.start,
                "stop": start + one.config.start + one.config.end,
                "peak_time": start + one.config.start + one.config.rise,
                "kind": "solar flare" if one.of_the_sun else "shower",
            }
            for one in scene.incidents
        ],
        "bursts": [_burst(scene, burst) for burst in config.bursts],
        "excursions": [
            {"parameter": e.parameter, "start": start + e.start, "stop": start + e.start + e.duration}
            | {"value": e.value}
            for e in config.excursions
        ],
    }


def _burst(scene: Scene, burst: BurstConfig) -> dict[str, Any]:
    source = next(s for s in scene.sources if s.name == burst.name)
    return burst_truth(burst, float(scene.start)) | {
        "ty": None if np.isnan(source.ty) else source.ty,
        "tz": None if np.isnan(source.tz) else source.tz,
        "lit": source.lit,
        "peak_rate": source.rate,
        "hidden_at_the_start": source.is_hidden(burst.start),
    }


def night_tables(scene: Scene) -> list[fits.BinTableHDU]:
    """Sources, the orbit every ten seconds, the true attitude of the camera, the drift of its pixels."""
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
    tables = [("SOURCES", sources), ("ORBIT", orbit)]
    varying = [s for s in scene.sources if len(s.factors)]
    if varying:
        whose = np.repeat([s.name for s in varying], [len(s.factors) for s in varying])
        time_factor = np.concatenate([s.factors for s in varying])
        curves = [
            fits.Column("NAME", "32A", array=whose),
            fits.Column("TIME", "D", unit="s", array=scene.start + time_factor[:, 0]),
            fits.Column("FACTOR", "D", array=time_factor[:, 1]),
        ]
        tables.append(("LIGHTCURVES", curves))
    if scene.environment is not None:
        tables.append(("ENVIRONMENT", _environment(scene.environment, time, scene.start)))
    if scene.attitude.moves:
        camera = scene.attitude.camera
        attitude = [
            fits.Column("TIME", "D", unit="s", array=camera.time),
            fits.Column("QUATERNION", "4D", array=camera.quaternion),
        ]
        tables.append(("ATTITUDE", attitude))
    if scene.drift.moves:
        middle = np.asarray(STEP * (np.arange(scene.steps) + 0.5), np.float64)
        sectors = scene.instrument.pixels.sectors
        drift = [
            fits.Column("TIME", "D", unit="s", array=scene.start + middle),
            fits.Column("TEMPERATURE", f"{sectors}D", unit="deg_C", array=scene.drift.temperature(middle)),
            fits.Column("GAIN", f"{sectors}D", array=scene.drift.gain(middle)),
            fits.Column("CHARGE", "D", array=scene.drift.charge(middle)),
        ]
        tables.append(("DRIFT", drift))
    return [fits.BinTableHDU.from_columns(columns, name=name) for name, columns in tables]


def _environment(environment: ParticleEnvironment, time: FloatArray, start: float) -> list[fits.Column]:
    """Cut-off rigidity and rates of particles every ten seconds."""
    since = time - start
    return [
        fits.Column("TIME", "D", unit="s", array=time),
        fits.Column("CUTOFF", "D", unit="GV", array=environment.cutoff(since)),
        fits.Column("PARTICLES", "D", array=environment.cosmic_rays(since)),
        fits.Column("TRAPPED", "D", unit="ct/s", array=environment.trapped(since)),
        fits.Column("ACTIVATION", "D", unit="ct/s", array=environment.activation(since)),
    ]


def write_satellite_files(scene: Scene, folder: Path) -> list[Path]:
    """Write attitude and orbit as the ground gets them: SVO-ATT-CNV and SVO-ORB-CNV.

    Parameters
    ----------
    scene
        What was simulated.
    folder
        Where the files go.
    """
    record = Provenance.begin(
        "simulation of the satellite", configuration=scene.config.model_dump(mode="json"), simulated=True
    )
    day = day_of(float(scene.start))
    attitude = scene.attitude.ground
    time = np.arange(attitude.span[0], attitude.span[1] + _EVERY / 2, _EVERY)
    track = Track.of_orbit(scene.orbit, time)
    issuer = scene.instrument
    names = [
        folder / product_file_name(card, day, _LETTER, _VERSION) for card in ("SVO-ATT-CNV", "SVO-ORB-CNV")
    ]
    write_attitude(names[0], attitude, issuer=issuer, provenance=record)
    write_orbit(names[1], track, issuer=issuer, provenance=record)
    return names
