"""What the known sources lit of the plane in an exposure: catalogue, attitude and mask in, shadows out.

While the satellite holds still each source throws one shadow; while it turns, one for each tenth of a
degree, a fifth of a pixel of the sky image. They are added with the seconds of good time that each lasted and
in which the Earth did not hide the source, so that a night of several pointings has one sum for each source.

Only those are made that matter: sources that should bring more than a share of all counts, the brightest
first. That estimate takes every photon of 5-50 keV that meets a pixel through the mask for counted; how
bright a source really is comes out of the counts.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.catalogue import CatalogueSource, SourceCatalogue
from eicpy.events.gti import GoodTimeIntervals
from eicpy.imaging.mask import Mask, transmission
from eicpy.orbit import Attitude, Track, earth_angle, earth_radius, tangents
from eicpy.typing import BoolArray, FloatArray

__all__ = ["LEAST_SHARE", "MOST_SOURCES", "KnownShadows", "known_shadows", "pointed_time"]

LEAST_SHARE = 3e-3
"""Share of all counts that a source must be expected to bring."""
MOST_SOURCES = 20
"""The plane has room for a few strengths beside its own."""
_TURN = float(np.radians(0.1))
_GRID = 10.0
"""s; the Earth's limb is known to half of it."""
_SAME = 0.1
"""Pixels of the sky image within which directions throw one shadow."""
_BAND = (5.0, 50.0)
"""keV."""


@dataclass(frozen=True, eq=False)
class KnownShadows:
    """Shadows of known sources, summed over an exposure.

    Parameters
    ----------
    names
        The sources, the brightest first.
    shadows
        Mean share of each pixel's area that each source lit, shape (sources, pixels), in the order of
        ``detnum``.
    expected
        Rough number of counts that each brings, shape (sources,).
    exposure
        Good time with attitude, s.
    """

    names: tuple[str, ...]
    shadows: FloatArray
    expected: FloatArray
    exposure: float


def pointed_time(attitude: Attitude) -> GoodTimeIntervals:
    """Times in which an attitude is known: its span without the gaps."""
    start, stop = attitude.span
    gaps = np.array(attitude.gaps).reshape(-1, 2)
    return GoodTimeIntervals(np.append(start, gaps[:, 1]), np.append(gaps[:, 0], stop))


def known_shadows(
    catalogue: SourceCatalogue,
    attitude: Attitude,
    mask: Mask,
    gti: GoodTimeIntervals,
    *,
    counts: float,
    track: Track | None = None,
) -> KnownShadows:
    """Make the shadows of the sources that matter.

    Parameters
    ----------
    catalogue
        The known sources; those without a mean flux are left out.
    attitude
        Where the camera looked.
    mask
        The mask above the plane.
    gti
        Good time.
    counts
        Photons of all energies that the plane counted in it.
    track
        Where the satellite was; without it the Earth hides nothing.
    """
    gti = gti & pointed_time(attitude)
    steady = [s for s in catalogue if s.flux > 0 and np.isfinite(s.index)]
    pixels = mask.pixels**2
    if not gti.exposure > 0 or not steady:
        return KnownShadows((), np.empty((0, pixels)), np.empty(0), gti.exposure)
    middle, seconds = _steps(attitude, gti)
    vectors = np.array([catalogue.vectors[catalogue.sources.index(s)] for s in steady])
    turned = np.einsum("tij,sj->tsi", attitude.rotation_at(middle), vectors)
    ty, tz = tangents(turned)
    weight = seconds[:, None] * ~_hidden(vectors, middle, track)
    weight[~_in_field(mask, ty, tz)] = 0.0
    light = weight * np.nan_to_num(transmission(mask.geometry, ty, tz))
    expected = light.sum(axis=0) * _photons(steady, mask)
    order = np.argsort(-expected, kind="stable")[:MOST_SOURCES]
    chosen = [int(n) for n in order if expected[n] > LEAST_SHARE * counts]
    shadows = [_sum(mask, ty[:, n], tz[:, n], weight[:, n]) / gti.exposure for n in chosen]
    return KnownShadows(
        tuple(steady[n].name for n in chosen),
        np.array(shadows).reshape(len(chosen), pixels),
        expected[chosen],
        gti.exposure,
    )


def _photons(sources: list[CatalogueSource], mask: Mask) -> FloatArray:
    """Photons per second that pass the open cells of a mask on axis onto the pixels."""
    area = mask.geometry.pixel_area * mask.pixels**2 * mask.open_fraction
    return area * np.array([s.spectrum.photon_flux(*_BAND) for s in sources])


def _steps(attitude: Attitude, gti: GoodTimeIntervals) -> tuple[FloatArray, FloatArray]:
    """Middles of times in which nothing changes, and the seconds of good time in each that has some."""
    middles, seconds = [], []
    known = pointed_time(attitude) & GoodTimeIntervals(*gti.span)
    for start, stop in zip(known.start, known.stop, strict=True):
        turns = attitude.pieces(_TURN, float(start), float(stop))
        edges = np.unique(np.concatenate([turns, np.arange(start, stop, _GRID)]))
        middles.append((edges[1:] + edges[:-1]) / 2)
        seconds.append(gti.exposure_in(edges))
    middle, length = np.concatenate(middles), np.concatenate(seconds)
    return middle[length > 0], length[length > 0]


def _hidden(vectors: FloatArray, time: FloatArray, track: Track | None) -> BoolArray:
    """Whether the Earth hides each source then, shape (times, sources)."""
    hidden = np.zeros((len(time), len(vectors)), np.bool_)
    if track is not None:
        known = track.known(time)
        position = track.position_at(time[known])
        angle = earth_angle(position[:, None, :], vectors[None, :, :])
        hidden[known] = angle < earth_radius(position)[:, None]
    return hidden


def _in_field(mask: Mask, ty: FloatArray, tz: FloatArray) -> BoolArray:
    edge = mask.geometry.edge
    return np.asarray((np.abs(ty) < edge) & (np.abs(tz) < edge))


def _sum(mask: Mask, ty: FloatArray, tz: FloatArray, weight: FloatArray) -> FloatArray:
    """Shadows of a source in the course of time, each with its weight, in the order of ``detnum``."""
    total = np.zeros((mask.pixels, mask.pixels))
    used = weight > 0
    ty, tz, weight = ty[used], tz[used], weight[used]
    step = _SAME * mask.geometry.plane_side / mask.pixels / mask.geometry.distance
    cells = np.round(np.stack([ty, tz]) / step).astype(np.int64)
    _, group = np.unique(cells, axis=1, return_inverse=True)
    for number in range(int(group.max(initial=-1)) + 1):
        inside = group.ravel() == number
        w = weight[inside]
        y, z = float(w @ ty[inside] / w.sum()), float(w @ tz[inside] / w.sum())
        total += w.sum() / np.sqrt(1 + y**2 + z**2) * mask.shadow(y, z)
    return np.ascontiguousarray(total[:, ::-1]).reshape(-1)  # the inverse of PixelGrid.image
