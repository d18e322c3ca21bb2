"""The sky as the camera sees it: an image over tangents, with places marked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure

from eicpy.errors import BadArgumentError
from eicpy.figures import theme
from eicpy.figures.series import with_unit
from eicpy.typing import FloatArray

__all__ = ["sky_image"]


def sky_image(
    image: FloatArray,
    tangent: FloatArray,
    title: str = "",
    unit: str = "SNR",
    *,
    places: Sequence[tuple[float, float, str]] = (),
    coordinates: tuple[FloatArray, FloatArray] | None = None,
) -> figure:
    """Draw a value for each direction of the sky, in the camera's frame.

    Parameters
    ----------
    image
        Shape (sky, sky), indexed [z, y]; NaN is drawn in grey.
    tangent
        Tangents of the middles of the pixels, the same along y and z, shape (sky,).
    title, unit
        What is shown, and the unit of the values.
    places
        (ty, tz, name) of what is marked.
    coordinates
        Right ascension and declination of every pixel, degrees, shape (sky, sky) each; shown at the pointer.

    Raises
    ------
    BadArgumentError
        If the image is not one of the tangents.
    """
    values = np.asarray(image, np.float32)
    if values.shape != (len(tangent), len(tangent)):
        raise BadArgumentError(
            f"got an image of shape {values.shape}, expected ({len(tangent)}, {len(tangent)})"
        )
    step = tangent[1] - tangent[0]
    low, side = float(tangent[0] - step / 2), float(step * len(tangent))
    plot = theme.frame(
        title=with_unit(title, unit),
        x_label="ty (tangent)",
        y_label="tz (tangent)",
        x_range=Range1d(low, low + side),
        y_range=Range1d(low, low + side),
        match_aspect=True,
        aspect_ratio=1.12,
    )
    plot.height, plot.max_width = None, 720
    plot.grid.visible = False
    mapper = LinearColorMapper(palette=list(theme.IMAGE_PALETTE), nan_color=theme.MISSING_COLOUR)
    columns: dict[str, list[Any]] = {"image": [values]}
    tips = [("ty, tz", "$x{0.000}, $y{0.000}"), (unit, "@image{0.00}")]
    if coordinates is not None:
        columns |= {"ra": [coordinates[0]], "dec": [coordinates[1]]}
        tips.append(("RA, Dec (°)", "@ra{0.00}, @dec{0.00}"))
    renderer = plot.image(
        "image",
        x=low,
        y=low,
        dw=side,
        dh=side,
        source=ColumnDataSource(columns),
        color_mapper=mapper,
        name="image",
    )
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=tips))
    plot.add_layout(theme.colour_bar(mapper), "right")
    if places:
        _mark(plot, places)
    if not np.isfinite(values).any():
        theme.no_data(plot)
    return plot


def _mark(plot: figure, places: Sequence[tuple[float, float, str]]) -> None:
    y, z, names = zip(*places, strict=True)
    marked = ColumnDataSource({"y": list(y), "z": list(z), "name": list(names)})
    plot.scatter(
        "y",
        "z",
        source=marked,
        name="places",
        size=18,
        marker="circle",
        fill_alpha=0,
        line_color="#FFFFFF",
        line_width=1.5,
    )
    plot.text(
        "y",
        "z",
        "name",
        source=marked,
        x_offset=12,
        y_offset=-6,
        text_color="#FFFFFF",
        text_font=value(theme.FONT),
        text_font_size="11px",
    )
