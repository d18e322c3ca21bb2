"""The live page of a camera: whether it is well, and what it sees.

The notebook ``dashboards/camera.ipynb`` only opens the page. The browser drives it: a hidden clock
widget ticks there, and each tick looks once for new data. So nothing runs without a reader, a kernel
whose tab was closed is idle and ends, and a tab in the background only ticks more slowly. Nothing is
lost in between: the run archive is read on from where the last look ended.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from eicpy.dashboard import markup
from eicpy.dashboard.controls import Controls
from eicpy.dashboard.health import HousekeepingHistory, RecentLosses, State, judge
from eicpy.dashboard.live import PhotonView
from eicpy.dashboard.panels import HousekeepingPanel, ImagePanel, LightCurvePanel, Panel, SpectrumPanel
from eicpy.dashboard.request import PageRequest
from eicpy.dashboard.series import with_unit
from eicpy.dashboard.source import ArchiveSource, LiveSource
from eicpy.dashboard.texts import LANGUAGES, Texts
from eicpy.errors import EicpyError
from eicpy.instruments import Instrument, available, load
from eicpy.settings import Settings

__all__ = ["CameraPage", "open_page"]

TICK = 500
"""Time between two looks, ms."""
PATIENCE, FIRST_PATIENCE = 0.25, 2.0
"""Longest time to read on in one look, and in the first, s."""
SKIP_PHOTONS_BEHIND = 64 << 20
"""Bytes behind from which photons are not decoded: they would have left the ring before they are shown."""
TABLE_EVERY = 2.0
"""Time between two pictures of the table of housekeeping, s."""

_log = logging.getLogger(__name__)


class CameraPage:
    """The live page.

    Parameters
    ----------
    instrument
        The detector.
    source
        Its data.
    texts
        First language.
    capacity
        Photons kept.
    """

    def __init__(
        self, instrument: Instrument, source: LiveSource, texts: Texts, *, capacity: int = 1 << 22
    ) -> None:
        self.instrument, self.source, self.texts = instrument, source, texts
        self.controls = Controls(instrument, texts)
        self._capacity = capacity
        self._begin()
        self._ticks = 0
        self._table_drawn = float("-inf")
        self._build()
        self._translate()
        self._look(FIRST_PATIENCE)
        self._draw()
        self._lay_out()
        self._connect()

    def _begin(self) -> None:
        """Forget everything: another run begins."""
        self.view = PhotonView(self.instrument, self.controls.selection(), self._capacity)
        self.history = HousekeepingHistory()
        self.losses = RecentLosses()
        self._shown_run = self.source.started
        self._offered = 0

    def _build(self) -> None:
        self.image = ImagePanel(self.instrument)
        self.spectrum = SpectrumPanel(self.view.edges)
        self.light_curve = LightCurvePanel()
        self.housekeeping = HousekeepingPanel()
        self.panels = (self.image, self.spectrum, self.light_curve, self.housekeeping)
        self.header, self.verdict, self.facts, self.note = (ipywidgets.HTML() for _ in range(4))
        self.table, self.heartbeat = ipywidgets.HTML(), ipywidgets.HTML()
        self.parameter = ipywidgets.Dropdown(options=[("–", "")], layout=ipywidgets.Layout(width="auto"))
        self.clock = ipywidgets.Play(interval=TICK, min=0, max=2**30, repeat=True)
        self.clock.layout.display = "none"

    def _lay_out(self) -> None:
        on_ready = self._guarded(self._drawn)
        self.image.on_click(self._guarded(self._click))
        image, spectrum, light_curve, housekeeping = (panel.show(on_ready) for panel in self.panels)
        curves = _column([spectrum, light_curve], "3 1 420px")
        scroll = _column([self.table], "1 1 auto", "eic-scroll")
        self.widget = ipywidgets.VBox(
            [
                self.header,
                self.verdict,
                self.facts,
                self.controls.widget,
                _row([_column([image, self.note], "2 1 340px", "eic-panel"), curves]),
                _row(
                    [
                        _column([scroll], "2 1 340px", "eic-panel"),
                        _column([self.parameter, housekeeping], "3 1 420px", "eic-panel"),
                    ]
                ),
                self.clock,
                self.heartbeat,
            ]
        )
        curves.add_class("eic-panel")
        self.widget.add_class("eic-page")

    def _connect(self) -> None:
        self.clock.observe(self._guarded(self._tick), names="value")
        self.controls.on_change(self._guarded(self._select))
        self.controls.language.observe(self._guarded(self._change_language), names="value")
        self.controls.forget.on_click(self._guarded(lambda *_: self._choose_pixel(None)))
        self.parameter.observe(self._guarded(self._draw_parameter), names="value")

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., None]:
        """Keep an error from the browser, which would get source lines with it; the log gets it whole."""

        @wraps(call)
        def guarded(*values: Any) -> None:
            try:
                call(*values)
            except Exception:  # noqa: BLE001 - whatever it is: logged, and said on the page
                _log.exception("in the live page of %s", self.instrument.name)
                self.verdict.value = markup.problem(self.texts("internal_error"), self.texts)

        return guarded

    def _drawn(self, panel: Panel) -> None:
        """The browser has drawn a panel: send its data again; start the clock with the last one."""
        panel.ready = True
        panel.resync()
        if all(p.ready for p in self.panels):
            self.clock.playing = True

    def _tick(self, _change: Any = None) -> None:
        self._ticks += 1
        self.heartbeat.value = markup.heartbeat(self._ticks, self.texts)
        if self._look(PATIENCE):
            self._draw()
        else:
            self._draw_status()

    def _look(self, patience: float) -> bool:
        """Read on for a while; tells whether anything new came."""
        deadline = time.monotonic() + patience
        came = False
        while (increment := self.source.poll()) is not None:
            if self.source.started != self._shown_run:
                self._begin()
            came = True
            if self.source.behind < SKIP_PHOTONS_BEHIND:
                self.view.add(increment.photons)
            self.history.add(increment.housekeeping)
            if time.monotonic() > deadline:
                break
        return came

    def _select(self, *_: Any) -> None:
        self.view.select(self.controls.selection())
        self._name_figures()
        self._draw_photons()

    def _click(self, y: float, z: float) -> None:
        self._choose_pixel(self.image.detnum_at(float(y), float(z)))

    def _choose_pixel(self, pixel: int | None) -> None:
        self.controls.choose_pixel(pixel)
        self._select()

    def _change_language(self, *_: Any) -> None:
        language = self.controls.language.value
        if language in LANGUAGES:
            self.texts = Texts(language)
            self._translate()
            self._draw()

    def _translate(self) -> None:
        self.controls.translate(self.texts)
        self.parameter.description = self.texts("parameter")
        others = [name for name in available() if name != self.instrument.name]
        self.header.value = markup.header(self.instrument, others, self.texts, reports=True)
        self._table_drawn = float("-inf")
        self.heartbeat.value = markup.heartbeat(self._ticks, self.texts)
        self._name_figures()

    def _name_figures(self) -> None:
        texts, chosen = self.texts, self.controls.selection()
        band = {"low": f"{chosen.low:g}", "high": f"{chosen.high:g}"}
        what = self.controls.what(texts)
        self.image.translate(texts, texts("image", **band), "y_pixel", texts("z_pixel"))
        width = texts.number(self.spectrum.width, 2)
        title = texts("spectrum", what=what)
        self.spectrum.translate(texts, title, "energy_axis", texts("counts_axis", width=width))
        self.spectrum.name_series(what, "" if chosen.pixel is None else f"pixel {chosen.pixel}")
        title = texts("light_curve", what=what, **band)
        self.light_curve.translate(texts, title, "time_axis", texts("rate_axis"))
        self.image.outline(chosen.modules, chosen.pixel)

    def _draw(self) -> None:
        self._draw_photons()
        self._draw_housekeeping()
        self._draw_status()

    def _draw_photons(self) -> None:
        self.image.update(self.view)
        self.spectrum.update(self.view)
        self.light_curve.update(self.view)
        self.note.value = self._pixel_note()

    def _pixel_note(self) -> str:
        pixel, texts, chosen = self.controls.pixel, self.texts, self.view.selection
        span = markup.duration(self.view.covered, texts)
        step = markup.duration(self.view.step, texts)
        lines = [texts("pixel_hint"), texts("covered", span=span, step=step)]
        if pixel is not None:
            y, z = self.instrument.pixels.yz(pixel)
            lines[0] = texts(
                "pixel_values",
                y=y,
                z=z,
                detnum=pixel,
                module=self.instrument.pixels.module(pixel),
                counts=texts.number(int(self.view.image[pixel])),
                low=f"{chosen.low:g}",
                high=f"{chosen.high:g}",
            )
        if self.source.behind > SKIP_PHOTONS_BEHIND:
            lines.append(texts("catching_up", left=texts.number(self.source.behind / 1e6)))
        return f'<div class="eic-caption">{"<br>".join(escape(line) for line in lines)}</div>'

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
        parameters = self.history.parameters
        losses = self.losses.update(time.monotonic(), totals.lost + totals.damaged)
        judged = judge(self.source.state(), parameters, losses)
        checked = sum(p.limits is not None for p in parameters)
        self.verdict.value = markup.verdict(judged, checked, age, self.texts, simulated=self.source.simulated)
        rates = self.view.light_curve()[1]
        known = rates[rates == rates]  # noqa: PLR0124 - NaN is not equal to itself
        rate = float(known[-1]) if len(known) and judged.state != State.NO_RUN else float("nan")
        newest = max([self.view.newest, *(float(t[-1]) for t in self.history.time.values())])
        self.facts.value = markup.facts(self.source.run, newest, age, rate, totals, self.texts)


def _row(children: list[ipywidgets.Widget]) -> ipywidgets.Box:
    row = ipywidgets.Box(children, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="stretch"))
    row.add_class("eic-figures")
    return row


def _column(children: list[ipywidgets.Widget], flex: str, style: str = "") -> ipywidgets.VBox:
    column = ipywidgets.VBox(children, layout=ipywidgets.Layout(flex=flex, min_width="0"))
    if style:
        column.add_class(style)
    return column


def _log_to_file(folder: Path) -> None:
    """Send warnings of the package to a file: what a kernel writes elsewhere reaches the browser."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "dashboard.log", delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    package = logging.getLogger("eicpy")
    package.addHandler(handler)
    package.propagate = False


def open_page() -> ipywidgets.Widget:
    """Open the live page for whoever opened the notebook.

    Settings come from the environment (``EIC_HOME``, ``EIC_INSTRUMENT``), language and instrument from
    the address of the page (``?lang=fr&instrument=meddea``).

    Returns
    -------
    ipywidgets.Widget
        To be the last value of a cell. If the page cannot be opened, a box that says why.
    """
    settings = Settings.from_environment()
    request = PageRequest.from_voila()
    texts = Texts(request.language)
    try:
        _log_to_file(settings.home / "logs")
        instrument = load(request.check())
        return CameraPage(instrument, ArchiveSource(settings, instrument), texts).widget
    except EicpyError as error:
        return ipywidgets.HTML(markup.problem(str(error), texts))
