"""Sun, Moon, planets and Earth from the satellite: against astropy and a notice that was retracted."""

import re
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import GCRS, CartesianRepresentation, SkyCoord, get_body

from eicpy.errors import BadDataError, MissingDataError, NotFoundError
from eicpy.orbit import (
    BODIES,
    CircularOrbit,
    Track,
    apparent_radius,
    body_direction,
    earth_angle,
    earth_radius,
    ground_point,
    sidereal_time,
    surroundings,
    unit_vector,
)
from eicpy.orbit import separation as angle
from eicpy.times import to_seconds, to_time

START = 3.12e8
ORBIT = CircularOrbit.of(START, node=40 * u.deg, argument=10 * u.deg)
ARCSEC = np.radians(1 / 3600)


@pytest.mark.parametrize(("body", "tolerance"), [(b, 40.0) for b in BODIES])
def test_directions_are_those_of_astropy(body, tolerance):
    """But for aberration, up to 20.5″ by the Earth and 5″ by the satellite, which is left out here."""
    time = START + np.array([0.0, 1e6, 7e6])
    theirs = get_body(body, to_time(time), ephemeris="builtin")
    vector = np.moveaxis(theirs.cartesian.xyz.value, 0, -1)
    assert angle(body_direction(body, time), vector).max() < tolerance * ARCSEC


def test_the_moon_has_a_parallax():
    """Seen from a place in GCRS, astropy's own transformation with that place: a degree from the centre's."""
    time = START + np.linspace(0, ORBIT.period, 9)
    position = ORBIT.position(time)
    theirs = get_body("moon", to_time(time), ephemeris="builtin")
    from_place = theirs.transform_to(
        GCRS(obstime=to_time(time), obsgeoloc=CartesianRepresentation(position.T * u.km))
    )
    vector = np.moveaxis(from_place.cartesian.xyz.value, 0, -1)
    ours = body_direction("moon", time, position)
    assert angle(ours, vector).max() < 30 * ARCSEC
    shift = np.degrees(angle(ours, body_direction("moon", time)))
    assert 0.8 < shift.max() < 1.1


def test_sun_and_moon_have_their_sizes():
    assert np.degrees(2 * apparent_radius("sun", START)) == pytest.approx(0.533, abs=0.01)
    assert 0.48 < np.degrees(2 * apparent_radius("moon", START)) < 0.57
    with pytest.raises(NotFoundError, match="got body 'vulcan', expected one of sun, moon"):
        body_direction("vulcan", START)


def test_what_is_around_a_direction():
    time = np.array([START])
    position = ORBIT.position(time)
    up = position / np.linalg.norm(position, axis=-1, keepdims=True)
    around = surroundings(up, time, position)
    assert set(around) == {*BODIES, "earth limb"}
    assert np.degrees(around["earth limb"][0]) == pytest.approx(180 - 65.72, abs=0.01)
    assert surroundings(-up, time, position)["earth limb"][0] == pytest.approx(-earth_radius(position)[0])
    assert earth_angle(position, up)[0] == pytest.approx(np.pi)
    sun = surroundings(body_direction("sun", time, position), time, position)["sun"]
    assert sun[0] == pytest.approx(0, abs=1e-9)


def test_the_retracted_candidate_was_the_moon(shared_data):
    """Geocentric 0.89° from the Moon, as the notice says; from the satellite within its disc."""
    files = sorted((shared_data / "voevents/svom").glob("sb26020402_*"))
    text = next(t for t in (f.read_text() for f in files) if "Sat_Longitude" in t and "Moon_Angle" in t)

    def parameter(name):
        found = re.search(
            rf"<Param[^>]*name=\"{name}\"[^>]*value=\"([^\"]*)\"|<Param[^>]*value=\"([^\"]*)\"[^>]*name=\"{name}\"",
            text,
        )
        assert found is not None, name
        return found.group(1) or found.group(2)

    time = float(to_seconds(re.search(r"<ISOTime>([^<]*)", text).group(1).rstrip("Z")))
    ra, dec = (float(re.search(rf"<{c}>([^<]*)", text).group(1)) for c in ("C1", "C2"))
    source = unit_vector(*np.radians([ra, dec]))
    geocentric = np.degrees(angle(source, body_direction("moon", time)))
    assert geocentric == pytest.approx(float(parameter("Moon_Angle")), abs=0.03)
    longitude, latitude = np.radians([float(parameter(n)) for n in ("Sat_Longitude", "Sat_Latitude")])
    radius = 6371 + float(parameter("Sat_Altitude"))
    position = radius * unit_vector(longitude + sidereal_time(time), latitude)
    seen = angle(source, body_direction("moon", time, position))
    assert seen < apparent_radius("moon", time, position)


def test_the_velocity_is_the_derivative_of_the_place():
    time, step = START + np.linspace(0, 6000, 7), 0.05
    numeric = (ORBIT.position(time + step) - ORBIT.position(time - step)) / (2 * step)
    assert np.allclose(ORBIT.velocity(time), numeric, atol=1e-6)


def test_a_track_is_the_orbit_between_its_entries():
    time = START + np.arange(0.0, 600.0, 10.0)
    track = Track.of_orbit(ORBIT, time)
    between = START + np.linspace(0, 590, 1234)
    assert np.abs(track.position_at(between) - ORBIT.position(between)).max() < 1e-6
    longitude, _latitude, altitude = ground_point(track.position, track.time)
    assert np.array_equal(ORBIT.ground_track(time)[0], longitude)
    assert altitude == pytest.approx(618, abs=1e-6)
    with pytest.raises(MissingDataError, match="1 of 1 times without position"):
        track.position_at(START + 591)
    hole = Track(time[[0, 1, 50]], track.position[[0, 1, 50]], track.velocity[[0, 1, 50]])
    assert hole.known(START + np.array([5.0, 15.0, 500.0])).tolist() == [True, False, True]
    with pytest.raises(BadDataError, match="expected more than 6300"):
        Track(time, track.position / 2, track.velocity)
    with pytest.raises(BadDataError, match="do not increase"):
        Track(time[::-1], track.position, track.velocity)
    with pytest.raises(BadDataError, match="expected \\(n,\\)"):
        Track(time[:5], track.position, track.velocity)


def test_a_direction_on_the_sky_of_astropy():
    """A coordinate of astropy and a vector of ours are the same thing."""
    sky = SkyCoord(123 * u.deg, -45 * u.deg)
    assert np.allclose(sky.cartesian.xyz.value, unit_vector(*np.radians([123, -45])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing asks for tables of the network
        body_direction("moon", START + 3e7)
