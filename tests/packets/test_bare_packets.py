"""Packets without a checksum: what is believed, what is named, and what is said not to be proved."""

import importlib.util
import struct
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.packets import (
    PacketHeaderRule,
    PacketIndex,
    PacketIndexer,
    PacketStatus,
    continuity,
    index_packets,
    inspect_file,
)

_FILE = Path(__file__).parents[2] / "benchmarks" / "bare_packets.py"
_SPECIFICATION = importlib.util.spec_from_file_location("bare_packets", _FILE)
bare = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["bare_packets"] = bare  # its data classes look for their module
_SPECIFICATION.loader.exec_module(bare)

GOOD, TRUNCATED, BAD_LENGTH, BAD_HEADER = (
    PacketStatus.GOOD, PacketStatus.TRUNCATED, PacketStatus.BAD_LENGTH, PacketStatus.BAD_HEADER,
)  # fmt: skip
RULES = [PacketHeaderRule(1444), PacketHeaderRule(1450)]


def bare_packet(apid, count, size, fill=0xEE):
    return bare.packet(apid, count, bytes([fill]) * size)


def growing(number=5, apid=1444, fill=0xEE):
    """Packets of which each is 20 bytes longer than the one before."""
    return [bare_packet(apid, n, 60 + 20 * n, fill) for n in range(number)]


def flipped(packet, byte, mask):
    return packet[:byte] + bytes([packet[byte] ^ mask]) + packet[byte + 1 :]


def rows(index):
    return list(zip(index.offset.tolist(), index.length.tolist(), index.status.tolist(), strict=True))


def in_a_row(parts, statuses):
    """Rows of packets that follow one another."""
    ends = np.cumsum([len(part) for part in parts]).tolist()
    starts = [0, *ends[:-1]]
    return [(at, end - at, status) for at, end, status in zip(starts, ends, statuses, strict=True)]


both = pytest.mark.parametrize("rules", [RULES, None], ids=["rules", "automatic"])


@both
def test_a_packet_before_one_with_a_damaged_header_keeps_its_extent(rules):
    parts = growing()
    parts[3] = flipped(parts[3], 1, 0x40)
    index = index_packets(b"".join(parts), rules)
    assert rows(index) == in_a_row(parts, [GOOD, GOOD, GOOD, BAD_HEADER, GOOD])
    assert index.skipped == ()
    assert not index.unconfirmed.any(), "the damaged one leads on from where it ends"


@both
@pytest.mark.parametrize("byte", [0, 1])
def test_two_damaged_headers_in_a_row_are_two_damaged_packets(rules, byte):
    parts = growing(8)
    parts[3] = flipped(parts[3], byte, 0xE0)
    parts[4] = flipped(parts[4], byte, 0xC0)
    index = index_packets(b"".join(parts), rules)
    assert rows(index) == in_a_row(parts, [GOOD] * 3 + [BAD_HEADER] * 2 + [GOOD] * 3)


@both
@pytest.mark.parametrize("garbage", [bytes(range(200, 240)), b"\xff" * 100, bytes(23), bytes(7)])
def test_a_packet_before_garbage_keeps_its_extent(rules, garbage):
    parts = growing()
    index = index_packets(b"".join(parts[:3]) + garbage + b"".join(parts[3:]), rules)
    assert index.good.all()
    assert index.length.tolist() == [66, 86, 106, 126, 146]
    assert index.foreign_bytes == len(garbage)
    assert index.skipped[0].offset == 258
    assert index.unconfirmed.tolist() == [False, False, len(garbage) != 7, False, False] or len(garbage) < 64


@both
@pytest.mark.parametrize(("byte", "mask"), [(5, 0x10), (4, 0x01), (4, 0x80)])
def test_a_flipped_bit_of_the_length_swallows_nothing(rules, byte, mask):
    parts = [bare_packet(1444, n, 60 + 17 * (n % 4)) for n in range(12)]
    parts[5] = flipped(parts[5], byte, mask)
    index = index_packets(b"".join(parts), rules)
    assert rows(index) == in_a_row(parts, [GOOD] * 5 + [BAD_LENGTH] + [GOOD] * 6)


def test_a_wrong_length_that_leads_to_a_packet_swallows_nothing():
    parts = [bare_packet(1444, n, 57 + n % 3) for n in range(12)]
    reach = len(parts[5]) + len(parts[6]) + len(parts[7])
    parts[5] = parts[5][:4] + struct.pack(">H", reach - 7) + parts[5][6:]
    index = index_packets(b"".join(parts), RULES)
    assert rows(index) == in_a_row(parts, [GOOD] * 5 + [BAD_LENGTH] + [GOOD] * 6)


@pytest.mark.parametrize("rules", [RULES[:1], None], ids=["rules", "automatic"])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_flipped_bit_invents_no_apid(rules, number):
    parts = [bare_packet(1444, n, 60) for n in range(6)]
    parts[number] = flipped(parts[number], 1, 0x10)
    index = index_packets(b"".join(parts), rules)
    assert index.good.sum() == 5
    assert set(index.apid[index.good].tolist()) == set(index.decisions) == {1444}
    assert index.foreign_bytes + index.length[~index.good].sum() == 66


def test_an_apid_is_adopted_when_it_is_seen_again_and_counts_on():
    parts = []
    for n in range(10):
        parts += [bare_packet(1444, n, 60), bare_packet(300, n + 50, 30)]
    index = index_packets(b"".join([*parts, bare_packet(1444, 10, 60)]), RULES)
    other = index.apid == 300
    assert index.status[other].tolist() == [BAD_HEADER] * 2 + [GOOD] * 8
    assert index.decisions[300].reason == "met between known packets"


def test_idle_packets_are_known_although_they_do_not_count():
    parts = []
    for n in range(6):
        parts += [bare_packet(1444, n, 60 + n), bare_packet(2047, 0, 30)]
    raw = b"".join([*parts, bare_packet(1444, 6, 60)])
    for rules in (RULES, None):
        index = index_packets(raw, rules)
        assert index.good.all()
        assert (index.apid == 2047).sum() == 6


SPACES = sorted(set(bare.SPACINGS) - {"none"})


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "automatic"])
@pytest.mark.parametrize("spacing", SPACES)
@pytest.mark.parametrize("apids", [1, 3])
def test_bytes_between_packets_are_passed_over(spacing, apids, rules):
    rng = np.random.default_rng(3)
    stream = bare.make_stream(
        rng, 80, spacing=spacing, flips=0, garbage=0, gaps=0, payload="random", apids=apids
    )
    index = index_packets(stream.raw, stream.rules if rules else None)
    assert dict(zip(index.offset.tolist(), index.length.tolist(), strict=True)) == stream.intact
    assert index.good.all()
    assert index.foreign_bytes == len(stream.raw) - sum(stream.intact.values())
    assert index.bytes_between > 0.6 * index.foreign_bytes
    assert not index.unconfirmed[30:-1].any(), "the spacing is learnt by then; the last fill may be anything"


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "automatic"])
@pytest.mark.parametrize("spacing", ["none", "EB90 before", "8 foreign before", "2 behind", "filled to 4"])
def test_intact_packets_of_damaged_streams_are_found_and_no_apid_is_invented(spacing, rules):
    total = bare.Tally()
    for seed in range(3):
        rng = np.random.default_rng(seed)
        stream = bare.make_stream(rng, 200, spacing=spacing, flips=0.04, garbage=0.02)
        total += bare.compare(stream, rng, rules=rules)
    assert (total.invented, total.false, total.uneven) == (0, 0, 0)
    assert total.found >= 0.995


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from(sorted(bare.SPACINGS)),
    st.booleans(),
    st.lists(st.integers(0, 20_000), max_size=12),
)
def test_any_chunking_gives_the_same_index(seed, spacing, rules, cuts):
    stream = bare.make_stream(
        np.random.default_rng(seed), 40, spacing=spacing, flips=0.1, garbage=0.1, gaps=0.1
    )
    raw, given_rules = stream.raw, stream.rules if rules else None
    indexer = PacketIndexer(given_rules, survey_bytes=len(raw) + 1)
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    parts = [indexer.feed(raw[a:b]) for a, b in pairwise(edges)]
    whole = index_packets(raw, given_rules)
    assert PacketIndex.concatenate([*parts, indexer.finish()]) == whole
    places = sorted([r[:2] for r in rows(whole)] + [(gap.offset, gap.length) for gap in whole.skipped])
    assert [at for at, _ in places] == np.cumsum([0, *(size for _, size in places)])[:-1].tolist()


@pytest.mark.parametrize("checksum", ["crc16", "none"])
def test_a_damaged_packet_in_a_spaced_stream_is_named(packet, checksum):
    parts = [packet(100, n, bytes(range(50 + n)), checksum=checksum) for n in range(12)]
    parts[4] = flipped(parts[4], 10, 1) if checksum == "crc16" else flipped(parts[4], 1, 0x40)
    parts[8] = flipped(parts[8], 4, 0x80)
    raw = b"".join(b"\xeb\x90" + part for part in parts).replace(
        b"\xeb\x90" + parts[6], b"\xea\x90" + parts[6]
    )
    index = index_packets(raw, [PacketHeaderRule(100, checksum)])
    expected = [GOOD] * 12
    expected[4] = PacketStatus.BAD_CHECKSUM if checksum == "crc16" else BAD_HEADER
    expected[8] = BAD_LENGTH
    assert index.status.tolist() == expected
    assert index.offset.tolist() == (np.cumsum([0, *(len(part) + 2 for part in parts[:-1])]) + 2).tolist()


def test_an_apid_that_comes_seldom_is_found_between_spaced_packets_of_zeros(packet):
    """The survey must not enter a packet that its checksum proved: zeros look like headers there."""
    raw, seldom = b"", 0
    for n in range(99):
        apid = 1232 if n % 11 == 5 else 1216
        seldom += apid == 1232
        count = seldom if apid == 1232 else n - seldom
        raw += bytes.fromhex("a8000000a0f0a0a0")
        data = struct.pack(">I", 1000 + n) + bytes(40 if apid == 1232 else 140)
        raw += packet(apid, count, data, secondary=True)
    for checksum in ("crc16", "auto"):
        index = index_packets(raw, checksum=checksum)
        assert (index.good.sum(), index.foreign_bytes) == (99, 99 * 8)
        assert (index.apid == 1232).sum() == seldom == 9


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "automatic"])
def test_zeros_are_no_packets(rules):
    """Zeros around, in and behind packets; the ISO checksum and the exclusive or of zeros are zero, too."""
    parts = [bare.packet(100 + n % 2, n // 2, bytes(20 + 7 * (n % 5))) for n in range(40)]
    raw = bytes(1000) + b"".join(parts[:20]) + bytes(700) + b"".join(parts[20:]) + bytes(400)
    index = index_packets(raw, [PacketHeaderRule(100), PacketHeaderRule(101)] if rules else None)
    assert index.good.sum() == len(index) == 40
    assert index.foreign_bytes == 2100
    assert set(index.decisions) == {100, 101}


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "automatic"])
def test_a_header_of_the_file_is_skipped(rules):
    head = b"cFE1" + struct.pack(">7I", 1, 64, 2, 3, 4, 5, 6) + b"test file".ljust(108, b"\0")
    raw = head + b"".join(bare.packet(100, n, bytes([n] * (20 + n % 9))) for n in range(60))
    index = index_packets(raw, [PacketHeaderRule(100)] if rules else None)
    assert (index.good.sum(), len(index), index.foreign_bytes) == (60, 60, 140)


@both
def test_files_of_one_and_two_packets(rules):
    one, two = bare_packet(1444, 7, 60), bare_packet(1444, 8, 31)
    assert rows(index_packets(one, rules)) == [(0, 66, GOOD)]
    assert rows(index_packets(one + two, rules)) == [(0, 66, GOOD), (66, 37, GOOD)]
    spaced = index_packets(b"\xeb\x90" + one + b"\xeb\x90" + two, rules)
    assert rows(spaced) == [(2, 66, GOOD), (70, 37, GOOD)]
    assert spaced.foreign_bytes == 4


@both
def test_a_stream_that_ends_within_a_packet(rules):
    parts = growing(6)
    parts[-1] = parts[-1][:50]
    index = index_packets(b"".join(parts), rules)
    assert rows(index) == in_a_row(parts, [GOOD] * 5 + [TRUNCATED])


def test_counters_that_do_not_count_are_found_again():
    """Where every sequence count is the same, headers and lengths are all there is."""
    parts = [bare.packet(100, 0, bytes([n] * (30 + n % 7))) for n in range(1, 40)]
    raw = b"".join(parts[:20]) + b"\xff" * 50 + b"".join(parts[20:])
    index = index_packets(raw, [PacketHeaderRule(100)])
    assert (index.good.sum(), index.foreign_bytes) == (39, 50)


def test_what_is_not_proved_is_said(tmp_path, packet):
    parts = growing(6)
    file = tmp_path / "packets.bin"
    file.write_bytes(b"".join(parts[:3]) + b"\xff" * 100 + b"".join(parts[3:]))
    report = inspect_file(file)
    found = report.to_dict()
    assert (found["packets"], found["proved"], found["unconfirmed"]) == (6, 0, 1)
    assert report.index.unconfirmed.tolist() == [False, False, True, False, False, False]
    assert len(report.remarks) == 2
    assert report.remarks[0].startswith("no checksum in 6 packets")
    assert "1 of these" in report.remarks[1]
    assert report.remarks[0] in report._repr_html_()
    file.write_bytes(b"".join(b"\xeb\x90" + packet(5, n, bytes(range(30 + n))) for n in range(9)))
    report = inspect_file(file)
    assert report.to_dict()["proved"] == 9
    assert report.remarks == ["16 bytes between packets, in the foreign bytes: 8 × 2"]
    file.write_bytes(b"".join(packet(5, n, bytes(range(30 + n))) for n in range(9)))
    assert inspect_file(file).remarks == []


def test_losses_without_a_checksum_are_those_of_known_apids():
    rng = np.random.default_rng(1)
    stream = bare.make_stream(rng, 400, flips=0.02, garbage=0, gaps=0, apids=2, apid_flips=True)
    for rules in (stream.rules, None):
        judged = continuity(index_packets(stream.raw, rules))
        assert set(judged) == set(stream.apids)
        assert sum(one.lost for one in judged.values()) <= len(stream.damaged)


BEFORE_DAMAGE = [(0, 66, 0), (66, 86, 0), (152, 106, 0), (258, 126, 4), (384, 146, 0)]
BEFORE_GARBAGE = [(0, 66, 0), (66, 86, 0), (152, 106, 0), (298, 126, 0), (424, 146, 0)]
ONE_BIT = [(66 * n, 66, 4 * (n == 3)) for n in range(6)]
SPACED = [(2 + 61 * n, 59, 0) for n in range(60)]
CASES = [
    ("nocrc-varlen-before-damaged-header.bin", RULES, BEFORE_DAMAGE),
    ("nocrc-varlen-before-garbage.bin", RULES, BEFORE_GARBAGE),
    ("nocrc-one-apid-bit-flip.bin", RULES[:1], ONE_BIT),
    ("nocrc-one-apid-bit-flip.bin", None, ONE_BIT),
    ("nocrc-spaced-eb90.bin", [PacketHeaderRule(100, "none", "pus-c")], SPACED),
    ("nocrc-spaced-eb90.bin", None, SPACED),
]


@pytest.mark.parametrize(("name", "rules", "expected"), CASES)
def test_cases_that_were_judged_wrongly(shared_data, name, rules, expected):
    file = shared_data / "cases/telemetry" / name
    if not file.exists():
        pytest.skip(f"no {name} in the shared data")
    assert rows(index_packets(file, rules)) == expected
