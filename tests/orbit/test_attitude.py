"""An attitude that moves: interpolation against scipy, gaps that stay gaps, slews, jitter, pieces."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from eicpy.errors import BadArgumentError, BadDataError, MissingDataError
from eicpy.orbit import (
    Attitude,
    Misalignment,
    Observation,
    Pointing,
    SlewProfile,
    Wander,
    anti_solar_pointing,
    body_direction,
    plan_attitude,
    separation,
    sun_roll,
)
from eicpy.orbit import quaternions as qt

RNG = np.random.default_rng(3)
TIME = np.array([0.0, 1.0, 2.0, 3.0, 10.0, 11.0])
RANDOM = Rotation.random(6, random_state=1)
SERIES = Attitude(TIME, RANDOM.as_quat(scalar_first=True))


def scipy_of(q):
    return Rotation.from_quat(q, scalar_first=True)


def test_quaternions_are_those_of_scipy():
    a, b = Rotation.random(50, random_state=2), Rotation.random(50, random_state=3)
    qa, qb = a.as_quat(scalar_first=True), b.as_quat(scalar_first=True)
    assert np.allclose(qt.to_matrix(qt.multiply(qa, qb)), (a * b).as_matrix(), atol=1e-14)
    assert np.allclose(
        qt.from_matrix(a.as_matrix()), a.as_quat(scalar_first=True, canonical=True), atol=1e-14
    )
    vector = RNG.normal(size=(20, 3))
    assert np.allclose(
        qt.to_matrix(qt.from_rotation_vector(vector)), Rotation.from_rotvec(vector).as_matrix(), atol=1e-14
    )
    assert np.allclose(qt.turn(qa, qb), (b * a.inv()).magnitude(), atol=1e-7)


def test_between_two_entries_it_turns_about_one_axis():
    time = np.array([0.0, 0.25, 0.5, 1.7, 2.999, 10.5, 11.0])
    for t in time:
        first = int(np.clip(np.searchsorted(TIME, t, side="right") - 1, 0, 4))
        theirs = Slerp(TIME[first : first + 2], RANDOM[[first, first + 1]])(t)
        assert np.allclose(SERIES.rotation_at(t), theirs.as_matrix(), atol=1e-12)
    assert SERIES.rotation_at(time.reshape(7, 1)).shape == (7, 1, 3, 3)


@given(st.floats(1e-12, 1e-3), st.floats(0, 1))
def test_small_turns_lose_no_digits(angle, share):
    a = Pointing(0.3, 0.4, 0.5).quaternion
    b = qt.multiply(qt.from_rotation_vector([0.0, 0.0, angle]), a)
    half = qt.multiply(qt.slerp(a, b, share), qt.conjugate(a))
    assert 2 * np.arcsin(half[3]) == pytest.approx(share * angle, abs=1e-15)


def test_a_gap_is_known_and_never_bridged():
    assert SERIES.gaps == [(3.0, 10.0)]
    time = np.array([-0.1, 0.0, 3.0, 3.1, 6.0, 9.9, 10.0, 11.0, 11.1])
    assert SERIES.known(time).tolist() == [False, True, True, False, False, False, True, True, False]
    assert np.isnan(SERIES.quaternion_at(time)).all(axis=1).tolist() == (~SERIES.known(time)).tolist()
    with pytest.raises(
        MissingDataError, match=r"got 5 of 9 times without attitude, the first -0.100 s; .* 1 gaps"
    ):
        SERIES.rotation_at(time)


@pytest.mark.parametrize(
    ("time", "quaternion", "message"),
    [
        ([0.0, 1.0], [[1.0, 0, 0, 0]], "expected \\(n,\\) and \\(n, 4\\)"),
        ([], np.empty((0, 4)), "with n ≥ 1"),
        ([0.0, 0.0], [[1.0, 0, 0, 0]] * 2, "times that do not increase"),
        ([0.0, np.nan], [[1.0, 0, 0, 0]] * 2, "times that do not increase"),
        ([0.0, 1.0], [[1.0, 0, 0, 0], [1.0, 0.5, 0, 0]], "norm 1.11803 at 1.000 s, expected 1"),
        ([0.0, 1.0], [[1.0, 0, 0, 0], [np.nan, 0, 0, 0]], "norm nan at 1.000 s"),
        ([0.0, 1.0], [[0.0, 0, 0, 0], [1.0, 0, 0, 0]], "norm 0 at 0.000 s"),
    ],
)
def test_what_is_no_attitude_is_refused(time, quaternion, message):
    with pytest.raises(BadDataError, match=message):
        Attitude(np.array(time), np.array(quaternion))


def test_the_sign_of_a_quaternion_means_nothing():
    pointings = [Pointing(0.1 * n, 0.2, 0.0).quaternion for n in range(4)]
    signs = np.array([1, -1, 1, -1])[:, None]
    time = np.arange(4.0)
    mixed, plain = Attitude(time, signs * pointings), Attitude(time, np.array(pointings))
    assert np.allclose(mixed.rotation_at(time[:-1] + 0.5), plain.rotation_at(time[:-1] + 0.5), atol=1e-14)
    assert mixed.rate == pytest.approx(plain.rate)


def test_a_pointing_comes_back_and_is_steady():
    for ra, dec, roll in RNG.uniform([0, -1.5, 0], [6.28, 1.5, 6.28], (50, 3)):
        back = Pointing.of_rotation(Pointing(ra, dec, roll).rotation)
        assert (back.ra, back.dec, back.roll) == pytest.approx((ra, dec, roll), abs=1e-9)
    steady = Attitude.steady(Pointing(1.0, 0.5, 2.0), [0.0, 1.0, 2.0])
    assert steady.rate == pytest.approx(0, abs=1e-7)
    assert np.allclose(steady.rotation_at(1.3), Pointing(1.0, 0.5, 2.0).rotation_at(1.3), atol=1e-14)


def test_a_misalignment_turns_what_the_satellite_sees():
    askew = Misalignment.of(0.0, 0.0, 0.01)
    pointing = Pointing(1.0, 0.2, 0.0)
    camera = Attitude.steady(pointing, [0.0, 1.0]).aligned(askew)
    assert np.allclose(camera.rotation_at(0.5), askew.matrix @ pointing.rotation, atol=1e-14)
    with pytest.raises(BadDataError, match="expected a rotation matrix"):
        Misalignment(np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(BadDataError, match="expected a rotation matrix"):
        Misalignment(np.eye(4))


def test_the_reference_slew_takes_89_seconds_and_its_rate_is_a_trapezoid():
    first, second = Pointing(0.0, 0.0, 0.0), Pointing(np.radians(45), 0.0, 0.0)
    time = np.arange(0.0, 200.0, 0.25)
    attitude = plan_attitude([Observation(0.0, first), Observation(50.0, second)], time)
    rate = np.degrees(attitude.rate)
    middle = (time[1:] + time[:-1]) / 2
    assert rate.max() == pytest.approx(0.6, rel=1e-6)
    assert rate[(middle < 50) | (middle > 139)].max() < 1e-5
    assert rate[(middle > 64) & (middle < 125)] == pytest.approx(0.6, rel=1e-6)
    ramp = (middle > 50) & (middle < 64)
    assert rate[ramp] == pytest.approx(0.6 / 14 * (middle[ramp] - 50), abs=1e-6)
    assert separation(attitude.rotation_at(139.0)[0], second.rotation[0]) < 1e-9
    assert separation(attitude.rotation_at(50.0)[0], first.rotation[0]) < 1e-9
    travelled = separation(attitude.rotation_at(time)[:, 0], second.rotation[0])
    assert (np.diff(travelled[time >= 50]) <= 1e-12).all(), "along the great circle, never back"


@given(st.floats(1e-6, 3.1))
def test_a_slew_arrives_whatever_its_angle(angle):
    slew = SlewProfile()
    duration = slew.duration(angle)
    t = np.linspace(0, duration, 400)
    share = slew.share(t, angle)
    assert share[0] == 0
    assert share[-1] == pytest.approx(1, abs=1e-12)
    rate = np.diff(share) * angle / np.diff(t)
    assert rate.max() <= slew.rate * (1 + 1e-9)
    assert np.abs(np.diff(rate) / np.diff(t)[1:]).max() <= slew.acceleration * (1 + 1e-4)


def test_a_plan_that_cannot_be_flown_is_refused():
    a, b = Pointing(0.0, 0.0, 0.0), Pointing(1.0, 0.0, 0.0)
    with pytest.raises(BadArgumentError, match="without observation"):
        plan_attitude([], np.arange(3.0))
    plan = [Observation(0.0, a), Observation(10.0, b), Observation(60.0, a)]
    with pytest.raises(BadArgumentError, match=r"got an observation at 60.0 s while .* lasts until 119.5 s"):
        plan_attitude(plan, np.arange(3.0))
    with pytest.raises(BadArgumentError, match="expected > 0"):
        SlewProfile(rate=0.0)


def test_jitter_and_drift_have_the_sizes_that_are_stated():
    arcsec = np.radians(1 / 3600)
    pointing = Pointing(0.5, 0.1, 0.0)
    time = np.arange(0.0, 20_000.0)
    plan = [Observation(0.0, pointing)]
    shaky = plan_attitude(
        plan, time, wander=Wander(jitter=10 * arcsec, memory=5.0), rng=np.random.default_rng(1)
    )
    off = scipy_of(shaky.quaternion) * scipy_of(pointing.quaternion).inv()
    vector = off.as_rotvec() / arcsec
    assert vector.std(axis=0) == pytest.approx(10, rel=0.06)
    lag = [(vector[5:, n] * vector[:-5, n]).mean() / vector[:, n].var() for n in range(3)]
    assert np.mean(lag) == pytest.approx(np.exp(-1), abs=0.05)
    drifting = plan_attitude(
        plan, time, wander=Wander(drift=30 * arcsec / 3600), rng=np.random.default_rng(1)
    )
    assert drifting.rate * 3600 / arcsec == pytest.approx(30, rel=1e-3)
    again = plan_attitude(
        plan, time, wander=Wander(jitter=10 * arcsec, memory=5.0), rng=np.random.default_rng(1)
    )
    assert np.array_equal(again.quaternion, shaky.quaternion)


def test_pieces_never_turn_by_more_than_the_tolerance():
    tolerance = np.radians(0.1)
    plan = [Observation(0.0, Pointing(0.0, 0.0, 0.0)), Observation(30.0, Pointing(0.5, 0.0, 0.0))]
    attitude = plan_attitude(plan, np.arange(0.0, 300.0))
    borders = attitude.pieces(tolerance, 5.5, 250.5)
    assert (borders[0], borders[-1]) == (5.5, 250.5)
    assert (np.diff(borders) > 0).all()
    last = qt.turn(attitude.quaternion_at(borders[:-1]), attitude.quaternion_at(borders[1:] - 1e-6))
    assert last.max() <= tolerance
    assert last[1:-1] == pytest.approx(tolerance, rel=1e-3)
    assert (
        len(Attitude.steady(Pointing(0.0, 0.0, 0.0), np.arange(9000.0)).pieces(tolerance, 0.0, 8999.0)) == 2
    )


def test_a_plan_away_from_the_sun():
    for time in np.arange(3.0e8, 3.3e8, 2.5e6):
        sun = body_direction("sun", time)
        found = [anti_solar_pointing(sun, number) for number in range(3)]
        for pointing in found:
            assert separation(-sun, pointing.rotation[0]) <= np.radians(45) + 1e-9
            x, y, z = pointing.rotation @ sun
            assert x < 0
            assert abs(y) < 1e-9
            assert z <= 1e-9
        apart = [float(separation(a.rotation[0], b.rotation[0])) for a, b in itertools.pairwise(found)]
        assert min(apart) > np.radians(20)
    assert sun_roll(0.0, 0.0, np.array([0.0, 0.0, -1.0])).rotation[2] == pytest.approx([0, 0, 1], abs=1e-12)
