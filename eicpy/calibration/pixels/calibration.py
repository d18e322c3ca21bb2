"""Pixel status as a calibration table: candidates for dead, noisy and weak pixels, made from every night.

They are candidates: nobody decides about them yet, and no night leaves a pixel out because of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.pixels.status import PixelStatus, pixel_status
from eicpy.calibration.table import CalibrationTable, Inputs, Made, PixelStates
from eicpy.errors import BadDataError
from eicpy.typing import FloatArray, IntArray

__all__ = ["PixelCalibration", "PixelChange", "PixelStatusTable"]


@dataclass(frozen=True, slots=True)
class PixelStatusTable:
    """Status of all pixels, in the order of ``detnum``.

    Parameters
    ----------
    status
        :class:`PixelStatus`, uint8, shape (n_pixels,).
    rate, expected
        Measured rate and that of a good pixel, counts/s; same shape. NaN where not known.
    significance
        Departure in standard deviations; same shape. NaN where not known.
    """

    status: npt.NDArray[np.uint8]
    rate: FloatArray
    expected: FloatArray
    significance: FloatArray


@dataclass(frozen=True, slots=True)
class PixelChange:
    """Pixels with another status than before.

    Parameters
    ----------
    detnum
        Their numbers, shape (n,).
    before, after
        Their :class:`PixelStatus`, shape (n,).
    """

    detnum: IntArray
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{n}</td><td>{_label(old)}</td><td>{_label(new)}</td></tr>"
            for n, old, new in zip(self.detnum, self.before, self.after, strict=True)
        )
        return f"<table><tr><th>detnum</th><th>before</th><th>now</th></tr>{rows}</table>"


class PixelCalibration(CalibrationTable[PixelStatusTable]):
    """The status of every pixel, AUX-ECL-PIX-STA."""

    tag = "pixels"
    card = "AUX-ECL-PIX-STA"
    title = "pixel status"
    absent = "Pixels of this detector are not judged: they are not alike, or do not see the same."
    needs = ("ECL-QLK-SPC",)
    released = False

    @property
    def applies(self) -> bool:
        """Whether the pixels of this detector can be judged by their neighbours."""
        return self.instrument.health is not None

    def nominal(self) -> PixelStatusTable:
        """Every pixel good, nothing measured."""
        n = self.instrument.pixels.count
        unknown = np.full(n, np.nan)
        return PixelStatusTable(np.zeros(n, np.uint8), unknown, unknown.copy(), unknown.copy())

    def make(self, inputs: Inputs, previous: PixelStatusTable) -> Made[PixelStatusTable]:
        """Judge the pixels by their counts in good time."""
        del previous
        rule = self.instrument.health
        assert rule is not None
        counts = inputs.spectra.sum(axis=1)
        health = pixel_status(counts, self.instrument.pixels, false_alarm=rule.false_alarm)
        columns = health.to_columns(max(inputs.exposure, 1e-9))
        codes = {f"STATUS{int(s)}": (s.name, "meaning of a STATUS") for s in PixelStatus}
        figures = {s.name.lower(): health.number(s) for s in PixelStatus}
        return Made(self.read(columns, {}), columns, codes, figures)

    def read(self, columns: Mapping[str, npt.ArrayLike], header: Mapping[str, Any]) -> PixelStatusTable:
        """Make the table from a product."""
        del header
        detnum = np.asarray(columns["DETNUM"])
        if not np.array_equal(np.sort(detnum), np.arange(self.instrument.pixels.count)):
            raise BadDataError(
                f"got {detnum.size} rows, expected pixels 0 to {self.instrument.pixels.count - 1}, each once"
            )
        order = np.argsort(detnum)
        values = {name: np.asarray(column)[order] for name, column in columns.items()}
        unknown = np.full(detnum.size, np.nan)
        measured = (
            np.asarray(values.get(n, unknown), np.float64) for n in ("RATE", "EXPECTED", "SIGNIFICANCE")
        )
        return PixelStatusTable(values["STATUS"].astype(np.uint8), *measured)

    def compare(self, new: PixelStatusTable, old: PixelStatusTable) -> PixelChange:
        """Return the pixels with another status than before."""
        changed = np.flatnonzero(new.status != old.status)
        return PixelChange(changed, old.status[changed], new.status[changed])

    def states(self, table: PixelStatusTable) -> PixelStates:
        """Return the status of each pixel in words."""
        labels = {int(s): _label(s) for s in PixelStatus}
        return PixelStates(table.status, labels, ordinary=int(PixelStatus.GOOD))


def _label(status: int) -> str:
    return PixelStatus(status).name.lower().replace("_", " ")
