"""Writing photon files as the photons come."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import kernels
from eicpy.events.bands import PixelScale, Scale
from eicpy.events.event_list import EventList, PhotonBlock
from eicpy.events.gti import GoodTimeIntervals
from eicpy.events.live_time import DeadTime
from eicpy.instruments import Instrument
from eicpy.products import Header, Observation, ProductWriter, Provenance, span_cards

__all__ = ["EventWriter"]

_ROW = 15
_FLAG_BITS = {
    kernels.PHA_OUTSIDE: "PHA outside of TLMIN to TLMAX",
    kernels.PI_BELOW: "energy below the channels of PI",
    kernels.PI_ABOVE: "energy above the channels of PI",
    kernels.NO_SCALE: "pixel without gain and offset",
}


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
        first to the last photon is written, and ``GTISRC`` says so. The live time is written where the
        dead time is known, and where intervals are given before the photons or not at all.
    header
        Further keywords.
    observation
        Its name, program and pointing, as far as they are known.

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
        observation: Observation | None = None,
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
        self._tick = None if instrument.photons is None else instrument.photons.time.tick
        self._dead_time = DeadTime.of(instrument)
        self._recorded: npt.NDArray[np.int64] = np.zeros(self._pixels.count, dtype=np.int64)
        self._counted_in = gti
        known = {} if observation is None else observation.to_header()
        self._product = ProductWriter(
            path, "ECL-EVT-CAL", issuer=instrument, provenance=provenance, header={**known, **(header or {})}
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
            self._table = self._product.table("EVENTS")
            self._set_layout()
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

    def _set_layout(self) -> None:
        """Keywords that hold whatever the photons are."""
        for keyword, value, comment in (
            ("DETROWS", self._pixels.rows, "rows of pixels (IDET)"),
            ("DETCOLS", self._pixels.columns, "columns of pixels (JDET)"),
            ("DETCHANS", self._energy.channels, "channels"),
            ("NOMGAIN", self._energy.gain, "keV/chan, gain of the scale of PI"),
            ("NOMOFFS", self._energy.offset, "keV, offset of the scale of PI"),
            ("FLAGMULT", kernels.COUNTING_BITS, "bits of FLAG that count pixels hit at once"),
        ):
            self._table.set(keyword, value, comment)
        for bit, words in _FLAG_BITS.items():
            self._table.set(f"FLAGBIT{bit.bit_length() - 1}", bit, words)
        names = [column.name for column in self._table.definition.columns]
        for name in ("PHA", "PI"):
            number = names.index(name) + 1
            self._table.set(f"TLMIN{number}", 0, f"first channel of {name}")
            self._table.set(f"TLMAX{number}", self._energy.channels - 1, f"last channel of {name}")
        self._table.set(f"TNULL{names.index('PI') + 1}", -1, "no channel, see FLAG")
        if self._dead_time is not None:
            self._table.set("DEADTIME", self._dead_time.length, "s, of a sector after each photon, assumed")
        if self._tick is not None:
            self._table.set("TIMEDEL", self._tick, "s, unit of the counter of times")
            self._table.set("TIMEPIXR", 0.0, "TIME is the beginning of the unit")

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
            For a pixel that the detector does not have, or a photon without a time.
        """
        photons = block if isinstance(block, EventList) else EventList.of(block)
        size = len(photons)
        if not size:
            return
        low, high = int(photons.detnum.min()), int(photons.detnum.max())
        if low < 0 or high >= self._pixels.count:
            raise BadArgumentError(f"got pixels {low} to {high}, expected 0 to {self._pixels.count - 1}")
        if not self.rows:
            self._counted_in = self.gti
        if self._dead_time is not None:
            inside = photons.detnum if self.gti is None else photons.detnum[self.gti.mask(photons.time)]
            self._recorded += np.bincount(inside, minlength=self._recorded.size)
        first, last = float(photons.time.min()), float(photons.time.max())
        if not (np.isfinite(first) and np.isfinite(last)):
            raise BadArgumentError(f"got a photon at {first} to {last} s, expected finite times of all")
        scale = scale or self._nominal
        pi, flag = np.empty(size, dtype=np.int16), np.empty(size, dtype=np.uint8)
        kernels.nominal_channels(
            photons.detnum,
            photons.channel,
            np.ascontiguousarray(scale.gain, dtype=np.float64),
            np.ascontiguousarray(scale.offset, dtype=np.float64),
            self._energy.gain,
            self._energy.offset,
            self._energy.channels,
            photons.multiplicity,
            pi,
            flag,
        )
        rows = np.empty((size, _ROW), dtype=np.uint8)
        kernels.pack_photons(
            photons.time.view(np.uint64),
            photons.detnum,
            photons.channel,
            pi,
            flag,
            self._pixels.columns,
            rows,
        )
        step, self._latest = kernels.largest_step_back(photons.time, self._latest)
        self._step_back = max(self._step_back, step)
        self._first = min(self._first, first)
        self._table.append_rows(rows)
        self.rows += size

    def _finish(self) -> None:
        self._table.set("STEPBACK", self._step_back, "s, largest step back in TIME")
        intervals, source = self.gti, "GIVEN"
        if intervals is None:
            source = "PHOTONS"
            intervals = GoodTimeIntervals()
            if self.rows:
                intervals = GoodTimeIntervals(self._first, np.nextafter(self._latest, np.inf))
        cards = self._span(intervals)
        for keyword, value, comment in cards:
            self._table.set(keyword, value, comment)
        table = self._product.table("GTI")
        for keyword, value, comment in cards:
            table.set(keyword, value, comment)
        table.set("GTISRC", source, "PHOTONS: from first to last photon")
        table.append(intervals.to_columns())

    def _span(self, intervals: GoodTimeIntervals) -> list[tuple[str, Any, str]]:
        """Keywords of the span of photons and finite good time; none where there is neither."""
        ends = [self._first, self._latest] if self.rows else []
        if len(intervals) and np.isfinite(intervals.span).all():
            ends += intervals.span
        if not ends:
            return []
        good_time = intervals.exposure if np.isfinite(intervals.exposure) else None
        live = None
        if self._dead_time is not None and good_time is not None and self._counted_in is self.gti:
            live = self._dead_time.live_time(good_time, self._recorded)
        return span_cards(min(ends), max(ends), good_time, live)
