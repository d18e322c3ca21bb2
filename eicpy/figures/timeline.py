"""Figures against time: rates and housekeeping, on a UTC axis, where a gap in the data is shown as a gap."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, DataRange1d, Range1d
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.plotting import figure

from eicpy.figures import theme
from eicpy.figures.series import check_length, named, unit_sign, with_unit
from eicpy.packets import Limits
from eicpy.typing import AnyArray

__all__ = [
    "break_at_gaps",
    "draw_limits",
    "housekeeping",
    "housekeeping_columns",
    "housekeeping_range",
    "keep_extremes",
    "light_curve",
]

MOST_POINTS = 2000
"""Points of a parameter in a figure: more than it has columns of pixels."""


SHADES = (("#556270", None), ("#56B4E9", "/"), ("#CC79A7", "x"), ("#E69F00", "."))
"""Colour and hatching of shaded times."""


def break_at_gaps(time: AnyArray, values: AnyArray, step: float | None = None) -> tuple[AnyArray, AnyArray]:
    """Insert a NaN wherever the times jump, so that a line is not drawn across a gap.

    Parameters
    ----------
    time, values
        Shape (n,), time rising, s.
    step
        Regular distance of the times, s; None: their median. A jump is more than 1.5 of it.

    Returns
    -------
    tuple
        Times and values with one extra NaN value in each gap.

    Examples
    --------
    >>> break_at_gaps(np.array([0.0, 1.0, 5.0]), np.array([7.0, 8.0, 9.0]), 1.0)[1]
    array([ 7.,  8., nan,  9.])
    """
    if len(time) < 2:
        return time, values
    distance = np.diff(time)
    usual = float(np.median(distance)) if step is None else step
    after = np.flatnonzero(distance > 1.5 * usual)
    return (
        np.insert(time, after + 1, time[after] + usual),
        np.insert(values.astype(np.float64), after + 1, np.nan),
    )


def light_curve(
    time: npt.ArrayLike,
    rates: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    title: str = "",
    unit: str = "count/s",
    *,
    step: float | None = None,
    name: str = "rate",
    shaded: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]] | None = None,
    marks: Mapping[str, npt.ArrayLike] | None = None,
) -> figure:
    """Draw rates against UTC; NaN and jumps in time are gaps.

    Parameters
    ----------
    time
        Shape (n,), middles of the bins, s TT since 2017-01-01, rising.
    rates
        Shape (n,), or several by label (bands, for example).
    title, unit
        What is shown, and the unit of `rates`.
    step
        Width of a bin, s; None: the median distance of `time`.
    name
        Of the quantity, on the y axis.
    shaded
        Begins and ends of times to shade over the whole height, s, by what they are; each in the legend.
    marks
        Moments to mark with a line, s, by what they are; each in the legend.

    Raises
    ------
    BadArgumentError
        If the lengths do not fit.

    See Also
    --------
    eicpy.events.LightCurve.plot : The same for a light curve, with its bands.
    housekeeping : A parameter with its limits.
    """
    middles = np.asarray(time, dtype=np.float64)
    series = named(rates, "rate")
    plot = theme.frame(
        title=title,
        x_label="time (UTC)",
        y_label=with_unit(name, unit),
        x_axis_type="datetime",
        x_range=DataRange1d(range_padding=0.01),
    )
    theme.utc_axis(plot)
    _shade(plot, shaded or {})
    for number, (label, values) in enumerate(series.items()):
        check_length(label, len(values), len(middles))
        times, heights = break_at_gaps(middles, values, step)
        plot.step(
            "time",
            "rate",
            mode="center",
            source=ColumnDataSource({"time": theme.unix_milliseconds(times), "rate": heights}),
            color=theme.COLOURS[number % len(theme.COLOURS)],
            line_width=1.4,
            legend_label=label,
            name=f"series-{number}",
        )
    _mark(plot, marks or {})
    theme.style_legend(plot, len(series) + len(shaded or {}) + len(marks or {}))
    if not any(np.isfinite(v).any() for v in series.values()):
        theme.empty(plot)
    return plot


def _shade(plot: figure, shaded: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]) -> None:
    """Shade times over the whole height: fill and hatching differ, so that no colour must be known."""
    for number, (label, (begin, end)) in enumerate(shaded.items()):
        colour, pattern = SHADES[number % len(SHADES)]
        plot.vstrip(
            x0=theme.unix_milliseconds(begin),
            x1=theme.unix_milliseconds(end),
            fill_color=colour,
            fill_alpha=0.28,
            line_color=None,
            hatch_pattern=pattern,
            hatch_color=colour,
            hatch_alpha=0.5,
            legend_label=label,
            name=f"shaded-{number}",
        )


def _mark(plot: figure, marks: Mapping[str, npt.ArrayLike]) -> None:
    for number, (label, moments) in enumerate(marks.items()):
        plot.vspan(
            x=theme.unix_milliseconds(moments),
            line_color=theme.ALARM,
            line_dash=("dashed", "dotted")[number % 2],
            line_width=1.4,
            legend_label=label,
            name=f"marks-{number}",
        )


def keep_extremes(time: AnyArray, values: AnyArray, most: int = MOST_POINTS) -> tuple[AnyArray, AnyArray]:
    """Thin values so that a line through them looks as before: the lowest and the highest of each stretch.

    Parameters
    ----------
    time, values
        Shape (n,); NaN, a gap in the line, stays one.
    most
        Points to keep, about; fewer than that are all kept.

    Returns
    -------
    tuple
        Times and values of those kept.

    Examples
    --------
    >>> keep_extremes(np.arange(8), np.array([0.0, 5, 1, 1, 2, 2, -7, 3]), 4)[1]
    array([ 0.,  5., -7.,  3.])
    """
    if len(values) <= most:
        return time, values
    first = np.linspace(0, len(values), max(most // 2, 1), endpoint=False).astype(np.intp)
    stretch = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(values))))
    order = np.lexsort((values, stretch))  # NaN comes last in its stretch
    known = np.add.reduceat(np.isfinite(values), first)
    highest = order[first + np.maximum(known - 1, 0)]
    gap = np.isnan(values)
    begins = np.flatnonzero(gap & ~np.concatenate(([False], gap[:-1])))
    chosen = np.unique(np.concatenate((order[first], highest, begins)))
    return time[chosen], values[chosen]


def housekeeping(
    time: npt.ArrayLike,
    values: npt.ArrayLike,
    limits: Limits | None = None,
    name: str = "",
    unit: str = "",
    title: str = "",
    height: int = 240,
) -> figure:
    """Draw a housekeeping parameter against UTC with its limits.

    Warning limits are dashed amber lines, alarm limits solid red ones; the forbidden side of each is
    shaded. Values outside are drawn as larger points in the same colours. Of more than two thousand values
    the extremes of each stretch are drawn: none beyond a limit is lost, and a page stays small.

    Parameters
    ----------
    time
        Shape (n,), s TT since 2017-01-01, rising.
    values
        Shape (n,), in `unit`.
    limits
        None where there are none.
    name, unit
        Of the parameter, on the y axis.
    title
        What is shown; `name` where empty.
    height
        px; below 220, where many stand side by side, the title alone names the parameter.

    See Also
    --------
    eicpy.housekeeping.Series.plot : The same for a series of the archive.
    """
    times = np.asarray(time, dtype=np.float64)
    heights = np.asarray(values, dtype=np.float64)
    check_length(name, len(heights), len(times))
    plot = theme.frame(
        title=title or name,
        x_label="time (UTC)",
        y_label=with_unit(name, unit) if height >= 220 else unit_sign(unit) or "value",
        x_axis_type="datetime",
        x_range=DataRange1d(range_padding=0.02),
        height=height,
    )
    theme.utc_axis(plot)
    drawn = keep_extremes(*break_at_gaps(times, heights))
    source = ColumnDataSource(_coloured(*drawn, limits))
    plot.line("time", "value", source=source, color=theme.COLOURS[0], line_width=1.4, name="values")
    plot.scatter("time", "value", source=source, color="colour", size="size", name="points")
    if limits is not None:
        draw_limits(plot, limits)
        plot.y_range = Range1d(*housekeeping_range(heights, limits))
    if not np.isfinite(heights).any():
        theme.empty(plot)
    return plot


def housekeeping_columns(time: AnyArray, values: AnyArray, limits: Limits | None) -> dict[str, Any]:
    """Columns ``time``, ``value``, ``colour`` and ``size`` of a housekeeping figure."""
    return _coloured(*break_at_gaps(time, values), limits)


def _coloured(time: AnyArray, heights: AnyArray, limits: Limits | None) -> dict[str, Any]:
    """Columns of points whose gaps are marked already."""
    colour = np.full(len(heights), theme.COLOURS[0], dtype=object)
    size = np.full(len(heights), 3, np.uint8)
    if limits is not None:
        passed = limits.passed(heights)
        for ranges, marked in ((1, theme.WARNING), (2, theme.ALARM)):
            colour[passed == ranges], size[passed == ranges] = marked, 7
    return {"time": theme.unix_milliseconds(time), "value": heights, "colour": list(colour), "size": size}


def housekeeping_range(values: AnyArray, limits: Limits | None) -> tuple[float, float]:
    """Range of a value axis that shows the values and all their limits."""
    bounds: tuple[float | None, ...] = ()
    if limits is not None:
        bounds = (limits.warning_low, limits.warning_high, limits.alarm_low, limits.alarm_high)
    shown = np.append(values[np.isfinite(values)], [b for b in bounds if b is not None])
    if not shown.size:
        return 0.0, 1.0
    low, high = float(shown.min()), float(shown.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def draw_limits(plot: figure, limits: Limits) -> None:
    """Draw the limits of a parameter into a figure, named ``limit`` so that they can be replaced."""
    for low, high, colour, dash in (
        (limits.warning_low, limits.warning_high, theme.WARNING, "dashed"),
        (limits.alarm_low, limits.alarm_high, theme.ALARM, "solid"),
    ):
        for value, side in ((low, "top"), (high, "bottom")):
            if value is None:
                continue
            plot.add_layout(
                Span(location=value, dimension="width", line_color=colour, line_dash=dash, name="limit")
            )
            plot.add_layout(
                BoxAnnotation(
                    fill_color=colour, fill_alpha=0.05, line_color=None, name="limit", **{side: value}
                )
            )
