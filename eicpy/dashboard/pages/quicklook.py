"""The quick look: what the detector sees, live or played back, beside a reference run.

The same panels as on the camera's page, fed by the provider: every packet or the newest ones, at any pace;
or by the photon files that are dropped on a disk, the newest of which appears by itself.
"""

import time
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets

from eicpy.acquisition.status import OverviewReader
from eicpy.dashboard import markup
from eicpy.dashboard.files import DroppedFiles, file_facts, file_table, file_words
from eicpy.dashboard.following import CurrentLabel, run_chips
from eicpy.dashboard.health import State
from eicpy.dashboard.pages.page import LivePage, column, open_live_page, row
from eicpy.dashboard.playback import StreamSource
from eicpy.dashboard.reference import Reference
from eicpy.dashboard.widgets.compared import ComparedPanels, comparison_words
from eicpy.dashboard.widgets.play_controls import PlayControls, RunList
from eicpy.errors import NotFoundError
from eicpy.events import PhotonBlock
from eicpy.figures import theme
from eicpy.instruments import Instrument
from eicpy.settings import Settings
from eicpy.text import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["QuickLookPage", "open_page"]

READING_TIME, FIRST_READING_TIME = 0.25, 0.25
"""Longest time to read in one tick, and in the first, s."""
LIST_EVERY = 3.0
"""Time between two listings of the runs, s."""


class QuickLookPage(LivePage):
    """The quick look.

    Parameters
    ----------
    settings
        Set-up with the runs.
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
        self._settings = settings
        self.source = StreamSource(settings, instrument)
        self._health = OverviewReader(settings, instrument)
        self.playing = ipywidgets.HTML()
        """What is played, and how it compares with the reference."""
        self.files: DroppedFiles | None = None
        """Dropped files, while they are what is shown."""
        self.table = ipywidgets.HTML()
        self.photons = ComparedPanels(instrument, texts, self.language, capacity)
        self.panels = self.photons.panels
        self.runs = RunList(self.source.archive, instrument)
        self.runs.read(0.0)
        self._listed = time.monotonic()
        self.controls = PlayControls(self.runs)
        self._label = CurrentLabel(instrument)
        self._reading: Iterable[None] = ()
        self._shown = self.source.started
        self.translate()
        self._read(FIRST_READING_TIME)
        self.draw()
        self._arrange()

    def _arrange(self) -> None:
        guarded, controls = self.guarded, self.controls
        # Before the figures are made: they name the events they want to the browser.
        self.photons.connect(guarded)
        self.photons.light_curve.on_span(guarded(self._choose_span))
        image, spectrum, light_curve, difference = map(self.figure, self.panels)
        self._dropped = row([column([self.table], "1 1 420px", "eic-panel")])
        self._dropped.layout.display = "none"
        self.lay_out(
            [
                self.playing,
                self.controls.widget,
                self.photons.controls.widget,
                row(
                    [
                        column([image, self.photons.note], "2 1 340px", "eic-panel"),
                        column([light_curve, spectrum, difference], "3 1 420px", "eic-panel"),
                    ]
                ),
                self._dropped,
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
        came = self._read(READING_TIME)
        compared = self._read_reference(READING_TIME)
        if came or compared:
            self.photons.draw()
        self._list_runs()
        self._draw_status()

    def _read(self, seconds: float) -> bool:
        """Read for some seconds; returns whether anything new came."""
        deadline = time.monotonic() + seconds
        came = False
        while (photons := self._next()) is not None:
            self.photons.add(photons)
            came = True
            newest_only = self.files is None and self.source.playing.mode == "last"
            if time.monotonic() > deadline or newest_only:
                break
        return came

    def _next(self) -> PhotonBlock | None:
        """New photons; those of another run or file replace what was shown."""
        source = self.source if self.files is None else self.files
        increment = source.poll()
        if source.started != self._shown:
            self._begin(source.started)
        return None if increment is None else increment.photons

    def _read_reference(self, seconds: float) -> bool:
        """Read the reference for some seconds; returns whether there was anything to read."""
        deadline = time.monotonic() + seconds
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
        if self.controls.files:
            if self.files is None:
                self.files = DroppedFiles(self._settings, self.instrument)
                self._begin(self.files.started)
            self.photons.complete = True
        else:
            if self.files is not None:
                self.files.close()
                self.files = None
                self.source.restart()
            try:
                self.source.play(self.controls.playing)
            except NotFoundError:
                self.source.lose(self.controls.playing)
            self.photons.complete = self.source.playing.mode == "next"
            if self.source.started != self._shown:
                self._begin(self.source.started)
        self._dropped.layout.display = "none" if self.files is None else ""
        self.controls.show_state(self.texts)
        self.draw()

    def _begin(self, started: int) -> None:
        """Clear the panels until new photons come."""
        self._shown = started
        self.photons.controls.choose_span(None)
        self.photons.begin()

    def _pause(self, paused: bool) -> None:  # noqa: FBT001 - what the button is to do
        self.controls.paused = paused
        self._play()

    def _step(self, *_: Any) -> None:
        increment = self.source.step(self.controls.step_packets)
        self.controls.paused = self.source.playing.paused
        if self.source.started != self._shown:
            self._begin(self.source.started)
        if increment is not None:
            self.photons.add(increment.photons)
        self.controls.show_state(self.texts)
        self.draw()

    def _again(self, *_: Any) -> None:
        self.source.restart()
        self._begin(self.source.started)
        self.draw()

    def _choose_span(self, first: Any, last: Any) -> None:
        """Choose times by their positions on the axis of the light curve, ms."""
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
            try:
                run = self.source.archive.run(number)
            except NotFoundError:  # it was removed since it was listed
                self.controls.forget_reference()
                self.photons.reference, self._reading = None, ()
            else:
                self.photons.reference = Reference(run, self.instrument)
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
        """Draw everything again."""
        self.photons.draw()
        self._draw_status()

    def _draw_status(self) -> None:
        source, texts = self.source, self.texts
        kind, answer, reasons = comparison_words(self.photons, texts)
        rate, newest = self.photons.rate, self.photons.view.newest
        if self.files is not None:
            chips = file_words(self.files, texts)
            reasons = self.files.problem or reasons
            self.table.value = file_table(self.files, texts)
            self.facts.value = file_facts(self.files, newest, rate, texts)
        else:
            chips = _state_words(source, texts)
            if source.state() == State.NO_RUN and source.playing.run is None:
                kind, answer, reasons = "past", "", texts("no_run")
            totals = source.totals
            missing = totals.lost + totals.damaged
            if missing and self.photons.compared is not None:
                reasons = "; ".join([reasons, texts("compare_losses", missing, count=texts.number(missing))])
            if source.gone is not None:
                kind, answer, reasons = "warning", "", texts("played_run_gone", run=source.gone)
            label = self._label.of(source.shown)
            self.facts.value = markup.facts(label, newest, source.age(), rate, totals, texts)
        self.playing.value = _playing(chips, kind, answer, reasons)
        self.renew_verdict(self._health)


def _state_words(source: StreamSource, texts: Texts) -> list[str]:
    """What is played, and whether it is the present, in a few words each."""
    playing = source.playing
    if playing.run is None:
        now = source.state()
        ended = run_chips(source.followed, texts) if now == State.ENDED else []
        words = ended or [texts(markup.STATES[now])]
    else:
        pace = texts("speed_all") if playing.speed is None else f"×{playing.speed:g}"
        state = "playback_ended" if source.finished else "playback_paused" if playing.paused else "playback"
        words = [texts(state, run=playing.run, pace=pace)]
    if playing.mode == "last":
        words.append(texts("newest_only", skipped=texts.number(source.skipped)))
    if source.simulated:
        words.append(texts("data_simulated"))
    return words


def _playing(chips: "Sequence[str]", kind: str, answer: str, reasons: str) -> str:
    """Write the line of what is shown and how it compares; `kind` is nominal, warning or past."""
    shown = "".join(f'<span class="eic-state">{escape(words)}</span>' for words in chips)
    strong = f"<strong>{escape(answer)}</strong>" if answer else ""
    return (
        f'<div class="eic-playing {kind}" role="status">{shown}{strong}<span>{escape(reasons)}</span></div>'
    )


def open_page() -> ipywidgets.Widget:
    """Open the quick look; see :func:`eicpy.dashboard.pages.page.open_live_page`."""
    return open_live_page(QuickLookPage)
