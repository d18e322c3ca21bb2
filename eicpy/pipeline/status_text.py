"""States of pixels in words: what a status code means, how many pixels have it, and which.

The same words stand in the legend of a map and in the table below it.
"""

import numpy as np
import numpy.typing as npt

from eicpy.calibration import GainStatus, GainTable, PixelStatus
from eicpy.instruments import PixelGrid
from eicpy.reports.tables import Table

__all__ = ["GAIN_LABELS", "PIXEL_LABELS", "gain_reasons", "gain_status_table", "pixel_table"]

PIXEL_LABELS: dict[int, str] = {int(s): s.name.lower().replace("_", " ") for s in PixelStatus}
"""States of a pixel by the code of AUX-…-PIX-STA."""

_REASONS = (
    (GainStatus.BAD_DATA, "bad data", "the spectrum holds impossible values"),
    (GainStatus.TOO_FEW_COUNTS, "too few counts", "nothing to fit: dead, off, or too short an exposure"),
    (GainStatus.AMBIGUOUS, "ambiguous", "lines not seen, or two energy scales fit equally well"),
    (GainStatus.NOT_CONVERGED, "not converged", "the fit did not settle"),
    (GainStatus.BAD_FIT, "bad fit", "deviance beyond the gate"),
    (GainStatus.OUTLIER, "outlier", "moved quite differently from the other pixels"),
    (GainStatus.NOMINAL, "never fitted", "still on the nominal scale"),
)
"""Why a pixel has no value of this night, the first that holds counts; short, and in a sentence."""

GAIN_LABELS: dict[int, str] = {0: "fitted"} | {int(flag): label for flag, label, _ in _REASONS}
"""States of an entry of a gain table by its first reason."""


def gain_reasons(table: GainTable) -> npt.NDArray[np.uint8]:
    """Give the first reason why each pixel has no value of this night; 0 where it has one.

    Returns
    -------
    numpy.ndarray
        A bit of :class:`~eicpy.calibration.GainStatus` each, shape (n_pixels,); see `GAIN_LABELS`.
    """
    conditions = [(table.status & np.uint8(flag)) != 0 for flag, _, _ in _REASONS]
    choices = [np.uint8(flag) for flag, _, _ in _REASONS]
    return np.select(conditions, choices, np.uint8(0)).astype(np.uint8)


def gain_status_table(table: GainTable | None, grid: PixelGrid) -> Table:
    """How many pixels were fitted, and why the others were not; each pixel counts once."""
    if table is None:
        return Table((), (), empty="No new table.")
    meaning = {0: "a value of this night"} | {int(flag): text for flag, _, text in _REASONS}
    return _table(gain_reasons(table), GAIN_LABELS, meaning, grid)


def pixel_table(status: npt.ArrayLike, grid: PixelGrid) -> Table:
    """How many pixels stand out, and the first of them by number and place."""
    codes = np.asarray(status)
    if not codes.size:
        return Table(
            (),
            (),
            empty="Pixels of this detector are not judged: they are not alike, or do not see the same.",
        )
    table = _table(codes, PIXEL_LABELS, {}, grid)
    rows = [row for row in table.rows if row[0] != PIXEL_LABELS[PixelStatus.GOOD]]
    return Table(table.columns, rows, empty="No pixel stands out.")


def _table(
    codes: npt.NDArray[np.generic], labels: dict[int, str], meaning: dict[int, str], grid: PixelGrid
) -> Table:
    columns = ("status", "pixels", *(("meaning",) if meaning else ()), "detnum (row i, column j)")
    rows = []
    for code, label in labels.items():
        pixels = np.flatnonzero(codes == code)
        if pixels.size:
            more = (meaning[code],) if meaning else ()
            shown = "" if code == 0 else _places(pixels, grid)
            rows.append((label, int(pixels.size), *more, shown))
    return Table(columns, rows)


def _places(pixels: npt.NDArray[np.intp], grid: PixelGrid, most: int = 6) -> str:
    """Name the first pixels, each with its place: 202 (2, 42)."""
    shown = (f"{n} ({', '.join(str(int(k)) for k in grid.ij(n))})" for n in pixels[:most])
    return ", ".join(shown) + (" …" if pixels.size > most else "")
