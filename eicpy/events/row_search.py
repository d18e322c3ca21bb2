"""Where the photons of an interval stand in a file.

A file of eicpy says in STEPBACK how far its times step back at most, so that halving finds the rows. Nobody
says it of a file made elsewhere: passes may follow each other in any order. Its times are read once, and of
each piece of rows the earliest and the latest are kept, 16 bytes for 16 384 rows.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.events.gti import GoodTimeIntervals
from eicpy.products import TimeReference, Unit

__all__ = ["RowSearch"]

F8 = npt.NDArray[np.float64]
_PIECE = 16_384
"""Rows of which the earliest and the latest time are kept."""


class RowSearch:
    """Rows of a photon file by their times.

    Parameters
    ----------
    path
        The file.
    unit
        Its table.
    dtype
        A row as it stands in the file, with a column TIME.
    reference
        What makes seconds of its times.
    zero
        TZERO of TIME, added to what stands in the file.
    step_back
        Largest step back in time, s; None where nobody knows.
    """

    def __init__(
        self,
        path: Path,
        unit: Unit,
        dtype: np.dtype[Any],
        reference: TimeReference,
        *,
        zero: float = 0.0,
        step_back: float | None = None,
    ) -> None:
        self._path = path
        self._unit = unit
        self._dtype = dtype
        self._reference = reference
        self._zero = zero
        self._step_back = step_back
        self._rows = int(unit.header["NAXIS2"])

    def seconds(self, times: npt.ArrayLike) -> F8:
        """Seconds TT since the mission's reference, of times as they stand in the file."""
        values: F8 = np.asarray(times, dtype=np.float64)
        return self._reference.seconds(values + self._zero if self._zero else values)

    def stretches(self, intervals: GoodTimeIntervals) -> list[slice]:
        """Stretches of rows that hold every photon of some intervals, and few others.

        Parameters
        ----------
        intervals
            [start, stop), s TT.

        Returns
        -------
        list of slice
            Disjoint, in the order of the file.
        """
        if self._step_back is None:
            return self._pieces(intervals)
        with self._path.open("rb") as file:
            found = [
                slice(self._bisect(file, start - self._step_back), self._bisect(file, stop + self._step_back))
                for start, stop in zip(intervals.start, intervals.stop, strict=True)
            ]
        return _joined(found)

    def _pieces(self, intervals: GoodTimeIntervals) -> list[slice]:
        earliest, latest = self._spans
        if not len(intervals):
            return []
        here = np.searchsorted(intervals.stop, earliest, side="right")  # the first that ends after it began
        begins = np.append(intervals.start, np.inf)[here]
        return _joined(
            [slice(n * _PIECE, min((n + 1) * _PIECE, self._rows)) for n in np.flatnonzero(begins <= latest)]
        )

    @cached_property
    def _spans(self) -> tuple[F8, F8]:
        """Earliest and latest time of each piece of rows, s; NaN for one without any time."""
        ends = [(np.fmin.reduce(times), np.fmax.reduce(times)) for times in self._times()]
        earliest, latest = np.reshape(np.array(ends, dtype=np.float64), (-1, 2)).T
        return self.seconds(earliest), self.seconds(latest)

    def _times(self) -> Iterator[F8]:
        """Times as they stand in the file, a piece at a time."""
        buffer = np.empty(_PIECE, dtype=self._dtype)
        with self._path.open("rb") as file:
            file.seek(self._unit.data_offset)
            for first in range(0, self._rows, _PIECE):
                rows = buffer[: self._rows - first]
                if file.readinto(rows.view(np.uint8).data) != rows.nbytes:
                    raise BadDataError(
                        f"got fewer rows than {self._rows}, the file has changed", file=self._path
                    )
                yield rows["TIME"].astype(np.float64)

    def _bisect(self, file: BinaryIO, time: float) -> int:
        """First row from which on no time lies below `time` by more than the steps back."""
        fields: Any = self._dtype.fields
        low, high = 0, self._rows
        while low < high:
            middle = (low + high) // 2
            file.seek(self._unit.data_offset + middle * self._dtype.itemsize + fields["TIME"][1])
            if self.seconds(np.frombuffer(file.read(8), dtype=">f8"))[0] < time:
                low = middle + 1
            else:
                high = middle
        return low


def _joined(slices: list[slice]) -> list[slice]:
    """The same rows in slices that neither touch nor overlap, in order."""
    joined: list[slice] = []
    for one in sorted((s for s in slices if s.start < s.stop), key=lambda s: (s.start, s.stop)):
        if joined and one.start <= joined[-1].stop:
            joined[-1] = slice(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return joined
