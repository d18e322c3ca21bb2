"""The processor ``photons``: a photon file (ECL-EVT-CAL) for each run, every photon once.

While a run is being received its photons are appended, 13 bytes each, to a file that agrees with the cursor.
From it the photon file is written whole, each time that half as many photons again have come, and when the
run has ended: so it is readable at any moment, it is replaced and never altered, and all the copying
together costs three times its size at most. ``RUNENDED`` in its header says whether the run has ended.

A packet that was received twice within a run (two stations, a repeated transfer) gives its photons once.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.decoding import PhotonColumns, is_simulated, photons
from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.events import EventList, EventWriter
from eicpy.instruments import Instrument
from eicpy.processors.context import Context
from eicpy.products import InputFile, Provenance, card_for, product_file_name
from eicpy.runs import Increment, Run, follow
from eicpy.runs.provider.deduplicate import Deduplicator
from eicpy.times import day_of

__all__ = ["PhotonFiles"]

ROW = np.dtype([("time", "<f8"), ("detnum", "<i2"), ("channel", "<i2"), ("multiplicity", "u1")])
GROWTH = 1.5
"""The file is written again when there are this many times the photons that it holds."""
SHORTEST = 10.0
"""Between two files of an open run, s."""
BLOCK = 500_000
CARD = "ECL-EVT-CAL"


class PhotonFiles:
    """Write the photons of each run into a FITS file: ``products/<instrument>/runs/<run>/``.

    Parameters
    ----------
    unfinished
        Write the file also while the run is open.
    """

    def __init__(self, *, unfinished: bool = True) -> None:
        self._unfinished = unfinished
        self._repeats: Deduplicator | None = None
        self._written_at = -np.inf

    def begin(self, context: Context) -> None:
        """Resume the run in progress."""
        self._context = context
        self._apid = _photon_apid(context.instrument)

    def process(self, batch: Increment) -> None:
        """Append the photons of a batch."""
        if self._apid is None:
            return
        counts = self._run_counts(batch.run)
        chosen = batch.local[batch.local.apid == self._apid]
        if not len(chosen):
            return
        fresh = self._memory(batch).fresh(batch.data, chosen)
        found = photons(batch.data, chosen[fresh], batch.instrument)
        said, known = is_simulated(chosen, batch.instrument), counts["simulated"]
        counts["simulated"] = said if known is None else known or bool(said)
        counts["photons"] += len(found)
        counts["repeated"] += int(np.count_nonzero(~fresh))
        counts["left_out"] += found.bad_pixel + found.bad_channel
        counts["damaged"] += found.damaged_packets
        if len(found):
            self._context.output(_rows_name(batch.run)).write(_rows(found))
            counts["first"] = counts["first"] if counts["first"] is not None else float(found.time[0])
        self._context.report(
            photons=counts["photons"], repeated=counts["repeated"], left_out=counts["left_out"]
        )

    def save(self) -> None:
        """Write the file again where it has grown by half."""
        counts = self._context.state.get("run")
        now = time.monotonic()
        if not self._unfinished or counts is None or now - self._written_at < SHORTEST:
            return
        if counts["photons"] >= max(1, GROWTH * counts["written"]):
            with suppress(BadArgumentError):  # the run was removed meanwhile
                self._write(self._context.archive.run(counts["number"]), ended=False)
            self._written_at = now

    def end_run(self, run: Run) -> None:
        """Write the file of a run that has ended."""
        counts = self._context.state.get("run")
        if counts is not None and counts["number"] == run.number:
            if counts["photons"]:
                self._write(run, ended=True)
            self._context.outputs.discard(_rows_name(run.number))
        self._context.state.pop("run", None)
        self._repeats = None

    def _run_counts(self, run: int) -> dict[str, Any]:
        """Counts of the run in progress; saved with the cursor."""
        state = self._context.state
        if (before := state.get("run", {}).get("number")) != run:
            self._repeats = None
            if before is not None:  # that run was removed before it ended
                self._context.outputs.discard(_rows_name(before))
            state["run"] = {
                "number": run, "photons": 0, "repeated": 0, "left_out": 0, "damaged": 0, "written": 0,
                "simulated": None, "first": None,
            }  # fmt: skip
        counts: dict[str, Any] = state["run"]
        return counts

    def _memory(self, batch: Increment) -> Deduplicator:
        """Packets of this run that were seen; after a restart they are read again."""
        if self._repeats is None:
            self._repeats = Deduplicator()
            before = int(batch.index.offset[0])
            try:
                run = self._context.archive.run(batch.run)
            except NotFoundError:
                return self._repeats  # it was removed while it was read
            for piece in _pieces(run, batch.instrument, before):
                chosen = piece.local[(piece.index.apid == self._apid) & (piece.index.offset < before)]
                self._repeats.fresh(piece.data, chosen)
        return self._repeats

    def _write(self, run: Run, *, ended: bool) -> None:
        context = self._context
        counts = context.state["run"]
        output = context.output(_rows_name(run.number))
        output.flush()
        record = Provenance.begin(
            "photons of a run",
            inputs=[
                InputFile(f"run {run.number:06d}/{run.raw_file.name}", run.stated_sha256, run.size, "packets")
            ],
            configuration={
                "instrument": context.instrument.name,
                "run": run.number,
                "left out": {name: counts[name] for name in ("repeated", "left_out", "damaged")},
            },
            corrections=["gain nominal"],
            simulated=counts["simulated"],
        )
        header = {
            "RUN": (run.number, "run of the archive"),
            "RUNENDED": (ended, "whether the run had ended"),
        }
        with EventWriter(self._file(run), context.instrument, provenance=record, header=header) as writer:
            for block in _blocks(output.path, output.size):
                writer.append(block)
        counts["written"] = counts["photons"]

    def _file(self, run: Run) -> Path:
        counts = self._context.state["run"]
        instrument = self._context.instrument
        name = product_file_name(
            card_for(CARD, instrument.card_prefix),
            day_of(counts["first"]),
            "T" if counts["simulated"] else "F",
            1,
        )
        return self._context.settings.products(instrument.name) / "runs" / f"{run.number:06d}" / name


def _photon_apid(instrument: Instrument) -> int | None:
    return None if instrument.photons is None else instrument.packets[instrument.photons.packet].apid


def _rows_name(run: int) -> str:
    return f"run-{run:06d}.photons"


def _rows(found: PhotonColumns) -> npt.NDArray[Any]:
    rows = np.empty(len(found), ROW)
    for name in ROW.names or ():
        rows[name] = getattr(found, name)
    return rows


def _blocks(file: Path, size: int) -> Iterator[EventList]:
    """Photons of a file of rows, a block at a time."""
    rows = np.memmap(file, ROW, "r", shape=(size // ROW.itemsize,)) if size else np.empty(0, ROW)
    for first in range(0, len(rows), BLOCK):
        block = np.array(rows[first : first + BLOCK])
        yield EventList(block["time"], block["detnum"], block["channel"], block["multiplicity"])


def _pieces(run: Run, instrument: Instrument, stop: int) -> Iterator[Increment]:
    """Packets of a run before a position."""
    with follow(run, instrument) as follower:
        while follower.position < stop and not follower.finished:
            yield follower.poll()
