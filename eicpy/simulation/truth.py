"""The truth of a simulation, kept beside its packets, so that every estimate can be compared with it.

``truth.json`` holds the configuration, what happened when, what was counted and every fault;
``truth.fits`` holds the tables: pixels (true gains, offsets, kinds), sources, the orbit every ten seconds.
Both say that they are simulated, and a telemetry file says so in every packet (PUS destination id).
"""

import io
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from eicpy.errors import BadDataError
from eicpy.products.atomic import atomic_file
from eicpy.simulation.config import SimulationConfig
from eicpy.simulation.detector import PixelKind
from eicpy.simulation.faults import Fault
from eicpy.simulation.kernels import LOST_DEAD_TIME, LOST_RANGE, LOST_THRESHOLD
from eicpy.simulation.photons import PhotonStream
from eicpy.simulation.scene import STEP, Scene

__all__ = ["STATEMENT", "SimulatedNight", "read_night", "summary", "tables", "write_truth"]

STATEMENT = "SIMULATED by eicpy: not data of any camera"


@dataclass(frozen=True, slots=True)
class SimulatedNight:
    """A simulation on disk.

    Parameters
    ----------
    config
        What was asked for.
    packets
        The telemetry.
    truth
        ``truth.json``.
    tables
        ``truth.fits``: extensions PIXELS, SOURCES, ORBIT.
    summary
        Contents of ``truth.json``.
    """

    config: SimulationConfig
    packets: Path
    truth: Path
    tables: Path
    summary: dict[str, Any]

    @property
    def photons(self) -> int:
        """Photons that the camera recorded, whether or not their packets arrived."""
        return int(self.summary["photons"])

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault of the transmission."""
        return tuple(Fault(**fault) for fault in self.summary["faults"])

    def _repr_html_(self) -> str:
        return (
            f"<b>{self.config.name}</b> ({STATEMENT}): {self.config.start}, {self.config.duration:.0f} s, "
            f"{self.photons:,} photons, {len(self.faults)} faults"
        )


def read_night(folder: Path) -> SimulatedNight:
    """A simulation that was written earlier.

    Raises
    ------
    BadDataError
        If the folder holds none.
    """
    truth = Path(folder) / "truth.json"
    try:
        summary = json.loads(truth.read_text(encoding="utf-8"))
        config = SimulationConfig(**summary["configuration"])
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError(f"no readable truth: {error}", file=truth, advice="simulate again") from error
    return SimulatedNight(
        config, truth.parent / summary["packets_file"], truth, truth.with_suffix(".fits"), summary
    )


def _intervals(flags: list[bool], start: float, stop: float) -> list[tuple[float, float]]:
    """Intervals of steps whose flag is up."""
    up = np.concatenate([[False], flags, [False]])
    change = np.flatnonzero(up[1:] != up[:-1])
    return [
        (start + a * STEP, min(start + b * STEP, stop))
        for a, b in zip(change[::2].tolist(), change[1::2].tolist(), strict=True)
    ]


def summary(scene: Scene, stream: PhotonStream, sent: dict[int, int], faults: list[Fault]) -> dict[str, Any]:
    """What happened when, what was counted and every fault, for JSON.

    Parameters
    ----------
    scene, stream
        What shone and what was counted.
    sent
        Packets sent by APID.
    faults
        Faults of the transmission.
    """
    config, start = scene.config, scene.start
    stop = start + config.duration
    hidden = [scene.hidden(step) for step in range(scene.steps)]
    return {
        "simulated": True,
        "statement": STATEMENT,
        "eicpy": version("eicpy"),
        "layout": scene.instrument.note,
        "packets_file": f"{config.name}.ccsds",
        "configuration": config.model_dump(mode="json"),
        "time_reference": "seconds TT since 2017-01-01T00:00:00 UTC",
        "start": start,
        "stop": stop,
        "photons": int(stream.counts.sum()),
        "photons_by_origin": {
            f"{number} {component.name}": int(stream.counts[number])
            for number, component in enumerate(scene.components)
        },
        "not_recorded": {
            "below threshold": int(stream.lost[LOST_THRESHOLD]),
            "out of range": int(stream.lost[LOST_RANGE]),
            "dead time": int(stream.lost[LOST_DEAD_TIME]),
        },
        "mask": scene.mask.name,
        "packets_sent": {str(apid): count for apid, count in sorted(sent.items())},
        "saa": [(start + a, start + b) for a, b in scene.saa],
        "hidden_by_the_earth": {
            source.name: _intervals([h[number] for h in hidden], start, stop)
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
        "faults": [fault.as_dict() for fault in faults],
    }


def tables(scene: Scene) -> fits.HDUList:
    """Pixels, sources and orbit."""
    d, grid = scene.detector, scene.instrument.pixels
    detnum = np.arange(len(d))
    i, j = grid.ij(detnum)
    names = "gain offset table_gain table_offset efficiency layer threshold noise heat_pipe".split()  # noqa: SIM905  # a list of nine strings reads worse
    units = dict(zip(names, ("keV", "keV", "keV", "keV", "", "", "keV", "ct/s", "ct/s"), strict=True))
    pixels = [
        fits.Column("DETNUM", "J", array=detnum),
        fits.Column("IDET", "I", array=i),
        fits.Column("JDET", "I", array=j),
        fits.Column("KIND", "B", array=d.kind),
        *(fits.Column(n.upper(), "D", unit=units[n] or None, array=getattr(d, n)) for n in names),
    ]
    time = np.asarray(scene.start + STEP * np.arange(scene.steps + 1), np.float64)
    longitude, latitude = scene.orbit.ground_track(time)
    orbit = [
        fits.Column("TIME", "D", unit="s", array=time),
        fits.Column("POSITION", "3D", unit="km", array=scene.orbit.position(time)),
        fits.Column("LONGITUDE", "D", unit="deg", array=longitude),
        fits.Column("LATITUDE", "D", unit="deg", array=latitude),
    ]
    sources = [fits.Column("NAME", "32A", array=np.array([s.name for s in scene.sources], "U32"))]
    for name, unit in (
        ("ra", "deg"),
        ("dec", "deg"),
        ("ty", None),
        ("tz", None),
        ("lit", None),
        ("rate", "ct/s"),
    ):
        sources.append(
            fits.Column(name.upper(), "D", unit=unit, array=[getattr(s, name) for s in scene.sources])
        )
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, columns in (("PIXELS", pixels), ("SOURCES", sources), ("ORBIT", orbit)):
        hdus.append(fits.BinTableHDU.from_columns(columns, name=name))
    for hdu in hdus:
        hdu.header["SIMULATD"] = (True, STATEMENT)
    for kind in PixelKind:
        hdus["PIXELS"].header[f"KIND{kind.value}"] = kind.name
    hdus["PIXELS"].header["MASK"] = scene.mask.name
    return hdus


def write_truth(folder: Path, told: dict[str, Any], hdus: fits.HDUList) -> SimulatedNight:
    """Write ``truth.json`` and ``truth.fits``.

    Parameters
    ----------
    folder
        Folder of the simulation.
    told
        See :func:`summary`.
    hdus
        See :func:`tables`.
    """
    with atomic_file(folder / "truth.fits") as file:
        buffer = io.BytesIO()
        hdus.writeto(buffer)
        file.write(buffer.getvalue())
    with atomic_file(folder / "truth.json") as file:
        file.write(json.dumps(told, indent=1).encode())
    return read_night(folder)
