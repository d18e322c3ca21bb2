"""Times of the files, against astropy's own reading of the header's reference."""

import subprocess
import sys

import pytest
from astropy.time import Time, TimeDelta
from hypothesis import given
from hypothesis import strategies as st

from eicpy import times
from eicpy.errors import BadArgumentError


def test_the_reference_is_2017_utc_and_agrees_with_the_header_value() -> None:
    assert times.to_seconds("2017-01-01T00:00:00") == 0.0
    header = Time(times.MJDREFI, times.MJDREFF, format="mjd", scale="tt")
    assert abs(times.to_seconds(header)) < 1e-7


@given(st.floats(-1e9, 1e9))
def test_times_survive_the_round_trip_to_a_microsecond(seconds: float) -> None:
    assert times.to_seconds(times.to_time(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_a_utc_day_is_86400_s_since_2017() -> None:
    later = Time("2026-11-21T00:00:00", scale="utc")
    reference = Time("2017-01-01T00:00:00", scale="utc")
    expected = (later.tai - reference.tai) / TimeDelta(1, format="sec")
    assert times.to_seconds(later) == pytest.approx(float(expected), abs=1e-6)
    assert times.to_seconds(later) % 86400 == pytest.approx(0, abs=1e-6)
    assert times.day_of(times.to_seconds(later) + 1).isoformat() == "2026-11-21"


def test_text_that_is_no_date_is_a_bad_argument() -> None:
    with pytest.raises(BadArgumentError, match="ISO date"):
        times.to_seconds("yesterday")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), [0.0, float("-inf")]])
def test_there_is_no_time_of_what_is_not_finite(seconds: object) -> None:
    with pytest.raises(BadArgumentError, match="expected finite seconds"):
        times.to_time(seconds)


@pytest.mark.parametrize("value", [None, object(), ["a"]])
def test_what_is_no_time_is_a_bad_argument(value: object) -> None:
    with pytest.raises(BadArgumentError, match="expected a Time, an ISO date"):
        times.to_seconds(value)


def test_astropy_is_imported_only_when_a_time_is_converted() -> None:
    code = "import sys; from eicpy import times; times.day_of(1.0); print('astropy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
