"""Every fault that is put in is found again by the index of packets, and nothing else is."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.egse import KINDS, FileSource, LineFaults, Occurrence, SendingSession, Stall, StreamChunk, Unpaced
from eicpy.errors import BadArgumentError
from eicpy.packets import PacketStatus, continuity, index_packets

IN_LINE = [kind for kind in KINDS if kind != "disconnected"]


def through(night, eclairs, line, clock, plan, truth=None, **options):
    """Send the night through faults; what arrived, and what was done."""
    faults = LineFaults(plan, **options)
    source = FileSource(night.packets, eclairs.headers, block_size=10_000)
    summary = SendingSession(source, line, Unpaced(), faults, truth=truth, clock=clock).run()
    assert summary.size == len(line.data) == faults.size
    assert line.ended == "closed"
    return np.frombuffer(line.data, np.uint8), faults.faults


def keys(index):
    return list(zip(index.apid.tolist(), index.sequence_count.tolist(), strict=True))


@pytest.fixture(scope="module")
def sent(night, eclairs):
    return index_packets(np.fromfile(night.packets, np.uint8), eclairs.headers)


def test_without_faults_the_bytes_are_those_of_the_file(night, eclairs, line, clock):
    data, faults = through(night, eclairs, line, clock, {})
    assert data.tobytes() == night.packets.read_bytes()
    assert faults == []


def test_lost_packets_are_missing_and_no_other(night, eclairs, line, clock, sent):
    data, faults = through(night, eclairs, line, clock, {"lost": Occurrence(0.05)})
    lost = Counter((fault.apid, fault.sequence_count) for fault in faults)
    assert 20 < lost.total() < 120
    assert Counter(keys(sent)) - Counter(keys(index_packets(data, eclairs.headers))) == lost


def test_duplicates_are_counted(night, eclairs, line, clock):
    data, faults = through(night, eclairs, line, clock, {"duplicated": Occurrence(0.05)})
    found = continuity(index_packets(data, eclairs.headers))
    assert sum(c.duplicated for c in found.values()) == len(faults) > 20
    assert sum(c.lost for c in found.values()) == 0


def test_swapped_packets_change_places(night, eclairs, line, clock, sent):
    data, faults = through(night, eclairs, line, clock, {"swapped": Occurrence(0.05)})
    order = keys(index_packets(data, eclairs.headers))
    expected = keys(sent)
    for fault in faults:
        a, b = fault.packet - 1, fault.values["with_packet"] - 1
        expected[a], expected[b] = expected[b], expected[a]
    assert len(faults) > 20
    assert order == expected


def test_a_swap_reaches_over_the_end_of_a_chunk_and_the_last_packet_stays(night, eclairs, line, clock, sent):
    places = tuple(range(1, len(sent) + 1, 2))
    data, faults = through(night, eclairs, line, clock, {"swapped": Occurrence(places=places)})
    order, before = keys(index_packets(data, eclairs.headers)), keys(sent)
    expected = [before[i ^ 1] if i ^ 1 < len(before) else before[i] for i in range(len(before))]
    assert order == expected
    assert len(faults) == len(before) // 2


def test_damaged_packets_have_a_wrong_checksum(night, eclairs, line, clock):
    data, faults = through(night, eclairs, line, clock, {"damaged": Occurrence(0.05)})
    index = index_packets(data, eclairs.headers)
    bad = index[index.status == PacketStatus.BAD_CHECKSUM]
    assert bad.offset.tolist() == [fault.offset for fault in faults]
    original = np.fromfile(night.packets, np.uint8)
    flipped = np.unpackbits(original ^ data).sum()
    assert flipped == sum(fault.size for fault in faults) > 0


def test_truncated_packets_and_foreign_bytes_stand_where_the_truth_says(night, eclairs, line, clock, sent):
    plan = {"truncated": Occurrence(0.01), "foreign": Occurrence(0.02)}
    data, faults = through(night, eclairs, line, clock, plan)
    index = index_packets(data, eclairs.headers)
    told = Counter(fault.kind for fault in faults)
    assert min(told["truncated"], told["foreign"]) > 3
    assert int(index.good.sum()) == len(sent) - told["truncated"]
    covered = np.zeros(len(data), bool)
    for offset, length in zip(index.offset[index.good], index.length[index.good], strict=True):
        covered[offset : offset + length] = True
    expected = np.ones(len(data), bool)
    for fault in faults:
        expected[fault.offset : fault.offset + fault.size] = False
    assert np.array_equal(covered, expected)


@pytest.mark.parametrize("resume", ["repeat", "continue"])
def test_a_break_in_a_packet(night, eclairs, line, clock, sent, resume):
    data, faults = through(
        night, eclairs, line, clock, {"disconnected": Occurrence(places=(5, 40))}, resume=resume
    )
    assert line.breaks == 2
    assert [fault.packet for fault in faults] == [5, 40]
    original = night.packets.read_bytes()
    if resume == "continue":
        assert data.tobytes() == original
        return
    index = index_packets(data, eclairs.headers)
    assert int(index.good.sum()) == len(sent)
    assert len(data) == len(original) + sum(fault.size for fault in faults)
    for fault in faults:
        again = data[fault.offset - fault.size : fault.offset + fault.size]
        assert np.array_equal(again[: fault.size], again[fault.size :])


def test_a_stall_stands_still_within_a_packet(night, eclairs, line, clock):
    data, faults = through(night, eclairs, line, clock, {"stalled": Occurrence(places=(7,))}, stall=3.5)
    assert data.tobytes() == night.packets.read_bytes()
    assert clock.naps == [3.5]
    before = b"".join(p for p, t in zip(line.pieces, line.sent_at, strict=True) if t < 101)
    assert len(before) == faults[0].offset
    assert faults[0].values == {"seconds": 3.5}


def test_over_udp_a_stall_stands_before_a_packet(second_packets, eclairs):
    raw = np.frombuffer(second_packets(3), np.uint8)
    faults = LineFaults({"stalled": Occurrence(places=(2,))}, whole=True)
    parts = list(faults.apply(StreamChunk.of(raw, index_packets(raw, eclairs.headers))))
    assert [type(part) for part in parts] == [StreamChunk, Stall, StreamChunk, StreamChunk]
    with pytest.raises(BadArgumentError, match="which has no connection"):
        LineFaults({"disconnected": Occurrence(0.1)}, whole=True)


def test_the_truth_file_tells_all(night, eclairs, line, clock, tmp_path):
    plan = {kind: Occurrence(0.01) for kind in IN_LINE}
    data, faults = through(night, eclairs, line, clock, plan, truth=tmp_path / "truth.json", seed=4)
    told = json.loads((tmp_path / "truth.json").read_text())
    assert told["sent_whole"] is True
    assert told["seed"] == 4
    assert told["bytes_sent"] == len(data)
    assert {fault["kind"] for fault in told["faults"]} == set(IN_LINE)
    assert [fault["packet"] for fault in told["faults"]] == [fault.packet for fault in faults]
    assert sum(told["packets"]["telemetry"].values()) == sum(night.summary["packets_sent"].values())
    original = np.fromfile(night.packets, np.uint8)
    for fault in faults:
        assert original[fault.place + 2] & 0x3F == fault.sequence_count >> 8
        assert original[fault.place + 3] == fault.sequence_count & 0xFF


def test_the_truth_is_written_when_the_line_breaks_too(night, eclairs, line, clock, tmp_path):
    def broken(_):
        raise KeyboardInterrupt

    line.send = broken
    with pytest.raises(KeyboardInterrupt):
        through(night, eclairs, line, clock, {"lost": Occurrence(0.5)}, truth=tmp_path / "truth.json")
    assert json.loads((tmp_path / "truth.json").read_text())["sent_whole"] is False
    assert line.ended == "aborted"


def test_the_same_seed_hits_the_same_packets_and_another_seed_others(night, eclairs):
    def hit(seed, block_size):
        faults = LineFaults({kind: Occurrence(0.01) for kind in IN_LINE}, seed=seed)
        parts = []
        for chunk in FileSource(night.packets, eclairs.headers, block_size=block_size).chunks():
            parts += faults.apply(chunk)
        parts += faults.finish()
        return faults.faults, b"".join(p.data.tobytes() for p in parts if isinstance(p, StreamChunk))

    assert hit(1, 5000) == hit(1, 100_000)
    assert hit(1, 5000)[0] != hit(2, 5000)[0]


def test_two_ground_stations_lose_different_packets_of_one_source(night, eclairs, sent):
    """Between them they have everything but what both lost."""

    def station(seed):
        faults = LineFaults({"lost": Occurrence(0.1)}, seed=seed)
        for chunk in FileSource(night.packets, eclairs.headers).chunks():
            list(faults.apply(chunk))
        return {fault.packet for fault in faults.faults}

    first, second = station(1), station(2)
    share = len(first & second) / len(sent)
    assert len(first) / len(sent) == pytest.approx(0.1, abs=0.03)
    assert share == pytest.approx(0.01, abs=0.01)
    assert len(first | second) > 1.5 * len(first)


@given(
    st.dictionaries(st.sampled_from(IN_LINE), st.floats(0, 0.14), max_size=7),
    st.integers(0, 5),
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
)
def test_any_plan_accounts_for_every_packet(plan, seed, sizes):
    faults = LineFaults({kind: Occurrence(rate) for kind, rate in plan.items()}, seed=seed)
    out = b""
    number = 0
    for n in sizes:
        parts = [
            StreamChunk.single(np.full(20, number + i, np.uint8), packet=True, apid=1, count=number + i)
            for i in range(n)
        ]
        number += n
        for part in faults.apply(StreamChunk.join(parts)):
            out += part.data.tobytes() if isinstance(part, StreamChunk) else b""
    out += b"".join(part.data.tobytes() for part in faults.finish())
    kinds = Counter(fault.kind for fault in faults.faults)
    extra = sum(f.size for f in faults.faults if f.kind in {"foreign", "duplicated"})
    gone = sum(f.size for f in faults.faults if f.kind == "lost")
    gone += sum(20 - f.size for f in faults.faults if f.kind == "truncated")
    assert len(out) == faults.size == 20 * number + extra - gone
    assert faults.truth()["packets"]["telemetry"] == {"1": number}
    assert kinds.total() <= number


@pytest.mark.parametrize("text", ["often", "@", "@0", "1.5", "-0.1", "@3,5", ""])
def test_an_occurrence_that_cannot_be_is_refused(text):
    with pytest.raises(BadArgumentError, match=r"expected a share|packets from 1"):
        Occurrence.parse(text)


def test_a_plan_that_cannot_be_is_refused():
    with pytest.raises(BadArgumentError, match="add up to"):
        LineFaults({"lost": Occurrence(0.7), "damaged": Occurrence(0.7)})
    with pytest.raises(BadArgumentError, match="melted"):
        LineFaults({"melted": Occurrence(0.1)})
