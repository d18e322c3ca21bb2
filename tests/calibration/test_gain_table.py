"""The table: energies, errors with covariance, columns of AUX-ECL-PIX-CAL."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.calibration import GainStatus, GainTable
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import load
from eicpy.products import Provenance, read_product, write_product


@pytest.fixture
def table():
    rng = np.random.default_rng(4)
    n = 50
    return GainTable(
        gain=0.145 * (1.0 + 0.01 * rng.standard_normal(n)),
        offset=3.0 + 0.1 * rng.standard_normal(n),
        gain_error=np.full(n, 3e-4),
        offset_error=np.full(n, 0.09),
        covariance=np.full(n, -2.2e-5),
        status=np.zeros(n, np.uint8),
        deviance=np.full(n, 300.0),
        dof=np.full(n, 310),
        reference_time=1e8,
    )


def test_energy_is_that_of_the_channels_centre():
    table = GainTable.nominal(4, 0.145, 3.0)
    assert table.energy(2, 0) == pytest.approx(3.0725)
    # 72.5 eV is what taking the lower edge would cost
    assert table.energy(2, 0) - (0.145 * 0 + 3.0) == pytest.approx(0.0725)


@given(st.integers(0, 49), st.floats(4.0, 150.0))
def test_channel_is_the_inverse_of_energy(pixel, energy):
    gain = 0.145 + 1e-4 * np.arange(50)
    table = GainTable.from_columns({"DETNUM": np.arange(50), "GAIN": gain, "OFFSET": np.full(50, 3.0)})
    assert table.energy(pixel, table.channel(pixel, energy)) == pytest.approx(energy)


def test_sigma_energy_is_the_scatter_of_drawn_scales(table):
    rng = np.random.default_rng(9)
    covariance = [[3e-4**2, -2.2e-5], [-2.2e-5, 0.09**2]]
    drawn = rng.multivariate_normal([table.gain[3], table.offset[3]], covariance, 200_000)
    for energy in (4.0, 80.0, 150.0):
        position = (energy - table.offset[3]) / table.gain[3]
        scatter = (drawn[:, 0] * position + drawn[:, 1]).std()
        assert table.sigma_energy(energy)[3] == pytest.approx(scatter, rel=0.01)


def test_sigma_energy_has_the_shape_of_the_energies(table):
    assert table.sigma_energy(5.0).shape == (50,)
    assert table.sigma_energy(np.ones((2, 3))).shape == (2, 3, 50)
    assert np.isnan(GainTable.nominal(3, 0.145, 3.0).sigma_energy(10.0)).all()


@given(st.permutations(range(50)))
def test_columns_come_back_in_any_order_of_rows(order):
    rng = np.random.default_rng(0)
    table = GainTable(
        gain=rng.uniform(0.14, 0.15, 50), offset=rng.uniform(2.0, 4.0, 50), gain_error=rng.random(50),
        offset_error=rng.random(50), covariance=-rng.random(50), status=rng.integers(0, 255, 50),
        deviance=rng.random(50), dof=np.arange(50), time=rng.random(50),
    )  # fmt: skip
    columns = {name: values[list(order)] for name, values in table.to_columns().items()}
    back = GainTable.from_columns(columns, reference_time=3.0)
    for name, values in table.to_columns().items():
        np.testing.assert_array_equal(back.to_columns()[name], values)
    assert back.reference_time == 3.0


def test_columns_are_those_of_the_product(table):
    assert list(table.to_columns()) == [
        "DETNUM", "GAIN", "OFFSET", "GAIN_ERR", "OFFSET_ERR", "COVARIANCE", "STATUS", "DEVIANCE", "DOF",
        "SIGNIFICANCE", "TFIT",
    ]  # fmt: skip


def test_a_product_holds_the_table_without_a_translation(table, tmp_path):
    table = replace(table, goodness=np.linspace(-3.0, 9.0, 50))
    card = "AUX-ECL-PIX-CAL"
    path = write_product(
        tmp_path / "a.fits",
        card,
        {card: table.to_columns()},
        issuer=load("eclairs"),
        provenance=Provenance.begin("test"),
    )
    back = GainTable.from_columns(read_product(path, card).main.columns)
    for name, values in table.to_columns().items():
        np.testing.assert_allclose(back.to_columns()[name], values, rtol=1e-7, err_msg=name)


def test_a_value_has_the_time_of_its_own_data():
    status = np.array([0, GainStatus.NOMINAL, GainStatus.KEPT_PREVIOUS], np.uint8)
    columns = {"DETNUM": np.arange(3), "GAIN": np.full(3, 0.145), "OFFSET": np.full(3, 3.0), "STATUS": status}
    table = GainTable.from_columns(columns, reference_time=500.0)
    np.testing.assert_array_equal(table.time, [500.0, np.nan, np.nan])
    later = GainTable.from_columns(columns | {"TFIT": [500.0, 300.0, 100.0]}, reference_time=500.0)
    np.testing.assert_array_equal(later.age, [0.0, 200.0, 400.0])


def test_the_predecessors_three_columns_are_enough():
    table = GainTable.from_columns({"DETNUM": [1, 0], "GAIN": [0.15, 0.14], "OFFSET": [3.0, 2.9]})
    np.testing.assert_array_equal(table.gain, [0.14, 0.15])
    assert np.isnan(table.gain_error).all()


def test_missing_columns_and_broken_numbering_are_named():
    with pytest.raises(BadDataError, match="OFFSET"):
        GainTable.from_columns({"DETNUM": [0], "GAIN": [0.14]})
    with pytest.raises(BadDataError, match="each once"):
        GainTable.from_columns({"DETNUM": [0, 0], "GAIN": [0.14, 0.14], "OFFSET": [3.0, 3.0]})


def test_a_table_needs_a_usable_scale_for_every_pixel(table):
    columns = table.to_columns()
    with pytest.raises(BadArgumentError, match="detnum 7"):
        GainTable.from_columns(columns | {"GAIN": np.where(np.arange(50) == 7, 0.0, columns["GAIN"])})
    with pytest.raises(BadArgumentError, match=r"\(50,\)"):
        GainTable(
            table.gain, table.offset[:3], table.gain_error, table.offset_error, table.covariance, table.status
        )


def test_status_is_counted_bit_by_bit(table):
    status = table.to_columns()["STATUS"].copy()
    status[:3] = GainStatus.BAD_FIT | GainStatus.KEPT_PREVIOUS
    counted = GainTable.from_columns(table.to_columns() | {"STATUS": status}).counts_by_status()
    assert counted["GOOD"] == 47
    assert counted["BAD_FIT"] == counted["KEPT_PREVIOUS"] == 3


def test_a_notebook_shows_a_table_also_of_nothing(table):
    assert "Gain table" in table._repr_html_()
    assert "unknown" in GainTable.nominal(2, 0.145, 3.0)._repr_html_()
    assert "pixels" in GainTable.nominal(0, 0.145, 3.0)._repr_html_()
