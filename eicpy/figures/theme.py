"""How every figure of the project looks, defined once.

Colours are those of Okabe & Ito ("Color universal design", 2008), which readers with any kind of colour
vision can distinguish; pictures use *cividis* (Nuñez, Anderton & Renslow 2018, PLoS ONE 13(7), e0199239),
whose lightness rises evenly. Text is dark on white, at sizes that are readable on a telephone of 390 px; a
page that is shown on dark gives its own colours for what is not data (``--bk-…`` in its style sheet, of
which BokehJS asks). A figure takes the width that it is given and none of the tools is active at first, so
that a finger scrolls the page and not the plot.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.time import Time
from bokeh.models import ColorMapper, DatetimeTickFormatter, Node, Range1d
from bokeh.models.annotations import ColorBar, Label, Legend
from bokeh.palettes import Cividis256, interp_palette
from bokeh.plotting import figure

__all__ = [
    "ALARM",
    "BETWEEN",
    "CHANGE_PALETTE",
    "COLOURS",
    "IMAGE_PALETTE",
    "INK",
    "MUTED",
    "NOMINAL",
    "WARNING",
    "Figure",
    "colour_bar",
    "empty",
    "frame",
    "legend_look",
    "no_data",
    "state_colour",
    "style_legend",
    "unix_milliseconds",
    "utc_axis",
]

Figure = figure
"""What every function of this room returns."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7A6F00")
"""Series, in this order: blue, vermilion, green, purple, sky blue, orange, black, olive."""
NOMINAL, WARNING, ALARM = "#006B4F", "#A65E00", "#C8322A"
"""Green, amber, red with a contrast of at least 4.5 on white, amber and red of 3 on dark paper too; always
beside a word, never alone."""
INK, MUTED, RULE = "#1B2733", "#556270", "#E3E8ED"
BETWEEN = "#6E7A8C"
"""Words whose colour a page cannot change (those of a colour bar): read on white and on dark paper alike."""
IMAGE_PALETTE = Cividis256
CHANGE_PALETTE = tuple(interp_palette(("#00395C", "#0072B2", "#F4F4F2", "#D55E00", "#6B2F00"), 255))
"""Changes around zero: blue below, white at zero, vermilion above, equally dark at both ends."""
STATE_COLOURS = (
    "#DCE8E2", "#1B2733", "#56B4E9", "#D55E00", "#9AA4AF", "#CC79A7", "#E69F00", "#0072B2", "#009E73",
)  # fmt: skip
"""States of a pixel: a pale one for what is as it should be, strong ones for the others, in this order."""
MISSING_COLOUR = "#D0D5DB"
"""Pixels without a value."""
FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def state_colour(number: int) -> str:
    """Colour of a state by its position in the legend; the first is the good one."""
    return STATE_COLOURS[number and 1 + (number - 1) % (len(STATE_COLOURS) - 1)]


def unix_milliseconds(seconds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Seconds TT since 2017-01-01 (MJDREFI 57754) as the milliseconds of a UTC axis.

    Parameters
    ----------
    seconds
        Shape (n,), s. Leap seconds are taken into account.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ms since 1970-01-01 UTC as POSIX counts them; NaN is kept.

    Examples
    --------
    >>> int(unix_milliseconds(0.0))
    1483228800000
    """
    values = np.asarray(seconds, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return values * 1000.0
    ends = np.array([finite.min(), finite.max()])
    leaps = _unix(ends) - ends
    if abs(leaps[1] - leaps[0]) < 0.5:
        return np.asarray((values + leaps[0]) * 1000.0)
    result = np.full(values.shape, np.nan)
    good = np.isfinite(values)
    result[good] = _unix(values[good]) * 1000.0
    return result


def _unix(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    days = np.floor(seconds / 86400.0)
    rest = (seconds - days * 86400.0) / 86400.0
    return np.asarray(Time(57754 + days, 0.000800740741 + rest, format="mjd", scale="tt").unix)


def frame(
    *, title: str, x_label: str, y_label: str, height: int = 300, min_width: int = 260, **options: Any
) -> figure:
    """Build an empty figure in the house style; labels carry their units.

    Parameters
    ----------
    title, x_label, y_label
        Texts; an axis label is "quantity (unit)".
    height
        px; the width is the reader's.
    min_width
        px.
    **options
        Passed to :func:`bokeh.plotting.figure`.

    Returns
    -------
    bokeh.plotting.figure
        Without data.
    """
    options = {
        "sizing_mode": "stretch_width",
        "tools": "pan,box_zoom,wheel_zoom,reset,save",
        "active_drag": None,
        "active_scroll": None,
        "toolbar_location": "above",
    } | options
    plot = figure(
        title=title, x_axis_label=x_label, y_axis_label=y_label, height=height, min_width=min_width, **options
    )
    plot.toolbar.logo = None
    plot.min_border_right = 12
    plot.outline_line_color = MUTED
    plot.outline_line_alpha = 0.4
    plot.background_fill_color = "#FFFFFF"
    plot.title.text_font, plot.title.text_font_size, plot.title.text_color = FONT, "14px", INK
    plot.title.text_font_style = "bold"
    for axis in plot.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = MUTED
        axis.minor_tick_line_color = None
    plot.grid.grid_line_color = RULE
    return plot


def style_legend(plot: figure, entries: int) -> None:
    """Place the legend above the curves, in a row that wraps, and let a click hide a curve."""
    if entries < 2:
        plot.legend.visible = False
        return
    legend = plot.legend[0]
    legend_look(legend, entries)
    legend.click_policy = "hide"
    plot.add_layout(legend, "above")


def legend_look(legend: Legend, entries: int) -> None:
    """Give a legend above a figure the house style: rows of at most two, no box."""
    legend.ncols = min(entries, 2)  # three do not fit the width of a telephone
    legend.label_text_font, legend.label_text_font_size, legend.label_text_color = FONT, "12px", INK
    legend.border_line_color = None
    legend.background_fill_alpha = 0.0
    legend.padding, legend.margin, legend.spacing, legend.label_height = 2, 2, 8, 14


def colour_bar(mapper: ColorMapper) -> ColorBar:
    """Scale of the colours of an image, in the house style; it stands to the right of the figure."""
    return ColorBar(
        color_mapper=mapper,
        width=10,
        padding=4,
        major_label_text_font=FONT,
        major_label_text_font_size="11px",
        major_label_text_color=BETWEEN,
        bar_line_color=None,
    )


def utc_axis(plot: figure) -> None:
    """Make the x axis one of dates and hours in UTC."""
    plot.xaxis.formatter = DatetimeTickFormatter(
        microseconds="%H:%M:%S.%f",
        milliseconds="%H:%M:%S.%3N",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%m-%d",
        months="%Y-%m",
        context=DatetimeTickFormatter(
            microseconds="%Y-%m-%d",
            milliseconds="%Y-%m-%d",
            seconds="%Y-%m-%d",
            minsec="%Y-%m-%d",
            minutes="%Y-%m-%d",
            hourmin="%Y-%m-%d",
            hours="%Y-%m-%d",
            days="%Y",
        ),
        context_which="start",
    )
    plot.xaxis.ticker.desired_num_ticks = 5


def no_data(plot: figure, text: str = "no data", *, visible: bool = True) -> Label:
    """Say in the middle of a figure that it has nothing to show.

    Returns
    -------
    bokeh.models.Label
        Named ``no-data``; a live figure switches its ``visible``.
    """
    label = Label(
        x=Node(target="frame", symbol="center"),
        y=Node(target="frame", symbol="center"),
        text=text,
        text_align="center",
        text_baseline="middle",
        text_font=FONT,
        text_font_size="16px",
        text_color=MUTED,
        visible=visible,
        name="no-data",
    )
    plot.add_layout(label)
    return label


def empty(plot: figure) -> None:
    """Make a figure that has no data say so: axes with their names and units, but without numbers."""
    no_data(plot)
    plot.x_range, plot.y_range = Range1d(1, 2), Range1d(1, 2)
    plot.axis.major_label_text_font_size = "0px"
    plot.axis.major_tick_line_color = None
