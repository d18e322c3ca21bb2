"""Attitude and orbit in files: SVO-ATT-CNV and SVO-ORB-CNV.

The layout of the orbit file is the real one; of the attitude file only the card is public, so that its
columns are eicpy's. Places are metres in the file and kilometres here, as everywhere in eicpy.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eicpy.errors import BadDataError
from eicpy.orbit.attitude import Attitude
from eicpy.orbit.circular import ground_point
from eicpy.orbit.track import Track
from eicpy.products import Header, Issuer, ProductTable, Provenance, read_product, write_product
from eicpy.times import MJDREFI
from eicpy.typing import AnyArray

__all__ = ["ATTITUDE_CARD", "ORBIT_CARD", "read_attitude", "read_orbit", "write_attitude", "write_orbit"]

ATTITUDE_CARD, ORBIT_CARD = "SVO-ATT-CNV", "SVO-ORB-CNV"
_GOOD = 1
_METRES = 1e3


@dataclass(frozen=True, slots=True)
class _Satellite:
    """The satellite as the issuer of a product: the mission is that of the instrument's description."""

    telescope: str
    card_prefix: str = "SVO"
    fits_instrument: str = "SVO"


def write_attitude(
    path: Path, attitude: Attitude, *, issuer: Issuer, provenance: Provenance, header: Header | None = None
) -> Path:
    """Write an attitude.

    Parameters
    ----------
    path
        File name; see :func:`eicpy.products.product_file_name`.
    attitude
        What to write.
    issuer
        Description of the instrument whose centre writes it.
    provenance
        How it was made.
    header
        Further keywords.
    """
    columns: dict[str, AnyArray] = {
        "TIME": attitude.time,
        "QUATERNION": attitude.quaternion,
        "QUALITY": np.full(len(attitude), _GOOD, np.uint8),
    }
    return _write(path, ATTITUDE_CARD, columns, issuer, provenance, header)


def write_orbit(
    path: Path,
    track: Track,
    *,
    issuer: Issuer,
    provenance: Provenance,
    first_orbit: int = 0,
    header: Header | None = None,
) -> Path:
    """Write places and velocities; parameters as for :func:`write_attitude`.

    Parameters
    ----------
    track
        What to write.
    first_orbit
        Number of the orbit at the first time; the next begins where the satellite crosses the equator
        northwards.
    """
    north = (track.position[1:, 2] >= 0) & (track.position[:-1, 2] < 0)
    longitude, latitude, altitude = ground_point(track.position, track.time)
    columns: dict[str, AnyArray] = {
        "TIME": track.time,
        "ORBIT_ID": first_orbit + np.concatenate([[0], np.cumsum(north)]),
        "POSITION": track.position * _METRES,
        "POSITION_SPHERICAL": np.stack([longitude, latitude, altitude * _METRES], axis=-1),
        "VELOCITY": track.velocity * _METRES,
        "FLAG_PVT": np.full(len(track), _GOOD, np.uint8),
        "ORIGIN": np.zeros(len(track), np.uint8),
    }
    return _write(path, ORBIT_CARD, columns, issuer, provenance, header)


def _write(
    path: Path,
    card: str,
    columns: dict[str, AnyArray],
    issuer: Issuer,
    provenance: Provenance,
    header: Header | None,
) -> Path:
    time = columns["TIME"]
    cards: dict[str, tuple[str | float, str]] = {
        "ORIGIN": (f"{issuer.card_prefix}-IC", "instrument centre that made the file"),
        "TSTART": (float(time[0]), "first time"),
        "TSTOP": (float(time[-1]), "last time"),
    }
    return write_product(
        path,
        card,
        {card: columns},
        issuer=_Satellite(issuer.telescope),
        provenance=provenance,
        header=cards | dict(header or {}),
    )


def read_attitude(path: Path, *, longest: float = 2.0) -> Attitude:
    """Read the attitude of a file.

    Parameters
    ----------
    path
        An SVO-ATT-CNV file.
    longest
        Longest time between two entries that is interpolated, s; what lies further apart is a gap.

    Returns
    -------
    Attitude
        In the order of the times; entries of a quality of 0 are left out.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For another product, times that count otherwise, quaternions that are none, a file without entries.
    """
    table = read_product(path, ATTITUDE_CARD)[ATTITUDE_CARD]
    _check_reference(path, table)
    q = _vectors(path, table, "QUATERNION", 4)
    good = np.asarray(table["QUALITY"] != 0) if "QUALITY" in table.columns else np.ones(len(q), np.bool_)
    order = _order(path, table["TIME"], good)
    try:
        return Attitude(table["TIME"][order], q[order], longest, path.name)
    except BadDataError as error:
        raise BadDataError(error.what, file=path) from error


def read_orbit(path: Path) -> Track:
    """Read the places of a file.

    Parameters
    ----------
    path
        An SVO-ORB-CNV file.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For another product, times that count otherwise, places inside the Earth, a file without entries.
    """
    table = read_product(path, ORBIT_CARD)[ORBIT_CARD]
    _check_reference(path, table)
    order = _order(path, table["TIME"], np.ones(len(table), np.bool_))
    position, velocity = (_vectors(path, table, n, 3)[order] / _METRES for n in ("POSITION", "VELOCITY"))
    try:
        return Track(table["TIME"][order], position, velocity, name=path.name)
    except BadDataError as error:
        raise BadDataError(error.what, file=path) from error


def _check_reference(path: Path, table: ProductTable) -> None:
    """Refuse times that do not count seconds TT from the mission's reference."""
    expected = {"MJDREFI": MJDREFI, "TIMESYS": "TT", "TIMEUNIT": "s"}
    for keyword, value in expected.items():
        if table.header.get(keyword, value) != value:
            raise BadDataError(f"got {keyword} = {table.header[keyword]!r}, expected {value!r}", file=path)
    if float(table.header.get("TIMEZERO") or 0.0) != 0.0:
        raise BadDataError(f"got TIMEZERO = {table.header['TIMEZERO']!r}, expected 0", file=path)


def _vectors(path: Path, table: ProductTable, column: str, length: int) -> AnyArray:
    values = np.asarray(table[column], np.float64)
    if values.ndim != 2 or values.shape[1] != length:
        raise BadDataError(f"got rows of {values.shape[1:]} in {column}, expected ({length},)", file=path)
    return values


def _order(path: Path, time: AnyArray, good: AnyArray) -> AnyArray:
    """Positions of good entries in the order of their times; of equal times the first."""
    kept = np.flatnonzero(good)
    if not len(kept):
        raise BadDataError("got no entry that may be used, expected one at least", file=path)
    if not np.isfinite(time[kept]).all():
        raise BadDataError("got a TIME that is no number, expected seconds", file=path)
    _, first = np.unique(time[kept], return_index=True)
    return np.asarray(kept[first])
