"""Housekeeping parameters of a night with their units and limits, ready to be drawn and joined to others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.housekeeping import HousekeepingArchive, Severity, judge
from eicpy.instruments import Instrument
from eicpy.packets import FieldSpec, Identity, Limits, PacketLayout, TextCalibration
from eicpy.pipeline.time_columns import plain_columns, time_series
from eicpy.reports.tables import Table
from eicpy.settings import Settings
from eicpy.text import setup_texts, unit_sign
from eicpy.times import to_time
from eicpy.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

    from eicpy.figures.theme import Figure

__all__ = ["ParameterSeries", "read_parameter", "read_series", "summarise"]


LONGEST_GAP = 3.0
"""Samples further apart than this, in usual distances, say nothing about the time between them."""


@dataclass(frozen=True, eq=False, repr=False)
class ParameterSeries:
    """Values of a parameter.

    Parameters
    ----------
    name, unit, description
        Of the parameter.
    time, values
        s TT since the reference and engineering values (numbers, or the texts of a state), shape (n,).
    limits
        None where there are none.
    is_state
        Whether a value names a state (a mode, a mask of bits), of which there is no mean.
    """

    name: str
    unit: str
    description: str
    time: FloatArray
    values: AnyArray
    limits: Limits | None
    is_state: bool = False

    def __len__(self) -> int:
        return int(self.time.size)

    @property
    def is_text(self) -> bool:
        """Whether the values are texts: names of states."""
        return self.values.dtype.kind not in "biuf"

    @property
    def level(self) -> Severity:
        """The worst of its values against its limits."""
        return Severity.UNKNOWN if self.is_text else judge(self.values, self.limits)

    def binned(self, time: FloatArray, step: float) -> "ParameterSeries":
        """Bring the parameter on the time base of something else, such as a rate.

        A bin with samples has their mean. One without, between two samples that are no further apart than
        three usual distances, has the straight line between them at its middle. Of a state a bin has the last
        sample up to its middle, if that is no older. Elsewhere the value is not known: NaN, or an empty text.

        Parameters
        ----------
        time
            Middle of each bin, s TT since the reference, shape (bins,).
        step
            Width of a bin, s.
        """
        known = np.ones(len(self), np.bool_) if self.is_text else np.isfinite(self.values)
        at, values = self.time[known], self.values[known]
        longest = LONGEST_GAP * float(np.median(np.diff(at))) if len(at) > 1 else step
        if self.is_state or self.is_text:
            return replace(self, time=time, values=_last(at, values, time, longest))
        return replace(self, time=time, values=_means(at, values, time, step, longest))

    def to_timeseries(self) -> "TimeSeries":
        """Return an astropy TimeSeries (TT) with one column, named as the parameter."""
        return time_series(self.time, {self.name: (self.values, self.unit)})

    def to_columns(self) -> dict[str, AnyArray]:
        """Return columns for a data frame, ``pandas.DataFrame(series.to_columns())``; ``time`` is UTC."""
        return plain_columns(self.time, {self.name: (self.values, self.unit)})

    def plot(self, title: str = "") -> "Figure":
        """Draw the values against UTC with their limits.

        Raises
        ------
        BadArgumentError
            For texts.
        """
        from eicpy.figures.plots import housekeeping  # noqa: PLC0415, only figures need Bokeh

        if self.is_text:
            raise BadArgumentError(f"got the texts of {self.name}, expected numbers to draw")
        return housekeeping(self.time, self.values, self.limits, self.name, self.unit, title=title)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} values{f' in {self.unit}' if self.unit else ''}>"

    def _repr_html_(self) -> str:
        facts = {"what it is": self.description, "values": str(len(self)), "unit": self.unit or "none"}
        if len(self):
            begin, end = (to_time(t).utc.isot[:19] for t in self.time[[0, -1]])
            facts["time (UTC)"] = f"{begin} to {end}"
        if self.is_text:
            facts["states"] = ", ".join(map(str, np.unique(self.values)))
        elif np.isfinite(self.values).any():
            low, middle, high = np.nanmin(self.values), np.nanmedian(self.values), np.nanmax(self.values)
            facts["range"] = f"{low:.6g} to {high:.6g}, median {middle:.6g}"
            facts["beyond limits"] = self.level.name if self.level >= Severity.WARNING else "no"
        rows = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
        return f"<table><caption>{escape(self.name)}</caption>{rows}</table>"


def _means(at: FloatArray, values: AnyArray, time: FloatArray, step: float, longest: float) -> FloatArray:
    """Mean of the samples in each bin; where there is none, the line between close neighbours."""
    first, beyond = np.searchsorted(at, (time - 0.5 * step, time + 0.5 * step))
    sums = np.concatenate(([0.0], np.cumsum(values)))
    found = np.full(len(time), np.nan)
    filled = beyond > first
    found[filled] = (sums[beyond[filled]] - sums[first[filled]]) / (beyond - first)[filled]
    between = ~filled & (first > 0) & (first < len(at))
    before, after = first[between] - 1, first[between]
    close = at[after] - at[before] <= longest
    found[np.flatnonzero(between)[close]] = np.interp(time[between][close], at, values) if len(at) else np.nan
    return found


def _last(at: FloatArray, values: AnyArray, time: FloatArray, longest: float) -> AnyArray:
    """Last sample up to the middle of each bin, unless it is too old."""
    row = np.searchsorted(at, time, side="right") - 1
    fresh = row >= 0
    fresh[fresh] = time[fresh] - at[row[fresh]] <= longest
    found = np.full(len(time), "", values.dtype) if values.dtype.kind == "U" else np.full(len(time), np.nan)
    found[fresh] = values[row[fresh]]
    return found


def read_parameter(
    settings: Settings, instrument: Instrument, span: tuple[float, float], name: str
) -> ParameterSeries:
    """Read one parameter of a night.

    Parameters
    ----------
    settings
        The set-up.
    instrument
        The detector.
    span
        Begin and end, s.
    name
        Its name, ``packet.name`` where several packets have it.

    Raises
    ------
    NotFoundError
        For a name that is not in the archive.
    """
    archive = HousekeepingArchive(settings.housekeeping(instrument.name))
    parameter = archive.find(name)
    series = archive.read(name, *span)
    spec = _specs(instrument).get(parameter.name)
    if spec is None:
        return ParameterSeries(parameter.name, parameter.unit, "", series.time, series.values, None)
    state = isinstance(spec.calibration, TextCalibration) or (
        isinstance(spec.calibration, Identity) and not spec.unit
    )
    return ParameterSeries(
        parameter.name,
        parameter.unit,
        spec.description,
        series.time,
        series.values,
        spec.limits or None,
        state,
    )


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
    texts, beyond = setup_texts(), sum(s.level >= Severity.WARNING for s in shown)
    return Table(
        ("parameter", "smallest", "median", "largest", "unit", "beyond", "what it is"),
        [
            (
                s.name, float(np.nanmin(s.values)), float(np.nanmedian(s.values)), float(np.nanmax(s.values)),
                unit_sign(s.unit), s.level.name if s.level >= Severity.WARNING else "", s.description,
            )
            for s in shown
        ],
        caption=texts("parameter_ranges", len(shown), count=texts.number(len(shown)), beyond=beyond),
        empty="No housekeeping.",
        folded=True,
    )  # fmt: skip


def _specs(instrument: Instrument) -> dict[str, FieldSpec]:
    """Declaration of every housekeeping parameter by name."""
    rule = instrument.housekeeping
    packets = () if rule is None else rule.packets
    layouts = [PacketLayout.read(instrument.layout_file(packet)) for packet in packets]
    return {name: layout[name] for layout in layouts for name in layout.single}
