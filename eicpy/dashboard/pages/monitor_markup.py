"""The words of the monitor page as HTML: run, links, packets, processors, disk, error, journal.

Everything that comes from outside (addresses, comments, errors, names) is escaped.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from eicpy.acquisition.status import (
    ApidView,
    LinkView,
    Overview,
    PartView,
    ProcessorView,
    RunView,
)
from eicpy.dashboard.markup import fact_cells
from eicpy.instruments.words import table_words
from eicpy.packets import COUNTER_FIELDS
from eicpy.text import UNKNOWN, Texts

__all__ = ["apids", "facts", "journal", "links", "parts", "run_facts", "state_words"]

HEALTH = {"alive": "nominal", "silent": "alarm", "dead": "alarm", "failed": "alarm", "ended": "none"}
COUNTING = {
    "counts per destination": "counting_destination",
    "counts per type": "counting_type",
    "one counter for all APIDs": "counting_shared",
    "does not count": "counting_none",
}


def _moment(value: datetime | None) -> str:
    return UNKNOWN if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def state_words(overview: Overview, texts: Texts) -> str:
    """What the receiver says of itself; first whether it is running."""
    if overview.receiver is not None:
        return _told_state(overview.receiver, texts)
    starting = any(reason.code == "starting" for reason in overview.verdict.reasons)
    return texts("starting" if starting else "no_receiver")


def _told_state(part: PartView, texts: Texts) -> str:
    """Status that a process reports of itself; first whether it is running."""
    state = table_words(part.state, texts)
    return state if part.health == "alive" else f"{texts('health_' + part.health)} · {state}"


def facts(overview: Overview, texts: Texts) -> str:
    """Write the status line: run, rate, bytes, packets, losses, disk, last error."""
    receiver, run, disk = overview.receiver, overview.run, overview.disk
    rate = None if receiver is None else receiver.rate
    mode = "" if receiver is None else receiver.mode
    lost = sum(a.lost for a in overview.apids)
    damaged = sum(a.damaged for a in overview.apids)
    full = None if disk is None else disk.seconds_to_full
    alarming = full is not None and full < 86400.0
    cells = [
        (texts("run"), UNKNOWN if run is None else _run_name(run, texts), ""),
        (texts("run_mode"), texts(f"receiver_{mode}") if mode else UNKNOWN, "word"),
        (texts("data_rate"), UNKNOWN if rate is None else f"{texts.size(rate)}/s", ""),
        (texts("received_bytes"), texts.size(None if receiver is None else receiver.received), ""),
        (texts("packets"), texts.number(None if receiver is None else receiver.packets), ""),
        (texts("lost"), texts.number(lost), "warning" if lost else ""),
        (texts("damaged"), texts.number(damaged), "warning" if damaged else ""),
        (texts("disk_free"), texts.size(None if disk is None else disk.free), ""),
        (texts("disk_full_in"), texts.duration(full), "warning" if alarming else ""),
    ]
    return fact_cells(cells)


def run_facts(run: RunView | None, texts: Texts) -> str:
    """Write what is known about the run."""
    if run is None:
        return f'<p class="eic-caption">{texts("no_run")}</p>'
    rows = [
        (texts("run"), _run_name(run, texts)),
        (texts("opened"), f"{_moment(run.opened)} UTC ({texts('ago', age=texts.duration(run.age))})"),
        (texts("closed"), texts("still_open") if run.is_open else f"{_moment(run.closed)} UTC"),
        (texts("size"), texts.size(run.size)),
        (texts("operator"), run.operator),
        (texts("setup"), run.setup),
        (texts("comment"), run.comment),
        (texts("position"), run.position),
        (texts("origin"), run.source),
    ]
    inside = "".join(
        f'<tr><th scope="row">{name}</th><td>{escape(value or UNKNOWN)}</td></tr>' for name, value in rows
    )
    return f'<table class="eic-table"><caption>{texts("run")}</caption><tbody>{inside}</tbody></table>'


def _run_name(run: RunView, texts: Texts) -> str:
    return f"{run.number} {texts('suffix_' + run.suffix) if run.suffix else ''}".strip()


def links(overview: Overview, texts: Texts) -> str:
    """Write the connections; where no receiver lives, as they were."""
    lives = overview.receiver is not None and overview.receiver.health == "alive"
    rows = [
        _row(
            [
                ("name", escape(link.address)),
                ("", escape(link.transport)),
                ("", _link_state(link, texts, lives=lives)),
                ("number", texts.size(link.received)),
                ("number", texts.duration(link.age)),
            ]
        )
        for link in overview.links
    ]
    return _table("links", ["peer", "transport", "state", "#received_bytes", "#last_byte"], rows, texts)


def _link_state(link: LinkView, texts: Texts, *, lives: bool) -> str:
    if not lives:
        return _chip(texts("was_state", state=table_words(link.state, texts)), "none")
    return _chip(table_words(link.state, texts), "nominal" if link.state == "connected" else "warning")


def apids(shown: Sequence[ApidView], texts: Texts) -> str:
    """Write packets and losses by APID."""
    rows = []
    for apid in shown:
        known = _kinds(apid.name, texts) if apid.name else texts("unknown")
        name = f"{known}{texts('telecommand_mark') if apid.command else ''}"
        counts = (apid.lost, apid.duplicated, apid.out_of_order, apid.damaged)
        rate = UNKNOWN if apid.rate is None else texts.number(apid.rate, 1)
        rows.append(
            _row(
                [
                    ("number", str(apid.apid)),
                    ("", escape(name) + _counter(apid, texts)),
                    ("number", texts.number(apid.received)),
                    ("number", rate),
                    *(("number bad" if n else "number", texts.number(n)) for n in counts),
                ]
            )
        )
    heads = ["#apid", "kind", "#packets", "#packet_rate", "#lost", "#twice", "#late", "#damaged"]
    return _table("packets", heads, rows, texts)


def _kinds(name: str, texts: Texts) -> str:
    """Kinds of packets in a language; what an instrument calls its own stays."""
    return ", ".join(
        " ".join(table_words(word, texts) for word in kind.split(" ")) for kind in name.split(", ")
    )


def _counter(apid: ApidView, texts: Texts) -> str:
    """What is special about the counter of an APID."""
    words = [
        texts(f"counter_{name}", getattr(apid, name), count=texts.number(getattr(apid, name)))
        for name in COUNTER_FIELDS
        if getattr(apid, name)
    ]
    words += [_counting(text, texts) for text in apid.counting.split(", ") if text]
    return f'<br><small class="eic-caption">{escape(", ".join(words))}</small>' if words else ""


def _counting(text: str, texts: Texts) -> str:
    """How a counter counts, in the reader's language."""
    head, _, step = text.rpartition(" ")
    if head == "counts in steps of":
        return texts("counting_steps", step=step)
    return texts(COUNTING[text]) if text in COUNTING else text


def parts(overview: Overview, texts: Texts) -> str:
    """Write the processors with their lag, then the other parts of the chain."""
    rows = [_processor(part, texts) for part in overview.processors]
    rows += [_other(part, texts) for part in overview.parts if not isinstance(part, ProcessorView)]
    return _table("processes", ["name", "health", "mode", "#lag", "#packets", "note"], rows, texts)


def _processor(part: ProcessorView, texts: Texts) -> str:
    lag = UNKNOWN if part.behind is None else texts.size(part.behind)
    if part.behind_seconds is not None:
        lag += f" ({texts.duration(part.behind_seconds)})"
    notes = [
        f"{table_words(name.replace('_', ' '), texts)}{texts('colon')} {_parameter(value, texts)}"
        for name, value in part.parameters.items()
    ]
    if part.skipped:
        notes.append(texts("passed_over", part.skipped, count=texts.number(part.skipped)))
    return _part(
        part,
        [
            ("", escape(table_words(part.mode, texts))),
            ("number", lag),
            ("number", texts.number(part.packets)),
        ],
        notes,
        texts,
    )


def _parameter(value: float | str, texts: Texts) -> str:
    if isinstance(value, bool) or value in {"True", "False"}:  # a bool is a number to isinstance as well
        return texts("switched_on" if value in {True, "True"} else "switched_off")
    if isinstance(value, str):
        return value
    return texts.number(value) if isinstance(value, int) else texts.figures(value, 6)


def _other(part: PartView, texts: Texts) -> str:
    return _part(part, [("", ""), ("", ""), ("", "")], list(part.addresses), texts)


def _part(part: PartView, cells: list[tuple[str, str]], notes: list[str], texts: Texts) -> str:
    if part.restarts:
        notes.append(texts("restarted", part.restarts, count=part.restarts))
    if part.error:
        notes.append(part.error)
    state = f"{texts('health_' + part.health)} · {table_words(part.state, texts)}"
    return _row(
        [
            ("name", escape(part.name)),
            ("", _chip(state, HEALTH.get(part.health, "none"))),
            *cells,
            ("note", escape("; ".join(notes))),
        ]
    )


def journal(overview: Overview, texts: Texts) -> str:
    """Write the last error, and what operators did, the newest first."""
    error = overview.last_error
    listed = (
        f'<p class="eic-caption">{texts("last_error")}{texts("colon")} {UNKNOWN}</p>'
        if error is None
        else f'<p class="eic-error"><b>{texts("last_error")}</b> {_moment(error.time)} UTC, '
        f"{escape(error.part)}: {escape(error.text)}</p>"
    )
    rows = [
        _row(
            [
                ("name", _moment(entry.time)),
                ("", escape(entry.by)),
                ("note", escape(_done(entry.what, texts))),
                ("number", UNKNOWN if entry.run is None else str(entry.run)),
            ]
        )
        for entry in reversed(overview.journal)
    ]
    return listed + _table("journal", ["time_utc", "who", "what", "#run"], rows, texts)


def _done(what: str, texts: Texts) -> str:
    """What an operator did: the order in a language, then what was written with it, as it was written."""
    order, colon, text = what.partition(": ")
    return f"{table_words(order, texts)}{texts('colon') + ' ' if colon else ''}{text}"


def _chip(words: str, kind: str) -> str:
    return f'<span class="eic-chip {kind}">{escape(words)}</span>'


def _row(cells: Iterable[tuple[str, str]]) -> str:
    return "<tr>" + "".join(f'<td class="{kind}">{inside}</td>' for kind, inside in cells) + "</tr>"


def _table(caption: str, heads: Sequence[str], rows: Sequence[str], texts: Texts) -> str:
    """A table; the name of a column of numbers begins with #."""
    shown = "".join(
        f'<th class="{"number" if key.startswith("#") else ""}">{texts("head_" + key.lstrip("#"))}</th>'
        for key in heads
    )
    body = "".join(rows) or f'<tr><td colspan="{len(heads)}">{texts("nothing_yet")}</td></tr>'
    return (
        f'<table class="eic-table"><caption>{texts("table_" + caption)}</caption>'
        f"<thead><tr>{shown}</tr></thead><tbody>{body}</tbody></table>"
    )
