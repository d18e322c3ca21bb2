"""Shadows of known sources over an exposure, against the mask's own shadow."""

import numpy as np
import pytest

from eicpy.catalogue import CatalogueSource, SourceCatalogue
from eicpy.events import GoodTimeIntervals
from eicpy.imaging import known_shadows, random_mask
from eicpy.instruments import load
from eicpy.orbit import Attitude, CircularOrbit, Pointing, Track

CRAB = CatalogueSource("Crab", "PWN", 83.6331, 22.0145, 2.386e-8, 2.15, "Oh et al. 2018")
FAINT = CatalogueSource("faint", "Sy1", 80.0, 18.0, 1e-11, 2.0, "made up")
BEHIND = CatalogueSource("behind", "LMXB", 263.6, -22.0, 1e-7, 2.0, "made up")
OUTBURSTS = CatalogueSource("now and then", "HMXB", 81.0, 20.0, 0.0, np.nan, "made up")
SKY = SourceCatalogue("made up", [CRAB, FAINT, BEHIND, OUTBURSTS])
START = 3.1e8


@pytest.fixture(scope="module")
def camera():
    return load("eclairs")


@pytest.fixture(scope="module")
def mask(camera):
    return random_mask(camera.mask, camera.pixels.rows, 1)


def pointed(ra, dec, roll=0.0):
    return Pointing(*np.radians([ra, dec, roll]))


def expected_shadow(camera, mask, pointing):
    """What a source lights of each pixel, pixel by pixel."""
    ty, tz = (float(t) for t in pointing.tangents(*np.radians([CRAB.ra, CRAB.dec])))
    y, z = camera.pixels.yz(np.arange(camera.pixels.count))
    return mask.shadow(ty, tz)[z, y] / np.sqrt(1 + ty**2 + tz**2)


def test_one_pointing_has_the_shadow_of_the_mask(camera, mask):
    pointing = pointed(80.0, 20.0, 30.0)
    attitude = Attitude.steady(pointing, START + np.arange(601.0))
    gti = GoodTimeIntervals([START + 50.0, START + 200.0], [START + 100.0, START + 500.0])
    found = known_shadows(SKY, attitude, mask, gti, counts=1e6)
    assert found.names == ("Crab",), "neither faint, nor behind the camera, nor without a mean flux"
    assert found.exposure == pytest.approx(350.0)
    np.testing.assert_allclose(found.shadows[0], expected_shadow(camera, mask, pointing), atol=1e-12)
    # 577 counts/s on axis in 4-120 keV by the public response; here 4 degrees off, in 5-50 keV
    assert found.expected[0] / 350.0 == pytest.approx(500.0, rel=0.2)


def test_two_pointings_add_by_their_good_time(camera, mask):
    first, second = pointed(80.0, 20.0), pointed(90.0, 25.0, 10.0)
    time = START + np.arange(400.0)
    quaternion = np.where((np.arange(400) < 200)[:, None], first.quaternion, second.quaternion)
    attitude = Attitude(time, quaternion)
    gti = GoodTimeIntervals([START, START + 250.0], [START + 50.0, START + 400.0])
    found = known_shadows(SKY, attitude, mask, gti, counts=1e5)
    assert found.exposure == pytest.approx(199.0), "the attitude ends a second before the good time"
    expected = 50.0 * expected_shadow(camera, mask, first) + 149.0 * expected_shadow(camera, mask, second)
    np.testing.assert_allclose(found.shadows[0], expected / 199.0, atol=1e-9)


def test_a_gap_of_the_attitude_counts_for_nothing(mask):
    time = np.concatenate([START + np.arange(101.0), START + 300.0 + np.arange(101.0)])
    attitude = Attitude.steady(pointed(80.0, 20.0), time)
    found = known_shadows(SKY, attitude, mask, GoodTimeIntervals(START, START + 400.0), counts=1e5)
    assert found.exposure == pytest.approx(200.0)
    nothing = known_shadows(SKY, attitude, mask, GoodTimeIntervals(START + 120.0, START + 280.0), counts=1e5)
    assert nothing.names == ()
    assert nothing.shadows.shape == (0, 6400)


def test_what_the_earth_hides_throws_no_shadow(mask):
    time = START + np.arange(0.0, 6000.0)
    attitude = Attitude.steady(pointed(80.0, 20.0), time)
    track = Track.of_orbit(CircularOrbit.of(START), time[::10])
    gti = GoodTimeIntervals(START, START + 5990.0)
    always = known_shadows(SKY, attitude, mask, gti, counts=1e6)
    partly = known_shadows(SKY, attitude, mask, gti, counts=1e6, track=track)
    share = partly.shadows[0].sum() / always.shadows[0].sum()
    assert 0.5 < share < 0.75, "the Earth covers 65.7 of 180 degrees of the orbit seen from it"
    np.testing.assert_allclose(partly.shadows[0], share * always.shadows[0], atol=1e-9)
