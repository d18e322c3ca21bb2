"""The merger of several connections, with any interleaving of any pieces."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.acquisition.framing import Merger
from eicpy.packets import index_packets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_packets_stay_whole_and_in_order_whatever_the_interleaving(photon_packets, eclairs, data):
    parts = [photon_packets(15, seed=k, first=1000 * k).raw for k in range(3)]
    out = bytearray()
    merger = Merger(out.extend, eclairs)
    at = [0, 0, 0]
    for k, size in data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3000)), max_size=40)):
        merger.feed(k, parts[k][at[k] : at[k] + size])
        at[k] += size
    for k in range(3):
        merger.feed(k, parts[k][at[k] :])
    assert merger.waiting == 0
    for k in range(3):
        merger.release(k)
    raw = bytes(out)
    assert len(raw) == sum(map(len, parts))
    index = index_packets(raw, eclairs.headers)
    assert (len(index), int(index.good.sum()), index.foreign_bytes) == (45, 45, 0)
    for k, part in enumerate(parts):
        mine = index[index.sequence_count // 1000 == k]
        assert b"".join(raw[o : o + n] for o, n in zip(mine.offset, mine.length, strict=True)) == part
    assert (merger.count.packets, merger.count.damaged, merger.count.foreign_bytes) == (45, 0, 0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=400)), max_size=30))
def test_no_byte_is_lost_of_streams_of_anything(eclairs, pieces):
    out = bytearray()
    merger = Merger(out.extend, eclairs)
    for k, piece in pieces:
        merger.feed(k, piece)
    for k in range(3):
        merger.release(k)
    assert merger.waiting == 0
    assert sorted(out) == sorted(b"".join(piece for _, piece in pieces))


def test_a_lone_connection_is_appended_at_once_even_within_a_packet(photon_packets, eclairs):
    raw, out = photon_packets(3).raw, bytearray()
    merger = Merger(out.extend, eclairs)
    for i in range(0, len(raw), 10):
        merger.feed("only", raw[i : i + 10])
        assert bytes(out) == raw[: i + 10]


@pytest.mark.parametrize("said_more", [False, True])
def test_nobody_waits_for_ever_for_an_unfinished_packet(photon_packets, eclairs, said_more):
    raw, out = photon_packets(3).raw, bytearray()
    merger = Merger(out.extend, eclairs)
    merger.feed("silent", raw[:20])
    merger.feed("other", raw)
    assert (bytes(out), merger.waiting) == (raw[:20], len(raw))
    merger.release("silent")
    assert (bytes(out), merger.waiting) == (raw[:20] + raw, 0)
    if said_more:
        merger.feed("silent", raw[20:])
        assert merger.waiting == 0 or merger.waiting == len(raw) - 20
        merger.release("silent")
        assert bytes(out) == raw[:20] + raw + raw[20:]
