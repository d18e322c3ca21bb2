"""Good time of a night: photon packets came without a gap, and the housekeeping says that all was well.

Each detector names its criteria (``good_time`` in its description): a parameter, the values that make a
time good, a margin. A criterion without any housekeeping in the night is unknown: it is taken as fulfilled,
and reported, for no photon is given up because another packet did not come.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.decoding import HousekeepingTable
from eicpy.events import GoodTimeIntervals
from eicpy.instruments import GoodTimeRule, Instrument

__all__ = ["ALL", "TELEMETRY", "GoodTime", "Samples", "good_time", "samples_of"]

TELEMETRY = "TLM"
"""Criterion: photon packets came without a gap."""
ALL = "ALL"
"""All criteria at once."""

Samples = Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]
"""By criterion: times of the samples, s, and whether each is good."""


@dataclass(frozen=True)
class GoodTime:
    """Good time of a night, by criterion.

    Parameters
    ----------
    telemetry
        Times in which photon packets came without a gap.
    conditions
        Times allowed by each criterion that has housekeeping.
    unknown
        Criteria without housekeeping.
    """

    telemetry: GoodTimeIntervals
    conditions: Mapping[str, GoodTimeIntervals]
    unknown: tuple[str, ...] = ()

    @property
    def allowed(self) -> GoodTimeIntervals:
        """Times that the housekeeping allows; all times where it says nothing."""
        allowed = GoodTimeIntervals.everything()
        for intervals in self.conditions.values():
            allowed = allowed & intervals
        return allowed

    @property
    def total(self) -> GoodTimeIntervals:
        """Times that fulfil every known criterion."""
        return self.telemetry & self.allowed

    @property
    def criteria(self) -> dict[str, GoodTimeIntervals]:
        """Every known criterion within the time of the telemetry's, and all at once."""
        return {TELEMETRY: self.telemetry, **self.conditions, ALL: self.total}


def samples_of(tables: Iterable[HousekeepingTable], instrument: Instrument) -> Samples:
    """Judge the housekeeping of some packets by the criteria of a detector.

    Parameters
    ----------
    tables
        Decoded housekeeping.
    instrument
        The detector.

    Returns
    -------
    dict
        By criterion, those without a sample left out.
    """
    found = {}
    for table in tables:
        timed = np.isfinite(table.time)
        for name, rule in instrument.good_time.items():
            if rule.parameter in table.values and timed.any():
                found[name] = table.time[timed], rule.holds(table.values[rule.parameter][timed])
    return found


def good_time(
    instrument: Instrument, telemetry: GoodTimeIntervals, samples: Sequence[Samples | None]
) -> GoodTime:
    """Find the good time of a night.

    Parameters
    ----------
    instrument
        The detector, which names the criteria.
    telemetry
        Times in which photon packets came without a gap.
    samples
        What the housekeeping of each run says; None for a run that could not be decoded, which makes
        every criterion unknown.
    """
    conditions, unknown = {}, []
    for name, rule in instrument.good_time.items():
        parts = [s[name] for s in samples if s is not None and name in s]
        if parts and all(s is not None for s in samples):
            time = np.concatenate([t for t, _ in parts])
            order = np.argsort(time, kind="stable")
            good = np.concatenate([g for _, g in parts])
            conditions[name] = _intervals(time[order], good[order], rule)
        else:
            unknown.append(name)
    return GoodTime(telemetry, conditions, tuple(unknown))


def _intervals(
    time: npt.NDArray[np.float64], good: npt.NDArray[np.bool_], rule: GoodTimeRule
) -> GoodTimeIntervals:
    """Apply a criterion; the first and the last sample speak for the usual distance beyond themselves."""
    usual = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    # at the ends of the knowledge nothing begins or ends to hold, so that no margin is lost there
    beyond = min(usual, rule.longest_gap) + rule.margin
    return GoodTimeIntervals.from_condition(
        np.concatenate(([time[0] - beyond], time, [time[-1] + beyond])),
        np.concatenate((good[:1], good, good[-1:])),
        max_gap=max(rule.longest_gap, beyond),
        margin=rule.margin,
    )
