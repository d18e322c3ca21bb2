"""The logic of alerts holds its rules for whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.orbit import unit_vector
from eicpy.trigger import AlertLogic, Candidate, Excess, TriggerConfiguration
from eicpy.trigger.on_board.alert_logic import MOST_ALERTS

CONFIGURATION = TriggerConfiguration()
PLACES = [tuple(unit_vector(*np.radians(at)).tolist()) for at in ((80.0, 20.0), (95.0, 12.0), (80.5, 20.1))]
"""The third is the first, a little off."""


def candidate(time=100.0, snr=9.0, *, place=0, length=1.28, lag=2.0, source=0, outburst=False):
    excess = Excess("count rate", time - lag - length, time - lag, 7, 3, 0, 500, 300.0, snr)
    return Candidate(
        excess,
        time,
        0.1 * place,
        0.1,
        (100, 110),
        10 * snr,
        100.0,
        ((1e-6, 0.0), (0.0, 1e-6)),
        direction=PLACES[place],
        source=source,
        source_name="a source" if source else "",
        outburst=outburst,
    )


def run(candidates, configuration=CONFIGURATION):
    logic = AlertLogic(configuration)
    return [logic.add(one) for one in candidates]


steps = st.tuples(
    st.sampled_from([0.0, 1.5, 2.56, 20.48, 90.0, 200.0, 400.0]),
    st.sampled_from([5.0, 6.99, 7.0, 7.4, 7.5, 8.0, 12.0, 30.0]),
    st.integers(0, 2),
    st.sampled_from([0.32, 20.48, 655.36]),
    st.sampled_from([(0, False), (3, False), (3, True)]),
)


def candidates_of(chosen):
    time, out = 1000.0, []
    for gap, snr, place, length, (source, outburst) in chosen:
        time += gap
        out.append(candidate(time, snr, place=place, length=length, source=source, outburst=outburst))
    return out


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=60))
def test_the_rules_hold_whatever_comes(chosen):
    decisions = run(candidates_of(chosen))
    alerts = [d.alert for d in decisions if d.alert]
    by_sequence = {}
    for d in decisions:
        assert (d.alert is None) == (d.verdict != "alert")
        if d.alert:
            assert d.alert.significance >= CONFIGURATION.alert_threshold
            assert not d.alert.source or d.alert.outburst
            assert d.alert.time >= d.candidate.time
            by_sequence.setdefault(d.alert.sequence, []).append(d)
    assert list(by_sequence) == list(range(len(by_sequence)))  # one after the other, none left out
    for mine in by_sequence.values():
        sent = [d.alert for d in mine]
        assert [a.number for a in sent] == list(range(len(sent)))
        assert len(sent) <= MOST_ALERTS
        assert (np.diff([a.significance for a in sent]) > 0).all()
        asked = [a.slew_request for a in sent]
        assert asked == sorted(asked)  # never withdrawn
        assert asked == [
            bool(np.max([b.significance for b in sent[: n + 1]]) >= CONFIGURATION.slew_threshold)
            for n in range(len(sent))
        ]
        assert sent[-1].time <= sent[0].time + CONFIGURATION.sequence + len(sent)
    assert (np.diff([a.time for a in alerts]) >= 1.0).all()


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=60))
def test_no_sequence_begins_while_its_place_is_dead(chosen):
    decisions = run(candidates_of(chosen))
    first, last = {}, {}
    for d in decisions:
        if d.alert:
            first.setdefault(d.alert.sequence, d)
            last[d.alert.sequence] = d
    for number, begun in first.items():
        for earlier in range(number):
            if begun.candidate.is_at(last[earlier].candidate):
                # ended in time, or a stronger one elsewhere ended it before
                end = min(
                    first[earlier].alert.time + CONFIGURATION.sequence,
                    *(first[n].candidate.time for n in range(earlier + 1, number + 1)),
                )
                assert begun.candidate.excess.start >= end + CONFIGURATION.dead_time


@settings(max_examples=50, deadline=None)
@given(st.lists(steps, max_size=40))
def test_the_same_positions_give_the_same_alerts(chosen):
    assert [d.alert for d in run(candidates_of(chosen))] == [d.alert for d in run(candidates_of(chosen))]


def test_a_sequence_as_it_goes():
    said = run(
        [
            candidate(100.0, 7.2),
            candidate(103.0, 6.0),
            candidate(103.0, 7.4, place=2),
            candidate(106.0, 9.0),
            candidate(109.0, 8.0),
            candidate(150.0, 9.5, length=40.96),
            candidate(230.0, 20.0),
        ]
    )
    assert [d.verdict for d in said] == [
        "alert", "below threshold", "alert", "alert", "not better", "alert", "dead time",
    ]  # fmt: skip
    alerts = [d.alert for d in said if d.alert]
    assert [a.number for a in alerts] == [0, 1, 2, 3]
    assert [a.slew_request for a in alerts] == [False, False, True, True]
    assert alerts[0].time == 100.0


def test_a_stronger_excess_elsewhere_begins_its_own_sequence_and_a_weaker_one_waits():
    said = run([candidate(100.0, 8.0), candidate(110.0, 7.9, place=1), candidate(120.0, 12.0, place=1)])
    assert [d.verdict for d in said] == ["alert", "elsewhere", "alert"]
    assert (said[2].alert.sequence, said[2].alert.number) == (1, 0)


def test_an_exposure_that_began_before_the_end_of_the_dead_time_is_the_burst_again():
    said = run([candidate(100.0, 9.0), candidate(1000.0, 8.0, length=1310.72), candidate(1190.0, 8.0)])
    assert [d.verdict for d in said] == ["alert", "dead time", "alert"]
    said = run([candidate(100.0, 9.0), candidate(1000.0, 8.0, length=1310.72), candidate(1150.0, 8.0)])
    assert said[-1].verdict == "dead time"


def test_a_place_that_goes_on_shining_is_told_once():
    said = run([candidate(100.0 + 20.48 * n, 9.0, length=20.48) for n in range(200)])
    assert [d.verdict for d in said].count("alert") == 1


def test_known_sources_are_told_in_outburst_only():
    usual = candidate(100.0, 40.0, source=3)
    burst = candidate(110.0, 40.0, source=3, outburst=True)
    said = run([usual, burst])
    assert [d.verdict for d in said] == ["known source", "alert"]
    assert (said[1].alert.source, said[1].alert.source_name, said[1].alert.outburst) == (3, "a source", True)


def test_without_an_attitude_places_are_those_of_the_cameras_frame():
    plain = [
        Candidate(
            Excess("image", 0.0, 20.48, 0, 1, -1, 10, 5.0, 9.0), 24.0 + n, ty, 0.1, (3, 4), 90.0 + n, 100.0,
            ((1e-6, 0.0), (0.0, 1e-6)),
        )
        for n, ty in enumerate((0.1, 0.101, 0.3))
    ]  # fmt: skip
    assert [d.alert.sequence for d in run(plain)] == [0, 0, 1]


def test_what_cannot_be_is_refused():
    logic = AlertLogic(CONFIGURATION)
    logic.add(candidate(100.0))
    with pytest.raises(BadArgumentError, match="in the order in which they are known"):
        logic.add(candidate(99.0))
    with pytest.raises(BadArgumentError, match="variance above 0"):
        run([candidate(100.0, float("nan"))])
