"""The account of visits, with a clock of its own: who may have a kernel, and when it is given back."""

import pytest

from eicpy.dashboard.server.visits import CLAIM_TIMEOUT, RENDER_TIMEOUT, SOCKETS, FullError, Limits, Visits


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def _visits(clock, total=4, per_address=2):
    return Visits(Limits(total, per_address), idle=90.0, now=clock)


def test_an_address_gets_its_share_and_all_of_them_what_there_is(clock):
    visits = _visits(clock, total=3)
    visits.admit("a"), visits.admit("a")
    with pytest.raises(FullError) as full:
        visits.admit("a")
    assert (full.value.taken, full.value.limit, full.value.own) == (2, 2, True)
    visit = visits.admit("b")
    with pytest.raises(FullError) as full:
        visits.admit("c")
    assert (full.value.taken, full.value.limit, full.value.own) == (3, 3, False)
    visits.end(visit)
    visits.admit("c")


def test_a_page_that_nobody_connects_to_is_over_soon(clock):
    visits = _visits(clock)
    visit = visits.admit("a")
    clock.time += RENDER_TIMEOUT - 1
    assert visits.over() == []
    visits.served(visit)
    clock.time += CLAIM_TIMEOUT - 1
    assert visits.over() == []
    clock.time += 1
    assert visits.over() == [visit]


def test_a_page_that_is_never_drawn_is_over(clock):
    visits = _visits(clock)
    visit = visits.admit("a")
    clock.time += RENDER_TIMEOUT
    assert visits.over() == [visit]


def test_a_connected_page_stays_and_a_lost_one_has_the_idle_time(clock):
    visits = _visits(clock)
    visit = visits.admit("a")
    assert visits.connect(visit), "a browser may be faster than the end of the page"
    visits.served(visit)
    clock.time += 1e6
    assert visits.over() == []
    assert visits.connect(visit)
    visits.disconnect(visit)
    clock.time += 1e6
    assert visits.over() == [], "another connection is left"
    visits.disconnect(visit)
    clock.time += 89.9
    assert visits.over() == []
    assert visits.connect(visit)
    visits.disconnect(visit)
    clock.time += 90
    assert visits.over() == [visit]


def test_connections_to_one_page_are_few(clock):
    visits = _visits(clock)
    visit = visits.admit("a")
    assert [visits.connect(visit) for _ in range(200)].count(True) == SOCKETS
    visits.disconnect(visit)
    assert visits.connect(visit)


def test_the_lonely_give_way_and_the_others_say_when_to_come_again(clock):
    visits = _visits(clock, total=2)
    alone, watched = visits.admit("a"), visits.admit("b")
    visits.served(alone)
    visits.connect(watched)
    with pytest.raises(FullError) as full:
        visits.admit("c")
    assert full.value.retry == CLAIM_TIMEOUT
    assert visits.yielding() == []
    clock.time += 12
    assert visits.yielding() == [alone]
    with pytest.raises(FullError) as full:
        visits.admit("c")
    assert full.value.retry == pytest.approx(CLAIM_TIMEOUT - 12, abs=1)


@pytest.mark.parametrize("memory", [1e8, 2e9, 8e9, 16e9, 1e12])
def test_kernels_fit_into_half_of_the_memory(memory):
    limits = Limits.for_memory(memory)
    assert 2 <= limits.per_address <= limits.total <= 40
    assert limits.total == 2 or limits.total * 350e6 <= 0.5 * memory


def test_a_browser_that_asks_keeps_its_kernel_though_it_is_not_connected_yet(clock):
    """A slow machine: the page was sent, and its scripts take longer than the claim."""
    visits = Visits(Limits(2, 2), claim=30.0, now=clock)
    visit = visits.admit("a")
    visits.served(visit)
    for _ in range(5):
        clock.time += 25.0
        visits.asked(visit)
        assert not visits.over()
    clock.time += 31.0
    assert visits.over() == [visit]
    visits.connect(visit)
    visits.asked(visit)
    assert visit.limit is None
