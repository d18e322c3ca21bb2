"""The camera's frame: against astropy's own offset frame, there and back, with an attitude and without."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ICRS, Galactic, SkyCoord, SkyOffsetFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, MissingDataError
from eicpy.instruments import load
from eicpy.orbit import (
    Attitude,
    EclairsFrame,
    Misalignment,
    Observation,
    Pointing,
    plan_attitude,
    right_ascension,
    separation,
    sky_pixels,
    sky_tangents,
    tangent_vector,
    tangents,
    tangents_of,
    theta_phi,
    unit_vector,
)
from eicpy.times import to_time

CAMERA = load("eclairs")
START = 3.12e8
MOVING = plan_attitude(
    [
        Observation(START, Pointing.of(80 * u.deg, 20 * u.deg, 30 * u.deg)),
        Observation(START + 100, Pointing.of(120 * u.deg, -5 * u.deg, 200 * u.deg)),
    ],
    START + np.arange(0.0, 400.0, 0.5),
)
angles = st.floats(0, 359.9)
declinations = st.floats(-89, 89)
wide = st.floats(-1.0, 1.0)


@given(angles, declinations, angles, angles, declinations)
def test_it_is_the_offset_frame_of_astropy(ra, dec, roll, source_ra, source_dec):
    source = SkyCoord(source_ra * u.deg, source_dec * u.deg)
    pointing = Pointing.of(ra * u.deg, dec * u.deg, roll * u.deg)
    ours = source.transform_to(EclairsFrame(attitude=pointing))
    theirs = source.transform_to(
        SkyOffsetFrame(origin=SkyCoord(ra * u.deg, dec * u.deg), rotation=roll * u.deg)
    )
    vector = theirs.cartesian.xyz.value
    assert separation(ours.frame.vectors, vector) < 1e-12
    assert np.allclose(
        pointing.tangents(*np.radians([source_ra, source_dec])),
        ours.frame.tangents,
        rtol=1e-9,
        equal_nan=True,
    )


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 399), angles, declinations), min_size=1, max_size=5), wide, wide, wide)
def test_there_and_back_with_an_attitude_that_moves(rows, x, y, z):
    time, ra, dec = np.array(rows).T
    frame = EclairsFrame(
        attitude=MOVING, obstime=to_time(START + time), misalignment=Misalignment.of(x / 10, y / 10, z / 10)
    )
    sky = SkyCoord(ra * u.deg, dec * u.deg)
    there = sky.transform_to(frame)
    back = there.transform_to(ICRS())
    assert (
        separation(unit_vector(sky.ra.rad, sky.dec.rad), unit_vector(back.ra.rad, back.dec.rad)).max() < 1e-9
    )
    other = there.transform_to(EclairsFrame(attitude=Pointing(0.1, 0.2, 0.3)))
    assert separation(other.frame.vectors, sky.transform_to(other.frame).frame.vectors).max() < 1e-9


@given(st.floats(-0.95, 0.95), st.floats(-0.95, 0.95), angles, declinations, angles)
def test_detector_to_sky_to_detector(ty, tz, ra, dec, roll):
    pixels = CAMERA.pixels.rows
    frame = EclairsFrame.of_tangents(ty, tz, attitude=Pointing.of(ra * u.deg, dec * u.deg, roll * u.deg))
    sky = SkyCoord(frame).transform_to(Galactic())
    back = sky.transform_to(frame.replicate_without_data()).frame
    assert back.tangents == pytest.approx((ty, tz), abs=1e-9)
    theta, phi = back.theta_phi
    assert tangents_of(theta.to_value(u.rad), phi.to_value(u.rad)) == pytest.approx((ty, tz), abs=1e-9)
    assert theta_phi(ty, tz)[0] == pytest.approx(theta.to_value(u.rad), abs=1e-9)
    place = sky_pixels(CAMERA.mask, pixels, ty, tz)
    assert sky_tangents(CAMERA.mask, pixels, *place) == pytest.approx((ty, tz), abs=1e-12)
    again = EclairsFrame.of_theta_phi(theta, phi)
    assert separation(again.vectors, frame.vectors) < 1e-9


def test_attitude_by_time_is_that_of_the_series():
    time = START + np.array([0.0, 120.3, 350.0])
    source = SkyCoord(85 * u.deg, 22 * u.deg)
    seen = source.transform_to(EclairsFrame(attitude=MOVING, obstime=to_time(time)))
    assert seen.shape == (3,)
    vector = MOVING.rotation_at(time) @ unit_vector(*np.radians([85, 22]))
    assert separation(seen.frame.vectors, vector).max() < 1e-9
    scalar = source.transform_to(EclairsFrame(attitude=MOVING, obstime=to_time(time[1])))
    assert separation(scalar.frame.vectors, vector[1]) < 1e-9
    utc = source.transform_to(EclairsFrame(attitude=MOVING, obstime=to_time(time[1]).utc))
    assert separation(utc.frame.vectors, vector[1]) < 1e-9


def test_a_misalignment_is_applied_after_the_attitude():
    askew = Misalignment.of(0.0, 0.0, np.radians(1.0))
    pointing = Pointing(0.0, 0.0, 0.0)
    source = SkyCoord(10 * u.deg, 0 * u.deg)
    seen = source.transform_to(EclairsFrame(attitude=pointing, misalignment=askew)).frame
    assert seen.lon.wrap_at(180 * u.deg).deg == pytest.approx(11.0)
    series = Attitude.steady(pointing, [0.0, 1.0]).aligned(askew)
    same = source.transform_to(EclairsFrame(attitude=series, obstime=to_time(0.5))).frame
    assert separation(same.vectors, seen.vectors) < 1e-12


def test_without_attitude_it_is_the_camera_and_says_so():
    seen = EclairsFrame.of_tangents([0.1, -0.2], [0.0, 0.3])
    assert np.allclose(seen.tangents, ([0.1, -0.2], [0.0, 0.3]))
    assert seen[0].separation(seen[1]).deg > 10
    with pytest.raises(MissingDataError, match="camera coordinates without an attitude"):
        seen.transform_to(ICRS())
    with pytest.raises(MissingDataError, match="read_attitude"):
        SkyCoord(1 * u.deg, 2 * u.deg).transform_to(EclairsFrame())


def test_what_cannot_be_done_is_refused():
    sky = SkyCoord(1 * u.deg, 2 * u.deg)
    with pytest.raises(BadArgumentError, match="no time, expected EclairsFrame"):
        sky.transform_to(EclairsFrame(attitude=MOVING))
    with pytest.raises(MissingDataError, match="1 of 1 times without attitude"):
        sky.transform_to(EclairsFrame(attitude=MOVING, obstime=to_time(0.0)))
    with pytest.raises(BadArgumentError, match="got str as attitude"):
        sky.transform_to(EclairsFrame(attitude="north"))
    with pytest.raises(BadArgumentError, match="expected Misalignment"):
        sky.transform_to(EclairsFrame(attitude=Pointing(0.0, 0.0, 0.0), misalignment="askew"))
    with pytest.raises(u.UnitConversionError):
        EclairsFrame.of_theta_phi(0.1, 0.2)


def test_behind_the_camera_there_are_no_tangents():
    assert np.isnan(tangents(np.array([-1.0, 0.1, 0.0]))).all()
    assert np.isnan(tangents_of(np.pi / 2, 0.0)).all()
    assert tangents(tangent_vector(0.3, -0.4)) == pytest.approx((0.3, -0.4))
    assert right_ascension(np.array([1.0, -1e-20, 0.0]))[0] == 0.0


def test_theta_beyond_a_right_angle():
    back = EclairsFrame.of_theta_phi(120 * u.deg, 10 * u.deg)
    theta, phi = back.theta_phi
    assert (theta.to_value(u.deg), phi.to_value(u.deg)) == pytest.approx((120, 10))
