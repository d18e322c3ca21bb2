"""The packets of a run that are not photons: housekeeping into the archive, limits, spectra, alerts.

Runs in any process. The housekeeping archive takes what comes from a source once, so that a run that is
processed again adds nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.decoding import HousekeepingTable, SpectraColumns, alerts, housekeeping, spectra
from eicpy.housekeeping import Excursion, HousekeepingArchive, archived_ranges, archived_rows, check_limits
from eicpy.ingestion import append_table, entries_of, table_limits
from eicpy.instruments import load
from eicpy.operations import ExcursionEntry
from eicpy.pipeline.good_time import Samples, samples_of
from eicpy.pipeline.plan import RunSelection

__all__ = ["Telemetry", "TelemetryTask", "process_telemetry"]


@dataclass(frozen=True)
class TelemetryTask:
    """All that a worker needs to know.

    Parameters
    ----------
    instrument
        Name of the detector.
    stretch
        Packets of a run, without photons.
    archive
        Folder of the housekeeping archive.
    source
        Name of the run and night in the housekeeping archive.
    """

    instrument: str
    stretch: RunSelection
    archive: Path
    source: str


@dataclass(frozen=True)
class Telemetry:
    """The contents of a run besides photons.

    Parameters
    ----------
    parameters
        Names of the housekeeping parameters that have values.
    checked
        Those of them that have limits.
    excursions
        Times beyond limits.
    ongoing
        Parameters beyond their limits when the data end, with the begin of the excursion, s.
    alerts
        Alert packets: kind, and time of each, s.
    spectra
        Spectra accumulated on board.
    samples
        What the housekeeping says of good time.
    """

    parameters: frozenset[str]
    checked: frozenset[str]
    excursions: tuple[ExcursionEntry, ...]
    ongoing: Mapping[str, float]
    alerts: Mapping[str, npt.NDArray[np.float64]]
    spectra: SpectraColumns
    samples: Samples


def process_telemetry(task: TelemetryTask) -> Telemetry:
    """Decode the packets of a run that are not photons, and archive the housekeeping."""
    instrument = load(task.instrument)
    buffer = np.memmap(task.stretch.file, np.uint8, "r")
    index = task.stretch.index
    parameters: set[str] = set()
    checked: set[str] = set()
    found_beyond: list[Excursion] = []
    archive = HousekeepingArchive(task.archive)
    tables = housekeeping(buffer, index, instrument)
    for name, table in tables.items():
        timed = np.isfinite(table.time)
        if not timed.any():
            continue
        held = archived_rows(archived_ranges(archive, name, task.stretch.run), index.offset)
        fresh = housekeeping(buffer, index[~held], instrument)[name] if held.any() else table
        append_table(archive, fresh, task.source)
        parameters |= set(table.values)
        checked |= set(table_limits(table))
        found_beyond += _excursions(table, timed)
    found = alerts(buffer, index, instrument)
    return Telemetry(
        parameters=frozenset(parameters),
        checked=frozenset(checked),
        excursions=tuple(entries_of(found_beyond)),
        ongoing={one.parameter: one.start for one in found_beyond if one.ongoing},
        alerts={kind: table.time for kind, table in found.items() if len(table)},
        spectra=spectra(buffer, index, instrument),
        samples=samples_of(tables.values(), instrument),
    )


def _excursions(table: HousekeepingTable, timed: npt.NDArray[np.bool_]) -> list[Excursion]:
    found: list[Excursion] = []
    for name, limits in table_limits(table).items():
        unit = table.layout.units.get(name, "")
        found += check_limits(table.time[timed], table.values[name][timed], limits, parameter=name, unit=unit)
    return found
