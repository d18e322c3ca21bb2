"""Pictures of the plane of the detector: a value for each pixel, in the line-of-sight frame."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)
from bokeh.models.annotations import ColorBar
from bokeh.plotting import figure

from eicpy.dashboard import theme
from eicpy.dashboard.series import with_unit
from eicpy.errors import BadArgumentError
from eicpy.instruments import PixelGrid

__all__ = ["detector_image", "detector_values"]


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
    plot = theme.frame(
        title=with_unit(title, unit),
        x_label="y (pixel)",
        y_label="z (pixel)",
        x_range=Range1d(start=0, end=max(columns, 1), bounds="auto"),
        y_range=Range1d(start=0, end=max(rows, 1), bounds="auto"),
        aspect_ratio=float(np.clip((columns + 12) / max(rows + 4, 1), 1.05, 2.0)),
    )
    plot.height, plot.max_width = None, 720
    mapper = (LogColorMapper if log else LinearColorMapper)(
        palette=list(palette), nan_color=theme.MISSING_COLOUR, low=None, high=None
    )
    if limits is not None:
        mapper.low, mapper.high = limits
    source = ColumnDataSource({"image": [values]} if values.size else {"image": []})
    renderer = plot.image(
        "image", x=0, y=0, dw=columns, dh=rows, source=source, color_mapper=mapper, name="image"
    )
    bar = ColorBar(
        color_mapper=mapper,
        width=10,
        padding=4,
        major_label_text_font=theme.FONT,
        major_label_text_font_size="11px",
        major_label_text_color=theme.INK,
        bar_line_color=None,
    )
    plot.add_layout(bar, "right")
    plot.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=[("y, z", "$x{0.}, $y{0.}"), (unit or "value", "@image")],
        )
    )
    plot.grid.visible = False
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


def _module_borders(plot: figure, grid: PixelGrid) -> None:
    for lines, count, step in (
        (plot.xgrid, grid.columns, grid.module_columns),
        (plot.ygrid, grid.rows, grid.module_rows),
    ):
        if step >= count:
            continue
        lines.ticker = FixedTicker(ticks=list(range(step, count, step)))
        lines.grid_line_color, lines.grid_line_alpha, lines.level = "#FFFFFF", 0.22, "overlay"
        lines.visible = True
