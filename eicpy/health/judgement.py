"""The one judgement: whether camera and chain are well, from all that is known.

"Recent" is counted in the time of the data, back from the newest of them and across the borders of runs.
What the chain reports is of now, by the clock on the wall. A verdict of data that were not all read yet is
no verdict: then the state says how much was read, and only the chain is judged.
"""

from collections.abc import Iterator

from eicpy.health.reasons import Reason, Tense, Verdict
from eicpy.health.state import HealthState, KnownExcursion, Loss
from eicpy.housekeeping.limits import Severity

__all__ = ["judge"]

_CODES = {"restarted": "counter_restarted"}
"""Codes of losses that are not the name of their kind: a part of the chain is restarted as well."""
_SAYS_SILENCE = {"receiver-ended", "nobody-sends", "link-silent", "no-space", "no-archive", "starting"}


def judge(state: HealthState) -> Verdict:
    """Judge a camera and its chain.

    Parameters
    ----------
    state
        What is known.

    Returns
    -------
    Verdict
        With the reasons, the worst first; of one code, the newest first.

    Examples
    --------
    >>> lost = Loss("lost", 810, False, 3, 100.0, 120.0)
    >>> [reason.code for reason in judge(HealthState(tense=Tense.NOW, losses=(lost,))).reasons]
    ['lost']
    """
    reasons = list(state.others)
    if state.reading is None:
        reasons += _of_silence(state)
        reasons += [_of_excursion(one, state.tense) for one in _counting(state)]
        reasons += [_of_loss(one, state) for one in sorted(state.losses, key=lambda one: -one.last)]
        size, first, last = state.foreign
        if size:
            reasons.append(Reason("foreign-bytes", {"bytes": size, "first": first, "last": last}))
    return Verdict(
        tuple(sorted(reasons, key=lambda reason: reason.urgency)),
        tense=state.tense,
        run=state.run,
        newest=state.newest,
        age=state.age,
        checked=state.checked,
        window=state.window,
        reading=state.reading,
        simulated=state.simulated,
    )


def _of_silence(state: HealthState) -> Iterator[Reason]:
    if state.tense is Tense.SILENT and not any(one.code in _SAYS_SILENCE for one in state.others):
        yield Reason("silent-run", {} if state.age is None else {"age": state.age})


def _counting(state: HealthState) -> list[KnownExcursion]:
    """Excursions that count: those that last, that ended recently and nobody looked at, or all of a night."""
    return sorted(
        (one for one in state.excursions if one.ongoing or state.tense is Tense.NIGHT or not one.by),
        key=lambda one: (-one.stop, one.parameter),
    )


def _of_excursion(one: KnownExcursion, tense: Tense) -> Reason:
    alarm = one.level is Severity.ALARM
    values: dict[str, float | str] = {
        "parameter": one.parameter,
        "value": one.value,
        "unit": one.unit,
        "since": one.start,
        "longer": int(one.longer),
    }
    if one.limit is not None:
        values["limit"] = one.limit
    if one.by:
        values |= {"by": one.by, "comment": one.comment}
    if one.ongoing:
        return Reason("beyond-alarm" if alarm else "beyond-warning", values)
    values["until"] = one.stop
    if tense is not Tense.NIGHT:
        return Reason("back-inside", values)
    return Reason("handled" if one.by else "was-alarm" if alarm else "was-warning", values)


def _of_loss(one: Loss, state: HealthState) -> Reason:
    return Reason(
        _CODES.get(one.kind, one.kind),
        {
            "apid": one.apid,
            "name": (state.names or {}).get((one.command, one.apid), ""),
            "command": int(one.command),
            "packets": one.packets,
            "first": one.first,
            "last": one.last,
        },
    )
