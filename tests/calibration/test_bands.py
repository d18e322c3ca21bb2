"""The energy bands as a calibration table: channels from the energy scale, against a plain search."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eicpy
from eicpy.calibration.bands import BandCalibration, BandLimits
from eicpy.calibration.table import Inputs, Treatment, calibration_table
from eicpy.errors import BadDataError
from eicpy.events import PixelScale
from eicpy.instruments import load

CAMERA = load("eclairs")
TABLE = BandCalibration(CAMERA)


def inputs(gain, offset):
    scale = PixelScale(np.asarray(gain, float), np.asarray(offset, float))
    treatment = Treatment(scale, CAMERA.energy.bands, corrections=("gain a-table.fits",))
    return Inputs(np.zeros((len(scale.gain), 1024), np.int32), 1.0, 3.1e8, treatment)


@given(st.floats(0.1, 0.2), st.floats(0.0, 5.0))
def test_the_channels_are_the_first_whose_centre_lies_at_the_limit(gain, offset):
    made = BandLimits.of(CAMERA.energy.bands, PixelScale.uniform(3, gain, offset))
    centres = gain * (np.arange(-200, 2000) + 0.5) + offset
    expected = [[-200 + int(np.argmax(centres >= E)) for E in band] for band in CAMERA.energy.bands]
    assert np.abs(made.channels - expected).max() <= 1  # a centre exactly at a limit, by rounding
    inside = np.abs(centres[:, None] - np.ravel(CAMERA.energy.bands)).min(axis=0) > 1e-9
    assert np.array_equal(made.channels.ravel()[inside], np.ravel(expected)[inside])


def test_the_spread_is_that_of_the_pixels():
    gain = np.full(6400, 0.145)
    gain[:3200] *= 1.1
    made = BandLimits.of(((50.0, 120.0),), PixelScale(gain, np.full(6400, 3.0)))
    apart = [np.ceil((120.0 - 3.0) / g - 0.5) for g in (0.145, 0.1595)]
    assert made.spread[0] == 0.5 * (apart[0] - apart[1])


def test_limits_that_hold_are_not_proposed_again():
    made = TABLE.make(inputs(np.full(4, 0.145), np.full(4, 3.0)), TABLE.nominal())
    assert made.table is None
    assert "hold" in made.message


def test_a_moved_scale_moves_the_limits_and_is_named():
    made = TABLE.make(inputs(np.full(4, 0.1595), np.full(4, 3.0)), TABLE.nominal())
    assert made.table is not None
    assert (made.table.channels < TABLE.nominal().channels).all()
    assert made.table.bands == CAMERA.energy.bands
    assert made.header["PHASCALE"][0] == "gain a-table.fits"
    recommended = TABLE.recommend(made.table, TABLE.nominal())
    assert recommended.accept is True
    assert recommended.reasons[-1].startswith("The limits move by -")


def test_pixels_that_differ_too_much_speak_against_it():
    gain = np.where(np.arange(100) % 2, 0.145, 0.19)
    made = TABLE.make(inputs(gain, np.full(100, 3.0)), TABLE.nominal())
    recommended = TABLE.recommend(made.table, TABLE.nominal())
    assert recommended.accept is False
    assert "scatter" in recommended.reasons[0]


def test_columns_come_back():
    table = BandLimits.of(CAMERA.energy.bands, PixelScale.uniform(9, 0.15, 2.9))
    back = TABLE.read(table.to_columns(), {})
    assert back.bands == table.bands
    assert np.array_equal(back.channels, table.channels)
    assert np.array_equal(back.spread, table.spread)
    assert not TABLE.compare(back, table).any


@pytest.mark.parametrize(("low", "high"), [([], []), ([4.0], [4.0]), ([np.nan], [8.0]), ([4.0], [np.inf])])
def test_bands_that_are_none_are_bad_data(low, high):
    columns = {"BAND": np.arange(len(low)), "E_MIN": low, "E_MAX": high}
    columns |= {name: np.zeros(len(low)) for name in ("PHA_MIN", "PHA_MAX", "PHA_SPREAD")}
    with pytest.raises(BadDataError, match="expected at least one"):
        TABLE.read(columns, {})


def test_photons_are_counted_in_the_bands_of_the_table():
    table = BandLimits(((5.0, 9.0),), np.array([[14, 41]]), np.zeros(1))
    treated = TABLE.apply(Treatment.nominal(CAMERA), table, "a.fits")
    assert treated.bands == ((5.0, 9.0),)
    assert treated.band_corrections == ("bands a.fits",)
    assert treated.digest() != Treatment.nominal(CAMERA).digest()


def test_the_table_is_found_by_its_name_and_card():
    assert calibration_table("bands", CAMERA).card == calibration_table("AUX-ECL-BND-CAL", CAMERA).card
    assert calibration_table("AUX-MDA-BND-CAL", CAMERA).tag == "bands"


def test_a_table_costs_at_most_three_files():
    package = Path(eicpy.__file__).parent
    named = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if any(word in file.read_text() for word in ("BND-CAL", "calibration.bands", "BandLimits"))
    }
    assert named == {"calibration/bands/__init__.py", "products/declarations.py"}
