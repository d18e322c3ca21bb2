"""The figures: units on every axis, gaps that stay gaps, honest emptiness."""

import numpy as np
import pytest
from astropy.time import Time
from bokeh.models import LogScale
from bokeh.models.annotations import BoxAnnotation, Span
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.figures import plots, theme
from eicpy.instruments import PixelGrid
from eicpy.packets import Limits

GRID = PixelGrid(rows=80, columns=80, module_rows=8, module_columns=4, sectors=8)


def _data(plot, name):
    return plot.select_one({"name": name}).data_source.data


def _says_no_data(plot):
    label = plot.select_one({"name": "no-data"})
    return label is not None and label.visible


def _every_figure(*, empty):
    rng = np.random.default_rng(5)
    n = 0 if empty else 50
    time = np.arange(n, dtype=float)
    return {
        "image": plots.detector_image(np.full((8, 8), np.nan) if empty else rng.random((8, 8)), "a", "s"),
        "spectrum": plots.spectrum(np.arange(n + 1), rng.poisson(9.0, n), "a"),
        "light curve": plots.light_curve(time, rng.random(n), "a"),
        "histogram": plots.histogram(rng.random(n), "a", "gain", "keV/channel"),
        "housekeeping": plots.housekeeping(time, rng.random(n), None, "T", "°C"),
        "scatter": plots.scatter(time, rng.random(n), "a", x_label="energy (keV)", y_label="rate (1/s)"),
    }


@pytest.mark.parametrize("empty", [False, True])
def test_every_axis_has_a_label_and_every_figure_stretches(empty):
    for kind, plot in _every_figure(empty=empty).items():
        assert plot.sizing_mode == "stretch_width", kind
        for axis in plot.axis:
            assert axis.axis_label, kind


def test_what_has_a_unit_shows_it():
    plots = _every_figure(empty=False)
    assert plots["image"].title.text == "a (s)"
    assert plots["spectrum"].xaxis[0].axis_label == "energy (keV)"
    assert plots["light curve"].yaxis[0].axis_label == "rate (count/s)"
    assert plots["light curve"].xaxis[0].axis_label == "time (UTC)"
    assert plots["histogram"].xaxis[0].axis_label == "gain (keV/channel)"
    assert plots["housekeeping"].yaxis[0].axis_label == "T (°C)"


def test_a_figure_without_data_says_so_and_one_with_data_does_not():
    for kind, plot in _every_figure(empty=True).items():
        assert _says_no_data(plot), kind
    for kind, plot in _every_figure(empty=False).items():
        assert not _says_no_data(plot), kind


def test_a_pixel_appears_where_the_grid_puts_it():
    values = np.zeros(GRID.count)
    values[GRID.detnum(3, 10)] = 7
    drawn = _data(plots.detector_values(values, GRID, "x"), "image")["image"][0]
    assert np.argwhere(drawn == 7).tolist() == [[3, 79 - 10]]


def test_states_have_colours_of_their_own_and_a_legend_that_counts_them():
    status = np.zeros(GRID.count, np.uint8)
    status[:3], status[GRID.detnum(3, 10)], status[-1] = 2, 4, 77
    plot = plots.detector_status(status, GRID, {0: "good", 1: "dead", 2: "noisy", 4: "unknown"}, "Status")
    assert [item.label.value for item in plot.legend[0].items] == [
        f"good: {GRID.count - 5}", "noisy: 3", "unknown: 1",
    ]  # fmt: skip
    drawn = _data(plot, "image")["image"][0]
    assert drawn[3, 79 - 10] == 3
    assert np.isnan(drawn).sum() == 1
    mapper = plot.select_one({"name": "image"}).glyph.color_mapper
    assert len(set(mapper.palette)) == len(mapper.palette) == 4
    assert not plot.right, "no colour bar"


def test_a_status_without_pixels_says_no_data_and_one_of_another_plane_is_refused():
    assert _says_no_data(plots.detector_status(np.full(GRID.count, 9), GRID, {0: "good"}))
    with pytest.raises(BadArgumentError, match="expected 6400"):
        plots.detector_status([0, 1], GRID, {0: "good"})


@pytest.mark.parametrize("scale", [0.0, 1e-3, 5.0])
def test_colours_of_a_change_meet_at_zero(scale):
    values = scale * np.random.default_rng(3).normal(1.0, 1.0, GRID.count)
    mapper = (
        plots.detector_change(values, GRID, "Change", "%").select_one({"name": "image"}).glyph.color_mapper
    )
    assert mapper.low == -mapper.high < 0
    assert mapper.palette[len(mapper.palette) // 2].upper() == "#F4F4F2"


def test_borders_of_the_modules_are_where_the_modules_meet():
    plot = plots.detector_values(np.ones(GRID.count), GRID)
    assert list(plot.xgrid[0].ticker.ticks) == list(range(4, 80, 4))
    assert list(plot.ygrid[0].ticker.ticks) == list(range(8, 80, 8))


def test_a_spectrum_on_logarithmic_axes_leaves_empty_bins_blank():
    plot = plots.spectrum([4.0, 5.0, 6.0, 7.0], [3, 0, 9])
    assert isinstance(plot.y_scale, LogScale)
    np.testing.assert_array_equal(_data(plot, "series-0")["counts"], [3, np.nan, 9, 9])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.spectrum([1.0, 2.0], [1, 2]), "got 2 values for 'counts', expected 1"),
        (lambda: plots.light_curve([1.0], {"a": [1.0, 2.0]}), "got 2 values for 'a', expected 1"),
        (lambda: plots.housekeeping([1.0], [], None, "T"), "got 0 values for 'T', expected 1"),
        (lambda: plots.detector_image(np.zeros(6400)), r"got an image of shape \(6400,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(call, words):
    with pytest.raises(BadArgumentError, match=words):
        call()


@given(
    keep=st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda kept: sum(kept) > 1),
    step=st.sampled_from([0.5, 1.0, 64.0]),
)
def test_a_gap_gets_exactly_one_nan_and_no_value_is_lost(keep, step):
    time = np.flatnonzero(keep) * step
    values = time + 1.0
    times, heights = plots.break_at_gaps(time, values, step)
    np.testing.assert_array_equal(heights[np.isfinite(heights)], values)
    np.testing.assert_array_equal(times[np.isfinite(heights)], time)
    assert np.isnan(heights).sum() == (np.diff(np.flatnonzero(keep)) > 1).sum()
    assert np.all(np.diff(times) > 0)


def test_light_curve_keeps_the_gap_of_the_data():
    time = np.r_[0:10, 50:60].astype(float)
    rates = _data(plots.light_curve(time, {"all": np.ones(20)}, step=1.0), "series-0")["rate"]
    assert np.flatnonzero(np.isnan(rates)).tolist() == [10]


def test_utc_axis_agrees_with_astropy_across_a_leap_second():
    seconds = np.array([-10.0, -0.5, 0.0, 3.2e8, np.nan])
    origin = Time("2017-01-01", scale="utc").tt
    expected = [Time(origin.jd1, origin.jd2 + s / 86400, format="jd", scale="tt").unix for s in seconds[:4]]
    np.testing.assert_allclose(theme.unix_milliseconds(seconds)[:4], np.multiply(expected, 1e3), atol=0.02)
    assert np.isnan(theme.unix_milliseconds(seconds)[4])


def test_limits_are_drawn_and_values_outside_are_marked():
    limits = Limits(warning_low=-25, warning_high=-15, alarm_high=-12)
    plot = plots.housekeeping([0.0, 1, 2], [-20.0, -14, -10], limits, "TEMPERATURE", "°C")
    data = _data(plot, "points")
    assert data["colour"] == [theme.COLOURS[0], theme.WARNING, theme.ALARM]
    assert len(plot.select({"type": Span})) == 3
    assert len(plot.select({"type": BoxAnnotation})) >= 3
    assert plot.y_range.start < -25
    assert plot.y_range.end > -10


def test_histogram_counts_what_has_no_value_in_its_title():
    plot = plots.histogram([1.0, 2.0, np.nan, np.inf], "Gain")
    assert plot.title.text == "Gain (2 without a value)"
    assert _data(plot, "values")["top"].sum() == 2


def _luminance(colour):
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_text_colours_reach_the_contrast_that_wcag_asks_for():
    for colour in (theme.INK, theme.MUTED, theme.NOMINAL, theme.WARNING, theme.ALARM):
        assert 1.05 / (_luminance(colour) + 0.05) >= 4.5, colour
