"""Housekeeping parameters of a night with their units and limits, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.housekeeping import HousekeepingArchive, Severity, judge
from eicpy.instruments import Instrument
from eicpy.packets import FieldSpec, Limits, PacketLayout
from eicpy.reports.tables import Table
from eicpy.settings import Settings
from eicpy.text import counted

__all__ = ["ParameterSeries", "read_series", "summarise"]


@dataclass(frozen=True)
class ParameterSeries:
    """Values of a parameter.

    Parameters
    ----------
    name, unit, description
        Of the parameter.
    time, values
        s and engineering values, shape (n,).
    limits
        None where there are none.
    """

    name: str
    unit: str
    description: str
    time: npt.NDArray[np.float64]
    values: npt.NDArray[Any]
    limits: Limits | None

    @property
    def level(self) -> Severity:
        """The worst of its values against its limits."""
        return judge(self.values, self.limits)


def read_series(
    settings: Settings,
    instrument: Instrument,
    span: tuple[float, float],
    *,
    first: Sequence[str] = (),
    most: int | None = None,
) -> list[ParameterSeries]:
    """Read the housekeeping parameters of a night that change or have limits.

    Parameters
    ----------
    settings
        The set-up.
    instrument
        The detector.
    span
        Begin and end, s.
    first
        Names that come first.
    most
        How many at most; all by default.

    Returns
    -------
    list of ParameterSeries
        Those in `first`, then those with limits, then the others that are not constant.
    """
    specs = _specs(instrument)
    archive = HousekeepingArchive(settings.housekeeping(instrument.name))
    known = [p.name for p in archive.parameters() if p.name in specs]
    rank = {name: k for k, name in enumerate(first)}
    ordered = sorted(dict.fromkeys(known), key=lambda n: (rank.get(n, len(rank)), not specs[n].limits))
    read = archive.read(ordered if most is None else ordered[: 4 * most], *span)
    found = []
    for name, series in read.items():
        values = np.asarray(series.values, dtype=np.float64)
        spec = specs[name]
        if not values.size or not (name in rank or spec.limits or np.ptp(values) > 0):
            continue
        found.append(
            ParameterSeries(name, spec.unit, spec.description, series.time, values, spec.limits or None)
        )
    return found[:most]


def summarise(settings: Settings, instrument: Instrument, span: tuple[float, float]) -> Table:
    """Range of every parameter of a night, as a folded table, those beyond their limits first."""
    shown = [s for s in read_series(settings, instrument, span) if not np.isnan(s.values).all()]
    shown.sort(key=lambda s: (-s.level, s.name))
    beyond = sum(s.level >= Severity.WARNING for s in shown)
    return Table(
        ("parameter", "smallest", "median", "largest", "unit", "beyond", "what it is"),
        [
            (
                s.name, float(np.nanmin(s.values)), float(np.nanmedian(s.values)), float(np.nanmax(s.values)),
                s.unit, s.level.name if s.level >= Severity.WARNING else "", s.description,
            )
            for s in shown
        ],
        caption=f"Range of {counted(len(shown), 'parameter')}, {beyond} beyond limits",
        empty="No housekeeping.",
        folded=True,
    )  # fmt: skip


def _specs(instrument: Instrument) -> dict[str, FieldSpec]:
    """Declaration of every housekeeping parameter by name."""
    rule = instrument.housekeeping
    packets = () if rule is None else rule.packets
    layouts = [PacketLayout.read(instrument.layout_file(packet)) for packet in packets]
    return {name: layout[name] for layout in layouts for name in layout.single}
