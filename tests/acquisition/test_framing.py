"""Streams cut at packet boundaries, whatever the pieces they come in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.acquisition.reception.framing import Framer
from eicpy.packets import PacketIndex, index_packets

relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _cut(raw, sizes):
    at = 0
    for size in sizes:
        yield raw[at : at + size]
        at += size
    yield raw[at:]


def _feed(framer, chunk, *, in_place):
    if not in_place:
        return framer.feed(chunk)
    framer.room(len(chunk))[: len(chunk)] = chunk
    return framer.feed_room(len(chunk))


@relaxed
@given(
    sizes=st.lists(st.integers(1, 3000), max_size=40),
    places=st.lists(st.booleans(), min_size=41, max_size=41),
    junk=st.binary(max_size=200),
)
def test_each_piece_is_whole_packets_and_nothing_is_lost(photon_packets, eclairs, sizes, places, junk):
    raw = photon_packets(15).raw + junk + photon_packets(15, first=15).raw
    framer = Framer(eclairs.headers)
    out, found = bytearray(), []
    for chunk, in_place in zip(_cut(raw, sizes), places, strict=False):
        piece = _feed(framer, chunk, in_place=in_place)
        found.append(piece.index.shifted(len(out) - piece.given))
        assert piece.index.end == len(piece.buffer)
        out += piece.fresh
    piece = framer.finish()
    found.append(piece.index.shifted(len(out)))
    out += piece.fresh
    assert bytes(out) == raw
    assert framer.waiting == 0
    assert PacketIndex.concatenate(found) == index_packets(raw, eclairs.headers)


@relaxed
@given(data=st.data())
def test_a_packet_that_was_given_out_in_parts_is_still_found_whole(photon_packets, eclairs, data):
    raw = photon_packets(12).raw
    framer = Framer(eclairs.headers)
    out, packets = bytearray(), 0
    for chunk in _cut(raw, data.draw(st.lists(st.integers(1, 700), max_size=30))):
        piece = _feed(framer, chunk, in_place=data.draw(st.booleans()))
        packets += int(piece.index.good.sum())
        out += piece.fresh
        if data.draw(st.booleans()):
            out += framer.flush().fresh
            assert framer.waiting == 0
    out += framer.finish().fresh
    assert bytes(out) == raw
    assert packets == 12


@relaxed
@given(
    st.lists(st.tuples(st.sampled_from(["feed", "flush", "finish"]), st.binary(max_size=400)), max_size=30)
)
def test_no_byte_of_a_stream_of_anything_is_lost(eclairs, steps):
    framer, out, sent = Framer(eclairs.headers), bytearray(), bytearray()
    for step, chunk in steps:
        if step == "feed":
            sent += chunk
            out += _feed(framer, chunk, in_place=len(chunk) % 2 == 0).fresh
        else:
            out += getattr(framer, step)().fresh
    out += framer.finish().fresh
    assert out == sent


def test_what_waits_may_end_with_a_whole_packet(photon_packets, eclairs):
    raw = photon_packets(2).raw
    foreign = raw[:4] + b"\x7f\xff\x20"  # by its length, this may be the head of a long packet
    framer = Framer(eclairs.headers)
    assert not framer.ends_whole
    framer.feed(raw[:-1])
    assert not framer.ends_whole
    framer.feed(raw[-1:] + foreign + raw[:-1])
    assert framer.waiting == len(foreign + raw) - 1
    assert not framer.ends_whole
    framer.feed(raw[-1:])
    assert framer.ends_whole
    piece = framer.finish()
    assert (int(piece.index.good.sum()), framer.waiting) == (2, 0)


class TestContinuing:
    @pytest.fixture
    def cut(self, photon_packets, eclairs):
        truth = photon_packets(6)
        framer = Framer(eclairs.headers)
        at = int(truth.lengths[:2].sum()) + 20
        framer.feed(truth.raw[:at])
        assert framer.waiting == 20
        return framer, truth.raw, at

    def test_the_rest_and_the_packet_once_more_may_follow(self, cut):
        framer, raw, at = cut
        assert framer.continues(raw[at:])
        assert framer.continues(raw[at : at + 1])
        assert framer.continues(raw[at - 20 :])
        assert framer.continues(raw[at - 20 : at - 15])

    def test_another_stream_does_not(self, cut, photon_packets):
        framer, *_ = cut
        assert not framer.continues(photon_packets(100, seed=9, first=900).raw)
        assert not framer.continues(b"\xff" * 100_000)

    def test_a_stream_that_left_nothing_is_followed_by_anything(self, eclairs):
        assert Framer(eclairs.headers).continues(b"\xff")
