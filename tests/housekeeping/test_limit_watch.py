"""Limits of samples that come piece by piece: the same excursions as of all samples at once."""

import itertools
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eicpy.housekeeping import HousekeepingArchive, Limits, LimitWatch, archived_rows, check_limits, part_name
from eicpy.housekeeping.parts import archived_ranges

LIMITS = Limits(warning_low=-3.0, warning_high=3.0, alarm_low=-6.0, alarm_high=6.0)


@given(
    values=st.lists(st.integers(-9, 9) | st.just(np.nan), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_pieces_give_the_same_excursions_as_the_whole(values, cuts):
    time = np.arange(len(values), dtype=float)
    whole = check_limits(time, values, LIMITS, parameter="T", unit="V")
    edges = sorted({0, len(values), *(c for c in cuts if c < len(values))})
    found, state = {}, "{}"
    for first, stop in itertools.pairwise(edges):
        watch = LimitWatch(json.loads(state))  # as after a restart
        for stay in watch.check("T", time[first:stop], values[first:stop], LIMITS, unit="V"):
            found[stay.start] = stay
        state = json.dumps(watch.state)
    facts = [(e.parameter, e.level, e.start, e.stop, e.extreme, e.limit, e.unit, e.ongoing) for e in whole]
    assert facts == [
        (e.parameter, e.level, e.start, e.stop, e.extreme, e.limit, e.unit, e.ongoing)
        for e in sorted(found.values(), key=lambda e: e.start)
    ]


def test_parameters_of_one_name_are_kept_apart_by_their_key():
    watch = LimitWatch()
    watch.check("T", [0.0], [9.0], LIMITS, key="one.T")
    assert watch.check("T", [1.0], [0.0], LIMITS, key="two.T") == []
    (stay,) = watch.check("T", [1.0], [0.0], LIMITS, key="one.T")
    assert (stay.start, stay.stop, stay.ongoing) == (0.0, 0.0, False)


def test_parts_of_a_run_are_found_by_their_bytes(tmp_path):
    archive = HousekeepingArchive(tmp_path)
    for run, start, stop in ((1, 0, 100), (1, 200, 300), (11, 100, 200)):
        archive.append("HK", [float(start)], {"T": [1.0]}, part_name(run, start, stop))
    archive.append("HK", [7.0], {"T": [1.0]}, "run-000001-0123456789abcdef")
    ranges = archived_ranges(archive, "HK", 1)
    assert sorted(ranges) == [(0, 100), (200, 300)]
    offset = np.array([0, 99, 100, 199, 200, 299, 300])
    assert archived_rows(ranges, offset).tolist() == [True, True, False, False, True, True, False]
    assert archived_ranges(archive, "other", 1) == []
