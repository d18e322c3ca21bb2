"""Excursions against a slow reading of the same rule, sample by sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.housekeeping import Excursion, Limits, Severity, check_limits, excursion_table

LIMITS = Limits(warning_low=-2, warning_high=2, alarm_low=-4, alarm_high=4)


def slow(
    time: list[float], values: list[float], hysteresis: float, min_samples: int, max_gap: float
) -> list[tuple[Severity, float, float, float, int]]:
    """One state machine per side."""
    found = []
    for sign in (1, -1):
        stay: list[tuple[float, float]] = []
        last = None
        for t, v in [*zip(time, values, strict=True), (np.inf, 0.0)]:
            if np.isnan(v):
                continue
            height = sign * v
            cut = last is not None and t - last > max_gap
            if stay and (cut or t == np.inf or height <= 2 - hysteresis):
                if len(stay) >= min_samples:
                    worst = max(sign * x for _, x in stay)
                    level = Severity.ALARM if worst > 4 else Severity.WARNING
                    found.append((level, stay[0][0], stay[-1][0], sign * worst, len(stay)))
                stay = []
            last = t
            if height > 2 and t != np.inf:
                stay.append((t, v))
    return sorted(found, key=lambda e: (e[1], e[2]))


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 5]), st.sampled_from([-5, -3, -1.5, 0, 1.5, 3, 5, np.nan])),
        max_size=60,
    ),
    st.sampled_from([0.0, 1.0]),
    st.integers(1, 3),
    st.sampled_from([np.inf, 2.0]),
)
def test_excursions_are_those_of_the_state_machine(
    samples: list[tuple[int, float]], hysteresis: float, min_samples: int, max_gap: float
) -> None:
    time = np.cumsum([step for step, _ in samples], dtype=float).tolist()
    values = [value for _, value in samples]
    found = check_limits(
        time, values, LIMITS, hysteresis=hysteresis, min_samples=min_samples, max_gap=max_gap
    )
    got = [(e.level, e.start, e.stop, e.extreme, e.samples) for e in found]
    assert got == slow(time, values, hysteresis, min_samples, max_gap)


def test_levels_limits_and_sides() -> None:
    time = np.arange(10.0)
    values = [0, 3, 5, 3, 0, -3, 0, 0, -5, -3]
    high, low, last = check_limits(time, values, LIMITS, parameter="T1", unit="degC")
    assert high == Excursion("T1", Severity.ALARM, 1.0, 3.0, 5.0, 4.0, 3, "degC", ongoing=False)
    assert low == Excursion("T1", Severity.WARNING, 5.0, 5.0, -3.0, -2.0, 1, "degC", ongoing=False)
    assert last == Excursion("T1", Severity.ALARM, 8.0, 9.0, -5.0, -4.0, 2, "degC", ongoing=True)
    assert last.duration == 1.0
    table = excursion_table([high, low, last])
    assert "ALARM" in table
    assert "ongoing" in table


def test_a_value_at_the_limit_is_inside() -> None:
    assert check_limits([0, 1], [2.0, -2.0], LIMITS) == []
    assert check_limits([0], [4.0], LIMITS)[0].level is Severity.WARNING


def test_a_gap_ends_an_excursion_and_nan_is_no_sample() -> None:
    time = [0, 1, 2, 100, 101]
    assert len(check_limits(time, [3.0] * 5, LIMITS)) == 1
    first, second = check_limits(time, [3.0] * 5, LIMITS, max_gap=10)
    assert (first.stop, second.start) == (2.0, 100.0)
    assert (first.ongoing, second.ongoing) == (False, True)
    (across,) = check_limits([0, 1, 2], [3.0, np.nan, 3.0], LIMITS, max_gap=3)
    assert across.samples == 2
    assert check_limits([], [], LIMITS) == []
    assert check_limits([0, 1], [np.nan, np.nan], LIMITS) == []


def test_alarm_limits_alone_are_enough() -> None:
    (found,) = check_limits([0, 1, 2], [0.0, 9.0, 0.0], Limits(alarm_high=8))
    assert (found.level, found.limit) == (Severity.ALARM, 8)
    assert check_limits([0], [9.0], Limits()) == []
    assert not Limits()


def test_infinite_values_are_excursions() -> None:
    (found,) = check_limits([0, 1], [np.inf, 0.0], LIMITS)
    assert found.level is Severity.ALARM


@pytest.mark.parametrize(
    "call",
    [
        lambda: check_limits([0], [1.0], Limits(warning_low=3, warning_high=2)),
        lambda: check_limits([0], [1.0], Limits(warning_high=5, alarm_high=4)),
        lambda: check_limits([0], [1.0], Limits(warning_high=float("nan"))),
        lambda: check_limits([0], [1.0, 2.0], LIMITS),
        lambda: check_limits([0], [1.0], LIMITS, hysteresis=-1),
        lambda: check_limits([0], [1.0], LIMITS, min_samples=0),
    ],
)
def test_wrong_limits_are_refused(call: object) -> None:
    with pytest.raises(BadArgumentError):
        call()  # type: ignore[operator]  # the cases are lambdas
