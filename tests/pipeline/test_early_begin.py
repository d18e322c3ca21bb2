"""Nights keep to the days of UTC however early the interval begins."""

import pytest

from eicpy.instruments import load
from eicpy.pipeline.plan import days_with_data
from eicpy.times import to_seconds


@pytest.mark.parametrize("start", ["1970-01-01", "2010-06-01", "2026-11-19", "2026-11-20"])
def test_leap_seconds_before_the_data_move_no_night(filled, start):
    nights = days_with_data(load("eclairs"), filled, start, None)
    assert [begin for begin, _ in nights] == [to_seconds("2026-11-20"), to_seconds("2026-11-21")]


def test_the_hour_of_the_begin_is_kept(filled):
    ((begin, _),) = days_with_data(load("eclairs"), filled, "2001-01-01T12:00:00", "2026-11-22")
    assert begin == to_seconds("2026-11-20T12:00:00")
