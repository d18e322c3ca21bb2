"""The figures of the live pages: each is built once and fed by exchanging the data of its sources.

A figure is serialised when its widget is made, and what changes between that moment and the drawing in
the browser is lost without a message. So the widget is made last (:meth:`Panel.show`), the clock of the
page waits until the browser reports that all is drawn, and each panel sends its data again then.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.events import DocumentReady, SelectionGeometry, Tap
from bokeh.models import (
    BasicTickFormatter,
    BoxSelectTool,
    ColumnDataSource,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import BoxAnnotation, ColorBar, Legend, Span
from bokeh.plotting import figure
from jupyter_bokeh import BokehModel

from eicpy.dashboard.health import HousekeepingHistory
from eicpy.dashboard.live import PhotonView
from eicpy.figures import plots, theme
from eicpy.figures.timeline import draw_limits, housekeeping_columns, housekeeping_range
from eicpy.instruments import Instrument
from eicpy.text import Texts

__all__ = ["HousekeepingPanel", "ImagePanel", "LightCurvePanel", "Panel", "SpectrumPanel"]


LEFT_BORDER = 78
"""Room left of the frame of figures that stand below one another, px: their left edges are one line."""
TALLEST = 390
"""Of a detector image, px: it is seen whole on a screen of 1280 by 800."""
NUMBERS = "0.[000000]"
TOOLS = {
    "PanTool": "tool_pan",
    "BoxZoomTool": "tool_box_zoom",
    "WheelZoomTool": "tool_wheel_zoom",
    "ResetTool": "tool_reset",
    "SaveTool": "tool_save",
    "BoxSelectTool": "tool_span",
    "HoverTool": "tool_hover",
}
"""Keys of the words for the tools of a figure."""
BINS_SHOWN = 256
"""Bins of a spectrum on the page at most: narrower ones would be noise on a screen."""


class Panel:
    """A figure in a widget.

    Parameters
    ----------
    plot
        The figure.
    """

    left_border: int | None = LEFT_BORDER

    def __init__(self, plot: figure) -> None:
        self.plot = plot
        if self.left_border is not None:
            plot.min_border_left = self.left_border
        found = plot.select_one({"name": "no-data"})
        self.empty = found if found is not None else theme.no_data(plot, visible=True)
        self.ready = False
        self._sources: dict[str, ColumnDataSource] = {}

    def show(self, on_ready: Callable[["Panel"], None]) -> BokehModel:
        """Make the widget, and call back each time that a browser has drawn it."""
        widget = BokehModel(self.plot)
        self.plot.document.on_event(DocumentReady, lambda _event: on_ready(self))
        return widget

    def source(self, name: str) -> ColumnDataSource:
        """Data source of a named renderer; remembered, for the search costs more than a picture."""
        if name not in self._sources:
            self._sources[name] = self.plot.select_one({"name": name}).data_source
        return self._sources[name]

    def resync(self) -> None:
        """Send all data again."""
        for source in self.plot.select({"type": ColumnDataSource}):
            source.data = dict(source.data)

    def translate(self, texts: Texts, title: str, x_key: str, y_label: str) -> None:
        """Write title and axes in a language."""
        self.plot.title.text = title
        self.plot.xaxis.axis_label = texts(x_key)
        self.plot.yaxis.axis_label = y_label
        self.empty.text = texts("no_data")
        self._write_numbers(texts.language)
        for tool in self.plot.toolbar.tools:
            tool.description = texts(TOOLS[type(tool).__name__])

    def _write_numbers(self, language: str) -> None:
        """Write the numbers of axes and colours as a language does."""
        for axis in (*self.plot.axis, *self.plot.select({"type": ColorBar})):
            usual = axis.formatter == "auto" or isinstance(axis.formatter, BasicTickFormatter)
            if usual or (
                isinstance(axis.formatter, NumeralTickFormatter) and axis.formatter.language != language
            ):
                axis.formatter = NumeralTickFormatter(format=NUMBERS, language=language)


def smallest_counts(values: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Counts in the smallest unsigned type that holds them: a picture crosses the network twice a second."""
    top = int(values.max(initial=0))
    return values.astype(np.uint8 if top < 1 << 8 else np.uint16 if top < 1 << 16 else np.uint32)


class ImagePanel(Panel):
    """The detector image, with the chosen modules outlined and the chosen pixel marked."""

    left_border = None

    def __init__(self, instrument: Instrument) -> None:
        self.pixels = instrument.pixels
        self.by_place = self.pixels.image(np.arange(self.pixels.count))
        blank = np.zeros((self.pixels.rows, self.pixels.columns), dtype=np.uint8)
        plot = plots.detector_image(blank, "", "", grid=self.pixels)
        for name, colour, width in (("modules", "#E69F00", 2), ("pixel", "#D55E00", 3)):
            plot.quad(
                source=ColumnDataSource({"left": [], "right": [], "bottom": [], "top": []}),
                fill_alpha=0,
                line_color=colour,
                line_width=width,
                name=name,
            )
        plot.max_height = TALLEST
        super().__init__(plot)
        self.mapper = plot.select_one({"name": "image"}).glyph.color_mapper
        self._changes = False

    def on_click(self, call: Callable[..., None]) -> None:
        """Call with the position (y, z) of a click."""
        self.plot.on_event(Tap, lambda event: call(event.x, event.y))

    def detnum_at(self, y: float, z: float) -> int | None:
        """Pixel at a position; None outside the detector."""
        if not (0 <= y < self.pixels.columns and 0 <= z < self.pixels.rows):  # NaN is outside too
            return None
        return int(self.by_place[int(z), int(y)])

    def update(self, view: PhotonView) -> None:
        """Show the counts of the view; the brightest and faintest hundredth share the end colours."""
        self._show(smallest_counts(view.image))
        top = float(np.quantile(view.image, 0.99)) if view.image.size else 0.0
        self.mapper.update(low=float(np.quantile(view.image, 0.01)), high=max(top, 1.0))
        if self._changes:
            self._changes, self.mapper.palette = False, list(theme.IMAGE_PALETTE)
        self.empty.visible = not view.image.any()

    def show_change(self, values: npt.NDArray[Any], middle: float) -> None:
        """Show values by pixel around a middle; pixels without a value are grey."""
        away = np.abs(values[np.isfinite(values)] - middle)
        end = max(float(np.quantile(away, 0.99)) if away.size else 0.0, 1e-3)
        self._show(values.astype(np.float32))
        if not self._changes:
            self._changes, self.mapper.palette = True, list(theme.CHANGE_PALETTE)
        self.mapper.update(low=middle - end, high=middle + end)
        self.empty.visible = not away.size

    def _show(self, values: npt.NDArray[Any]) -> None:
        """Exchange the values alone: where each pixel is, which a tooltip reads, crosses the network once."""
        self.source("image").data["image"] = [self.pixels.image(values)]

    def name_value(self, name: str) -> None:
        """Name the value of a pixel in the tooltip."""
        hover = self.plot.select_one({"type": HoverTool})
        hover.tooltips = [*hover.tooltips[:-1], (name, "@image")]

    def outline(self, modules: frozenset[int] | None, pixel: int | None) -> None:
        """Outline modules and mark a pixel."""
        every = np.arange(self.pixels.count)
        groups = [] if modules is None else [every[self.pixels.module(every) == m] for m in sorted(modules)]
        self.source("modules").data = self._boxes(groups)
        self.source("pixel").data = self._boxes([] if pixel is None else [np.array([pixel])])

    def _boxes(self, groups: list[npt.NDArray[Any]]) -> dict[str, list[float]]:
        positions = [self.pixels.yz(group) for group in groups]
        return {
            "left": [float(y.min()) for y, _z in positions],
            "right": [float(y.max()) + 1 for y, _z in positions],
            "bottom": [float(z.min()) for _y, z in positions],
            "top": [float(z.max()) + 1 for _y, z in positions],
        }


class SpectrumPanel(Panel):
    """The spectrum of the chosen modules, and of the chosen pixel; the chosen energies are shaded."""

    def __init__(self, edges: npt.NDArray[np.float64]) -> None:
        self.together = max(1, (len(edges) - 1) // BINS_SHOWN)
        self.edges = edges = edges[:: self.together]
        ones = np.ones(len(edges) - 1)
        plot = plots.spectrum(edges, {"modules": ones, "pixel": ones, "reference": ones})
        plot.height = 290
        self.band = BoxAnnotation(
            fill_color=theme.COLOURS[4], fill_alpha=0.14, line_color=None, level="underlay"
        )
        plot.add_layout(self.band)
        super().__init__(plot)
        self.legend = plot.select_one({"type": Legend})
        self.pixel_curve, self.reference_curve = (plot.select_one({"name": f"series-{n}"}) for n in (1, 2))

    def update(self, view: PhotonView, reference: npt.NDArray[np.float64] | None = None) -> None:
        """Show the spectra of the view, and what a reference makes expect, by channel."""
        shown = (view.spectrum, view.pixel_spectrum, np.zeros(0) if reference is None else reference)
        for number, counts in enumerate(shown):
            columns = plots.step_columns(self.edges, self._joined(counts), log=True)
            self.source(f"series-{number}").data = {k: v.astype(np.float32) for k, v in columns.items()}
        self.pixel_curve.visible = view.selection.pixel is not None
        self.reference_curve.visible = reference is not None
        self.band.update(left=view.selection.low, right=view.selection.high)
        self.empty.visible = not view.spectrum.any()

    def _joined(self, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Counts in the bins that are shown."""
        whole = len(counts) // self.together * self.together
        return np.asarray(counts[:whole].reshape(-1, self.together).sum(axis=1))

    @property
    def width(self) -> float:
        """Width of a bin as shown, keV."""
        return float(self.edges[1] - self.edges[0])

    def name_series(self, modules: str, pixel: str, reference: str = "") -> None:
        """Write the legend; with one series alone there is none."""
        self.legend.visible = bool(pixel or reference)
        for item, label in zip(self.legend.items, (modules, pixel, reference), strict=True):
            item.update(label={"value": label or " "}, visible=bool(label))


class LightCurvePanel(Panel):
    """Rates in the chosen energies and modules; the chosen times are shaded, a reference is a line."""

    def __init__(self) -> None:
        plot = plots.light_curve([0.0, 1.0], {"rate": [0.0, 0.0]})
        plot.height = 250
        self.mean = Span(dimension="width", line_color=theme.COLOURS[2], line_width=2, line_dash="dashed")
        self.span = BoxAnnotation(fill_color=theme.COLOURS[5], fill_alpha=0.18, line_color=theme.COLOURS[5])
        for mark in (self.mean, self.span):
            mark.visible = False
            plot.add_layout(mark)
        super().__init__(plot)

    def on_span(self, call: Callable[..., None]) -> None:
        """Let a drag choose times, and call with its ends (ms of the axis)."""
        tool = BoxSelectTool(dimensions="width", renderers=[])
        self.plot.add_tools(tool)
        self.plot.toolbar.active_drag = tool
        self.plot.on_event(SelectionGeometry, lambda event: _span_chosen(event, call))

    def update(self, view: PhotonView, mean: float | None = None) -> None:
        """Show the rates of the view, and the mean rate of a reference, count/s."""
        curve = view.light_curve()
        rate = curve.rate[0]
        self.source("series-0").data = {"time": theme.unix_milliseconds(curve.time), "rate": rate}
        self.empty.visible = not np.isfinite(rate).any()
        self.mean.update(visible=mean is not None, location=mean or 0.0)
        chosen = view.selection.span
        if chosen is not None:
            left, right = theme.unix_milliseconds(np.array(chosen))
            self.span.update(left=left, right=right)
        self.span.visible = chosen is not None


def _span_chosen(event: SelectionGeometry, call: Callable[..., None]) -> None:
    if event.final and isinstance(event.geometry, dict):
        call(event.geometry.get("x0"), event.geometry.get("x1"))


class HousekeepingPanel(Panel):
    """One parameter of the housekeeping with its limits."""

    def __init__(self) -> None:
        plot = plots.housekeeping([0.0], [0.0], None, "parameter")
        plot.height, plot.y_range = 300, Range1d(0, 1)
        self.shown: tuple[str, str] | None = None
        super().__init__(plot)

    def update(self, history: HousekeepingHistory, key: tuple[str, str] | None) -> None:
        """Show a parameter."""
        last = None if key is None else history.last(*key)
        if key is None or last is None:
            self.source("values").data = housekeeping_columns(np.empty(0), np.empty(0), None)
            self.empty.visible = True
            return
        time, values = history.series(*key)
        if key != self.shown:
            self.plot.center = [c for c in self.plot.center if c.name != "limit"]
            if last.limits is not None:
                draw_limits(self.plot, last.limits)
            self.shown = key
        self.source("values").data = housekeeping_columns(time, values, last.limits)
        low, high = housekeeping_range(values, last.limits)
        self.plot.y_range.update(start=low, end=high)
        self.empty.visible = not np.isfinite(values).any()
