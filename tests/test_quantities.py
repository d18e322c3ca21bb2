"""A Quantity of any unit that fits and plain numbers give the same, where notebooks give physical values."""

import astropy.units as u
import numpy as np
import pytest

from eicpy.calibration import GainTable, compare, pass_fraction
from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, LightCurveAccumulator
from eicpy.housekeeping import HousekeepingArchive
from eicpy.instruments import load
from eicpy.quantities import in_unit
from eicpy.times import to_time

TABLE = GainTable.nominal(3, 0.145, 3.0)


def test_units_are_converted_and_numbers_are_kept():
    np.testing.assert_allclose(in_unit([4000, 80_000] * u.eV, "keV"), [4.0, 80.0], rtol=1e-15)
    np.testing.assert_array_equal(in_unit([4, 80], "keV"), [4.0, 80.0])


@pytest.mark.parametrize(("wrong", "word"), [(3 * u.s, "got a value in s"), (u.Quantity(3), "no unit")])
def test_another_physical_type_is_refused(wrong, word):
    with pytest.raises(BadArgumentError, match=f"{word}, expected one in keV"):
        in_unit(wrong, "keV")


def test_bands_and_light_curves():
    bands = [(4000 * u.eV, 8 * u.keV)]
    assert EnergyBands(bands).bands == ((4.0, 8.0),)
    curve = LightCurveAccumulator(to_time(100.0), to_time(220.0), 1 * u.min, bands)
    np.testing.assert_allclose(curve.edges, [100.0, 160.0, 220.0], atol=1e-6)


def test_energies_of_the_gain():
    energies = np.array([15.0, 80.0])
    np.testing.assert_array_equal(TABLE.channel(0, energies * u.keV), TABLE.channel(0, energies))
    requirement = load("eclairs").energy.requirement
    assert pass_fraction(TABLE, requirement, energies=energies * u.keV).required == (0.3, 0.3)
    assert compare(TABLE, TABLE, energies=energies * u.keV).energies == (15.0, 80.0)


def test_times_of_housekeeping(tmp_path):
    archive = HousekeepingArchive(tmp_path)
    archive.append("HK", np.arange(4.0), {"T": np.arange(4.0)}, "run 1")
    np.testing.assert_array_equal(archive.read("T", "2017-01-01T00:00:01", 3.0).values, [1.0, 2.0])
    np.testing.assert_array_equal(archive.read("T", to_time(1.5)).values, [2.0, 3.0])
