"""Photons that hit several pixels at once: left out, counted as they came, or joined, by a stated choice.

A photon that shared its charge with a neighbour, or whose fluorescence went there, comes as two events of one
tick, each with less than its energy and both with the multiplicity 2. Counted as they came they make a rate
too high, and put counts where no photon was. So there are three ways:

- ``single``: events of one pixel alone. Each has its whole energy: for calibration and spectra.
- ``all``: every event as it came.
- ``combine``: the events of one tick in pixels that touch, of which each says that it was not alone, become
  one photon of their summed energy, in the pixel with most of it (of equal ones the lower ``detnum``): for
  rates and images. One whose partner was
  lost on the way stays what it is.

After a photon a sector is dead once, however many of its pixels were hit: :func:`readouts` says which events
made one dead, for the live time.
"""

from typing import Literal, get_args

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eicpy.errors import BadArgumentError
from eicpy.events.bands import Scale
from eicpy.events.event_list import EventList
from eicpy.instruments import PixelGrid
from eicpy.typing import BoolArray, IntArray

__all__ = ["Multiples", "multiples_card", "readouts", "treat_multiples"]

Multiples = Literal["single", "all", "combine"]

_MOST = 15
"""Events of one photon that FLAG can count; so many neighbours in time are looked at."""
_WORDS = {
    "single": "events of one pixel alone",
    "all": "every event, several pixels count as several",
    "combine": "events of one photon count as one",
}


def multiples_card(multiples: Multiples) -> dict[str, tuple[str, str]]:
    """The keyword MULTIPLE by which a product says how photons in several pixels were treated."""
    return {"MULTIPLE": (check_multiples(multiples), _WORDS[multiples])}


def check_multiples(multiples: str) -> Multiples:
    """Refuse a way that is none.

    Raises
    ------
    BadArgumentError
        For another word.
    """
    if multiples not in get_args(Multiples):
        raise BadArgumentError(f"got multiples {multiples!r}, expected one of {', '.join(_WORDS)}")
    return multiples  # type: ignore[return-value]


def treat_multiples(
    photons: EventList, multiples: Multiples, *, scale: Scale, grid: PixelGrid, tick: float
) -> EventList:
    """Photons with those that hit several pixels treated in a stated way.

    Parameters
    ----------
    photons
        Events; those of one photon in one block.
    multiples
        ``single``, ``all`` or ``combine``.
    scale
        Gain and offset of each pixel; of use for ``combine`` alone. The channel of a joined photon is that of
        its energy in its pixel; beyond the last channel where the sum is.
    grid
        Which pixels touch.
    tick
        Unit of the times, s.

    Returns
    -------
    EventList
        In the order of `photons`.

    Raises
    ------
    BadArgumentError
        For another word.

    Examples
    --------
    A photon of 60 keV in two pixels, and one alone:

    >>> from eicpy.events.bands import PixelScale
    >>> from eicpy.instruments import load
    >>> grid, scale = load("eclairs").pixels, PixelScale.uniform(6400, 0.145, 3.0)
    >>> photons = EventList([1.0, 1.0, 2.0], [100, 101, 5], [300, 71, 80], [2, 2, 1])
    >>> joined = treat_multiples(photons, "combine", scale=scale, grid=grid, tick=2e-5)
    >>> joined.detnum.tolist(), joined.energy(scale).round(1).tolist()
    ([100, 5], [59.9, 14.7])
    """
    check_multiples(multiples)
    alone = photons.multiplicity <= 1
    if multiples == "all" or alone.all():
        return photons
    if multiples == "single":
        return photons[alone]
    rows = np.flatnonzero(~alone)
    gain, offset = (np.asarray(values, np.float64) for values in (scale.gain, scale.offset))
    pixel = photons.detnum[rows].astype(np.int64)
    known = (pixel >= 0) & (pixel < gain.size)
    rows, pixel = rows[known], pixel[known]
    energy = gain[pixel] * (photons.channel[rows] + 0.5) + offset[pixel]
    group = _groups(photons, rows, np.isfinite(energy), grid, tick)
    total = np.bincount(group, weights=np.nan_to_num(energy))
    order = np.lexsort((pixel, -np.nan_to_num(energy), group))
    first = np.ones(order.size, np.bool_)
    first[1:] = group[order][1:] != group[order][:-1]
    chosen = order[first]  # the event with most of the energy, of each group
    several = np.bincount(group)[group[chosen]] > 1
    joined = chosen[several]
    channel = photons.channel.copy()
    with np.errstate(invalid="ignore"):
        found = np.floor((total[group[joined]] - offset[pixel[joined]]) / gain[pixel[joined]])
    channel[rows[joined]] = np.clip(found, np.iinfo(np.int16).min, np.iinfo(np.int16).max)
    keep = np.ones(len(photons), np.bool_)
    keep[rows] = False
    keep[rows[chosen]] = True
    whole = EventList(photons.time, photons.detnum, channel, photons.multiplicity, photons.gti)
    return whole[keep]


def readouts(photons: EventList, grid: PixelGrid, tick: float) -> BoolArray:
    """Which events made their sector dead: of those of one photon the first in each sector.

    Parameters
    ----------
    photons
        Events; those of one photon in one block.
    grid
        Which pixels touch, and the sector of each.
    tick
        Unit of the times, s.
    """
    made = np.ones(len(photons), np.bool_)
    rows = np.flatnonzero(photons.multiplicity > 1)
    pixel = photons.detnum[rows].astype(np.int64)
    rows = rows[(pixel >= 0) & (pixel < grid.count)]
    if rows.size:
        group = _groups(photons, rows, np.ones(rows.size, np.bool_), grid, tick)
        sector = np.asarray(grid.sector(photons.detnum[rows].astype(np.int64)), np.int64)
        _, first = np.unique(np.stack([group, sector]), axis=1, return_index=True)
        made[rows] = False
        made[rows[first]] = True
    return made


def _groups(photons: EventList, rows: IntArray, usable: BoolArray, grid: PixelGrid, tick: float) -> IntArray:
    """Number of the photon of each row: rows of one tick whose pixels touch have one."""
    when = np.rint(photons.time[rows] / tick)
    order = np.argsort(when, kind="stable")
    when, usable = when[order], usable[order]
    i, j = (np.asarray(k, np.int64) for k in grid.ij(photons.detnum[rows].astype(np.int64)[order]))
    pairs = []
    for apart in range(1, min(_MOST, rows.size)):
        same = when[apart:] == when[:-apart]
        if not same.any():
            break
        touch = same & usable[apart:] & usable[:-apart]
        touch &= (np.abs(i[apart:] - i[:-apart]) <= 1) & (np.abs(j[apart:] - j[:-apart]) <= 1)
        first = np.flatnonzero(touch)
        pairs.append(np.stack([first, first + apart]))
    joined = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), np.int64)
    links = coo_array((np.ones(joined.shape[1]), (joined[0], joined[1])), shape=(rows.size, rows.size))
    _, label = connected_components(links, directed=False)
    group = np.empty(rows.size, np.int64)
    group[order] = label
    return group
