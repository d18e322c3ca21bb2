"""``partners.fits``: what the partners report of the bursts of a simulated night, in a layout of ours.

SIGHTINGS has a row for each partner and burst; GRM1, GRM2, … the light curves of the bursts in their order.
"""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from eicpy.errors import BadDataError
from eicpy.files import atomic_file
from eicpy.simulation.partners import (
    BIN,
    GRM_BANDS,
    GrmLightCurve,
    Sighting,
    grm_light_curve,
    happened,
    sightings,
)
from eicpy.simulation.scene import Scene
from eicpy.times import MJDREFF, MJDREFI

__all__ = ["Partners", "read_partners", "write_partners"]

_STATEMENT = "SIMULATED by eicpy: no data of any instrument"
_UNITS = {"time": "s", "ra": "deg", "dec": "deg", "radius": "deg", "scale": "s"}


@dataclass(frozen=True, slots=True)
class Partners:
    """What the partners report of a simulated night.

    Parameters
    ----------
    sightings
        One for each partner and burst.
    light_curves
        Of GRM, by the name of the burst.
    """

    sightings: tuple[Sighting, ...]
    light_curves: dict[str, GrmLightCurve]

    def of(self, burst: str) -> dict[str, Sighting]:
        """The sightings of a burst by partner."""
        return {one.partner: one for one in self.sightings if one.burst == burst}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{one.burst}</td><td>{one.partner}</td><td>{one.status}</td></tr>"
            for one in self.sightings
        )
        return f"<b>SIMULATED partners</b><table>{rows}</table>"


def write_partners(scene: Scene, folder: Path) -> Path:
    """Write what the partners report of the bursts of a scene."""
    curves = [grm_light_curve(scene, burst) for burst in happened(scene)]
    found = sightings(scene, curves)
    columns = []
    for field in fields(Sighting):
        values = [getattr(one, field.name) for one in found]
        text = field.name in ("partner", "burst", "status", "detectors")
        array = np.array(values, "U32") if text else np.array(values, np.float64)
        unit = _UNITS.get(field.name)
        columns.append(fits.Column(field.name.upper(), "32A" if text else "D", unit=unit, array=array))
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="SIGHTINGS")])
    for number, curve in enumerate(curves):
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("TIME", "D", unit="s", array=curve.time),
                fits.Column("COUNTS", "9J", dim="(3,3)", unit="count", array=curve.counts),
            ],
            name=f"GRM{number + 1}",
        )
        table.header["BURST"] = (curve.burst, "the burst")
        table.header["TIMEDEL"] = (BIN, "s; TIME is the beginning of a bin")
        table.header["TIMEPIXR"] = 0.0
        for band, (low, high) in enumerate(GRM_BANDS):
            table.header[f"E_MIN{band + 1}"], table.header[f"E_MAX{band + 1}"] = low, high
        hdus.append(table)
    for hdu in hdus:
        hdu.header["SIMULATE"] = (True, _STATEMENT)
        hdu.header["TIMESYS"] = ("TT", "seconds since 2017-01-01T00:00:00 UTC")
        hdu.header["TIMEUNIT"] = "s"
        hdu.header["MJDREFI"], hdu.header["MJDREFF"] = MJDREFI, MJDREFF
    path = folder / "partners.fits"
    with atomic_file(path) as file:
        buffer = io.BytesIO()
        hdus.writeto(buffer)
        file.write(buffer.getvalue())
    return path


def read_partners(file: Path) -> Partners:
    """Read what :func:`write_partners` wrote.

    Raises
    ------
    BadDataError
        For a file that holds something else.
    """
    try:
        with fits.open(file) as hdus:
            table = hdus["SIGHTINGS"].data
            found: list[Sighting] = []
            for row in table:
                cells = {f.name: row[f.name.upper()] for f in fields(Sighting)}
                values: dict[str, Any] = {
                    name: cell if isinstance(cell, str) else float(cell) for name, cell in cells.items()
                }
                found.append(Sighting(**values))
            curves = {
                hdu.header["BURST"]: GrmLightCurve(
                    hdu.header["BURST"],
                    np.array(hdu.data["TIME"], np.float64),
                    np.array(hdu.data["COUNTS"], np.int64),
                )
                for hdu in hdus
                if hdu.name.startswith("GRM")
            }
    except (OSError, KeyError) as error:
        raise BadDataError(f"no readable partners: {error}", file=file, advice="simulate again") from error
    return Partners(tuple(found), curves)
