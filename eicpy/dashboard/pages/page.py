"""What all live pages share: the clock in the browser, languages, errors that end here, how a page opens.

The notebooks in ``dashboards/`` only open a page. The browser drives it: a hidden clock widget ticks there,
and each tick looks once for new data. So nothing runs without a reader, a kernel whose tab was closed is
idle and ends, and a tab in the background only ticks more slowly.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import ipywidgets

from eicpy.acquisition.status import OverviewReader
from eicpy.dashboard import markup
from eicpy.dashboard.frame import door, style_sheet
from eicpy.dashboard.server.request import PageRequest
from eicpy.dashboard.widgets.panels import Panel
from eicpy.errors import EicpyError
from eicpy.health import Verdict, verdict_box
from eicpy.instruments import Instrument, available, load
from eicpy.settings import Settings
from eicpy.text import LANGUAGES, Texts

__all__ = ["LivePage", "column", "open_live_page", "row"]

TICK = 500
"""Time between two looks, ms."""
JUDGED_EVERY = 1.0
"""Time between two verdicts, s."""

_log = logging.getLogger(__name__)


class LivePage:
    """A page that the browser drives.

    Parameters
    ----------
    instrument
        The detector.
    texts
        First language.
    name
        Of the page, as in its address; empty for the first.
    """

    panels: Sequence[Panel] = ()
    """Its figures."""

    def __init__(self, instrument: Instrument, texts: Texts, name: str) -> None:
        self.instrument, self.texts, self.name = instrument, texts, name
        self.header, self.verdict, self.facts, self.heartbeat = (ipywidgets.HTML() for _ in range(4))
        self.language = ipywidgets.Dropdown(
            options=[(words, key) for key, words in LANGUAGES.items()],
            value=texts.language,
            layout=ipywidgets.Layout(width="auto", flex="1 1 170px", max_width="300px"),
        )
        self.facts.add_class("eic-facts-row")
        self.clock = ipywidgets.Play(interval=TICK, min=0, max=2**30, repeat=True)
        self.clock.layout.display = "none"
        self._ticks = 0
        self._judged: Verdict | None = None
        self._judged_at = 0.0
        self._chips: tuple[str, ...] = ()

    def look(self) -> None:
        """Look for what is new and show it; called by the clock."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw everything again."""
        raise NotImplementedError

    def lay_out(self, parts: Sequence[ipywidgets.Widget]) -> None:
        """Put the parts of the page below one another, with header, verdict and facts before them."""
        shown = [self.header, self.verdict, self.facts, *parts, self.clock, self.heartbeat]
        self.widget = ipywidgets.VBox(shown)
        self.widget.add_class("eic-page")
        self.clock.observe(self.guarded(self._tick), names="value")
        self.language.observe(self.guarded(self._change_language), names="value")

    def show_verdict(self, verdict: Verdict, chips: Sequence[str] = ()) -> None:
        """Show whether camera and chain are well, as every page does.

        Parameters
        ----------
        verdict
            The verdict.
        chips
            Words in small frames before it.
        """
        self.verdict.value = verdict_box(verdict, self.texts, chips=chips)

    def renew_verdict(self, reader: OverviewReader, chips: Sequence[str] = ()) -> None:
        """Show whether camera and chain are well; read again once a second, and when the chips change."""
        now, judged, words = time.monotonic(), self._judged, tuple(chips)
        old = words != self._chips or now - self._judged_at >= JUDGED_EVERY
        if judged is None or judged.reading is not None or old:
            judged = reader.read().verdict
            self._judged, self._judged_at, self._chips = judged, now, words
        self.show_verdict(judged, chips)

    def figure(self, panel: Panel) -> ipywidgets.Widget:
        """Widget of a panel; the clock starts when the browser has drawn the last one."""
        return panel.show(self.guarded(self._drawn))

    def guarded(self, call: Callable[..., Any]) -> Callable[..., None]:
        """Keep an error from the browser, which would get source lines with it; the log gets it whole."""

        @wraps(call)
        def guarded(*values: Any) -> None:
            try:
                call(*values)
            except Exception:  # noqa: BLE001 - whatever it is: logged, and shown on the page
                _log.exception("in the page %s of %s", self.name or "camera", self.instrument.name)
                self.verdict.value = markup.problem(self.texts("internal_error"), self.texts)

        return guarded

    def translate(self) -> None:
        """Write everything in the language that is set."""
        self.language.description = self.texts("language")
        others = [name for name in available() if name != self.instrument.name]
        self.header.value = markup.header(self.instrument, others, self.texts, page=self.name)
        self.heartbeat.value = markup.heartbeat(self._ticks, self.texts)

    def _drawn(self, panel: Panel) -> None:
        """The browser has drawn a panel: send its data again; start the clock with the last one."""
        panel.ready = True
        panel.resync()
        if all(p.ready for p in self.panels):
            self.clock.playing = True

    def _tick(self, _change: Any = None) -> None:
        self._ticks += 1
        self.heartbeat.value = markup.heartbeat(self._ticks, self.texts)
        self.look()

    def _change_language(self, *_: Any) -> None:
        language = self.language.value
        if language in LANGUAGES:
            self.texts = Texts(language)
            self.translate()
            self.draw()


def row(children: Sequence[ipywidgets.Widget]) -> ipywidgets.Box:
    """Widgets side by side, where there is room."""
    box = ipywidgets.Box(
        list(children), layout=ipywidgets.Layout(flex_flow="row wrap", align_items="stretch")
    )
    box.add_class("eic-figures")
    return box


def column(children: Sequence[ipywidgets.Widget], flex: str, style: str = "") -> ipywidgets.VBox:
    """Widgets below one another."""
    box = ipywidgets.VBox(list(children), layout=ipywidgets.Layout(flex=flex, min_width="0"))
    if style:
        box.add_class(style)
    return box


def _log_to_file(folder: Path) -> None:
    """Send warnings of the package to a file: what a kernel writes elsewhere reaches the browser."""
    folder.mkdir(parents=True, exist_ok=True)
    package, handler = logging.getLogger("eicpy"), logging.FileHandler(folder / "dashboard.log", delay=True)
    if any(getattr(other, "baseFilename", "") == handler.baseFilename for other in package.handlers):
        return  # a page was opened before in this process
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    package.addHandler(handler)
    package.propagate = False


def open_live_page(build: Callable[[Settings, Instrument, Texts], LivePage]) -> ipywidgets.Widget:
    """Open a page for whoever opened its notebook.

    Settings come from the environment (``EIC_HOME``, ``EIC_INSTRUMENT``), language and instrument from
    the address of the page (``?lang=fr&instrument=meddea``).

    Parameters
    ----------
    build
        Makes the page.

    Returns
    -------
    ipywidgets.Widget
        To be the last value of a cell. If the page cannot be opened, a box with the reason.
    """
    settings = Settings.from_environment()
    request = PageRequest.from_environment()
    texts = Texts(request.language)
    try:
        _log_to_file(settings.home / "logs")
        shown = build(settings, load(request.check()), texts).widget
    except EicpyError as error:
        words = str(error).replace(str(settings.home), "$EIC_HOME")
        shown = ipywidgets.HTML(markup.problem(words, texts))
    except Exception:  # noqa: BLE001 - whatever it is: logged, and said
        _log.exception("while a page of %s was opened", request.instrument[:40])
        shown = ipywidgets.HTML(markup.problem(texts("internal_error"), texts))
    if door() == "ours":
        return shown
    dressed = ipywidgets.VBox([ipywidgets.HTML(style_sheet()), shown])
    dressed.add_class("eic-page")
    return dressed
