"""The words of a verdict: level, of when it speaks, each reason, and what to do about it. Here alone.

Pages, terminal, reports and the index ask here, each in its reader's language, so that the same fact reads
the same everywhere.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from eicpy.errors import readable
from eicpy.health.reasons import Reason, Tense, Verdict
from eicpy.housekeeping.limits import Severity
from eicpy.text import UNKNOWN, Texts, unit_sign

__all__ = [
    "action_words",
    "headline",
    "reading_words",
    "reason_text",
    "reason_words",
    "sentences",
    "utc_words",
    "well_words",
]

_TENSES = {
    Tense.NOW: "tense_now",
    Tense.SILENT: "tense_silent",
    Tense.END: "tense_end",
    Tense.NIGHT: "tense_night",
}
_LEVELS = {
    Severity.UNKNOWN: "level_unknown",
    Severity.NOMINAL: "level_nominal",
    Severity.WARNING: "level_warning",
    Severity.ALARM: "level_alarm",
}
_COUNTS = ("packets", "datagrams", "restarts", "connections", "excursions")
_TIMES = ("since", "until", "first", "last")
_DAY = 86400.0
ARROW = " → "
"""Between a reason and what to do about it."""


def utc_words(seconds: float, near: float = math.nan) -> str:
    """Write a time (s TT since 2017-01-01) as UTC; its date only where that is not the date of another time.

    Examples
    --------
    >>> utc_words(86399.0), utc_words(86399.0, near=3600.0), utc_words(float("nan"))
    ('2017-01-01 23:59:59', '23:59:59', '–')
    """
    if not math.isfinite(seconds):
        return UNKNOWN
    moment = datetime(2017, 1, 1, tzinfo=UTC) + timedelta(seconds=math.floor(seconds))
    same_day = math.isfinite(near) and seconds // _DAY == near // _DAY
    return f"{moment:%H:%M:%S}" if same_day else f"{moment:%Y-%m-%d %H:%M:%S}"


def headline(verdict: Verdict, texts: Texts) -> str:
    """How bad it is, and of when that is: ``ALARM now``, ``WELL at the end of run 3, 2.5 h ago``."""
    if verdict.reading is not None and verdict.level is Severity.UNKNOWN:
        return texts("level_reading")
    word = texts(_LEVELS[verdict.level])
    if verdict.reading is not None or verdict.tense not in _TENSES:
        return word
    return f"{word} {texts(_TENSES[verdict.tense], run=verdict.run, age=texts.duration(verdict.age))}"


def reading_words(verdict: Verdict, texts: Texts) -> str:
    """How much of the data was read."""
    reading = verdict.reading
    if reading is None:
        return ""
    return texts("reading_data", size=texts.size(reading.total), percent=f"{100.0 * reading.share:.0f}")


def well_words(verdict: Verdict, texts: Texts) -> str:
    """What was looked at where there is no reason."""
    if verdict.tense is Tense.NONE:
        return texts("no_data_yet")
    if verdict.tense is Tense.NIGHT:
        window = texts("in_the_night")
    else:
        window = texts("in_the_last", window=texts.duration(verdict.window))
    key = "well_checked" if verdict.checked else "well_unchecked"
    return texts(key, verdict.checked, count=texts.number(verdict.checked), window=window)


def reason_words(reason: Reason, texts: Texts, newest: float = math.nan) -> str:
    """A reason as a sentence: what, how bad, since when.

    Parameters
    ----------
    reason
        One of the verdict.
    texts
        Language.
    newest
        Time of the newest data: times on its day are written without their date.
    """
    values = _values(reason.values, texts, newest)
    key = "reason_" + reason.code.replace("-", "_")
    count = next((float(reason.values[name]) for name in _COUNTS if name in reason.values), None)
    words = texts(key, count, **values)
    if reason.values.get("by"):
        note = texts("acknowledged_by", by=values["by"], comment=values["comment"] or UNKNOWN)
        words = f"{words}; {note}"
    return readable(words)


def action_words(reason: Reason, texts: Texts) -> str:
    """What to do next about a reason."""
    if reason.values.get("by"):
        return texts("action_handled")
    return texts("action_" + reason.code.replace("-", "_"))


def sentences(verdict: Verdict, texts: Texts) -> list[str]:
    """Every reason as a sentence with what to do about it, said once where several have the same to do.

    Parameters
    ----------
    verdict
        The verdict; its progress of reading comes first.
    texts
        Language.
    """
    said = [] if verdict.reading is None else [reading_words(verdict, texts)]
    actions: set[str] = set()
    for reason in verdict.reasons:
        words, action = reason_words(reason, texts, verdict.newest), action_words(reason, texts)
        said.append(words if action in actions else f"{words}{ARROW}{action}")
        actions.add(action)
    return said


def reason_text(reason: Reason, newest: float = math.nan) -> str:
    """A reason in English, on one line.

    Examples
    --------
    >>> reason_text(Reason("disk-alarm", {"seconds": 1800.0, "free": 2.5e9}))
    'disk full in 30 min, 2.50 GB free'
    """
    return reason_words(reason, Texts("en"), newest)


def _values(values: Mapping[str, float | str], texts: Texts, newest: float) -> dict[str, str]:
    writers = {"age": texts.duration, "seconds": texts.duration, "free": texts.size, "bytes": texts.size}
    writers |= dict.fromkeys((*_COUNTS, "open"), texts.number)
    words = {
        name: writers[name](float(value)) if name in writers else str(value) for name, value in values.items()
    }
    for name in _TIMES:
        if name in values:
            words[name] = utc_words(float(values[name]), newest)
    for name in ("value", "limit"):
        if name in values:
            words[name] = texts.figures(float(values[name]), 6)
    words.setdefault("limit", UNKNOWN)
    if "since" in values:
        key = "since_longer" if values.get("longer") else "since_then"
        words["since"] = texts(key, time=words["since"])
    if "parameter" in values:
        words["unit"] = f" {unit_sign(str(values['unit']))}" if values.get("unit") else ""
    role = words.get("role", "")
    part = words.get("part", "")
    words["who"] = part if role in {"", part} else texts("role_and_part", role=role, part=part)
    if "apid" in values:
        known = f" {values['name']}" if values.get("name") else ""
        direction = texts("telecommands_of") if values.get("command") else ""
        words["packets_of"] = f"{direction}APID {values['apid']}{known}"
    return words
