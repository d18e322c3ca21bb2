"""Where the satellite was and looked in a night: from the attitude and orbit files that were ingested.

Files are found by their time. Where two tell of the same time, the one that came last is believed, for the
whole of its span. The attitude is that of the satellite; how the camera sits on it is not known here, an
arcminute at most (a guess).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eicpy.catalogue import load_catalogue
from eicpy.events import GoodTimeIntervals
from eicpy.imaging import random_mask
from eicpy.imaging.known_sources import KnownShadows, known_shadows, pointed_time
from eicpy.ingestion import satellite_copy, satellite_folder, says_simulated
from eicpy.instruments import Instrument
from eicpy.operations import Database, FileRow, products_of_card
from eicpy.orbit import Attitude, Track, read_attitude, read_orbit
from eicpy.orbit.files import ATTITUDE_CARD, ORBIT_CARD
from eicpy.orbit.quaternions import turn
from eicpy.products import Header, InputFile, Observation, read_structure
from eicpy.settings import Settings

__all__ = ["CATALOGUE", "NO_ATTITUDE", "NO_MASK", "NO_SOURCE", "Satellite"]

CATALOGUE = "hard-x-ray"
"""Catalogue of the sources that are known."""
NO_ATTITUDE, NO_MASK, NO_SOURCE = "no attitude", "no mask", "no source"
"""Why no shadow is known: the card SRCNOTE of the pixel status."""
_STILL = float(np.radians(0.1))
"""A pointing may move by so much and is still one."""
_STEP = 10.0
_COVERED = 0.999
"""Share of good time in which a pointing must be known before it is that of a product."""


@dataclass(frozen=True)
class Satellite:
    """What is known of the satellite in a night.

    Parameters
    ----------
    attitude
        Where it looked; None where nothing tells.
    track
        Where it was; None where nothing tells.
    inputs
        The files that tell.
    headers
        Headers of the attitude files.
    """

    attitude: Attitude | None = None
    track: Track | None = None
    inputs: tuple[InputFile, ...] = ()
    headers: tuple[Header, ...] = ()

    @classmethod
    def of_night(
        cls, rows: "SatelliteRows", settings: Settings, instrument: str, *, simulated: bool | None
    ) -> "Satellite":
        """Read the files of a night.

        Parameters
        ----------
        rows
            Which files there are.
        settings
            The set-up.
        instrument
            Name of the detector.
        simulated
            Whether the packets say that they are simulated; where they say that they are not, files of a
            simulation are left out.

        Raises
        ------
        MissingDataError, BadDataError
            For a copy that is gone or damaged.
        """
        folder = satellite_folder(settings, instrument)
        attitudes, tracks, inputs, headers = [], [], [], []
        for row in (*rows.attitude, *rows.orbit):
            path = satellite_copy(folder, row.sha256 or "")
            if simulated is False and says_simulated(path):
                continue
            is_attitude = row.card == ATTITUDE_CARD
            inputs.append(
                InputFile(row.name, row.sha256 or "", row.size, "attitude" if is_attitude else "orbit")
            )
            if is_attitude:
                attitudes.append(read_attitude(path))
                headers.append({k: v for unit in read_structure(path) for k, v in unit.header.items()})
            else:
                tracks.append(read_orbit(path))
        return cls(_one_attitude(attitudes), _one_track(tracks), tuple(inputs), tuple(headers))

    def observation(self, gti: GoodTimeIntervals, instrument: Instrument) -> Observation:
        """What a product of some good time says of its observation; what is not known is left out.

        Parameters
        ----------
        gti
            Good time of the product.
        instrument
            The detector, which knows by which way its photons come down.
        """
        rule = instrument.photons
        return Observation(
            obs_id=self._said("OBS_ID"),
            program=self._said("PROGRAM"),
            stream="" if rule is None else rule.stream,
            pointing=self._pointing(gti),
        )

    def _said(self, keyword: str) -> str:
        """What all attitude files say; empty where they differ or are silent."""
        said = {str(header.get(keyword, "")).strip() for header in self.headers}
        return said.pop() if len(said) == 1 else ""

    def _pointing(self, gti: GoodTimeIntervals) -> tuple[float, float, float] | None:
        """Right ascension, declination and roll, degrees, of a camera that looked at one place."""
        if self.attitude is None or not gti.exposure > 0:
            return None
        known = gti & pointed_time(self.attitude)
        if known.exposure < _COVERED * gti.exposure:
            return None
        parts = [np.append(np.arange(a, b, _STEP), b) for a, b in zip(known.start, known.stop, strict=True)]
        quaternion = self.attitude.quaternion_at(np.concatenate(parts))
        middle = quaternion[len(quaternion) // 2]
        if turn(np.broadcast_to(middle, quaternion.shape), quaternion).max() > _STILL:
            return None
        time = np.concatenate(parts)[len(quaternion) // 2]
        p = self.attitude.pointing_at(float(time))
        ra, dec, roll = np.degrees([p.ra, p.dec, p.roll])
        return round(float(ra), 9) % 360.0, round(float(dec), 9), round(float(roll), 9)

    def shadows(
        self, instrument: Instrument, gti: GoodTimeIntervals, counts: float, *, simulated: bool | None
    ) -> tuple[KnownShadows | None, str]:
        """Shadows of the known sources, or why there are none.

        Parameters
        ----------
        instrument
            The detector.
        gti
            Good time.
        counts
            Photons in it.
        simulated
            Whether the data say that they are simulated: the pattern that flies is not public, so that no
            other data can be explained.

        Returns
        -------
        KnownShadows or None
            None where nothing is known.
        str
            Why nothing is taken out; empty where something is, and for a detector without a mask.
        """
        geometry = instrument.mask
        if geometry is None:
            return None, ""
        if self.attitude is None or not (gti & pointed_time(self.attitude)).exposure > 0:
            return None, NO_ATTITUDE
        if geometry.stand_in is None or simulated is not True:
            return None, NO_MASK
        mask = random_mask(geometry, instrument.pixels.rows, geometry.stand_in)
        found = known_shadows(
            load_catalogue(CATALOGUE), self.attitude, mask, gti, counts=counts, track=self.track
        )
        return found, "" if found.names else NO_SOURCE


@dataclass(frozen=True)
class SatelliteRows:
    """Rows of the files that tell of a night, in the order in which they came.

    Parameters
    ----------
    attitude, orbit
        Of the two kinds.
    """

    attitude: tuple[FileRow, ...]
    orbit: tuple[FileRow, ...]

    @classmethod
    def of(cls, database: Database, instrument: str, start: float, stop: float) -> "SatelliteRows":
        """Find them by their time."""
        found = (
            tuple(products_of_card(database, instrument, card, start, stop))
            for card in (ATTITUDE_CARD, ORBIT_CARD)
        )
        return cls(*found)

    @property
    def hashes(self) -> list[str]:
        """What identifies them."""
        return [row.sha256 or "" for row in (*self.attitude, *self.orbit)]


def _one_attitude(parts: Sequence[Attitude]) -> Attitude | None:
    if not parts:
        return None
    chosen = _last_of_each([part.time for part in parts])
    time = np.concatenate([p.time[c] for p, c in zip(parts, chosen, strict=True)])
    quaternion = np.concatenate([p.quaternion[c] for p, c in zip(parts, chosen, strict=True)])
    order = np.argsort(time)
    return Attitude(time[order], quaternion[order], parts[0].longest, "attitude of the night")


def _one_track(parts: Sequence[Track]) -> Track | None:
    if not parts:
        return None
    chosen = _last_of_each([part.time for part in parts])
    time, position, velocity = (
        np.concatenate([getattr(p, name)[c] for p, c in zip(parts, chosen, strict=True)])
        for name in ("time", "position", "velocity")
    )
    order = np.argsort(time)
    return Track(time[order], position[order], velocity[order], parts[0].longest, "orbit of the night")


def _last_of_each(times: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Entries of each part that no later part replaces with its whole span."""
    kept = []
    for number, time in enumerate(times):
        keep = np.ones(len(time), np.bool_)
        for later in times[number + 1 :]:
            keep &= (time < later[0]) | (time > later[-1])
        kept.append(keep)
    return kept
