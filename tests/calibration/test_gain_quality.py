"""Gates, pass fractions and changes."""

from dataclasses import replace

import numpy as np
import pytest

from eicpy.calibration import (
    GainStatus,
    GainTable,
    compare,
    pass_fraction,
)
from eicpy.calibration.gain.quality import gated_table
from eicpy.errors import BadArgumentError
from eicpy.instruments import load

REQUIREMENT = load("eclairs").energy.requirement


@pytest.fixture
def previous():
    return replace(GainTable.nominal(400, 0.145, 3.0), status=np.zeros(400, np.uint8))


@pytest.fixture
def fitted(previous):
    rng = np.random.default_rng(3)
    return replace(
        previous,
        gain=previous.gain * (1.002 + 1e-3 * rng.standard_normal(400)),
        offset=previous.offset + 0.02 * rng.standard_normal(400),
        gain_error=np.full(400, 1e-4),
        offset_error=np.full(400, 0.02),
        covariance=np.full(400, -1e-6),
    )


def gate(fitted, previous, goodness):
    return gated_table(fitted, previous, goodness, deviance_gate=6.0, outlier_gate=6.0)


def test_good_fits_pass_and_keep_their_values(fitted, previous):
    table = gate(fitted, previous, np.random.default_rng(1).standard_normal(400))
    assert table.good.all()
    np.testing.assert_array_equal(table.gain, fitted.gain)


def test_a_deviance_that_stands_out_keeps_the_last_value(fitted, previous):
    goodness = np.random.default_rng(1).standard_normal(400)
    goodness[5] = 9.0
    table = gate(fitted, previous, goodness)
    assert table.status[5] == GainStatus.BAD_FIT | GainStatus.KEPT_PREVIOUS
    assert table.gain[5] == previous.gain[5]
    assert table.good.sum() == 399


def test_a_misfit_that_all_pixels_share_rejects_none_but_the_worst(fitted, previous):
    # lines with tails at a very long exposure: every deviance is high
    goodness = 40.0 + 2.0 * np.random.default_rng(1).standard_normal(400)
    goodness[7] = 80.0
    table = gate(fitted, previous, goodness)
    assert table.good.sum() == 399
    assert table.status[7] & GainStatus.BAD_FIT


def test_a_change_that_stands_out_keeps_the_last_value(fitted, previous):
    gain = fitted.gain.copy()
    gain[11] *= 1.03
    table = gate(replace(fitted, gain=gain), previous, np.zeros(400))
    assert table.status[11] == GainStatus.OUTLIER | GainStatus.KEPT_PREVIOUS
    assert table.good.sum() == 399


def test_a_pixel_never_calibrated_says_so(fitted):
    nominal = GainTable.nominal(400, 0.145, 3.0)
    status = fitted.status.copy()
    status[0] = GainStatus.NOT_CONVERGED
    table = gate(replace(fitted, status=status), nominal, np.zeros(400))
    expected = GainStatus.NOT_CONVERGED | GainStatus.KEPT_PREVIOUS | GainStatus.NOMINAL
    assert table.status[0] == expected
    assert table.status[1] == GainStatus.GOOD


def test_few_pixels_have_no_plane_to_stand_out_from(fitted, previous):
    few = {k: v[:10] for k, v in fitted.to_columns().items()}
    old = {k: v[:10] for k, v in previous.to_columns().items()}
    few["GAIN"] = few["GAIN"] * np.where(np.arange(10) == 0, 1.03, 1.0)
    table = gate(GainTable.from_columns(few), GainTable.from_columns(old), np.zeros(10))
    assert table.good.all()


def test_pass_fraction_counts_actual_errors_where_the_truth_is_known(previous):
    off = previous.offset.copy()
    off[:100] += 0.35  # fails up to 80 keV, passes above
    off[100:140] += 0.6  # fails everywhere
    result = pass_fraction(replace(previous, offset=off), REQUIREMENT, truth=previous)
    assert result.energies == REQUIREMENT.energies
    assert result.required == (0.3, 0.3, 0.3, 0.3, 0.5)
    assert result.fraction == pytest.approx((0.65, 0.65, 0.65, 0.65, 0.9))
    assert result.all_energies == pytest.approx(0.65)
    assert "truth" in result._repr_html_()


def test_pass_fraction_is_what_counting_would_give_where_the_truth_is_not_known(fitted):
    result = pass_fraction(fitted, REQUIREMENT)
    np.testing.assert_array_equal(result.error, fitted.sigma_energy(np.array(REQUIREMENT.energies)))
    assert result.fraction == pytest.approx((1.0,) * 5, abs=1e-6)
    assert pass_fraction(GainTable.nominal(3, 0.145, 3.0), REQUIREMENT).all_energies == 0.0
    # errors of which the requirement is a part or a multiple, against drawn scales
    wide = replace(
        fitted, gain_error=np.full(400, 4e-4), offset_error=np.full(400, 0.2), covariance=np.full(400, -5e-5)
    )
    drawn = np.random.default_rng(2).multivariate_normal([0.0, 0.0], [[1.6e-7, -5e-5], [-5e-5, 0.04]], 400)
    truth = replace(wide, gain=wide.gain + drawn[:, 0], offset=wide.offset + drawn[:, 1])
    quoted, counted = pass_fraction(wide, REQUIREMENT), pass_fraction(wide, REQUIREMENT, truth=truth)
    assert 0.2 < quoted.all_energies < 0.8
    # 400 pixels: 2.5 % of statistics
    assert quoted.fraction == pytest.approx(counted.fraction, abs=0.07)
    assert quoted.all_energies == pytest.approx(counted.all_energies, abs=0.07)


def test_pass_fraction_of_some_pixels(previous):
    off = previous.offset + np.where(np.arange(400) < 200, 1.0, 0.0)
    table = replace(previous, offset=off)
    chosen = np.arange(400) >= 200
    assert pass_fraction(table, REQUIREMENT, truth=previous, pixels=chosen).all_energies == 1.0
    with pytest.raises(BadArgumentError, match="selection"):
        pass_fraction(table, REQUIREMENT, pixels=chosen[:5])
    with pytest.raises(BadArgumentError, match="truth of 2"):
        pass_fraction(table, REQUIREMENT, truth=GainTable.nominal(2, 0.145, 3.0))


def test_changes_are_energies_of_the_same_channels(fitted, previous):
    change = compare(fitted, previous, energies=REQUIREMENT.energies)
    channel = previous.channel(np.arange(400), 80.0)
    moved = fitted.energy(np.arange(400), channel) - 80.0
    np.testing.assert_allclose(change.energy[change.energies.index(80.0)], moved, atol=1e-9)
    np.testing.assert_allclose(change.gain, fitted.gain / previous.gain - 1.0)
    assert np.isnan(change.pull).all()  # the last table has no errors
    assert np.isfinite(compare(fitted, fitted, energies=REQUIREMENT.energies).pull).all()
    assert not change.outlier.any()
    assert "stand out" in change._repr_html_()


def test_changes_that_stand_out_are_flagged(fitted, previous):
    offset = fitted.offset.copy()
    offset[9] += 1.0
    assert np.flatnonzero(
        compare(replace(fitted, offset=offset), previous, energies=REQUIREMENT.energies).outlier
    ).tolist() == [9]


def test_tables_of_different_planes_are_not_compared(previous):
    with pytest.raises(BadArgumentError, match="400 and 3"):
        compare(previous, GainTable.nominal(3, 0.145, 3.0), energies=REQUIREMENT.energies)


def test_without_a_requirement_that_of_eclairs_is_taken_for_now_with_a_warning(fitted, previous):
    with pytest.warns(DeprecationWarning, match="requirement"):
        assert pass_fraction(fitted).required == pass_fraction(fitted, REQUIREMENT).required
    with pytest.warns(DeprecationWarning, match="energies"):
        assert compare(fitted, previous).energies == REQUIREMENT.energies
