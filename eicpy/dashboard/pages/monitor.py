"""The monitor page: whether the live chain is well, and, where the server allows it, orders to the receiver.

It shows what the terminal screen shows, read by the same :class:`~eicpy.acquisition.status.OverviewReader`;
looking disturbs no part of the chain. Orders go through the station, as from the terminal, and only when the
server was started for it, under the name of the visitor's log-in.
"""

from collections import deque
from datetime import UTC
from typing import Any

import ipywidgets
import numpy as np
from bokeh.models import ColumnDataSource, DataRange1d

from eicpy.acquisition.status import Overview, OverviewReader
from eicpy.dashboard.pages import monitor_markup
from eicpy.dashboard.pages.page import LivePage, column, open_live_page, row
from eicpy.dashboard.server.request import PageRequest, orders_allowed
from eicpy.dashboard.widgets.acknowledge import AcknowledgePanel
from eicpy.dashboard.widgets.order_controls import OrderControls
from eicpy.dashboard.widgets.panels import Panel
from eicpy.figures import theme
from eicpy.instruments import Instrument
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["MonitorPage", "RatePanel", "open_page"]

LOOKS = 2
"""Ticks of the clock for a look: the screen is renewed every second."""
HISTORY = 600
"""Looks kept of the rate: ten minutes."""


class RatePanel(Panel):
    """The rate of reception while the page was open."""

    def __init__(self) -> None:
        plot = theme.frame(
            title="", x_label="", y_label="", height=220, x_axis_type="datetime",
            y_range=DataRange1d(start=0, range_padding=0.1), x_range=DataRange1d(range_padding=0.01),
        )  # fmt: skip
        theme.utc_axis(plot)
        plot.step(
            "time", "rate", mode="before", color=theme.COLOURS[0], line_width=1.6, name="rate",
            source=ColumnDataSource({"time": [], "rate": []}),
        )  # fmt: skip
        self._history: deque[tuple[float, float]] = deque(maxlen=HISTORY)
        super().__init__(plot)

    def add(self, overview: Overview) -> None:
        """Add a reading; a gap where nothing is received, or the rate is not known."""
        receiver = overview.receiver
        known = receiver is not None and receiver.health == "alive" and receiver.rate is not None
        rate = receiver.rate / 1e6 if receiver is not None and known and receiver.rate is not None else np.nan
        self._history.append((overview.moment.astimezone(UTC).timestamp() * 1e3, rate))
        time, rates = (np.array(values) for values in zip(*self._history, strict=True))
        self.source("rate").data = {"time": time, "rate": rates}
        self.empty.visible = not np.isfinite(rates).any()


class MonitorPage(LivePage):
    """The monitor of a live chain.

    Parameters
    ----------
    settings
        Set-up with the live chain.
    instrument
        The detector.
    texts
        First language.
    orders
        Whether the page gives orders.
    operator
        Name of the log-in, under which they are given.
    """

    def __init__(
        self,
        settings: Settings,
        instrument: Instrument,
        texts: Texts,
        *,
        orders: bool = False,
        operator: str = "",
    ) -> None:
        super().__init__(instrument, texts, "monitor")
        self.reader = OverviewReader(settings, instrument)
        self.rate = RatePanel()
        self.panels = (self.rate,)
        self.controls = OrderControls(self.reader.station, self.language, allowed=orders, operator=operator)
        self.excursions = AcknowledgePanel(settings, instrument, allowed=orders, operator=operator)
        self.run, self.links, self.apids, self.parts, self.journal = (ipywidgets.HTML() for _ in range(5))
        self.overview = self.reader.read()
        self._looks = 0
        self.translate()
        self.rate.add(self.overview)
        self.draw()
        rate = self.figure(self.rate)
        self.lay_out(
            [
                self.controls.widget,
                row(
                    [
                        _scrolled([self.run], "2 1 340px"),
                        column([rate], "3 1 420px", "eic-panel"),
                    ]
                ),
                row([_scrolled([self.apids], "3 1 420px"), _scrolled([self.links], "2 1 340px")]),
                row([_scrolled([self.excursions.controls, self.excursions.table], "1 1 420px")]),
                row([_scrolled([self.parts], "1 1 420px")]),
                row([_scrolled([self.journal], "1 1 420px")]),
            ]
        )
        self.controls.connect(self.guarded, self._renew)
        self.excursions.connect(self.guarded, self._renew)

    def look(self) -> None:
        """Read the chain again, every second."""
        self._looks += 1
        if self._looks % LOOKS == 0:
            self._renew()

    def _renew(self, *_: Any) -> None:
        self.overview = self.reader.read()
        self.rate.add(self.overview)
        self.draw()

    def translate(self) -> None:
        """Write everything in the language that is set."""
        super().translate()
        self.rate.translate(self.texts, self.texts("rate_figure"), "time_axis", self.texts("data_rate_axis"))
        self.controls.translate(self.texts)
        self.excursions.translate(self.texts)

    def draw(self) -> None:
        """Show what was read last."""
        overview, texts = self.overview, self.texts
        self.show_verdict(overview.verdict, [monitor_markup.state_words(overview, texts)])
        self.facts.value = monitor_markup.facts(overview, texts)
        self.run.value = monitor_markup.run_facts(overview.run, texts)
        self.links.value = monitor_markup.links(overview, texts)
        self.apids.value = monitor_markup.apids(overview.apids, texts)
        self.parts.value = monitor_markup.parts(overview, texts)
        self.journal.value = monitor_markup.journal(overview, texts)
        self.excursions.draw()


def _scrolled(children: list[ipywidgets.Widget], flex: str) -> ipywidgets.VBox:
    return column([column(children, "1 1 auto", "eic-scroll")], flex, "eic-panel")


def open_page() -> ipywidgets.Widget:
    """Open the monitor; see :func:`eicpy.dashboard.pages.page.open_live_page`."""
    return open_live_page(_monitor)


def _monitor(settings: Settings, instrument: Instrument, texts: Texts) -> MonitorPage:
    operator = PageRequest.from_environment().operator
    return MonitorPage(settings, instrument, texts, orders=orders_allowed(), operator=operator)
