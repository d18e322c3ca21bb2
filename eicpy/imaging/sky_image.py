"""A picture of the sky, with its errors and its place on the celestial sphere.

The projection of a coded mask is gnomonic: steps of the image are steps of the tangent. So the WCS is a
tangent projection (TAN) without any distortion (Calabretta and Greisen 2002, A&A 395, 1077, section 5.1.3),
turned as the camera is.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from eicpy.errors import MissingDataError
from eicpy.orbit import EclairsFrame, Pointing, tangents
from eicpy.orbit.directions import unit_vector
from eicpy.typing import FloatArray

if TYPE_CHECKING:
    from eicpy.figures.theme import Figure

__all__ = ["Peak", "SkyImage"]

_WORTH_A_MARK = 6.5
"""An empty image of the whole field has a higher peak once in 10⁵ (``docs/imaging.md``)."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A place in a sky image that stands out.

    Parameters
    ----------
    ty, tz
        Tangents of its direction, between the pixels (parabola through the neighbours).
    significance
        Of the highest pixel.
    y, z
        The highest pixel.
    """

    ty: float
    tz: float
    significance: float
    y: int
    z: int


@dataclass(frozen=True)
class SkyImage:
    """Flux and variance for every direction of a grid of tangents.

    Parameters
    ----------
    flux
        Counts of a pixel that is lit fully, shape (sky, sky), indexed [z, y]; NaN where nothing is coded.
    variance
        Of `flux`.
    tangent
        Tangents of the pixels' middles, the same along y and z, shape (sky,).
    coded
        Share of the plane that a direction codes, shape (sky, sky).
    pixel_area
        Sensitive area of a pixel, cm².
    exposure
        Live time, s; None where it is not known.
    pointing
        Where the camera looked; None where that is not known. The image is then one in camera coordinates.
    band
        Energies, keV.
    title
        What is shown.
    simulated
        Whether the photons are.
    """

    flux: FloatArray
    variance: FloatArray
    tangent: FloatArray
    coded: FloatArray
    pixel_area: float
    exposure: float | None = None
    pointing: Pointing | None = None
    band: tuple[float, float] | None = None
    title: str = "Sky"
    simulated: bool = False

    @cached_property
    def significance(self) -> FloatArray:
        """Flux over its standard deviation, shape (sky, sky)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.flux / np.sqrt(self.variance))

    def rate(self) -> FloatArray:
        """Flux at the crystals' surface, counts cm⁻² s⁻¹, for light that falls along its own direction."""
        if self.exposure is None:
            raise MissingDataError(
                "got a sky image without an exposure; give SkyImage(exposure=…) in seconds"
            )
        t2 = np.square(self.tangent)
        cosine = 1 / np.sqrt(1 + t2[None, :] + t2[:, None])
        return np.asarray(self.flux / (self.exposure * self.pixel_area * cosine))

    def peaks(self, threshold: float, least_coded: float = 0.05) -> list[Peak]:
        """Local maxima of the significance above a threshold, the highest first.

        Parameters
        ----------
        threshold
            Least significance.
        least_coded
            Directions that code less of the plane are not searched.
        """
        s = np.where(self.coded >= least_coded, np.nan_to_num(self.significance, nan=-np.inf), -np.inf)
        rows, columns = np.nonzero(s[1:-1, 1:-1] >= threshold)
        found = []
        for z, y in zip(rows + 1, columns + 1, strict=True):
            around = s[z - 1 : z + 2, y - 1 : y + 2]
            if s[z, y] == around.max():
                dy, dz = _parabola(around[1]), _parabola(around[:, 1])
                step = self.tangent[1] - self.tangent[0]
                at = self.tangent[y] + dy * step, self.tangent[z] + dz * step
                found.append(Peak(float(at[0]), float(at[1]), float(s[z, y]), int(y), int(z)))
        return sorted(found, key=lambda peak: -peak.significance)

    def _known_pointing(self) -> Pointing:
        if self.pointing is None:
            raise MissingDataError(
                "got a sky image without an attitude, so its place in the sky is not known; "
                "give SkyImage(pointing=…), as from read_attitude(…).pointing_at(time)"
            )
        return self.pointing

    def direction(self, ty: float, tz: float) -> SkyCoord:
        """Celestial coordinates (ICRS) of a direction given as tangents."""
        return SkyCoord(EclairsFrame.of_tangents(ty, tz, attitude=self._known_pointing())).icrs

    def tangents_of(self, place: SkyCoord) -> tuple[float, float]:
        """Tangents of celestial coordinates; NaN behind the camera."""
        icrs = place.icrs
        vector = unit_vector(icrs.ra.rad, icrs.dec.rad) @ self._known_pointing().rotation.T
        ty, tz = tangents(vector)
        return float(ty), float(tz)

    @cached_property
    def wcs(self) -> WCS:
        """World coordinates of the image, RA---TAN and DEC--TAN in ICRS.

        Raises
        ------
        MissingDataError
            Without a pointing.
        """
        pointing = self._known_pointing()
        _, y, z = pointing.rotation
        east = np.array([-np.sin(pointing.ra), np.cos(pointing.ra), 0.0])
        north = np.cross(unit_vector(pointing.ra, pointing.dec), east)
        step = np.rad2deg(self.tangent[1] - self.tangent[0])
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.radesys = "ICRS"
        wcs.wcs.crval = np.rad2deg([pointing.ra, pointing.dec])
        wcs.wcs.crpix = 2 * [1 - self.tangent[0] / (self.tangent[1] - self.tangent[0])]
        wcs.wcs.cd = step * np.array([[east @ y, east @ z], [north @ y, north @ z]])
        wcs.wcs.set()
        return wcs

    def plot(self, places: Sequence[tuple[float, float, str]] | None = None) -> "Figure":
        """Draw the significance.

        Parameters
        ----------
        places
            (ty, tz, name) of what is marked; None: the highest peak, if it stands above 6.5 σ. Lower ones can
            be side lobes of it: :func:`~eicpy.imaging.find_sources` tells.
        """
        from eicpy.figures.sky import sky_image  # noqa: PLC0415, only figures need Bokeh

        coordinates = None
        if self.pointing is not None:
            index = np.arange(len(self.tangent))
            coordinates = self.wcs.pixel_to_world_values(*np.meshgrid(index, index))
        if places is None:
            places = [(p.ty, p.tz, f"{p.significance:.1f} σ") for p in self.peaks(_WORTH_A_MARK)[:1]]
        return sky_image(
            self.significance, self.tangent, self._name(), places=places, coordinates=coordinates
        )

    def _name(self) -> str:
        band = f", {self.band[0]:g}–{self.band[1]:g} keV" if self.band else ""
        time = f", {self.exposure:.4g} s" if self.exposure is not None else ""
        return f"{self.title}{band}{time}{', simulated' if self.simulated else ''}"

    def _repr_html_(self) -> str:
        where = "attitude not known"
        if self.pointing is not None:
            where = (
                f"towards RA {np.rad2deg(self.pointing.ra):.3f}°, Dec {np.rad2deg(self.pointing.dec):+.3f}°, "
                f"roll {np.rad2deg(self.pointing.roll):.1f}°"
            )
        side = len(self.tangent)
        highest = max((p.significance for p in self.peaks(0.0)), default=float("nan"))
        return (
            f"<b>{html.escape(self._name())}</b>: {side} × {side} directions, {where}; "
            f"the highest peak stands at {highest:.1f} σ"
        )

    def to_hdus(self) -> fits.HDUList:
        """Significance, flux, its error and the coded share as images of a FITS file, each with its WCS.

        Without a pointing the images carry linear axes, the tangents of the camera's frame.
        """
        header = self.wcs.to_header() if self.pointing is not None else self._camera_header()
        header["SIMULATE"] = (self.simulated, "photons are simulated")
        if self.band is not None:
            header["E_MIN"], header["E_MAX"] = (self.band[0], "keV"), (self.band[1], "keV")
        if self.exposure is not None:
            header["EXPOSURE"] = (self.exposure, "[s] live time")
        images = {
            "SIGNIF": (self.significance, ""),
            "FLUX": (self.flux, "ct"),
            "ERROR": (np.sqrt(self.variance), "ct"),
            "CODED": (self.coded, ""),
        }
        hdus: list[fits.PrimaryHDU | fits.ImageHDU] = [fits.PrimaryHDU()]
        for name, (values, unit) in images.items():
            hdu = fits.ImageHDU(np.asarray(values, np.float32), header, name)
            if unit:
                hdu.header["BUNIT"] = (unit, "of a pixel that is lit fully")
            hdus.append(hdu)
        return fits.HDUList(hdus)

    def _camera_header(self) -> fits.Header:
        header = fits.Header()
        step = self.tangent[1] - self.tangent[0]
        for axis, name in ((1, "TY"), (2, "TZ")):
            header[f"CTYPE{axis}"] = (name, "tangent in the camera's frame; attitude not known")
            header[f"CRPIX{axis}"] = 1 - self.tangent[0] / step
            header[f"CRVAL{axis}"] = 0.0
            header[f"CDELT{axis}"] = step
        return header


def _parabola(three: FloatArray) -> float:
    """Where the parabola through three values, the middle one highest, has its top: from −½ to ½."""
    left, middle, right = three
    curvature = left - 2 * middle + right
    if not np.isfinite(curvature) or curvature >= 0:
        return 0.0
    return float(np.clip((left - right) / (2 * curvature), -0.5, 0.5))
