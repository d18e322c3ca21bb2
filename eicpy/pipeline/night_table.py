"""A calibration table as a report shows it: new and in use, the recommendation, what was decided."""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.table import CalibrationTable, PixelStates, Recommendation
from eicpy.instruments import PixelGrid
from eicpy.nights.record import NightRecord, TableRecord
from eicpy.operations import open_database, releases
from eicpy.pipeline.decisions import TableInUse, read_calibration_table
from eicpy.products import card_for, read_product
from eicpy.reports.tables import Sentence, Table
from eicpy.settings import Settings
from eicpy.text import setup_texts
from eicpy.typing import AnyArray

__all__ = ["NightTable", "TableVerdict", "status_table"]


_COLOURS = {
    True: "var(--eic-yes, #006B4F)", False: "var(--eic-no, #A65E00)", None: "var(--eic-none, #556270)",
}  # fmt: skip
"""The page of a report has lighter ones on a dark ground; a notebook has those behind the comma."""


@dataclass(frozen=True)
class TableVerdict:
    """Whether to accept a new table, and what was decided.

    Parameters
    ----------
    recommendation
        What the rule of the table says.
    product
        File name of the table; empty where there is none.
    decided
        What somebody has decided, in a sentence; empty where nobody has.
    """

    recommendation: Recommendation
    product: str = ""
    decided: str = ""

    @property
    def accept(self) -> bool | None:
        """The recommendation; None where there is no table."""
        return self.recommendation.accept

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons, each in a sentence."""
        return self.recommendation.reasons

    @property
    def title(self) -> str:
        """The recommendation in words."""
        keys = {None: "verdict_no_table", True: "verdict_accept", False: "verdict_do_not_accept"}
        return setup_texts()(keys[self.accept])

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type; nothing where there is nothing to decide."""
        if not self.product:
            return ()
        return (f"eic accept {self.product}", f'eic reject {self.product} --comment "why"')

    def __str__(self) -> str:
        lines = (f"{self.title}.", *self.reasons, *([self.decided] if self.decided else self.commands))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = _COLOURS[self.accept]
        reasons = "".join(f"<li>{escape(r)}</li>" for r in self.reasons)
        commands = "".join(f"<pre><code>{escape(c)}</code></pre>" for c in self.commands)
        decided = f"<p><strong>{escape(self.decided)}</strong></p>" if self.decided else commands
        return (
            f'<div class="eic-verdict" style="border-left: 6px solid {colour}; padding: .1em 1em">'
            f'<p style="font-size: 1.25em; color: {colour}"><strong>{escape(self.title)}</strong></p>'
            f"<ul>{reasons}</ul>{decided}</div>"
        )


@dataclass(frozen=True)
class NightTable:
    """A calibration table of a night; made by :meth:`eicpy.pipeline.NightProducts.table`.

    Parameters
    ----------
    kind
        What it is: its product, its rule.
    folder
        Folder of the night.
    record
        What is known of the night.
    settings
        The set-up.
    """

    kind: CalibrationTable[Any]
    folder: Path
    record: NightRecord
    settings: Settings

    @property
    def entry(self) -> TableRecord:
        """What the record of the night says about it."""
        return self.record.tables.get(self.kind.card, TableRecord())

    @cached_property
    def new(self) -> Any:
        """The table that was made from this night; None where none was."""
        return None if self.file is None else read_calibration_table(self.file, self.kind)

    @property
    def columns(self) -> dict[str, AnyArray]:
        """Columns of the new table as they stand in its file; empty where there is none."""
        return {} if self.file is None else read_product(self.file, self.kind.card).main.columns

    @property
    def file(self) -> Path | None:
        """File of the new table; None where there is none."""
        files = [self.folder / self.entry.product] if self.entry.product else []
        if not self.entry.status:  # the record of a version that did not know this table
            card = card_for(self.kind.card, self.kind.instrument.card_prefix)
            files = sorted(self.folder.glob(f"{card}-*.fits"))
        return files[-1] if files and files[-1].is_file() else None

    @property
    def used(self) -> TableInUse:
        """The table with which this night was made, with its file."""
        file = self.settings.home / self.entry.used if self.entry.used else None
        return TableInUse(
            self.kind, self.kind.nominal() if file is None else read_calibration_table(file, self.kind), file
        )

    @cached_property
    def in_use(self) -> Any:
        """The table with which this night was made."""
        return self.used.table

    @property
    def shown(self) -> Any:
        """The new table; where there is none, the one in use."""
        return self.in_use if self.new is None else self.new

    @property
    def change(self) -> Any:
        """What changed since the table in use."""
        return self.kind.compare(self.shown, self.in_use)

    @property
    def states(self) -> PixelStates | None:
        """State of each pixel in the table that is shown, in words; None for a table that knows none."""
        return self.kind.states(self.shown)

    @property
    def status_table(self) -> Table:
        """How many pixels of the new table have each state, and which."""
        if self.new is None:
            return Table((), (), empty="No new table." if self.kind.applies else self.kind.absent)
        states = self.kind.states(self.new)
        return Table((), ()) if states is None else status_table(states, self.kind.instrument.pixels)

    @property
    def details_table(self) -> Table:
        """On what the states of the new table stand."""
        states = None if self.new is None else self.kind.states(self.new)
        details = () if states is None else states.details
        columns = tuple(details[0]) if details else ()
        return Table(columns, [tuple(row.values()) for row in details], empty="Nothing is known of it.")

    @property
    def sources_table(self) -> Table:
        """Known sources that were taken out before the states were judged; else why none was."""
        states = None if self.new is None else self.kind.states(self.new)
        rows = () if states is None else states.sources
        note = "" if states is None else states.sources_note
        columns = tuple(rows[0]) if rows else ()
        return Table(
            columns, [tuple(row.values()) for row in rows], empty=note or "Nothing is known of sources."
        )

    @property
    def verdict(self) -> TableVerdict:
        """Whether to accept the new table, why, and what was decided."""
        if self.new is None:
            reason = self.entry.message or setup_texts()("no_table_made")
            return TableVerdict(Recommendation(None, (f"{reason[:1].upper()}{reason[1:]}.",)))
        recommendation = self.kind.recommend(self.new, self.in_use)
        return TableVerdict(recommendation, self.entry.product, self._decided)

    @property
    def decision(self) -> Sentence:
        """What was decided about the new table."""
        if not self.entry.product:
            return Sentence("There is nothing to decide.")
        return Sentence(self._decided or setup_texts()("nobody_decided", file=self.entry.product))

    @property
    def _decided(self) -> str:
        with open_database(self.settings) as database:
            for release in releases(database, instrument=self.record.instrument):
                this = Path(release.file).name == self.entry.product and release.night == self.record.night
                if this and release.decided_at:
                    why = f" ({release.comment})" if release.comment else ""
                    texts, when = setup_texts(), f"{release.decided_at:%Y-%m-%d %H:%M}"
                    return texts(
                        "decided_by", file=self.entry.product, state=texts(str(release.state)),
                        by=release.decided_by, when=when, why=why,
                    )  # fmt: skip
        return ""


def status_table(states: PixelStates, grid: PixelGrid) -> Table:
    """How many pixels have each state, and the first of them by number and position; each pixel counts once.

    Parameters
    ----------
    states
        State of each pixel.
    grid
        Where the pixels are.
    """
    meaning = ("meaning",) if states.meanings else ()
    rows = []
    for code, label in states.labels.items():
        pixels = np.flatnonzero(states.codes == code)
        if pixels.size and code != states.ordinary:
            more = (states.meanings[code],) if meaning else ()
            rows.append((label, int(pixels.size), *more, "" if code == 0 else _positions(pixels, grid)))
    columns = ("status", "pixels", *meaning, "detnum (row i, column j)")
    return Table(columns, rows, empty="No pixel stands out.")


def _positions(pixels: npt.NDArray[np.intp], grid: PixelGrid, most: int = 6) -> str:
    """Name the first pixels, each with its position: 202 (2, 42)."""
    shown = (f"{n} ({', '.join(str(int(k)) for k in grid.ij(n))})" for n in pixels[:most])
    return ", ".join(shown) + (" …" if pixels.size > most else "")
