"""Figures of the reports and of the dashboards, drawn with Bokeh.

One function for one kind of figure: arrays in, a figure out, a unit on every axis, the same look
everywhere (:mod:`eicpy.figures.theme`). Missing data are shown as missing: gaps in time are
gaps, pixels without a value are grey, and a figure without data says "no data".

The data sources and renderers carry names (``image``, ``series-0``, ``values``…), so that a live page
can stream into ``plot.select_one({"name": "image"}).data_source``.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, DataRange1d
from bokeh.models.annotations import Label, Span
from bokeh.plotting import figure

from eicpy.figures import theme
from eicpy.figures.plane import detector_change, detector_image, detector_status, detector_values
from eicpy.figures.series import check_length, named, with_unit
from eicpy.figures.timeline import break_at_gaps, housekeeping, light_curve
from eicpy.typing import AnyArray

__all__ = [
    "break_at_gaps",
    "detector_change",
    "detector_image",
    "detector_status",
    "detector_values",
    "histogram",
    "housekeeping",
    "light_curve",
    "scatter",
    "spectrum",
    "step_columns",
]


def spectrum(
    edges: npt.ArrayLike,
    counts: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    title: str = "",
    unit: str = "counts",
    *,
    log: bool = True,
    lines: Mapping[str, float] | None = None,
) -> figure:
    """Draw energy spectra as steps.

    Parameters
    ----------
    edges
        Shape (n + 1,), keV, rising.
    counts
        Shape (n,), or several by label. On logarithmic axes a bin of zero is left blank.
    title, unit
        What is shown, and the unit of `counts`.
    log
        Logarithmic counts.
    lines
        Energies to mark, keV, by label.

    Raises
    ------
    BadArgumentError
        If the lengths do not fit.

    See Also
    --------
    eicpy.events.SpectraAccumulator.plot : The same for accumulated spectra.
    """
    borders = np.asarray(edges, dtype=np.float64)
    series = named(counts, "counts")
    plot = theme.frame(
        title=title,
        x_label="energy (keV)",
        y_label=unit,
        y_axis_type="log" if log else "linear",
        x_range=DataRange1d(range_padding=0.01),
    )
    for number, (label, values) in enumerate(series.items()):
        check_length(label, len(values), max(len(borders) - 1, 0))
        source = ColumnDataSource(step_columns(borders, values, log=log))
        plot.step(
            "energy",
            "counts",
            mode="after",
            source=source,
            color=theme.COLOURS[number % len(theme.COLOURS)],
            line_width=1.6,
            legend_label=label,
            name=f"series-{number}",
        )
    for label, energy in (lines or {}).items():
        plot.add_layout(Span(location=energy, dimension="height", line_color=theme.MUTED, line_dash="dotted"))
        plot.add_layout(
            Label(
                x=energy,
                y=4,
                y_units="screen",
                text=label,
                angle=np.pi / 2,
                text_font=theme.FONT,
                text_font_size="11px",
                text_color=theme.MUTED,
            )
        )
    theme.style_legend(plot, len(series))
    if not any(np.any(v > 0) if log else v.size for v in series.values()):
        theme.empty(plot)
    return plot


def step_columns(edges: AnyArray, values: AnyArray, *, log: bool) -> dict[str, AnyArray]:
    """Columns ``energy`` and ``counts`` of a spectrum drawn as steps from the left edge of each bin."""
    if not len(values):
        return {"energy": np.empty(0), "counts": np.empty(0)}
    heights = np.append(values, values[-1]).astype(np.float64)
    if log:
        heights[heights <= 0] = np.nan
    return {"energy": edges, "counts": heights}


def histogram(
    values: npt.ArrayLike,
    title: str = "",
    name: str = "value",
    unit: str = "",
    *,
    bins: int | npt.ArrayLike = 60,
    count: str = "pixels",
    marks: Mapping[str, float] | None = None,
) -> figure:
    """Draw how values are distributed; values that are not finite are counted in the title.

    Parameters
    ----------
    values
        Any shape.
    title, name, unit
        What is shown; name and unit of the values on the x axis.
    bins
        Number of bins, or their edges.
    count
        What is counted, on the y axis.
    marks
        Values to mark, by label (a limit, a nominal value).
    """
    flat = np.ravel(np.asarray(values, dtype=np.float64))
    finite = flat[np.isfinite(flat)]
    missing = flat.size - finite.size
    heading = f"{title} ({missing} without a value)" if missing else title
    plot = theme.frame(title=heading, x_label=with_unit(name, unit), y_label=f"number of {count}")
    edges = bins if isinstance(bins, int) else np.asarray(bins, dtype=np.float64)
    heights, borders = np.histogram(finite, bins=edges)
    plot.quad(
        left="left",
        right="right",
        top="top",
        bottom=0,
        source=ColumnDataSource({"left": borders[:-1], "right": borders[1:], "top": heights}),
        fill_color=theme.COLOURS[0],
        fill_alpha=0.55,
        line_color=theme.COLOURS[0],
        name="values",
    )
    plot.y_range.start = 0
    for number, (label, value) in enumerate((marks or {}).items()):
        colour = theme.COLOURS[1 + number % (len(theme.COLOURS) - 1)]
        plot.line([value, value], [0, max(heights.max(), 1)], color=colour, line_width=2, legend_label=label)
    if marks:
        theme.style_legend(plot, max(len(marks), 2))
    if not finite.size:
        theme.empty(plot)
    return plot


def scatter(
    x: npt.ArrayLike,
    y: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    title: str = "",
    *,
    x_label: str,
    y_label: str,
    connect: bool = False,
    errors: npt.ArrayLike | None = None,
) -> figure:
    """Draw points, or points joined by lines.

    Parameters
    ----------
    x
        Shape (n,).
    y
        Shape (n,), or several by label.
    title
        What is shown.
    x_label, y_label
        "quantity (unit)".
    connect
        Join the points.
    errors
        Shape (n,): one-sigma errors of `y`, drawn as bars; for a single series.

    Raises
    ------
    BadArgumentError
        If the lengths do not fit.
    """
    positions = np.asarray(x, dtype=np.float64)
    series = named(y, "y")
    plot = theme.frame(title=title, x_label=x_label, y_label=y_label)
    for number, (label, values) in enumerate(series.items()):
        check_length(label, len(values), len(positions))
        source = ColumnDataSource({"x": positions, "y": values})
        colour = theme.COLOURS[number % len(theme.COLOURS)]
        plot.scatter(
            "x",
            "y",
            source=source,
            color=colour,
            size=6 if len(positions) < 500 else 3,
            alpha=0.9 if len(positions) < 500 else 0.45,
            legend_label=label,
            name=f"series-{number}",
        )
        if connect:
            plot.line("x", "y", source=source, color=colour, legend_label=label)
        if errors is not None:
            sigma = np.asarray(errors, dtype=np.float64)
            check_length("errors", len(sigma), len(positions))
            plot.segment(positions, values - sigma, positions, values + sigma, color=colour)
    theme.style_legend(plot, len(series))
    if not any(np.isfinite(v).any() for v in series.values()):
        theme.empty(plot)
    return plot
