"""Whether the camera was well in a night: the state of the one verdict, from the record of the night.

The words, the levels and the judgement are those of the live pages (:mod:`eicpy.health`); here is only what
is known of a night. Who acknowledged an excursion stands in the internal database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.decoding import packet_seconds
from eicpy.errors import EicpyError
from eicpy.health import HealthState, KnownExcursion, Loss, Reason, Tense, Verdict, judge, verdict_box
from eicpy.health.box import BOX_STYLE
from eicpy.health.losses import KINDS, confirmed_times
from eicpy.health.names import packet_name
from eicpy.health.words import headline, reason_words
from eicpy.housekeeping import Severity
from eicpy.instruments import Instrument, load
from eicpy.operations import ExcursionEntry, ExcursionRow, ExcursionState
from eicpy.packets import ContinuityTable, PacketStatus
from eicpy.pipeline.plan import RunSelection
from eicpy.pipeline.record import AlertRecord, ExcursionRecord, LossRecord, NightRecord
from eicpy.pipeline.run_switches import Switch
from eicpy.text import Texts

__all__ = ["NightVerdict", "add_alerts", "add_excursions", "add_losses", "add_switch", "night_verdict"]

MOST_ALERTS = 100
"""Alerts whose times a record holds."""
MOST_EXCURSIONS = 200
"""Excursions that a record holds, the worst and newest."""


@dataclass(frozen=True)
class NightVerdict:
    """Whether the camera was well in a night, for a report.

    Parameters
    ----------
    verdict
        The verdict.
    language
        Of its words.
    """

    verdict: Verdict
    language: str = "en"

    def __str__(self) -> str:
        texts, newest = Texts(self.language), self.verdict.newest
        said = [headline(self.verdict, texts)]
        return "; ".join([*said, *(reason_words(reason, texts, newest) for reason in self.verdict.reasons)])

    def _repr_html_(self) -> str:
        return f"<style>{BOX_STYLE}</style>{verdict_box(self.verdict, Texts(self.language), shown=12)}"


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


def night_verdict(record: NightRecord, rows: Sequence[ExcursionRow] = ()) -> Verdict:
    """Judge a night.

    Parameters
    ----------
    record
        What is known of it.
    rows
        Excursions of the night in the database, for who acknowledged them.
    """
    handled = {(row.parameter, row.start): row for row in rows if row.state is ExcursionState.HANDLED}
    excursions = [_known(one, handled.get((one.parameter, one.start))) for one in record.excursions]
    return judge(
        HealthState(
            tense=Tense.NIGHT,
            run=record.runs[-1] if record.runs else None,
            newest=float("nan") if record.newest is None else record.newest,
            excursions=tuple(excursions),
            losses=tuple(
                Loss(one.kind, one.apid, False, one.packets, one.first, one.last) for one in record.losses
            ),
            names=_names(record),
            checked=record.checked,
            simulated=record.simulated,
            others=(*_of_the_making(record), *_only_counted(record, rows)),
        )
    )


def _names(record: NightRecord) -> dict[tuple[bool, int], str]:
    try:
        instrument = load(record.instrument)
    except EicpyError:  # of a description that was taken away since
        return {}
    return {(False, one.apid): packet_name(instrument, one.apid) for one in record.losses}


def _known(one: ExcursionRecord, row: ExcursionRow | None) -> KnownExcursion:
    return KnownExcursion(
        parameter=one.parameter,
        level=Severity[one.level.upper()],
        start=one.start,
        stop=one.stop,
        value=one.value,
        limit=one.limit,
        unit=one.unit,
        ongoing=one.ongoing,
        by="" if row is None else row.handled_by,
        comment="" if row is None else row.comment,
    )


def _of_the_making(record: NightRecord) -> list[Reason]:
    """What went wrong where the night was made."""
    reasons = []
    if record.status == "failed":
        reasons.append(Reason("night-failed", {"text": record.message}))
    elif record.status == "running":
        reasons.append(Reason("night-unfinished"))
    reasons += [Reason("task-failed", {"text": failure}) for failure in record.failures]
    reasons += [
        Reason("task-failed", {"text": f"{one.title}: {one.message}"}) for one in record.failed_reports
    ]
    return reasons


def _only_counted(record: NightRecord, rows: Sequence[ExcursionRow]) -> list[Reason]:
    """What a record of the version before only counted."""
    reasons: list[Reason] = []
    if record.excursions or record.losses:
        return reasons
    seen = [row.level for row in rows if row.state is ExcursionState.HANDLED]
    for code, level, count in (
        ("counted-alarms", Severity.ALARM, record.alarms),
        ("counted-warnings", Severity.WARNING, record.warnings),
    ):
        left = count - seen.count(level)
        if left > 0:
            reasons.append(Reason(code, {"excursions": left}))
    if record.lost or record.damaged:
        reasons.append(Reason("counted-losses", {"packets": record.lost + record.damaged}))
    return reasons
