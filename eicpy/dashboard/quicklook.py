"""The quick look: what the detector sees, live or played back, beside a reference run.

The same panels as on the camera's page, fed by the provider: every packet or the newest ones, at any pace.
"""

import time
from typing import TYPE_CHECKING, Any

import ipywidgets

from eicpy.dashboard import markup, quicklook_markup, theme
from eicpy.dashboard.compared import ComparedPanels, comparison_words
from eicpy.dashboard.health import State
from eicpy.dashboard.page import LivePage, column, open_live_page, row
from eicpy.dashboard.play_controls import PlayControls, RunList
from eicpy.dashboard.playback import StreamSource
from eicpy.dashboard.reference import Reference
from eicpy.dashboard.source import Increment
from eicpy.dashboard.texts import Texts
from eicpy.instruments import Instrument
from eicpy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["QuickLookPage", "open_page"]

PATIENCE, FIRST_PATIENCE = 0.25, 1.5
"""Longest time to read on in one look, and in the first, s."""
LIST_EVERY = 3.0
"""Time between two looks for new runs, s."""


class QuickLookPage(LivePage):
    """The quick look.

    Parameters
    ----------
    settings
        Whose data.
    instrument
        The detector.
    texts
        First language.
    capacity
        Photons kept.
    """

    def __init__(
        self, settings: Settings, instrument: Instrument, texts: Texts, *, capacity: int = 1 << 22
    ) -> None:
        super().__init__(instrument, texts, "quicklook")
        self.source = StreamSource(settings, instrument)
        self.photons = ComparedPanels(instrument, texts, self.language, capacity)
        self.panels = self.photons.panels
        self.runs = RunList(self.source.archive)
        self.runs.read()
        self._listed = time.monotonic()
        self.controls = PlayControls(self.runs)
        self._reading: Iterable[None] = ()
        self._shown = self.source.started
        self.translate()
        self._read(FIRST_PATIENCE)
        self.draw()
        self._place()

    def _place(self) -> None:
        guarded, controls = self.guarded, self.controls
        # Before the figures are made: they tell the browser which events they want.
        self.photons.connect(guarded)
        self.photons.light_curve.on_span(guarded(self._choose_span))
        image, spectrum, light_curve, difference = map(self.figure, self.panels)
        self.lay_out(
            [
                self.controls.widget,
                self.photons.controls.widget,
                row(
                    [
                        column([image, self.photons.note], "2 1 340px", "eic-panel"),
                        column([light_curve, spectrum, difference], "3 1 420px", "eic-panel"),
                    ]
                ),
            ]
        )
        self.photons.controls.whole.on_click(guarded(lambda *_: self._choose_span(None, None)))
        controls.on_play(guarded(self._play))
        controls.on_compare(guarded(self._compare))
        controls.pause.on_click(guarded(lambda *_: self._pause(not controls.paused)))
        controls.step.on_click(guarded(self._step))
        controls.again.on_click(guarded(self._again))

    def look(self) -> None:
        """Read on, and show what is new."""
        came = self._read(PATIENCE)
        compared = self._read_reference(PATIENCE)
        if came or compared:
            self.photons.draw()
        self._list_runs()
        self._draw_status()

    def _read(self, patience: float) -> bool:
        """Read on for a while; tells whether anything new came."""
        deadline = time.monotonic() + patience
        came = False
        while (increment := self.source.poll()) is not None:
            self._take(increment)
            came = True
            if time.monotonic() > deadline or self.source.playing.mode == "last":
                break
        return came

    def _take(self, increment: Increment) -> None:
        if self.source.started != self._shown:
            self._shown = self.source.started
            self.photons.controls.choose_span(None)
            self.photons.begin()
        self.photons.add(increment.photons)

    def _read_reference(self, patience: float) -> bool:
        """Read on in the reference for a while; tells whether there was anything to read."""
        deadline = time.monotonic() + patience
        pieces = 0
        for pieces, _piece in enumerate(self._reading, start=1):  # noqa: B007, counted until it is too late
            if time.monotonic() > deadline:
                break
        return pieces > 0

    def _list_runs(self) -> None:
        now = time.monotonic()
        if now - self._listed >= LIST_EVERY:
            self._listed = now
            if self.runs.read():
                self.controls.translate(self.texts)

    def _play(self) -> None:
        """Play what the controls choose."""
        self.source.play(self.controls.playing)
        self.photons.complete = self.source.playing.mode == "next"
        if self.source.started != self._shown:
            self._begin()
        self.controls.show_state(self.texts)
        self.draw()

    def _begin(self) -> None:
        """Show nothing until something comes."""
        self._shown = self.source.started
        self.photons.controls.choose_span(None)
        self.photons.begin()

    def _pause(self, paused: bool) -> None:  # noqa: FBT001 - what the button is to do
        self.controls.paused = paused
        self._play()

    def _step(self, *_: Any) -> None:
        increment = self.source.step(self.controls.step_packets)
        self.controls.paused = self.source.playing.paused
        if increment is not None:
            self._take(increment)
        self.controls.show_state(self.texts)
        self.draw()

    def _again(self, *_: Any) -> None:
        self.source.restart()
        self._begin()
        self.draw()

    def _choose_span(self, first: Any, last: Any) -> None:
        """Choose times by their places on the axis of the light curve, ms."""
        newest = self.photons.view.newest
        span = None
        if isinstance(first, int | float) and isinstance(last, int | float) and newest > 0:
            shift = float(theme.unix_milliseconds(newest)) / 1e3 - newest
            low, high = sorted((float(first) / 1e3 - shift, float(last) / 1e3 - shift))
            span = (low, high)
        self.photons.controls.choose_span(span)
        self.photons.select()
        self._draw_status()

    def _compare(self) -> None:
        """Compare with what the controls choose."""
        number, reference = self.controls.reference_run, self.photons.reference
        self.photons.picture = self.controls.shown_picture
        if number is None:
            self.photons.reference, self._reading = None, ()
        elif reference is None or reference.run.number != number:
            self.photons.reference = Reference(self.source.archive.run(number), self.instrument)
            self._reading = self.photons.reference.read()
        self.controls.show_state(self.texts)
        self.photons.name_figures()
        self.draw()

    def translate(self) -> None:
        """Write everything in the language that is set."""
        super().translate()
        self.controls.translate(self.texts)
        self.photons.translate(self.texts)

    def draw(self) -> None:
        """Show everything anew."""
        self.photons.draw()
        self._draw_status()

    def _draw_status(self) -> None:
        source, texts = self.source, self.texts
        chips = quicklook_markup.state_words(source, texts)
        kind, answer, reasons = comparison_words(self.photons, texts)
        if source.state() == State.NO_RUN and source.playing.run is None:
            kind, answer, reasons = "past", "", texts("no_run")
        self.verdict.value = quicklook_markup.verdict(chips, kind, answer, reasons)
        newest = self.photons.view.newest
        rate = self.photons.rate
        self.facts.value = markup.facts(source.run, newest, source.age(), rate, source.totals, texts)


def open_page() -> ipywidgets.Widget:
    """Open the quick look; see :func:`eicpy.dashboard.page.open_live_page`."""
    return open_live_page(QuickLookPage)
