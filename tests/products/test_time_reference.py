"""Times of other makers become the mission's seconds: against astropy, which computes each time by itself."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time, TimeDelta
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from eicpy.errors import BadDataError
from eicpy.products import TimeReference, Unit
from eicpy.times import MJDREFF, MJDREFI, to_seconds

PLACE = Path("a.fits")
OURS = {"MJDREFI": MJDREFI, "MJDREFF": MJDREFF, "TIMESYS": "TT", "TIMEUNIT": "s"}


def unit(**cards: object) -> Unit:
    return Unit("EVENTS", fits.Header(cards), 2880, 5760, 0)


def reference(*around: Unit, ours: bool = False, **cards: object) -> TimeReference:
    return TimeReference.of(PLACE, unit(**cards), around, column=1, ours=ours)


def test_our_own_times_stay_as_they_are() -> None:
    times = 3e8 + np.arange(3) / 7
    assert reference(**OURS).plain
    assert reference(**OURS).seconds(times) is times


@pytest.mark.parametrize("scale", ["tt", "tai", "utc", "tdb"])
@settings(max_examples=12)
@given(
    st.integers(57760, 60500), st.floats(0, 0.999), st.floats(-1e4, 1e4),
    st.sampled_from([("s", 1.0), ("d", 86400.0), ("ms", 1e-3), ("min", 60.0)]),
)  # fmt: skip
def test_every_scale_and_unit_is_that_of_astropy(
    scale: str, day: int, fraction: float, zero: float, unit_of: tuple[str, float]
) -> None:
    name, length = unit_of
    found = reference(
        MJDREFI=day, MJDREFF=fraction, TIMESYS=scale.upper(), TIMEUNIT=name, TIMEZERO=zero / length
    )
    passed = np.array([2e5, -1e5, 0.0, 3e7]) / length
    begin = Time(day, fraction, format="mjd", scale=scale)
    expected = to_seconds(begin + TimeDelta(passed * length + zero, format="sec"))
    assert_allclose(found.seconds(passed), expected, rtol=0, atol=3e-7)
    assert_allclose(found.seconds(passed[:1]), expected[:1], rtol=0, atol=3e-7)


def test_a_time_that_is_not_known_stays_so() -> None:
    for scale in ("TT", "TAI", "UTC", "TDB"):
        found = reference(MJDREFI=57754, MJDREFF=0.5, TIMESYS=scale).seconds([np.nan, 5.0])
        assert_array_equal(np.isnan(found), [True, False])
        assert np.isnan(reference(MJDREFI=57754, TIMESYS=scale).seconds([np.nan])).all()


def test_days_of_utc_are_those_of_the_calendar_and_seconds_over_a_leap_second_are_refused() -> None:
    """The day before 2017 had 86401 s."""
    days = reference(MJDREFI=0, MJDREFF=0.0, TIMESYS="UTC", TUNIT1="d")
    assert_allclose(days.seconds([57753.0, 57754.0]), [-86401.0, 0.0], rtol=0, atol=1e-6)
    seconds = reference(MJDREFI=57753, MJDREFF=0.0, TIMESYS="UTC")
    assert_allclose(seconds.seconds([0.0, 1000.0]), [-86401.0, -85401.0], rtol=0, atol=1e-6)
    with pytest.raises(BadDataError, match="TIMESYS UTC with a leap second") as caught:
        seconds.seconds([0.0, 90000.0])
    assert caught.value.file == PLACE


def test_the_reference_is_read_in_each_of_its_forms() -> None:
    """FITS Standard 4.0 §9.2.2: two parts before one, MJDREF before JDREF before DATEREF."""
    two = reference(MJDREFI=51910, MJDREFF=7.428703703703703e-4, MJDREF=1.0, TIMESYS="TT")
    for cards in (
        {"MJDREF": 51910.0007428703703703},
        {"MJDREF": 51910.0007428703703703, "MJDREFF": 0.25, "JDREF": 1.0},
        {"JDREFI": 2451910, "JDREFF": 0.5007428703703703},
        {"DATEREF": "2001-01-01T00:01:04.184"},
    ):
        other = reference(**cards, TIMESYS="TT")
        assert_allclose(other.seconds([3e8]), two.seconds([3e8]), rtol=0, atol=1e-6)
    primary = unit(MJDREFI=51910, MJDREFF=7.428703703703703e-4, TIMESYS="TT", TIMEUNIT="d")
    assert_array_equal(reference(primary, TUNIT1="s").seconds([5.0]), two.seconds([5.0]))


def test_offsets_come_in_all_parts_and_belong_to_their_own_table() -> None:
    parts = reference(**OURS, TIMEZERI=1000, TIMEZERF=0.25, TIMEOFFS=0.5)
    assert parts.seconds([1.0]) == [1001.75]
    assert reference(unit(TIMEZERO=1000.0), **OURS).seconds([1.0]) == [1.0]
    in_days = reference(**OURS | {"TIMEUNIT": "d"}, TUNIT1="s", TIMEZERO=1.0)
    assert in_days.seconds([1.0]) == [86401.0]


@pytest.mark.parametrize(
    ("cards", "keyword"),
    [
        ({"TIMESYS": "TT"}, "MJDREFI"),
        ({"MJDREFI": 57754}, "TIMESYS"),
        ({"MJDREFF": 0.5, "TIMESYS": "TT"}, "MJDREFF without MJDREFI"),
        ({**OURS, "TIMESYS": "LOCAL"}, "TIMESYS = 'LOCAL'"),
        ({**OURS, "TIMESYS": "GPS"}, "TIMESYS = 'GPS'"),
        ({**OURS, "TIMESYS": True}, "TIMESYS = True"),
        ({**OURS, "TIMEUNIT": "fortnight"}, "TIMEUNIT = 'fortnight'"),
        ({**OURS, "TUNIT1": "BJD - 2454833, days"}, "TUNIT1"),
        ({**OURS, "TIMEZERO": "late"}, "TIMEZERO = 'late'"),
        ({**OURS, "TIMEZERO": True}, "TIMEZERO = True"),
        ({**OURS, "MJDREFI": 1e30}, "MJDREF"),
        ({"DATEREF": "soon", "TIMESYS": "TT"}, "DATEREF = 'soon'"),
        ({**OURS, "TIMEREF": "SOLARSYSTEM"}, "TIMEREF = 'SOLARSYSTEM'"),
        ({**OURS, "TREFPOS": "BARYCENTER"}, "TREFPOS = 'BARYCENTER'"),
    ],
)
def test_what_cannot_be_known_is_refused_with_its_keyword(cards: dict[str, object], keyword: str) -> None:
    with pytest.raises(BadDataError, match=keyword) as caught:
        reference(**cards)
    assert (caught.value.file, caught.value.offset) == (PLACE, 2880)


def test_the_mission_s_own_format_stands_for_its_reference() -> None:
    assert reference(ours=True).plain
    assert reference(ours=True, DATEREF="2017-01-01T00:00:00.0").plain
    with pytest.raises(BadDataError, match="MJDREFI and MJDREFF for TIMESYS UTC"):
        reference(ours=True, TIMESYS="UTC")
