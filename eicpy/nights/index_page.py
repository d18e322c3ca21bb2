"""The index of all nights, and home page: now, what needs doing, the last night, the nights before.

The page is made when it is looked at: the server of the dashboards renders it for each reader, from the
records of the nights, the internal database and the verdict of now, so that nothing on it can be old. A night
leaves it as a file too, for who has no server: that says when it was written, that it does not know the
present, and shows the age of the last success, which the browser computes, so that a page that is no longer
written does not stay green.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from eicpy.errors import BadDataError, EicpyError
from eicpy.files import write_text
from eicpy.health import Verdict, utc_words, verdict_box, verdict_class
from eicpy.health.box import BOX_STYLE
from eicpy.housekeeping import Severity
from eicpy.instruments import load
from eicpy.nights.record import NightRecord, now
from eicpy.nights.runs import configuration_words, night_labels
from eicpy.nights.verdict import night_verdict
from eicpy.operations import (
    ExcursionRow,
    ExcursionState,
    ReleaseState,
    excursions,
    open_database,
    releases,
)
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import LANGUAGES, Texts, setup_language

__all__ = ["Home", "night_records", "render_index", "write_index"]

_log = logging.getLogger(__name__)

REFRESH, REFRESH_READING = 60, 5
"""s after which a page shown by a server asks again; while data are being read."""
STALE_HOURS = 36.0
"""A night is due every day; half a day of grace before the page warns."""

LATE_HOURS = 6.0
"""A night that has run for longer was interrupted, or hangs."""

MOST_TODO = 8
"""Excursions that are named with their commands; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """What a server adds to the index that it shows.

    Parameters
    ----------
    verdicts
        Verdict of now, by instrument.
    pages
        Addresses of the live pages, relative to that of the index, and keys of their names.
    language
        Of the reader.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"


def night_records(settings: Settings) -> list[NightRecord]:
    """Read the records of all nights of all instruments, the newest first.

    A record that cannot be read is shown as a failed night, not left out.
    """
    records = []
    for path in sorted(settings.home.glob("products/*/*/night.json"), reverse=True):
        try:
            records.append(NightRecord.read(path.parent))
        except BadDataError as error:
            name = path.parent.parent.name
            records.append(
                NightRecord(
                    instrument=name, title=name, night=path.parent.name, start="", stop="",
                    status="failed", message=str(error),
                )
            )  # fmt: skip
    return sorted(records, key=lambda r: (r.night, r.instrument), reverse=True)


def write_index(settings: Settings) -> Path:
    """Write ``reports/index.html`` from the records of the nights.

    Returns
    -------
    pathlib.Path
        The page.
    """
    path = settings.reports / "index.html"
    write_text(path, render_index(settings))
    return path


def render_index(settings: Settings, home: Home | None = None) -> str:
    """Make the index page as it is right now.

    Parameters
    ----------
    settings
        The set-up.
    home
        What the server that shows it knows of the present; None: it will be opened as a file.
    """
    records = night_records(settings)
    by_instrument: dict[str, list[NightRecord]] = defaultdict(list)
    for record in records:
        by_instrument[record.instrument].append(record)
    known = _Known.read(settings)
    handled = known.by_night()
    verdicts = {(r.instrument, r.night): night_verdict(r, handled[r.instrument, r.night]) for r in records}
    return str(_template().render(
        home=home,
        language=setup_language() if home is None else home.language,
        refresh=_refresh(home),
        present=[] if home is None else [_present(name, verdict) for name, verdict in home.verdicts.items()],
        instruments=[_instrument(name, nights) for name, nights in sorted(by_instrument.items())],
        made=now(),
        stale_hours=STALE_HOURS,
        late_hours=LATE_HOURS,
        failing=sum(r.status in ("failed", "incomplete") or bool(r.failed_reports) for r in records),
        alarming=sum(verdict.level is Severity.ALARM for verdict in verdicts.values()),
        known=known,
        levels={key: verdict_class(verdict) for key, verdict in verdicts.items()},
        boxes={key: _boxes(verdict, 3) for key, verdict in verdicts.items()},
        runs={(r.instrument, r.night): _runs(r, settings) for r in records},
        style=Markup(BOX_STYLE),  # noqa: S704, ours
    ))  # fmt: skip


def _refresh(home: Home | None) -> int:
    reads = home is not None and any(verdict.reading is not None for verdict in home.verdicts.values())
    return REFRESH_READING if reads else REFRESH


@dataclass(frozen=True)
class _Known:
    """What the internal database knows, as the page needs it."""

    rows: list[ExcursionRow]
    proposed: list[str]
    problem: str = ""

    @classmethod
    def read(cls, settings: Settings) -> "_Known":
        """Nothing is known where the database cannot be read: the page says so."""
        try:
            with open_database(settings) as database:
                rows = excursions(database)
                tables = releases(database, state=ReleaseState.PROPOSED)
        except EicpyError as error:
            _log.warning("the index does not say who acknowledged what: %s", error)
            return cls([], [], str(error))
        return cls(rows, [Path(row.file).name for row in tables])

    def by_night(self) -> dict[tuple[str, str], list[ExcursionRow]]:
        """Excursions that somebody acknowledged, by detector and night."""
        found: dict[tuple[str, str], list[ExcursionRow]] = defaultdict(list)
        for row in self.rows:
            if row.state is ExcursionState.HANDLED:
                found[row.instrument, row.night].append(row)
        return found

    @property
    def open(self) -> list[ExcursionRow]:
        """Excursions that nobody acknowledged: alarms first, then the newest."""
        new = [row for row in self.rows if row.state is ExcursionState.NEW]
        return sorted(new, key=lambda row: (-row.level, -row.start))

    @property
    def named(self) -> list[ExcursionRow]:
        """Those of them that are named."""
        return self.open[:MOST_TODO]

    @property
    def more(self) -> int:
        """How many are only counted."""
        return max(0, len(self.open) - MOST_TODO)


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = Texts("en").number
    environment.filters["utc"] = _utc
    environment.filters["seconds"] = utc_words
    environment.globals["both"] = _both
    environment.globals["translated"] = _translated
    environment.globals["each"] = {language: Texts(language) for language in LANGUAGES}
    return environment.get_template("index.html.j2")


def _both(key: str, n: float | None = None, /, **values: object) -> Markup:
    """Words of a key in each language; the page shows those of its reader."""
    return Markup("").join(
        Markup('<span class="{}" lang="{}">{}</span>').format(name, name, Texts(name)(key, n, **values))
        for name in LANGUAGES
    )


def _translated(words: str) -> Markup:
    """English words in each language; once where the catalogue does not know them."""
    said = {name: Texts(name).translated(words) for name in LANGUAGES}
    if len(set(said.values())) == 1:
        return escape(words)
    return Markup("").join(
        Markup('<span class="{}" lang="{}">{}</span>').format(name, name, text) for name, text in said.items()
    )


def _boxes(verdict: Verdict, shown: int) -> Markup:
    """The verdict in each language, escaped; the page shows that of its reader."""
    boxes = {language: verdict_box(verdict, Texts(language), shown=shown) for language in LANGUAGES}
    return Markup("".join(f'<div class="{name}">{box}</div>' for name, box in boxes.items()))  # noqa: S704


def _present(name: str, verdict: Verdict) -> dict[str, Any]:
    return {"name": name, "title": load(name).title, "box": _boxes(verdict, 4), "query": quote(name)}


def _runs(record: NightRecord, settings: Settings) -> dict[str, Any]:
    """Labels of the runs of a night, and what became of configuration, in each language."""
    try:
        instrument = load(record.instrument)
    except EicpyError:  # of a description that was taken away since
        return {"count": 0}
    archive = RunArchive(settings.archive(instrument.name), instrument.name)
    labels = night_labels(record, archive, instrument)
    return {
        "count": len(labels),
        "labels": {name: [label.words(Texts(name)) for label in labels] for name in LANGUAGES},
        "rule": {name: configuration_words(record, Texts(name)) for name in LANGUAGES},
    }


def _instrument(name: str, nights: list[NightRecord]) -> dict[str, Any]:
    good = [n.finished for n in nights if n.status == "complete" and n.finished]
    return {"name": name, "title": nights[0].title, "nights": nights, "last_success": max(good, default="")}


def _utc(text: str) -> str:
    """ISO text as a reader likes it: 2025-01-01 20:00."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text
