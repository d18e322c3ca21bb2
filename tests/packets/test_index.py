import binascii
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import (
    PacketHeaderRule,
    PacketIndex,
    PacketIndexer,
    PacketStatus,
    Skipped,
    index_packets,
)

RULES = tuple(PacketHeaderRule(apid, "crc16") for apid in range(100, 108))


def walk(raw):
    """Plain walk from header to header, the slow twin on a clean stream."""
    rows = []
    at = 0
    while at < len(raw):
        word, sequence, length = struct.unpack_from(">HHH", raw, at)
        rows.append((at, length + 7, word & 2047, sequence >> 14, sequence & 16383))
        at += length + 7
    return rows


def all_with_right_crc(raw, apids):
    """Every place where a known APID and a right CRC stand, by brute force."""
    found = []
    at = 0
    while at + 8 <= len(raw):
        word, _, length = struct.unpack_from(">HHH", raw, at)
        packet = raw[at : at + length + 7]
        known = word >> 13 == 0 and word & 2047 in apids and len(packet) == length + 7
        if known and binascii.crc_hqx(packet, 0xFFFF) == 0:
            found.append(at)
            at += len(packet)
        else:
            at += 1
    return found


def covers(index, total):
    """Packets and skipped ranges cover the stream without overlap."""
    pieces = [(int(o), int(n)) for o, n in zip(index.offset, index.length, strict=True)]
    pieces += [(gap.offset, gap.length) for gap in index.skipped]
    at = 0
    for start, length in sorted(pieces):
        assert start == at
        assert length > 0
        at += length
    assert at == total
    return True


def feed(raw, cuts, **options):
    indexer = PacketIndexer(**options)
    edges = [0, *sorted(cuts), len(raw)]
    parts = [indexer.feed(raw[a:b]) for a, b in pairwise(edges)]
    return PacketIndex.concatenate([*parts, indexer.finish()])


def test_a_clean_stream_is_walked_like_its_slow_twin(stream):
    for checksum in ("crc16", "xor16", "none"):
        raw = b"".join(stream(np.random.default_rng(1), 300, size=None, checksum=checksum))
        index = index_packets(raw)
        columns = (index.offset, index.length, index.apid, index.sequence_flags, index.sequence_count)
        assert list(zip(*(c.tolist() for c in columns), strict=True)) == walk(raw)
        assert index.good.all()
        assert index.skipped == ()
        assert {d.checksum.name.lower() for d in index.decisions.values()} == {checksum}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("known", [True, False])
def test_every_intact_packet_of_a_damaged_stream_is_found_and_no_false_one(stream, harm, seed, known):
    rng = np.random.default_rng(seed)
    truth = harm(stream(rng, 2000), rng)
    index = index_packets(truth.raw, RULES if known else None)
    assert index.offset[index.good].tolist() == truth.intact
    assert index.offset[~index.good].tolist() == truth.damaged
    assert index.foreign_bytes == truth.foreign
    assert covers(index, len(truth.raw))
    assert index.offset[index.good].tolist() == all_with_right_crc(truth.raw, set(range(100, 108)))


@pytest.mark.slow
def test_twenty_megabytes_of_damaged_packets(stream, harm):
    rng = np.random.default_rng(11)
    truth = harm(stream(rng, 20_000), rng)
    index = index_packets(truth.raw)
    assert index.offset[index.good].tolist() == truth.intact
    assert index.offset[~index.good].tolist() == truth.damaged
    assert index.foreign_bytes == 300


@pytest.mark.parametrize("seed", range(4))
def test_packets_of_any_length_are_recovered_too(stream, harm, seed):
    rng = np.random.default_rng(seed)
    packets = [p for p in stream(rng, 3000, size=None) if len(p) > 120]
    truth = harm(packets, rng)
    index = index_packets(truth.raw)
    assert index.offset[index.good].tolist() == truth.intact
    assert set(truth.damaged) >= set(index.offset[~index.good].tolist())
    assert covers(index, len(truth.raw))


def test_without_a_checksum_the_headers_lead_back(stream, harm):
    rng = np.random.default_rng(5)
    truth = harm(stream(rng, 2000, checksum="none"), rng, flips=0)
    index = index_packets(truth.raw)
    assert index.offset[index.good].tolist() == truth.intact
    assert index.foreign_bytes == 300


def test_statuses_name_what_happened(packet):
    packets = [packet(100, n, bytes(range(100))) for n in range(12)]
    packets[2] = packets[2][:50] + b"\xff" + packets[2][51:]
    packets[4] = packets[4][:4] + b"\x00\x09" + packets[4][6:]
    packets[6] = packets[6][:40]
    packets[8] = b"\xff\xff" + packets[8][2:]
    packets[-1] = packets[-1][:20]
    index = index_packets(b"".join(packets), RULES)
    expected = [PacketStatus.GOOD] * 12
    expected[2] = PacketStatus.BAD_CHECKSUM
    expected[4] = expected[6] = PacketStatus.BAD_LENGTH
    expected[8] = PacketStatus.BAD_HEADER
    expected[-1] = PacketStatus.TRUNCATED
    assert index.status.tolist() == expected
    assert index.foreign_bytes == 0


def test_headers_of_each_record_and_bytes_around_are_skipped_and_listed(packet):
    rng = np.random.default_rng(2)
    raw = b"start of file"
    places = []
    for n in range(50):
        raw += rng.integers(0, 256, 8, dtype=np.uint8).tobytes()
        places.append(len(raw))
        raw += packet(100, n, bytes(rng.integers(0, 256, 40 + n, dtype=np.uint8)))
    raw += b"end"
    for rules in (None, RULES):
        index = index_packets(raw, rules)
        assert index.offset.tolist() == places
        assert index.good.all()
        assert index.foreign_bytes == 13 + 50 * 8 + 3
        assert index.skipped[0] == Skipped(0, 21, "bytes that belong to no packet")


def test_checksums_are_a_property_of_the_apid(packet):
    raw = b""
    for n in range(20):
        raw += packet(5, n, bytes(20) + bytes([n]))
        raw += packet(6, n, bytes(range(30)) + bytes([n]), checksum="none")
        raw += packet(7, n, bytes(range(30)) + bytes([n, n]), checksum="xor16")
    index = index_packets(raw)
    kinds = {apid: decision.checksum.name for apid, decision in index.decisions.items()}
    assert kinds == {5: "CRC16", 6: "NONE", 7: "XOR16"}
    assert "20 of 20" in index.decisions[5].reason
    assert index.good.all()
    wrong = index_packets(raw, checksum="crc16")
    assert set(wrong.apid[~wrong.good].tolist()) == {6, 7}


def test_an_apid_that_the_definition_lacks_is_adopted_between_known_packets(packet):
    raw = b"".join(
        packet(100, n, bytes(range(50))) + (packet(300, n, b"unknown") if n % 3 == 1 else b"")
        for n in range(10)
    )
    index = index_packets(raw, RULES)
    assert index.good.all()
    assert (index.apid == 300).sum() == 3
    assert index.decisions[300].reason == "met between known packets"


def test_packets_of_another_instrument_are_foreign(packet):
    raw = b"".join(packet(900, n, bytes(range(50))) for n in range(10))
    index = index_packets(raw, RULES)
    assert len(index) == 0
    assert index.foreign_bytes == len(raw)


def test_pus_headers_and_times_are_read(packet):
    pus_c = struct.pack(">BBBHHIH", 0x20, 3, 25, 7, 0x5555, 1000, 0x8000)
    pus_a = struct.pack(">BBBBIH", 0x10, 21, 6, 9, 2000, 0x4000)
    raw = packet(100, 0, pus_c, secondary=True) + packet(101, 0, pus_a, secondary=True)
    raw += packet(102, 0, b"\0\0\0\5\0\0\0\6") + packet(100, 1, pus_c, flags=0)
    rules = (
        PacketHeaderRule(100, "crc16", "pus-c"),
        PacketHeaderRule(101, "crc16", "pus-a"),
        PacketHeaderRule(102, "crc16", "own", 32, 32, 5e-8, 6),
    )
    index = index_packets(raw, rules)
    assert index.service.tolist() == [3, 21, 0, 0]
    assert index.subservice.tolist() == [25, 6, 0, 0]
    assert index.destination.tolist() == [0x5555, 0, 0, 0]
    assert index.coarse.tolist() == [1000, 2000, 5, -1]
    assert index.fine.tolist() == [0x8000, 0x4000, 6, -1]
    assert index.time()[:3].tolist() == [1000.5, 2000.25, 5 + 6 * 5e-8]
    assert np.isnan(index.time()[3])


def test_pus_headers_are_detected_only_where_all_packets_have_them(packet):
    def pus(n, version=0x20):
        return struct.pack(">BBBHHIH", version, 3, 25, n, 0, 1000 + n, 0) + bytes(20)

    raw = b"".join(packet(1, n, pus(n), secondary=True) for n in range(10))
    index = index_packets(raw)
    assert index.decisions[1].secondary == "pus-c"
    assert index.coarse.tolist() == list(range(1000, 1010))
    assert (index.service == 3).all()
    mixed = raw + packet(1, 10, pus(10, version=0x35), secondary=True)
    assert index_packets(mixed).decisions[1].secondary == "none"
    assert (index_packets(mixed).service == 0).all()


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 20_000), max_size=12), st.booleans())
def test_any_chunking_gives_the_same_index(stream, harm, seed, cuts, known):
    rng = np.random.default_rng(seed)
    kind = ("crc16", "none", "xor16")[seed % 3]
    packets = stream(rng, 160, size=None if seed % 2 else 110, checksum=kind, apids=3)
    raw = harm(packets if seed % 2 == 0 else [p for p in packets if len(p) > 120], rng, flips=6).raw
    rules = tuple(PacketHeaderRule(apid, kind) for apid in range(100, 103)) if known else None
    cuts = [cut % (len(raw) + 1) for cut in cuts]
    options = {"headers": rules, "survey_bytes": len(raw) + 1}
    index = feed(raw, cuts, **options)
    assert index == index_packets(raw, rules)
    assert covers(index, len(raw))


def test_byte_by_byte_gives_the_same_index(stream, harm):
    rng = np.random.default_rng(8)
    raw = harm(stream(rng, 120, size=130), rng, flips=5).raw
    assert feed(raw, range(1, len(raw)), headers=RULES) == index_packets(raw, RULES)


def test_intact_packets_are_given_out_as_soon_as_they_are_complete(stream):
    packets = stream(np.random.default_rng(4), 10)
    indexer = PacketIndexer(RULES)
    assert [len(indexer.feed(p)) for p in packets] == [1] * 10
    assert indexer.pending == 0
    assert indexer.consumed == sum(map(len, packets))


@settings(max_examples=200)
@given(st.binary(max_size=3000), st.sampled_from(["auto", "none", "crc16", "xor16", "iso16"]), st.booleans())
def test_arbitrary_bytes_neither_crash_nor_loop(raw, checksum, known):
    index = index_packets(raw, RULES if known else None, checksum)
    assert covers(index, len(raw))


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([b"\0", b"\x08\x64", b"\xc0\0", b"\0\x09", b"\0\0\0", b"\xff"]), max_size=400)
)
def test_bytes_that_look_like_headers_neither_crash_nor_loop(pieces):
    raw = b"".join(pieces)
    for rules in (None, (PacketHeaderRule(0, "none"), PacketHeaderRule(100, "crc16"))):
        index = index_packets(raw, rules)
        assert covers(index, len(raw))
        assert feed(raw, [len(raw) // 3], headers=rules, survey_bytes=len(raw) + 1) == index


def test_endless_noise_needs_no_memory():
    rng = np.random.default_rng(6)
    indexer = PacketIndexer(RULES)
    skipped = 0
    for _ in range(20):
        skipped += indexer.feed(rng.integers(0, 256, 100_000, dtype=np.uint8)).foreign_bytes
        assert indexer.pending <= (1 << 17) + 100_000
    assert skipped + indexer.finish().foreign_bytes == 2_000_000


def test_a_stream_after_noise_is_found(stream):
    rng = np.random.default_rng(7)
    packets = stream(rng, 20)
    raw = rng.integers(0, 256, 400_000, dtype=np.uint8).tobytes() + b"".join(packets)
    for rules in (None, RULES):
        index = index_packets(raw, rules)
        assert len(index) == 20
        assert index.good.all()
        assert index.foreign_bytes == 400_000
        assert len(index.skipped) == 1


def test_empty_and_tiny_streams():
    for raw in (b"", b"\0", b"\0\0\0\0\0"):
        index = index_packets(raw)
        assert len(index) == 0
        assert index.foreign_bytes == len(raw)
        assert index.end == len(raw)


def test_a_memory_map_is_indexed_like_its_bytes(stream, tmp_path):
    raw = b"".join(stream(np.random.default_rng(9), 100))
    file = tmp_path / "raw.ccsds"
    file.write_bytes(raw)
    assert index_packets(np.memmap(file, mode="r")) == index_packets(raw)
    assert index_packets(memoryview(raw)) == index_packets(bytearray(raw)) == index_packets(raw)


def test_an_index_is_saved_and_selected(stream, harm, tmp_path):
    rng = np.random.default_rng(10)
    index = index_packets(harm(stream(rng, 300), rng).raw)
    index.save(tmp_path / "index.npz")
    again = PacketIndex.load(tmp_path / "index.npz")
    assert again == index
    assert again.decisions == index.decisions
    some = index[index.apid == 103]
    assert set(some.apid.tolist()) == {103}
    assert index[5].offset.tolist() == [index.offset[5]]
    assert index[-1].offset.tolist() == [index.offset[-1]]
    assert len(index) == len(index[index.good]) + len(index[~index.good])
    assert "packets" in index._repr_html_()
    whole = (tmp_path / "index.npz").read_bytes()
    for damaged in (b"no index", whole[: len(whole) // 2], b"PK\x03\x04" + bytes(100), b""):
        (tmp_path / "index.npz").write_bytes(damaged)
        with pytest.raises(BadDataError, match="rebuild"):
            PacketIndex.load(tmp_path / "index.npz")


def test_bad_arguments_are_named(stream):
    with pytest.raises(BadArgumentError, match="md5"):
        index_packets(b"", checksum="md5")
    with pytest.raises(BadArgumentError, match="4711"):
        index_packets(b"", [PacketHeaderRule(4711)])
    with pytest.raises(BadArgumentError, match="pus-x"):
        index_packets(b"", [PacketHeaderRule(1, secondary="pus-x")])
    with pytest.raises(BadArgumentError, match="70"):
        index_packets(b"", [PacketHeaderRule(1, coarse_bits=70)])
    indexer = PacketIndexer()
    indexer.finish()
    with pytest.raises(BadArgumentError, match="new PacketIndexer"):
        indexer.feed(b"more")
