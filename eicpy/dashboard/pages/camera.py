"""The live page of a camera: whether it is well, and what it sees.

Nothing is lost between two looks: the run archive is read on from where the last look ended.
"""

import time
from typing import Any

import ipywidgets

from eicpy.acquisition.status import OverviewReader
from eicpy.dashboard import markup
from eicpy.dashboard.following import CurrentLabel, run_chips
from eicpy.dashboard.health import HousekeepingHistory, LatestValue, State
from eicpy.dashboard.pages.page import LivePage, column, open_live_page, row
from eicpy.dashboard.source import ArchiveSource
from eicpy.dashboard.widgets.panels import HousekeepingPanel
from eicpy.dashboard.widgets.photon_panels import PhotonPanels
from eicpy.figures.series import with_unit
from eicpy.instruments import Instrument
from eicpy.instruments.words import described
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["CameraPage", "open_page"]

READING_TIME, FIRST_READING_TIME = 0.25, 0.25
"""Longest time to read on in one look, and in the first, s."""
SKIP_PHOTONS_BEHIND = 64 << 20
"""Bytes behind from which photons are not decoded: they would have left the ring before they are shown."""
TABLE_EVERY = 2.0
"""Time between two pictures of the table of housekeeping, s."""
LONGEST_SEARCH = 100
"""Characters of a search that are looked at."""


class CameraPage(LivePage):
    """The live page.

    Parameters
    ----------
    instrument
        The detector.
    source
        Its data.
    texts
        First language.
    health
        Reads what the verdict is made from.
    capacity
        Photons kept.
    """

    def __init__(
        self,
        instrument: Instrument,
        source: ArchiveSource,
        texts: Texts,
        health: OverviewReader,
        *,
        capacity: int = 1 << 22,
    ) -> None:
        super().__init__(instrument, texts, "")
        self.source = source
        self._health = health
        self.photons = PhotonPanels(instrument, texts, self.language, capacity)
        self.housekeeping = HousekeepingPanel()
        self.panels = (*self.photons.panels, self.housekeeping)
        self.table = ipywidgets.HTML()
        self.parameter = ipywidgets.Dropdown(options=[("–", "")], layout=ipywidgets.Layout(width="auto"))
        self.search = ipywidgets.Text(layout=ipywidgets.Layout(width="auto"))
        self._label = CurrentLabel(instrument)
        self._table_drawn = float("-inf")
        self._forget()
        self.translate()
        self._read(FIRST_READING_TIME)
        self.draw()
        self._place()

    def _forget(self) -> None:
        """Forget everything: another run begins."""
        self.photons.begin()
        self.history = HousekeepingHistory()
        self._shown_run = self.source.started
        self._offered: tuple[int, str] = (0, "")

    def _place(self) -> None:
        self.photons.connect(self.guarded)  # before the figures are made: they name the events they want
        image, spectrum, light_curve, housekeeping = map(self.figure, self.panels)
        curves = column([spectrum, light_curve], "3 1 420px", "eic-panel")
        scroll = column([self.table], "1 1 auto", "eic-scroll")
        self.lay_out(
            [
                self.photons.controls.widget,
                row([column([image, self.photons.note], "2 1 340px", "eic-panel"), curves]),
                row(
                    [
                        column([self.search, scroll], "2 1 340px", "eic-panel"),
                        column([self.parameter, housekeeping], "3 1 420px", "eic-panel"),
                    ]
                ),
            ]
        )
        self.parameter.observe(self.guarded(self._draw_parameter), names="value")
        self.search.observe(self.guarded(self._draw_found), names="value")

    def look(self) -> None:
        """Read on, and show what is new."""
        if self._read(READING_TIME):
            self.draw()
        else:
            self._draw_status()

    def _read(self, seconds: float) -> bool:
        """Read for some seconds; returns whether anything new came."""
        deadline = time.monotonic() + seconds
        came = False
        while (increment := self.source.poll()) is not None:
            if self.source.started != self._shown_run:
                self._forget()
            came = True
            if self.source.behind < SKIP_PHOTONS_BEHIND:
                self.photons.add(increment.photons)
            self.history.add(increment.housekeeping)
            if time.monotonic() > deadline:
                break
        return came

    def translate(self) -> None:
        """Write everything in the language that is set."""
        super().translate()
        self.photons.translate(self.texts)
        self.parameter.description = self.texts("parameter")
        self.search.description, self.search.placeholder = self.texts("search"), self.texts("search_hint")
        self._table_drawn, self._offered = float("-inf"), (0, "")

    def draw(self) -> None:
        """Draw everything again."""
        self.photons.draw()
        reading = self.source.behind > SKIP_PHOTONS_BEHIND
        self.photons.say_nothing_yet(reading=reading)
        if reading:
            left = self.texts.number(self.source.behind / 1e6)
            self.photons.write_note(self.texts("catching_up", left=left))
        self._draw_housekeeping()
        self._draw_status()

    @property
    def wanted(self) -> str:
        """What is looked for among the parameters."""
        value = self.search.value
        return value[:LONGEST_SEARCH] if isinstance(value, str) else ""

    def _draw_found(self, *_: Any) -> None:
        self._table_drawn = float("-inf")
        self._draw_housekeeping()

    def _draw_housekeeping(self) -> None:
        offered = (len(self.history.names), self.wanted)
        if self._offered != offered:
            # Once for each kind of packet, as it first comes, and for each search.
            self._offered = offered
            self._offer(markup.by_urgency(markup.matching(self.history.parameters, self.wanted, self.texts)))
        self._draw_parameter()
        now = time.monotonic()
        if now - self._table_drawn >= TABLE_EVERY:
            self._table_drawn = now
            self.table.value = markup.parameter_table(self.history.parameters, self.texts, self.wanted)

    def _offer(self, parameters: list[LatestValue]) -> None:
        """Offer parameters; the one that is shown stays where it is among them."""
        shown = self.parameter.value
        options = [(self._named(p), f"{p.packet}/{p.name}") for p in parameters]
        if not options:
            return  # nothing found: the curve stays
        self.parameter.options = options
        values = [value for _words, value in options]
        self.parameter.index = values.index(shown) if shown in values else 0

    def _named(self, parameter: LatestValue) -> str:
        words = described(parameter.description, self.texts)
        return f"{parameter.name} – {words}" if words else parameter.name

    def _draw_parameter(self, *_: Any) -> None:
        packet, _slash, name = str(self.parameter.value or "").partition("/")
        key = (packet, name) if (packet, name) in self.history.names else None
        last = None if key is None else self.history.last(*key)
        if last is not None:
            label = with_unit(last.name, last.unit)
            self.housekeeping.translate(self.texts, last.name, "time_axis", label)
        self.housekeeping.update(self.history, key)

    def _draw_status(self) -> None:
        totals, age = self.source.totals, self.source.age()
        state = self.source.state()
        ended = run_chips(self.source.followed, self.texts) if state == State.ENDED else []
        self.renew_verdict(self._health, ended or [self.texts(markup.STATES[state])])
        rate = self.photons.rate if state != State.NO_RUN else float("nan")
        newest = max([self.photons.view.newest, *(float(t[-1]) for t in self.history.time.values())])
        label = self._label.of(self.source.followed.run)
        self.facts.value = markup.facts(label, newest, age, rate, totals, self.texts)


def open_page() -> ipywidgets.Widget:
    """Open the live page; see :func:`eicpy.dashboard.pages.page.open_live_page`."""
    return open_live_page(_camera)


def _camera(settings: Settings, instrument: Instrument, texts: Texts) -> CameraPage:
    health = OverviewReader(settings, instrument)
    return CameraPage(instrument, ArchiveSource(settings, instrument), texts, health)
