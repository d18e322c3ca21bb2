"""Writing photon files as the photons come."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.events import kernels
from eicpy.events.bands import PixelScale, Scale
from eicpy.events.event_list import EventList, PhotonBlock
from eicpy.events.gti import GoodTimeIntervals
from eicpy.instruments import Instrument
from eicpy.products import Header, ProductWriter, Provenance

__all__ = ["EventWriter"]

_ROW = 15


class EventWriter:
    """A photon file (ECL-EVT-CAL) being written; a context manager.

    The file appears under its name when it is complete. The number of photons need not be known.

    Parameters
    ----------
    path
        Name of the file.
    instrument
        The detector: pixel grid, nominal energy scale, names.
    provenance
        How the photons were made; ``gain`` belongs to its corrections where a calibrated scale is used.
    gti
        Good time intervals, here or later as attribute :attr:`gti`; without them one interval from the
        first to the last photon is written, and ``GTISRC`` says so.
    header
        Further keywords.

    Raises
    ------
    BadArgumentError
        For a detector of more than 256 rows or columns, which the real layout cannot hold.
    FailedError
        Where the file could not be written; nothing is left behind.

    See Also
    --------
    EventFile : Reads such a file.

    References
    ----------
    - FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section
       7.3 (binary tables).
    - Rots et al. 2015, A&A 574, A36: time coordinates in FITS.

    Examples
    --------
    ::

        with EventWriter(path, instrument, provenance=record) as writer:
            for block in blocks:
                writer.append(block, gain_table)
            writer.gti = intervals
    """

    def __init__(
        self,
        path: Path,
        instrument: Instrument,
        *,
        provenance: Provenance,
        gti: GoodTimeIntervals | None = None,
        header: Header | None = None,
    ) -> None:
        self.gti = gti
        self.rows = 0
        self._pixels = instrument.pixels
        self._energy = instrument.energy
        if max(self._pixels.rows, self._pixels.columns) > 256:
            raise BadArgumentError(
                f"got a detector of {self._pixels.rows} × {self._pixels.columns} pixels, "
                "expected at most 256 × 256: IDET and JDET are bytes"
            )
        self._nominal = PixelScale.uniform(self._pixels.count, self._energy.gain, self._energy.offset)
        self._product = ProductWriter(
            path, "ECL-EVT-CAL", issuer=instrument, provenance=provenance, header=header
        )
        self._first, self._latest, self._step_back = np.inf, -np.inf, 0.0
        self._stack = ExitStack()

    @property
    def path(self) -> Path:
        """Name the file will have."""
        return self._product.path

    @property
    def provenance(self) -> Provenance:
        """How the photons were made; may be replaced by a fuller record before the end."""
        return self._product.provenance

    @provenance.setter
    def provenance(self, record: Provenance) -> None:
        self._product.provenance = record

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._product)
            self._table = self._product.table("ECL-EVT-CAL")
            for keyword, value, comment in (
                ("DETROWS", self._pixels.rows, "rows of pixels (IDET)"),
                ("DETCOLS", self._pixels.columns, "columns of pixels (JDET)"),
                ("DETCHANS", self._energy.channels, "channels"),
                ("NOMGAIN", self._energy.gain, "keV/chan, gain of the scale of PI"),
                ("NOMOFFS", self._energy.offset, "keV, offset of the scale of PI"),
                ("TSTART", 0.0, "first photon"),
                ("TSTOP", 0.0, "last photon"),
                ("STEPBACK", 0.0, "s, largest step back in TIME"),
            ):
                self._table.set(keyword, value, comment)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            self._finish()
        return None

    def append(self, block: PhotonBlock, scale: Scale | None = None) -> None:
        """Append photons.

        Parameters
        ----------
        block
            Photons.
        scale
            Gain and offset of each pixel, for PI; the nominal scale by default, which makes PI = PHA.

        Raises
        ------
        BadArgumentError
            For a pixel that the detector does not have.
        """
        photons = block if isinstance(block, EventList) else EventList.of(block)
        size = len(photons)
        if not size:
            return
        low, high = int(photons.detnum.min()), int(photons.detnum.max())
        if low < 0 or high >= self._pixels.count:
            raise BadArgumentError(f"got pixels {low} to {high}, expected 0 to {self._pixels.count - 1}")
        scale = scale or self._nominal
        pi = np.empty(size, dtype=np.int16)
        kernels.nominal_channels(
            photons.detnum,
            photons.channel,
            np.ascontiguousarray(scale.gain, dtype=np.float64),
            np.ascontiguousarray(scale.offset, dtype=np.float64),
            self._energy.gain,
            self._energy.offset,
            self._energy.channels,
            pi,
        )
        rows = np.empty((size, _ROW), dtype=np.uint8)
        kernels.pack_photons(
            photons.time.view(np.uint64),
            photons.detnum,
            photons.channel,
            pi,
            photons.multiplicity,
            self._pixels.columns,
            rows,
        )
        step, self._latest = kernels.largest_step_back(photons.time, self._latest)
        self._step_back = max(self._step_back, step)
        self._first = min(self._first, float(photons.time.min()))
        self._table.append_rows(rows)
        self.rows += size

    def _finish(self) -> None:
        empty = self.rows == 0
        self._table.set("TSTART", None if empty else self._first, "first photon")
        self._table.set("TSTOP", None if empty else self._latest, "last photon")
        self._table.set("STEPBACK", self._step_back, "s, largest step back in TIME")
        intervals, source = self.gti, "GIVEN"
        if intervals is None:
            source = "PHOTONS"
            intervals = GoodTimeIntervals()
            if not empty:
                intervals = GoodTimeIntervals(self._first, np.nextafter(self._latest, np.inf))
        table = self._product.table("GTI")
        table.set("GTISRC", source, "PHOTONS: from first to last photon")
        table.append(intervals.to_columns())
