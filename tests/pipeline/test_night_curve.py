"""The light curve of a night: bins that fit, times that were not good, alerts, against what is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.events import GoodTimeIntervals
from eicpy.instruments import load
from eicpy.nights.record import AlertRecord
from eicpy.pipeline.night_curve import LEAST_COUNTS, MOST_SHOWN, WIDTHS, bin_width, night_curve

ECLAIRS = load("eclairs")
SECONDS = 1000


def product(counts=100, live=1.0):
    table = {
        "LIVETIME": np.full(SECONDS, live),
        "TIME": np.arange(SECONDS, dtype=float),
        "EXPOSURE": np.ones(SECONDS),
        "COUNTS_1": np.full(SECONDS, counts),
    }
    named = {"__len__": lambda self: len(self["TIME"]), "columns": property(dict.keys)}
    main = type("Main", (dict,), named)(table)
    return SimpleNamespace(main=main)


@given(st.floats(1, 1e6), st.floats(0, 1e4))
def test_bins_are_few_and_filled_and_the_narrowest_that_are(span, rate):
    counts = rate * span
    width, rate = bin_width(span, counts), counts / span
    assert width in WIDTHS

    def fits(w):
        return span / w <= MOST_SHOWN and rate * w >= LEAST_COUNTS

    if any(map(fits, WIDTHS)):
        assert fits(width)
        assert not any(fits(w) for w in WIDTHS if w < width)


def test_rates_are_per_second_of_live_time():
    curve = night_curve(product(live=0.8), ["band"], load("eclairs"), {}, [], 10)
    np.testing.assert_allclose(curve.rates["band"], 125.0)


def test_times_that_were_not_good_are_shaded_by_their_names_and_alerts_marked():
    criteria = {
        "TLM": GoodTimeIntervals([0, 700], [600, 1000]),
        "NSA": GoodTimeIntervals([-100, 300], [200, 2000]),
        "HV": GoodTimeIntervals([-100], [2000]),
        "ALL": GoodTimeIntervals([0], [10]),
    }
    alerts = [AlertRecord(kind="alert", time=450.0)]
    curve = night_curve(product(), ["all"], ECLAIRS, criteria, alerts, 0)
    shaded = {name: list(zip(g.start, g.stop, strict=True)) for name, g in curve.shaded.items()}
    assert shaded == {"no photon packets": [(600, 700)], "South Atlantic Anomaly": [(200, 300)]}
    plot = curve.plot()
    strip = plot.select_one({"name": "shaded-1"}).data_source.data
    assert (np.diff(np.concatenate([strip["x0"], strip["x1"]])) == 100_000.0).all()
    assert len(plot.select_one({"name": "marks-0"}).data_source.data["x"]) == 1
    words = [item.label["value"] for item in plot.legend[0].items]
    assert words == ["no photon packets", "South Atlantic Anomaly", "all", "1 alert from on board"]
    assert "Bins of 2 s" in curve._repr_html_()


def test_the_width_that_is_asked_for_is_taken_and_said():
    curve = night_curve(product(), ["all"], ECLAIRS, {}, [], 50)
    assert curve.step == 50
    assert np.allclose(curve.rates["all"], 100)
    assert "as asked for" in str(curve)
    with pytest.raises(BadArgumentError, match="0 for those that fit"):
        night_curve(product(), ["all"], ECLAIRS, {}, [], -1)


def test_a_criterion_without_a_name_for_its_opposite_is_named_by_what_it_asks():
    rule = ECLAIRS.good_time["NSA"].model_copy(update={"otherwise": ""})
    other = ECLAIRS.model_copy(update={"good_time": {"NSA": rule}})
    curve = night_curve(product(), ["all"], other, {"NSA": GoodTimeIntervals([100], [1000])}, [], 0)
    assert list(curve.shaded) == ["not: outside the South Atlantic Anomaly"]
