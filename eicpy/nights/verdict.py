"""Whether the camera was well in a night: the state of the one verdict, from the record of the night.

The words, the levels and the judgement are those of the live pages (:mod:`eicpy.health`); here is only what
is known of a night. Who acknowledged an excursion stands in the internal database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eicpy.errors import EicpyError
from eicpy.health import HealthState, KnownExcursion, Loss, Reason, Tense, Verdict, judge, verdict_box
from eicpy.health.box import BOX_STYLE
from eicpy.health.names import packet_name
from eicpy.health.words import headline, reason_words
from eicpy.housekeeping import Severity
from eicpy.instruments import load
from eicpy.nights.record import ExcursionRecord, NightRecord
from eicpy.operations import ExcursionRow, ExcursionState
from eicpy.text import Texts

__all__ = ["NightVerdict", "night_verdict"]


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
