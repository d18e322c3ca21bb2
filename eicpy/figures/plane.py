"""Pictures of the plane of the detector: a value for each pixel, in the line-of-sight frame.

Three kinds of values, three kinds of pictures: quantities on a scale of rising lightness, changes on two
colours that meet at zero, and states (good, dead, noisy…) in colours of their own with a legend.

A pixel is drawn as a square whatever the detector's shape and the room for it. Which pixel a reader points
at is read from the picture itself (columns ``y``, ``z`` and, with a grid, ``detnum``), so that it is the
one whose value is shown; a position rounded to whole numbers names the neighbour from the middle of each
pixel on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    ColumnDataSource,
    CustomJSHover,
    DataRange1d,
    FixedTicker,
    HoverTool,
    LegendItem,
    LinearColorMapper,
    LogColorMapper,
)
from bokeh.models.annotations import Legend
from bokeh.plotting import figure

from eicpy.errors import BadArgumentError
from eicpy.figures import theme
from eicpy.figures.series import check_length, with_unit
from eicpy.instruments import PixelGrid
from eicpy.typing import AnyArray

__all__ = ["detector_change", "detector_image", "detector_status", "detector_values", "pixel_columns"]

NARROWEST, WIDEST = 0.75, 2.2
"""Width of a figure over its height: below, one for a tall detector would not fit on a screen."""
BORDER_OPACITY = 0.22


def detector_image(
    image: npt.ArrayLike,
    title: str = "",
    unit: str = "counts",
    *,
    log: bool = False,
    grid: PixelGrid | None = None,
    limits: tuple[float, float] | None = None,
    palette: Sequence[str] = theme.IMAGE_PALETTE,
) -> figure:
    """Draw a value per pixel in the plane of the detector.

    Parameters
    ----------
    image
        Shape (rows, columns), indexed [z, y]; NaN is drawn in grey.
    title, unit
        What is shown, and the unit of the values.
    log
        Logarithmic colours; zeros and negatives take the lowest colour.
    grid
        With it, the borders of the modules are drawn.
    limits
        Values of the lowest and the highest colour; None: of the data.
    palette
        Colours from low to high.

    Raises
    ------
    BadArgumentError
        If `image` has not two dimensions.
    """
    values = np.asarray(image)
    if values.ndim != 2:
        raise BadArgumentError(f"got an image of shape {values.shape}, expected (rows, columns)")
    rows, columns = values.shape
    plot = _plane(rows, columns, with_unit(title, unit))
    mapper = (LogColorMapper if log else LinearColorMapper)(
        palette=list(palette), nan_color=theme.MISSING_COLOUR, low=None, high=None
    )
    if limits is not None:
        mapper.low, mapper.high = limits
    source = ColumnDataSource(
        {"image": [values], **pixel_columns(rows, columns, grid)} if values.size else _NOTHING
    )
    renderer = plot.image(
        "image", x=0, y=0, dw=columns, dh=rows, source=source, color_mapper=mapper, name="image"
    )
    plot.x_range.renderers = plot.y_range.renderers = [renderer]
    plot.add_layout(theme.colour_bar(mapper), "right")
    plot.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=[*_place_rows(grid), (unit or "value", "@image")],
        )
    )
    if grid is not None:
        _module_borders(plot, grid)
    if not values.size or not np.isfinite(values).any():
        theme.no_data(plot)
    return plot


def detector_values(
    values: npt.ArrayLike, grid: PixelGrid, title: str = "", unit: str = "", **options: Any
) -> figure:
    """Draw a value per pixel given in the order of ``detnum``; see :func:`detector_image`.

    Parameters
    ----------
    values
        Shape (count,).
    grid
        The instrument's pixels.
    title, unit, **options
        As for :func:`detector_image`.
    """
    return detector_image(grid.image(np.asarray(values)), title, unit, grid=grid, **options)


def detector_change(
    values: npt.ArrayLike, grid: PixelGrid, title: str = "", unit: str = "", **options: Any
) -> figure:
    """Draw what changed in each pixel: white where nothing did, blue below and vermilion above.

    Parameters
    ----------
    values
        Shape (count,), in the order of ``detnum``. The colours end at the 99th percentile of the
        absolute values, so that a few pixels do not hide the others.
    grid
        The instrument's pixels.
    title, unit, **options
        As for :func:`detector_image`.
    """
    changes = np.asarray(values, dtype=np.float64)
    known = np.abs(changes[np.isfinite(changes)])
    end = float(np.percentile(known, 99.0)) if known.any() else 0.0
    end = end or float(known.max(initial=0.0)) or 1.0
    plot = detector_values(
        changes, grid, title, unit, limits=(-end, end), palette=theme.CHANGE_PALETTE, **options
    )
    _border_colour(plot, theme.INK)
    return plot


def detector_status(
    status: npt.ArrayLike, grid: PixelGrid, labels: Mapping[int, str], title: str = ""
) -> figure:
    """Draw the state of each pixel, with a legend that counts the pixels of each.

    Parameters
    ----------
    status
        Codes, shape (count,), in the order of ``detnum``; a code without a label is drawn in grey.
    grid
        The instrument's pixels.
    labels
        Name of each code, in the order of the legend; those without a pixel are left out of it. The first
        is that of a pixel as it should be and takes a pale colour, so that the others stand out.
    title
        What is shown.

    Raises
    ------
    BadArgumentError
        If there are not as many codes as pixels.
    """
    codes = np.asarray(status)
    check_length("status", codes.size, grid.count)
    order = np.full(codes.shape, np.nan)
    for number, code in enumerate(labels):
        order[codes == code] = number
    plot = _plane(grid.rows, grid.columns, title)
    mapper = LinearColorMapper(
        palette=[theme.state_colour(number) for number in range(len(labels))],
        nan_color=theme.MISSING_COLOUR,
        low=-0.5,
        high=len(labels) - 0.5,
    )
    renderer = plot.image(
        "image",
        x=0,
        y=0,
        dw=grid.columns,
        dh=grid.rows,
        source=ColumnDataSource(
            {"image": [grid.image(order)], **pixel_columns(grid.rows, grid.columns, grid)}
        ),
        color_mapper=mapper,
        name="image",
    )
    plot.x_range.renderers = plot.y_range.renderers = [renderer]
    words = CustomJSHover(args={"labels": list(labels.values())}, code="return labels[value] ?? 'no status'")
    plot.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=[*_place_rows(grid), ("status", "@image{custom}")],
            formatters={"@image": words},
        )
    )
    _module_borders(plot, grid)
    _border_colour(plot, theme.INK)
    _status_legend(plot, order, list(labels.values()))
    if not np.isfinite(order).any():
        theme.no_data(plot)
    return plot


def _status_legend(plot: figure, order: AnyArray, labels: Sequence[str]) -> None:
    """Place a legend above the plane: colour, name and number of pixels."""
    items = []
    for number, label in enumerate(labels):
        pixels = int(np.count_nonzero(order == number))
        if pixels:
            # outside of the plane: only its colour in the legend is seen
            swatch = plot.scatter([-9], [-9], marker="square", size=12, fill_color=theme.state_colour(number))
            swatch.glyph.line_color = theme.MUTED
            items.append(LegendItem(label=f"{label}: {pixels}", renderers=[swatch]))
    if items:
        legend = Legend(items=items)
        plot.add_layout(legend, "above")
        theme.legend_look(legend, len(items))
        legend.click_policy = "none"


def pixel_columns(rows: int, columns: int, grid: PixelGrid | None = None) -> dict[str, list[AnyArray]]:
    """Columns of a picture that say where each pixel is: ``y``, ``z`` and, with a grid, ``detnum``.

    Parameters
    ----------
    rows, columns
        Of the picture.
    grid
        The instrument's pixels.

    Returns
    -------
    dict
        Each a list of one array of shape (rows, columns), in a small unsigned type.
    """
    z, y = np.indices((rows, columns))
    found: dict[str, AnyArray] = {"y": y, "z": z}
    if grid is not None:
        found["detnum"] = grid.image(np.arange(grid.count))
    return {name: [values.astype(np.min_scalar_type(int(values.max())))] for name, values in found.items()}


_NOTHING: dict[str, list[AnyArray]] = {"image": [], "y": [], "z": [], "detnum": []}


def _place_rows(grid: PixelGrid | None) -> list[tuple[str, str]]:
    """What a tooltip says of the pixel: the same that a click there chooses."""
    return [("y, z", "@y, @z"), *([("detnum", "@detnum")] if grid is not None else [])]


def _plane(rows: int, columns: int, title: str) -> figure:
    """Build the frame of a picture of the plane: square pixels, in a figure of about the detector's shape."""
    plot = theme.frame(
        title=title,
        x_label="y (pixel)",
        y_label="z (pixel)",
        x_range=DataRange1d(range_padding=0),
        y_range=DataRange1d(range_padding=0),
        match_aspect=True,
        aspect_ratio=float(np.clip((columns + 12) / max(rows + 4, 1), NARROWEST, WIDEST)),
    )
    plot.height, plot.max_width = None, 720
    plot.grid.visible = False
    plot.xaxis.bounds, plot.yaxis.bounds = (0, max(columns, 1)), (0, max(rows, 1))
    return plot


def _module_borders(plot: figure, grid: PixelGrid) -> None:
    for lines, count, step in (
        (plot.xgrid, grid.columns, grid.module_columns),
        (plot.ygrid, grid.rows, grid.module_rows),
    ):
        if step >= count:
            continue
        lines.ticker = FixedTicker(ticks=list(range(step, count, step)))
        lines.grid_line_alpha, lines.level = BORDER_OPACITY, "overlay"
        lines.visible = True
    plot.xgrid.cross_bounds, plot.ygrid.cross_bounds = (0, grid.rows), (0, grid.columns)
    _border_colour(plot, "#FFFFFF")


def _border_colour(plot: figure, colour: str) -> None:
    """Colour of the borders of modules: they lie on the picture, so it is the same on a dark page."""
    plot.grid.grid_line_color = colour
    plot.css_variables = plot.css_variables | {"--bk-grid-line-color": colour}
