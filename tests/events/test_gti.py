"""Good time intervals against masks on a fine grid."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from eicpy import instruments
from eicpy.errors import BadArgumentError
from eicpy.events import GoodTimeIntervals, read_criteria, tables_of_criteria
from eicpy.products import Provenance, read_product, write_product

GRID = np.arange(0, 80, 0.5)
"""Ends lie on whole seconds, so the grid sees every interval and every gap."""


@st.composite
def intervals(draw: st.DrawFn) -> GoodTimeIntervals:
    ends = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=8))
    return GoodTimeIntervals([a for a, _ in ends], [a + length for a, length in ends])


def mask(gti: GoodTimeIntervals) -> np.ndarray:
    return ((GRID[:, None] >= gti.start) & (GRID[:, None] < gti.stop)).any(axis=1)


@given(intervals(), intervals())
def test_algebra_is_that_of_masks(a: GoodTimeIntervals, b: GoodTimeIntervals) -> None:
    assert_array_equal(mask(a | b), mask(a) | mask(b))
    assert_array_equal(mask(a & b), mask(a) & mask(b))
    assert_array_equal(mask(~a), ~mask(a))
    assert_array_equal(mask(a - b), mask(a) & ~mask(b))
    assert_array_equal(a.mask(GRID), mask(a))


@given(intervals(), intervals(), intervals())
def test_laws_of_sets(a: GoodTimeIntervals, b: GoodTimeIntervals, c: GoodTimeIntervals) -> None:
    assert ~~a == a
    assert a | b == b | a
    assert ~(a | b) == ~a & ~b
    assert a & (b | c) == (a & b) | (a & c)
    assert a - a == GoodTimeIntervals()
    assert a & GoodTimeIntervals.everything() == a


@given(intervals())
def test_intervals_are_sorted_disjoint_and_not_empty(gti: GoodTimeIntervals) -> None:
    assert np.all(gti.start < gti.stop)
    assert np.all(gti.start[1:] > gti.stop[:-1])
    assert gti.exposure == np.count_nonzero(mask(gti)) * 0.5


@given(intervals(), st.lists(st.integers(0, 64), min_size=2, max_size=20, unique=True))
def test_exposure_in_bins(gti: GoodTimeIntervals, edges: list[int]) -> None:
    border = np.sort(np.array(edges, dtype=np.float64))
    expected = [(gti & GoodTimeIntervals(a, b)).exposure for a, b in pairwise(border)]
    assert_allclose(gti.exposure_in(border), expected, atol=1e-12)


@given(st.lists(st.booleans(), max_size=40))
def test_a_condition_holds_between_good_neighbours_only(good: list[bool]) -> None:
    time = np.arange(len(good), dtype=np.float64)
    gti = GoodTimeIntervals.from_condition(time, good)
    between = time[:-1] + 0.5
    assert_array_equal(gti.mask(between), np.array(good[:-1], bool) & np.array(good[1:], bool))


def test_gaps_and_margins_of_a_condition() -> None:
    time = np.array([0, 1, 2, 3, 10, 11, 12, 13], dtype=float)
    gti = GoodTimeIntervals.from_condition(time, np.ones(8, bool), max_gap=2, margin=(0.5, 0.25))
    assert gti == GoodTimeIntervals([0.5, 10.5], [2.75, 12.75])
    short = GoodTimeIntervals.from_condition(time, np.ones(8, bool), max_gap=2, margin=2.0)
    assert short == GoodTimeIntervals()


def test_conditions_of_housekeeping_combine() -> None:
    time = np.arange(100.0)
    voltage = np.where((time > 20) & (time < 40), 0.0, 600.0)
    voltage[50] = np.nan
    temperature = np.where(time > 80, 5.0, -20.0)
    gti = GoodTimeIntervals.from_condition(time, voltage > 500) & GoodTimeIntervals.from_condition(
        time, temperature < -10
    )
    assert gti == GoodTimeIntervals([0, 40, 51], [20, 49, 80])


def test_coverage_of_photons() -> None:
    time = np.concatenate((np.arange(0, 10, 0.1), np.arange(20, 30, 0.1)))
    gti = GoodTimeIntervals.from_coverage(time, max_gap=1.0)
    assert len(gti) == 2
    assert gti.exposure == pytest.approx(19.8)


def test_columns_in_any_capitals() -> None:
    gti = GoodTimeIntervals([0, 5], [1, 6])
    assert GoodTimeIntervals.from_columns(gti.to_columns()) == gti
    assert GoodTimeIntervals.from_columns({"Start": [0, 5], "Stop": [1, 6]}) == gti
    with pytest.raises(BadArgumentError, match="START"):
        GoodTimeIntervals.from_columns({"BEGIN": [0]})


@pytest.mark.parametrize(
    "call",
    [
        lambda: GoodTimeIntervals([0, 1], [2]),
        lambda: GoodTimeIntervals([2], [1]),
        lambda: GoodTimeIntervals([np.nan], [1]),
        lambda: GoodTimeIntervals.from_condition([1, 0], [True, True]),
        lambda: GoodTimeIntervals.from_condition([0, 1], [True]),
        lambda: GoodTimeIntervals.from_condition([0, 1], [True, True], margin=-1),
        lambda: GoodTimeIntervals().span,
        lambda: GoodTimeIntervals(0, 1).exposure_in([1.0, 0.0]),
        lambda: GoodTimeIntervals(0, 1).exposure_in([0.0, np.nan]),
        lambda: GoodTimeIntervals(0, 1).exposure_in([[0.0, 1.0]]),
    ],
)
def test_wrong_intervals_are_refused(call: object) -> None:
    with pytest.raises(BadArgumentError):
        call()  # type: ignore[operator]  # the cases are lambdas


def test_intervals_show_themselves() -> None:
    assert "2 good time intervals" in GoodTimeIntervals([0, 5], [1, 6])._repr_html_()
    assert "inf" in (~GoodTimeIntervals(0, 1))._repr_html_()
    assert "more" in GoodTimeIntervals(np.arange(30) * 2, np.arange(30) * 2 + 1)._repr_html_()


def test_intervals_by_criterion_are_a_product(tmp_path: Path) -> None:
    criteria = {
        "NSA": GoodTimeIntervals([0, 50], [20, 90]),
        "STA": GoodTimeIntervals(10, 60),
        "TLM": GoodTimeIntervals(),
    }
    path = write_product(
        tmp_path / "gti.fits",
        "ECL-GTI-CAL",
        tables_of_criteria(criteria),
        issuer=instruments.load("eclairs"),
        provenance=Provenance("test"),
    )
    product = read_product(path)
    assert product.main["MEMBER_NAME"].tolist() == ["GTICAL-NSA", "GTICAL-STA", "GTICAL-TLM"]
    assert read_criteria(product) == criteria
    assert read_criteria(product)["NSA"] & read_criteria(product)["STA"] == GoodTimeIntervals(
        [10, 50], [20, 60]
    )
