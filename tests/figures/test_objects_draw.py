"""Objects draw themselves: the figure holds their data, and each axis its unit."""

import numpy as np
import pytest
from bokeh.models.annotations import Span

from eicpy.calibration import GainTable
from eicpy.calibration.pixels import pixel_status
from eicpy.errors import BadArgumentError
from eicpy.events import EventList, ImageAccumulator, LightCurve, PixelScale, SpectraAccumulator
from eicpy.figures import theme
from eicpy.housekeeping import HousekeepingArchive, Limits
from eicpy.instruments import load

ECLAIRS = load("eclairs")
GRID = ECLAIRS.pixels


def data(plot, name):
    return plot.select_one({"name": name}).data_source.data


def labels(plot):
    return plot.xaxis[0].axis_label, plot.yaxis[0].axis_label


@pytest.fixture
def photons():
    rng = np.random.default_rng(11)
    detnum, channel = rng.integers(0, GRID.count, 4000), rng.integers(0, 1024, 4000)
    return EventList(np.sort(rng.uniform(0, 9, 4000)), detnum, channel)


def test_a_light_curve():
    counts = np.array([[4, 0, 6], [1, 2, 3]])
    curve = LightCurve(100.0, 2.0, ((4.0, 20.0), (20.0, 50.0)), counts, np.array([2.0, 0.0, 1.0]))
    plot = curve.plot("Burst")
    np.testing.assert_array_equal(data(plot, "series-0")["rate"], [2.0, np.nan, 6.0])
    np.testing.assert_array_equal(data(plot, "series-1")["rate"], [0.5, np.nan, 3.0])
    np.testing.assert_array_equal(
        data(plot, "series-1")["time"], theme.unix_milliseconds([101.0, 103.0, 105.0])
    )
    assert [item.label.value for item in plot.legend[0].items] == ["4–20 keV", "20–50 keV"]
    assert (plot.title.text, *labels(plot)) == ("Burst", "time (UTC)", "rate (count/s)")


def test_a_spectrum(photons):
    spectra = SpectraAccumulator(GRID.count, ECLAIRS.energy.channels)
    spectra.add(photons)
    plot = spectra.plot(ECLAIRS.energy)
    drawn = data(plot, "series-0")
    np.testing.assert_array_equal(np.nan_to_num(drawn["counts"][:-1]), spectra.total)
    scale = ECLAIRS.energy
    assert drawn["energy"][0] == scale.offset
    assert drawn["energy"][-1] == pytest.approx(scale.offset + 1024 * scale.gain)
    np.testing.assert_allclose(scale.centres, (scale.edges[1:] + scale.edges[:-1]) / 2)
    assert labels(plot) == ("energy (keV)", "counts")


def test_a_detector_image(photons):
    images = ImageAccumulator(GRID.count, [(4, 20), (20, 50)])
    images.add(photons, PixelScale.uniform(GRID.count, ECLAIRS.energy.gain, ECLAIRS.energy.offset))
    plot = images.plot(GRID, band=1)
    (image,) = data(plot, "image")["image"]
    np.testing.assert_array_equal(image, GRID.image(images.counts[1]))
    assert image.sum() > 0
    assert plot.title.text == "20–50 keV (counts)"
    assert labels(plot) == ("y (pixel)", "z (pixel)")


def test_housekeeping(tmp_path):
    archive = HousekeepingArchive(tmp_path)
    archive.append(
        "hk", [0.0, 1.0, 2.0], {"T": [-20.0, -14.0, np.inf], "MODE": ["ON", "ON", "OFF"]}, "run 1",
        units={"T": "degC"},
    )  # fmt: skip
    read = archive.read(["T", "MODE"])
    plot = read["T"].plot(Limits(warning_high=-15, alarm_high=-12))
    points = data(plot, "points")
    np.testing.assert_array_equal(points["value"], [-20.0, -14.0, np.inf])
    assert points["colour"] == [theme.COLOURS[0], theme.WARNING, theme.ALARM]
    assert len(plot.select({"type": Span})) == 2
    assert (plot.title.text, *labels(plot)) == ("T", "time (UTC)", "T (°C)")
    with pytest.raises(BadArgumentError, match="got the texts of MODE, expected numbers"):
        read["MODE"].plot()


@pytest.mark.parametrize(("quantity", "unit"), [("gain", "keV/channel"), ("offset", "keV")])
def test_a_gain_table(quantity, unit):
    rng = np.random.default_rng(12)
    table = GainTable.from_columns(
        {
            "DETNUM": np.arange(GRID.count),
            "GAIN": rng.normal(0.145, 0.002, GRID.count),
            "OFFSET": rng.normal(3.0, 0.1, GRID.count),
        }
    )
    plot = table.plot(GRID, quantity)
    (image,) = data(plot, "image")["image"]
    np.testing.assert_array_equal(image, GRID.image(getattr(table, quantity)))
    assert plot.title.text == f"{quantity.capitalize()} ({unit})"


def test_a_pixel_table():
    counts = np.random.default_rng(13).poisson(200.0, GRID.count).astype(float)
    counts[[5, 900]] = 0.0
    health = pixel_status(counts, GRID)
    plot = health.plot(GRID)
    (image,) = data(plot, "image")["image"]
    np.testing.assert_array_equal(image, GRID.image(health.status.astype(float)))
    assert "dead: 2" in [item.label.value for item in plot.legend[0].items]
