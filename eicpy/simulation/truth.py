"""The truth of a simulation, kept beside its packets, so that every estimate can be compared with it.

``truth.json`` holds the configuration, what happened when, what was counted and every fault;
``truth.fits`` holds the tables: pixels (true gains, offsets, kinds) as they are at the start, what changed
them when, and for a night sources, the orbit every ten seconds and, where they move, the attitude and the
drift of the camera; for a bench the lines of the source.
Both say that they are simulated, and a telemetry file says so in every packet (PUS destination id).
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from eicpy.errors import BadDataError
from eicpy.files import atomic_file
from eicpy.simulation.camera.detector import PixelKind
from eicpy.simulation.camera.illumination import PhotonSource
from eicpy.simulation.camera.kernels import LOST_DEAD_TIME, LOST_RANGE, LOST_THRESHOLD, LOST_VETO
from eicpy.simulation.camera.photons import PhotonStream
from eicpy.simulation.packets.encoding import Encoder, PacketBatch
from eicpy.simulation.packets.faults import Fault
from eicpy.simulation.partner_files import Partners, read_partners
from eicpy.simulation.presets import AnyConfig, read_config

__all__ = ["STATEMENT", "Emitter", "SimulatedNight", "read_night", "summary", "tables", "write_truth"]

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
        ``truth.fits``: extension PIXELS; SOURCES and ORBIT for a night, LINES for a bench.
    summary
        Contents of ``truth.json``.
    """

    config: AnyConfig
    packets: Path
    truth: Path
    tables: Path
    summary: dict[str, Any]

    @property
    def photons(self) -> int:
        """PhotonArrays that the camera recorded, whether or not their packets arrived."""
        return int(self.summary["photons"])

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault of the transmission."""
        return tuple(Fault(**fault) for fault in self.summary["faults"])

    @property
    def partners(self) -> Partners | None:
        """What GRM, MXT and Fermi-GBM report of the bursts; None where it was not asked for."""
        file = self.truth.with_name("partners.fits")
        return read_partners(file) if file.exists() else None

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
        config = read_config(summary["configuration"])
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError(f"no readable truth: {error}", file=truth, advice="simulate again") from error
    return SimulatedNight(
        config, truth.parent / summary["packets_file"], truth, truth.with_suffix(".fits"), summary
    )


class Emitter(Protocol):
    """A simulated detector that sends packets, with the truth about it."""

    @property
    def scene(self) -> PhotonSource:
        """The detector and what shines on it."""

    @property
    def stream(self) -> PhotonStream:
        """Its photons and their counts."""

    @property
    def encoder(self) -> Encoder:
        """Its packets and their counts."""

    def batches(self, steps: int = 6) -> Iterator[PacketBatch]:
        """Packets in the order in which they are sent, in blocks of `steps` steps of ten seconds."""

    def facts(self) -> dict[str, Any]:
        """What happened when, beyond what every simulation records; for JSON."""

    def tables(self) -> list[fits.BinTableHDU]:
        """Tables beside that of the pixels."""

    def cards(self) -> dict[str, str]:
        """Header cards of the table of the pixels."""

    def write_files(self, folder: Path) -> None:
        """Write what comes to the ground beside the packets."""


def summary(emitter: Emitter, faults: list[Fault]) -> dict[str, Any]:
    """What happened when, what was counted and every fault, for JSON.

    Parameters
    ----------
    emitter
        What was simulated.
    faults
        Faults of the transmission.
    """
    scene, stream = emitter.scene, emitter.stream
    config, start = scene.config, scene.start
    return {
        "simulated": True,
        "statement": STATEMENT,
        "eicpy": version("eicpy"),
        "layout": scene.instrument.note,
        "packets_file": f"{config.name}.ccsds",
        "configuration": config.model_dump(mode="json"),
        "time_reference": "seconds TT since 2017-01-01T00:00:00 UTC",
        "start": start,
        "stop": start + config.duration,
        "photons": int(stream.counts.sum()),
        "photons_by_origin": {
            f"{number} {component.name}": int(stream.counts[number])
            for number, component in enumerate(scene.components)
        },
        "not_recorded": {
            "below threshold": int(stream.lost[LOST_THRESHOLD]),
            "out of range": int(stream.lost[LOST_RANGE]),
            "dead time": int(stream.lost[LOST_DEAD_TIME]),
            "veto of multiples": int(stream.lost[LOST_VETO]),
        },
        "events_of_several_deposits": {
            f"{number} recorded": int(events) for number, events in enumerate(stream.several)
        },
        "packets_sent": {str(apid): count for apid, count in sorted(emitter.encoder.sent.items())},
        **emitter.facts(),
        "faults": [fault.as_dict() for fault in faults],
    }


def tables(emitter: Emitter) -> fits.HDUList:
    """The pixels as they truly are, and the emitter's own tables."""
    d, grid = emitter.scene.detector, emitter.scene.instrument.pixels
    detnum = np.arange(len(d))
    i, j = grid.ij(detnum)
    units = {
        **dict.fromkeys(("gain", "offset", "table_gain", "table_offset"), "keV"),
        **dict.fromkeys(("efficiency", "layer"), ""),
        **dict.fromkeys(("threshold", "deviation", "fwhm"), "keV"),
        **dict.fromkeys(("noise", "heat_pipe"), "ct/s"),
    }
    pixels = [
        fits.Column("DETNUM", "J", array=detnum),
        fits.Column("IDET", "I", array=i),
        fits.Column("JDET", "I", array=j),
        fits.Column("KIND", "B", array=d.kind),
        *(fits.Column(n.upper(), "D", unit=units[n] or None, array=getattr(d, n)) for n in units),
    ]
    first = fits.BinTableHDU.from_columns(pixels, name="PIXELS")
    for kind in PixelKind:
        first.header[f"KIND{kind.value}"] = kind.name
    first.header.update(emitter.cards())
    changes = [emitter.scene.history.table(emitter.scene.start)] if emitter.scene.config.changes else []
    hdus = fits.HDUList([fits.PrimaryHDU(), first, *emitter.tables(), *changes])
    for hdu in hdus:
        hdu.header["SIMULATE"] = (True, STATEMENT)
    return hdus


def write_truth(folder: Path, values: dict[str, Any], hdus: fits.HDUList) -> SimulatedNight:
    """Write ``truth.json`` and ``truth.fits``.

    Parameters
    ----------
    folder
        Folder of the simulation.
    values
        See :func:`summary`.
    hdus
        See :func:`tables`.
    """
    with atomic_file(folder / "truth.fits") as file:
        buffer = io.BytesIO()
        hdus.writeto(buffer)
        file.write(buffer.getvalue())
    with atomic_file(folder / "truth.json") as file:
        file.write(json.dumps(values, indent=1).encode())
    return read_night(folder)
