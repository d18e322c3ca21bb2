import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import load
from eicpy.orbit import CircularOrbit, Pointing, SaaPolygon, saa_passages, sidereal_time
from eicpy.orbit import unit_vector as direction

START = 3.12e8
CAMERA = load("eclairs")
CONTOUR = SaaPolygon.from_csv(CAMERA.folder / CAMERA.saa)
ORBIT = CircularOrbit.of(START, node=40 * u.deg, argument=10 * u.deg)


def test_height_inclination_and_period():
    time = START + np.linspace(0, ORBIT.period, 20_001)
    position = ORBIT.position(time)
    assert np.allclose(np.linalg.norm(position, axis=1), 6371 + 618)
    _, latitude = ORBIT.ground_track(time)
    assert latitude.max() == pytest.approx(29, abs=1e-3)
    assert latitude.min() == pytest.approx(-29, abs=1e-3)
    drift = abs(ORBIT.node_rate) * ORBIT.period * ORBIT.radius  # the node moves meanwhile
    assert np.linalg.norm(position[0] - position[-1]) == pytest.approx(drift, rel=0.02)
    speed = np.linalg.norm(np.diff(position, axis=0), axis=1) / np.diff(time)
    assert np.allclose(speed, np.sqrt(398600.4418 / 6989), rtol=2e-3)


def test_node_drifts_west_by_6_degrees_a_day():
    assert np.degrees(ORBIT.node_rate) * 86400 == pytest.approx(-6.33, abs=0.05)


def test_sidereal_time_agrees_with_astropy():
    seconds = np.array([0.0, 1e8, 3.12e8])
    times = Time(57754.0, format="mjd", scale="utc") + seconds * u.s
    times.delta_ut1_utc = 0.0  # without the network's tables, and as our formula takes it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ERFA's "dubious year" of dates far ahead
        theirs = times.sidereal_time("mean", "greenwich", model="IAU1982").to_value(u.rad)
    difference = np.angle(np.exp(1j * (sidereal_time(seconds) - theirs)))
    assert np.abs(difference).max() < 1e-4


def test_the_earth_is_seen_under_the_published_angle():
    assert np.degrees(ORBIT.limb_angle) == pytest.approx(65.7, abs=0.05)
    time = np.array([START])
    down = -ORBIT.position(time)[0] / ORBIT.radius
    assert ORBIT.earth_angle(time, down)[0] == pytest.approx(0, abs=1e-6)
    assert ORBIT.earth_angle(time, -down)[0] == pytest.approx(np.pi, abs=1e-6)


def test_the_anomaly_costs_an_eighth_of_the_time():
    passages = saa_passages(ORBIT, CONTOUR, START, START + 30 * 86400, step=5.0)
    share = sum(b - a for a, b in passages) / (30 * 86400)
    assert 0.11 < share < 0.15
    assert max(b - a for a, b in passages) < 2100


def test_passages_border_the_polygon_and_do_not_depend_on_the_slice():
    passages = saa_passages(ORBIT, CONTOUR, START, START + 86400)
    for a, b in passages:
        for t, inside in ((a, True), (a - 1, False), (b - 1, True), (b, False)):
            if START <= t < START + 86400:
                assert CONTOUR.contains(*ORBIT.ground_track(np.array([t])))[0] == inside
    first, last = passages[0]
    assert saa_passages(ORBIT, CONTOUR, START, first + 10)[0] == (first, first + 10)
    assert saa_passages(ORBIT, CONTOUR, first + 10, last + 5)[0] == (first + 10, last)


def test_polygon_against_a_hand_made_square():
    square = SaaPolygon("square", (0, 10, 10, 0), (0, 0, 10, 10))
    lon, lat = np.meshgrid(np.arange(-5, 16) + 0.5, np.arange(-5, 16) + 0.5)
    expected = (lon > 0) & (lon < 10) & (lat > 0) & (lat < 10)
    assert (square.contains(lon, lat) == expected).all()
    with pytest.raises(BadArgumentError, match="got 2 longitudes and 3 latitudes"):
        SaaPolygon("bad", (1, 2), (1, 2, 3))


angles = st.floats(0, 359.9)


@given(angles, st.floats(-89, 89), angles)
def test_rotation_is_proper_and_the_quaternion_agrees(ra, dec, roll):
    pointing = Pointing.of(ra * u.deg, dec * u.deg, roll * u.deg)
    r = pointing.rotation
    assert np.allclose(r @ r.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(r) == pytest.approx(1)
    assert np.allclose(r @ direction(np.radians(ra), np.radians(dec)), [1, 0, 0], atol=1e-12)
    scalar_last = np.roll(pointing.quaternion, -1)
    assert np.allclose(Rotation.from_quat(scalar_last).as_matrix(), r, atol=1e-9)
    assert pointing.quaternion[0] >= 0


def test_of_the_two_quaternions_of_a_pointing_it_is_the_one_with_the_positive_scalar():
    """Beyond a turn of 90° the largest part is another one, and its sign need not be that of the scalar."""
    rng = np.random.default_rng(7)
    pointings = [Pointing(*angles) for angles in rng.uniform([0, -1.5, 0], [6.28, 1.5, 6.28], (200, 3))]
    for pointing in pointings:
        rotation = Rotation.from_matrix(pointing.rotation)
        expected = np.roll(rotation.as_quat(canonical=True), 1)  # canonical: a positive scalar, written last
        assert np.allclose(pointing.quaternion, expected, atol=1e-9)


def test_tangents_know_east_north_and_behind():
    pointing = Pointing.of(10 * u.deg, 0 * u.deg)
    assert pointing.tangents(np.radians(11), 0.0) == pytest.approx((np.tan(np.radians(1)), 0.0), abs=1e-9)
    assert pointing.tangents(np.radians(10), 0.01) == pytest.approx((0.0, np.tan(0.01)), abs=1e-9)
    assert np.isnan(pointing.tangents(np.radians(190), 0.0)).all()


def test_units_are_checked():
    with pytest.raises(u.UnitConversionError):
        CircularOrbit.of(0.0, altitude=618 * u.s)


@pytest.mark.parametrize(
    "text", ["# ours\nlongitude_deg\n1\n", "# ours\nlongitude_deg,latitude_deg\n1,north\n"]
)
def test_a_contour_that_is_none_is_bad_data(tmp_path, text):
    (tmp_path / "saa.csv").write_text(text)
    with pytest.raises(BadDataError, match="longitude_deg and latitude_deg"):
        SaaPolygon.from_csv(tmp_path / "saa.csv")


def test_the_contour_says_whose_it_is():
    assert CONTOUR.name == "eicpy reference SAA contour, not the flight one"
