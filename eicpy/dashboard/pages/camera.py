"""The live page of a camera: whether it is well, and what it sees.

Nothing is lost between two looks: the run archive is read on from where the last look ended.
"""

import time
from typing import Any

import ipywidgets

from eicpy.acquisition.status import OverviewReader
from eicpy.dashboard import markup
from eicpy.dashboard.health import HousekeepingHistory, State
from eicpy.dashboard.pages.page import LivePage, column, open_live_page, row
from eicpy.dashboard.source import ArchiveSource, LiveSource
from eicpy.dashboard.widgets.panels import HousekeepingPanel
from eicpy.dashboard.widgets.photon_panels import PhotonPanels
from eicpy.figures.series import with_unit
from eicpy.instruments import Instrument
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["CameraPage", "open_page"]

READING_TIME, FIRST_READING_TIME = 0.25, 0.25
"""Longest time to read on in one look, and in the first, s."""
SKIP_PHOTONS_BEHIND = 64 << 20
"""Bytes behind from which photons are not decoded: they would have left the ring before they are shown."""
TABLE_EVERY = 2.0
"""Time between two pictures of the table of housekeeping, s."""


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
        source: LiveSource,
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
        self._offered = 0

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
                        column([scroll], "2 1 340px", "eic-panel"),
                        column([self.parameter, housekeeping], "3 1 420px", "eic-panel"),
                    ]
                ),
            ]
        )
        self.parameter.observe(self.guarded(self._draw_parameter), names="value")

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
        self._table_drawn = float("-inf")

    def draw(self) -> None:
        """Draw everything again."""
        self.photons.draw()
        if self.source.behind > SKIP_PHOTONS_BEHIND:
            left = self.texts.number(self.source.behind / 1e6)
            self.photons.write_note(self.texts("catching_up", left=left))
        self._draw_housekeeping()
        self._draw_status()

    def _draw_housekeeping(self) -> None:
        if self._offered != len(self.history.names):
            # Once for each kind of packet, as it first comes.
            parameters = markup.by_urgency(self.history.parameters)
            self._offered = len(parameters)
            self.parameter.options = [(p.name, f"{p.packet}/{p.name}") for p in parameters]
            self.parameter.index = 0
        self._draw_parameter()
        now = time.monotonic()
        if now - self._table_drawn >= TABLE_EVERY:
            self._table_drawn = now
            self.table.value = markup.parameter_table(self.history.parameters, self.texts)

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
        self.renew_verdict(self._health, [self.texts(markup.STATES[state])])
        rate = self.photons.rate if state != State.NO_RUN else float("nan")
        newest = max([self.photons.view.newest, *(float(t[-1]) for t in self.history.time.values())])
        self.facts.value = markup.facts(self.source.run, newest, age, rate, totals, self.texts)


def open_page() -> ipywidgets.Widget:
    """Open the live page; see :func:`eicpy.dashboard.pages.page.open_live_page`."""
    return open_live_page(_camera)


def _camera(settings: Settings, instrument: Instrument, texts: Texts) -> CameraPage:
    health = OverviewReader(settings, instrument)
    return CameraPage(instrument, ArchiveSource(settings, instrument), texts, health)
