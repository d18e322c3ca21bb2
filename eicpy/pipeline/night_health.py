"""What a night finds of the health of camera and packets, noted in its record: losses, excursions, alerts.

The verdict is made from the record (:mod:`eicpy.nights.verdict`).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from eicpy.decoding import packet_seconds
from eicpy.health.losses import KINDS, confirmed_times
from eicpy.housekeeping import Severity
from eicpy.instruments import Instrument
from eicpy.nights.record import AlertRecord, ExcursionRecord, LossRecord, NightRecord
from eicpy.operations import ExcursionEntry
from eicpy.packets import ContinuityTable, PacketStatus
from eicpy.pipeline.plan import RunSelection
from eicpy.pipeline.run_switches import Switch

__all__ = ["add_alerts", "add_excursions", "add_losses", "add_switch"]

MOST_ALERTS = 100
"""Alerts whose times a record holds."""
MOST_EXCURSIONS = 200
"""Excursions that a record holds, the worst and newest."""


def add_losses(
    record: NightRecord, stretch: RunSelection, instrument: Instrument, table: ContinuityTable
) -> None:
    """Note in a record when packets of a run were lost or damaged, and how far its data reach.

    Parameters
    ----------
    record
        The night; its counts of packets are made elsewhere.
    stretch
        Packets of the run.
    instrument
        The detector.
    table
        Continuity of the packets.
    """
    index = stretch.index
    times = np.where(index.good, packet_seconds(index, instrument), np.nan)
    confirmed = confirmed_times(times)
    seconds = np.floor(np.where(np.isfinite(confirmed), confirmed, np.nan))
    known = seconds[np.isfinite(seconds)]
    if not len(known):
        return
    record.newest = max(float(np.max(confirmed[np.isfinite(confirmed)])), record.newest or -np.inf)
    seconds = np.where(np.isfinite(seconds), seconds, known[0])
    bad = ~index.good & (index.status != PacketStatus.BAD_HEADER)
    for apid, found in table.items():
        if not found.received and instrument.header(apid) is None:
            continue  # as where they are counted
        rows: dict[str, list[int]] = {"damaged": np.flatnonzero(bad & (index.apid == apid)).tolist()}
        packets = {"damaged": len(rows["damaged"])}
        for one in found.findings():
            if one.word in KINDS:
                kind = KINDS[one.word]
                rows.setdefault(kind, []).append(one.number)
                packets[kind] = packets.get(kind, 0) + one.packets
        if "lost" in packets:
            packets["lost"] = found.lost  # less those that came late
        for kind, count in packets.items():
            if count > 0:
                when = seconds[np.minimum(rows[kind], len(seconds) - 1)]
                _add_loss(record, LossRecord(
                    kind=kind, apid=apid, packets=count, first=float(when.min()), last=float(when.max()),
                ))  # fmt: skip


def add_alerts(record: NightRecord, found: Mapping[str, npt.NDArray[np.float64]]) -> None:
    """Note the alerts of a run in a record: how many, and when the first hundred were sent.

    Parameters
    ----------
    record
        The night.
    found
        Times of the packets, s, by kind.
    """
    for kind, times in found.items():
        record.alerts += len(times)
        known = times[np.isfinite(times)].tolist()
        record.alert_times += [AlertRecord(kind=kind, time=time) for time in known]
    record.alert_times.sort(key=lambda alert: alert.time)
    del record.alert_times[MOST_ALERTS:]


def add_switch(record: NightRecord, switch: Switch) -> None:
    """Note in a record what was lost while the receiver went from one run to the next."""
    when = float(np.floor(switch.time)) if np.isfinite(switch.time) else record.newest
    if when is None:
        return
    for kind in KINDS.values():
        if count := getattr(switch.counts, kind):
            _add_loss(record, LossRecord(kind=kind, apid=switch.apid, packets=count, first=when, last=when))


def _add_loss(record: NightRecord, new: LossRecord) -> None:
    for one in record.losses:
        if (one.kind, one.apid) == (new.kind, new.apid):
            one.packets += new.packets
            one.first, one.last = min(one.first, new.first), max(one.last, new.last)
            return
    record.losses.append(new)


def add_excursions(
    record: NightRecord, found: Iterable[ExcursionEntry], ongoing: Iterable[tuple[str, float]]
) -> None:
    """Note the excursions of a run in a record; those that lasted at the end of an earlier run have ended."""
    for one in record.excursions:
        one.ongoing = False
    lasting = set(ongoing)
    record.excursions += [
        ExcursionRecord(
            parameter=one.parameter, level="alarm" if one.level is Severity.ALARM else "warning",
            start=one.start, stop=one.stop, value=one.value, limit=one.limit, unit=one.unit,
            ongoing=(one.parameter, one.start) in lasting,
        )
        for one in found
    ]  # fmt: skip
    record.excursions.sort(key=lambda one: (not one.ongoing, one.level != "alarm", -one.stop))
    del record.excursions[MOST_EXCURSIONS:]
