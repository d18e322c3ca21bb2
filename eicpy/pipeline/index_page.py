"""The index page: all nights of all instruments, in one static page that needs no server.

The page shows the age of the last success. It computes it in the browser from a time written into the
page, so that a page that is no longer written shows a growing age instead of staying green.
"""

import logging
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eicpy.errors import BadDataError, EicpyError
from eicpy.files import write_text
from eicpy.health import Verdict, verdict_box, verdict_class
from eicpy.health.box import BOX_STYLE
from eicpy.housekeeping import Severity
from eicpy.operations import ExcursionRow, ExcursionState, excursions, open_database
from eicpy.pipeline.night_health import night_verdict
from eicpy.pipeline.record import NightRecord, now
from eicpy.settings import Settings
from eicpy.text import LANGUAGES, Texts, grouped

__all__ = ["night_records", "write_index"]

_log = logging.getLogger(__name__)

STALE_HOURS = 36.0
"""A night is due every day; half a day of grace before the page warns."""

LATE_HOURS = 6.0
"""A night that has run for longer was interrupted, or hangs."""


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
    records = night_records(settings)
    by_instrument: dict[str, list[NightRecord]] = defaultdict(list)
    for record in records:
        by_instrument[record.instrument].append(record)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = grouped
    handled = _rows_by_night(settings, records)
    verdicts = {(r.instrument, r.night): night_verdict(r, handled[r.instrument, r.night]) for r in records}
    environment.filters["utc"] = _utc
    page = environment.get_template("index.html.j2").render(
        instruments=[_instrument(name, nights) for name, nights in sorted(by_instrument.items())],
        made=now(),
        stale_hours=STALE_HOURS,
        late_hours=LATE_HOURS,
        failing=sum(r.status in ("failed", "incomplete") or bool(r.failed_reports) for r in records),
        alarming=sum(verdict.level is Severity.ALARM for verdict in verdicts.values()),
        levels={key: verdict_class(verdict) for key, verdict in verdicts.items()},
        boxes={key: _boxes(verdict) for key, verdict in verdicts.items()},
        style=BOX_STYLE,
    )
    path = settings.reports / "index.html"
    write_text(path, page)
    return path


def _rows_by_night(
    settings: Settings, records: list[NightRecord]
) -> dict[tuple[str, str], list[ExcursionRow]]:
    """Excursions that the database knows; none where it cannot be read: the records have what was found."""
    found: dict[tuple[str, str], list[ExcursionRow]] = defaultdict(list)
    if not any(record.excursions or record.alarms or record.warnings for record in records):
        return found
    try:
        with open_database(settings) as database:
            rows = excursions(database, state=ExcursionState.HANDLED)
    except EicpyError as error:
        _log.warning("the index does not say who acknowledged what: %s", error)
        return found
    for row in rows:
        found[row.instrument, row.night].append(row)
    return found


def _boxes(verdict: Verdict) -> str:
    """The verdict in each language, escaped; the page shows that of its reader."""
    boxes = {language: verdict_box(verdict, Texts(language), shown=3) for language in LANGUAGES}
    return "".join(f'<div class="{language}">{box}</div>' for language, box in boxes.items())


def _instrument(name: str, nights: list[NightRecord]) -> dict[str, Any]:
    good = [n.finished for n in nights if n.status == "complete" and n.finished]
    return {"name": name, "title": nights[0].title, "nights": nights, "last_success": max(good, default="")}


def _utc(text: str) -> str:
    """ISO text as a reader likes it: 2025-01-01 20:00."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text
