"""Content of the monitor, section by section."""

from collections.abc import Callable, Sequence

from eicpy.acquisition.status import (
    BEHIND,
    ApidView,
    LinkView,
    Overview,
    PartView,
    ProcessorView,
    ReceiverView,
    RunView,
)
from eicpy.acquisition.status.chain_reasons import GIVEN_UP, NO_ARCHIVE, NO_SPACE
from eicpy.errors import readable
from eicpy.health import Verdict, headline, sentences, well_words
from eicpy.housekeeping import Severity
from eicpy.instruments.words import table_words
from eicpy.monitor.lines import Line, Lines, Span, clipped, table, words, wrapped
from eicpy.packets import counter_note
from eicpy.text import UNKNOWN, Texts, grouped, rate_text, size_text, span_text, time_text

__all__ = ["LEVEL_STYLES", "SECTIONS", "processor_lines", "verdict_lines"]

LEVEL_STYLES = {
    Severity.UNKNOWN: "wrong",
    Severity.NOMINAL: "good",
    Severity.WARNING: "wrong",
    Severity.ALARM: "alarm",
}
_ENGLISH = "en"
_HEALTH_STYLES = {"alive": "", "silent": "alarm", "dead": "alarm", "failed": "alarm", "ended": "dim"}
_BAD_STATES = frozenset({NO_SPACE, NO_ARCHIVE, GIVEN_UP})
_RUN_TEXTS = (("operator", "by"), ("setup", "set-up"), ("position", "position"), ("comment", "comment"))


def verdict_lines(verdict: Verdict, width: int, most: int) -> Lines:
    """The verdict: how bad and of when with the worst reason, then the other reasons; what to do about each.

    Parameters
    ----------
    verdict
        Verdict of the overview.
    width
        Columns.
    most
        Lines, at least 1; the last counts the reasons that are not shown.
    """
    texts = Texts(_ENGLISH)
    badge = (f" {headline(verdict, texts)} ", f"{LEVEL_STYLES[verdict.level]}-badge")
    styles = [LEVEL_STYLES[reason.level] for reason in verdict.reasons]
    told = sentences(verdict, texts)
    said = list(zip(told, ["wrong"] * (len(told) - len(styles)) + styles, strict=True))
    if not said:
        return [clipped(words(badge, f" {well_words(verdict, texts)}"), width)]
    lines = [words(badge, " ", said[0]), *(words("  ", one) for one in said[1:most])]
    hidden = len(said) - len(lines)
    if not hidden:
        return [clipped(line, width) for line in lines]
    more = f"  (+{hidden} more)"
    cut = [clipped(line, width) for line in lines[:-1]]
    return [*cut, [*clipped(lines[-1], width - len(more)), (more, "strong")]]


def run_lines(overview: Overview, width: int) -> Lines:
    """The run: number, suffix, size, age, and the operator's comment."""
    run = overview.run
    if run is None:
        return [words(("no run yet", "dim"))]
    facts: list[str | Span] = [(f"Run {run.number}", "strong")]
    if run.suffix:
        facts += [" ", (run.suffix.upper(), "wrong")]
    if run.simulated:
        facts += [" ", ("SIMULATED", "wrong")]
    facts += [_openness(run, overview, since=width >= 72), f" · {size_text(run.size)}"]
    mode = overview.receiver.mode if overview.receiver else ""
    if mode and run.is_open and mode != run.suffix:
        facts.append(f" · {mode}")
    shown: list[str | Span] = []
    for key, name in _RUN_TEXTS:
        if text := getattr(run, key):
            shown += [" · " if shown else "", (f"{name} ", "dim"), readable(text)]
    origin = words(*shown) or words(("operator, set-up and comment not given", "dim"))
    return [*wrapped(words(*facts), width, 2), *wrapped(origin, width, 3)]


def _openness(run: RunView, overview: Overview, *, since: bool) -> str:
    if run.closed is not None:
        return f" · closed {time_text(run.closed, overview.moment)}"
    opened = f" (since {time_text(run.opened, overview.moment)})" if since else ""
    return f" · open {span_text(run.age)}{opened}"


def link_lines(overview: Overview, width: int) -> Lines:
    """The receiver: state, addresses, rate; then each connection."""
    receiver = overview.receiver
    if receiver is None and _is_starting(overview):
        return [words(("the receiver is starting", "wrong"), "; the first start takes up to a minute")]
    if receiver is None:
        return [words(("no receiver", "wrong"), "; start one with 'eic acquire'")]
    head = [*_state(receiver), (f"  {rate_text(receiver.rate)}", "strong")]
    head += words(f" · {size_text(receiver.received)} · {grouped(receiver.packets)} packets")
    lines = [head]
    if lost := _losses(receiver):
        lines += wrapped([(lost, "wrong")], width, 2)
    if overview.addresses:
        at = words(("at ", "dim"), " · ".join(map(readable, overview.addresses)))
        lines += wrapped(at, width, 3)
    lines += [_link(link) for link in overview.links]
    if not overview.links:
        lines.append(words(("no connection", "dim")))
    return [clipped(line, width) for line in lines]


def _is_starting(overview: Overview) -> bool:
    return any(reason.code == "starting" for reason in overview.verdict.reasons)


def _losses(receiver: ReceiverView) -> str:
    """Losses and damage of all APIDs together; empty where there are none."""
    counts = (
        (receiver.damaged, f"{grouped(receiver.damaged)} packets damaged"),
        (receiver.foreign_bytes, f"{size_text(receiver.foreign_bytes)} of no packet"),
        (receiver.udp_dropped, f"{grouped(receiver.udp_dropped)} datagrams lost"),
        (receiver.gave_way, f"{grouped(receiver.gave_way)} connections closed for others"),
    )
    return " · ".join(text for count, text in counts if count)


def _state(part: PartView) -> Line:
    if part.health == "alive":
        return words((readable(part.state), "alarm" if part.state in _BAD_STATES else "good"))
    last = f" (last: {readable(part.state)}, {span_text(part.age)} ago)" if part.health != "ended" else ""
    return words((part.health.upper() if last else part.health, _HEALTH_STYLES[part.health]), last)


def _link(link: LinkView) -> Line:
    style = {"connected": "good", "refused": "wrong"}.get(link.state, "dim")
    shown = f" · {size_text(link.received)}" if link.received is not None else ""
    age = f" · last byte {span_text(link.age)} ago" if link.age is not None else ""
    return words(f"{link.transport} {readable(link.address)} ", (link.state, style), shown, age)


def apid_lines(overview: Overview, width: int) -> Lines:
    """A row for each APID: received, lost, duplicated, out of order, damaged, rate.

    What is special about its counter stands below.
    """
    if not overview.apids:
        return [words(("no packet yet", "dim"))]
    head = ("> APID", "packets", ">received", ">lost", ">dupl.", ">disord.", ">damaged", ">per s")
    title, *rows = table(head, [_apid(apid) for apid in overview.apids], stretch=1, width=width)
    lines: Lines = [title]
    for apid, row in zip(overview.apids, rows, strict=True):
        lines.append(row)
        if note := counter_note(apid):
            lines += [clipped([("  ", ""), (readable(note), "wrong")], width)]
    return lines


def _apid(apid: ApidView) -> Sequence[str | Span]:
    name = readable(apid.name) if apid.name else "not this instrument's"
    return (
        f"TC {apid.apid}" if apid.command else str(apid.apid),
        (name, "" if apid.name else "wrong"),
        grouped(apid.received),
        *(_wrong(n) for n in (apid.lost, apid.duplicated, apid.out_of_order, apid.damaged)),
        UNKNOWN if apid.rate is None else grouped(apid.rate) if apid.rate >= 99.95 else f"{apid.rate:.1f}",
    )


def _wrong(count: int) -> Span:
    return (grouped(count), "wrong" if count else "dim")


def processor_lines(overview: Overview, width: int, *, details: bool = True) -> Lines:
    """A row for each processor, with its error and its parameters below; then other parts that are not well.

    Parameters
    ----------
    overview, width
        As for every section.
    details
        Whether to show the parameters; errors are shown in any case.
    """
    lines: Lines = [words(("no processor yet" if _is_starting(overview) else "no processor", "dim"))]
    if overview.processors:
        head = ("processor", "mode", "state", "> behind", ">", ">done", ">restarts")
        rows = [_processor(part) for part in overview.processors]
        title, *rows_shown = table(head, rows, stretch=2, width=width)
        lines = [title]
        for part, row in zip(overview.processors, rows_shown, strict=True):
            lines += [row, *_below(part, width, details=details)]
    for other in overview.others:
        if other.health != "alive" or other.error:
            shown = f": {readable(other.error)}" if other.error else ""
            lines.append(clipped(words(f"{readable(other.name)} ", *_state(other), shown), width))
    return lines


def _processor(part: ProcessorView) -> Sequence[str | Span]:
    bad = part.health in {"dead", "silent", "failed"}
    given_up = part.state == "given up"
    late = part.mode != "last" and (part.behind_seconds or 0.0) > BEHIND
    return (
        (readable(part.name), "strong"),
        part.mode or UNKNOWN,
        (
            part.health.upper() if bad else part.health if part.health == "ended" else readable(part.state),
            "alarm" if bad or given_up else "dim" if part.health == "ended" else "good",
        ),
        (size_text(part.behind), "wrong" if late else ""),
        (span_text(part.behind_seconds), "wrong" if late else ""),
        grouped(part.packets),
        (grouped(part.restarts), "wrong" if part.restarts else "dim"),
    )


def _below(part: ProcessorView, width: int, *, details: bool) -> Lines:
    """What is shown under the row of a processor."""
    lines: Lines = []
    if part.error and part.health != "ended":
        lines += wrapped(words((readable(part.error), "wrong")), width - 2, 2)
    facts = [f"skipped {grouped(part.skipped)}"] if part.skipped else []
    if part.health in {"dead", "silent", "failed"}:
        facts.append(f"last word {span_text(part.age)} ago: {readable(part.state)}")
    facts += [f"{_fact(name)}: {_value(value)}" for name, value in part.parameters.items()]
    if facts and details:
        lines += wrapped(words((" · ".join(facts), "dim")), width - 2, 2)
    return [[("  ", ""), *line] for line in lines]


def _fact(name: str) -> str:
    """What a processor counts or was told, in words: ``packets that came twice``, not ``repeated``."""
    return readable(table_words(name.replace("_", " "), Texts(_ENGLISH)))


def _value(value: float | str) -> str:
    if isinstance(value, bool) or value in {"True", "False"}:
        return "on" if value in {True, "True"} else "off"
    return f"{value:.6g}" if isinstance(value, float) else readable(str(value))


def disk_lines(overview: Overview, width: int) -> Lines:
    """A bar of the disk, its free space, and when it will be full."""
    disk = overview.disk
    if disk is None:
        return [words(("the disk of the archive cannot be read", "alarm"))]
    full = disk.seconds_to_full
    when = "nothing comes" if full is None else f"full in {span_text(full)}"
    shown = f" {100.0 * disk.used:.0f} % used · {size_text(disk.free)} free · {when}"
    style = "alarm" if full is not None and full < 3600.0 else "wrong" if disk.used > 0.95 else "good"
    length = max(min(40, width - len(shown) - 2), 6)
    filled = min(round(disk.used * length), length)
    bar = [("[", "dim"), ("█" * filled, style), ("·" * (length - filled), "dim"), ("]", "dim")]
    return [clipped([*bar, (shown, "")], width)]


def error_lines(overview: Overview, width: int) -> Lines:
    """The newest error of a part."""
    error = overview.last_error
    if error is None:
        return [words(("none", "dim"))]
    when = time_text(error.time, overview.moment)
    return wrapped(words(f"{when} {readable(error.part)}: ", (readable(error.text), "wrong")), width, 2)


def journal_lines(overview: Overview, width: int) -> Lines:
    """What operators did, the newest first."""
    lines = [
        words(
            (f"{time_text(entry.time, overview.moment)} ", "dim"),
            (f"{readable(entry.by)} ", "strong"),
            f"run {entry.run}: " if entry.run is not None else "",
            readable(entry.what),
        )
        for entry in reversed(overview.journal)
    ]
    return [clipped(line, width) for line in lines] or [words(("nothing yet", "dim"))]


SECTIONS: dict[str, tuple[str, Callable[[Overview, int], Lines]]] = {
    "run": ("Run", run_lines),
    "links": ("Reception", link_lines),
    "disk": ("Disk", disk_lines),
    "error": ("Last error", error_lines),
    "apids": ("Packets", apid_lines),
    "processors": ("Processors", processor_lines),
    "journal": ("Journal", journal_lines),
}
"""Title and lines of each section, in the order of a narrow screen."""
