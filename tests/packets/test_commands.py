"""Telecommands: told from telemetry by the packet type bit, with headers and counters of their own."""

import binascii
import struct

import numpy as np
import pytest

from eicpy.packets import (
    PacketHeaderRule,
    PacketHeaders,
    PacketIndex,
    PacketIndexer,
    PacketLayout,
    continuity,
    decode,
    encode,
    index_packets,
    inspect_file,
    report_index,
    segment_groups,
    select,
)

RULES = (PacketHeaderRule(900, "crc16", "pus-c", fine_bits=24, fine_tick=2.0**-24),)
ARGUMENTS = PacketLayout.parse("name,bit_offset,bit_width,type\nKEY,40,16,uint\nVALUE,,16,uint\n")


def telecommand(count, subservice, arguments=b"", *, apid=900, source=7, flags=3, version=2):
    """A telecommand by struct and binascii alone (ECSS-E-ST-70-41C, figure 7-4)."""
    source_id = struct.pack(">H", source) if version == 2 else bytes([source])
    data = bytes([version << 4 | 0b1101, 210, subservice]) + source_id + arguments
    head = struct.pack(">HHH", 0x1800 | apid, flags << 14 | count % 16384, len(data) + 1)
    return head + data + binascii.crc_hqx(head + data, 0xFFFF).to_bytes(2, "big")


def telemetry(count, *, apid=900, size=20):
    """A PUS-C packet with a time."""
    data = bytes([0x20, 1, 1]) + struct.pack(">HHI", count % 65536, 21845, 1000 + count) + bytes(size)
    head = struct.pack(">HHH", 0x0800 | apid, 0xC000 | count % 16384, len(data) + 1)
    return head + data + binascii.crc_hqx(head + data, 0xFFFF).to_bytes(2, "big")


def test_the_header_of_a_telecommand_is_read():
    index = index_packets(telecommand(5, 3, b"\x00\x01\x00\x02", source=513) + telemetry(9), RULES)
    assert index.good.all()
    assert index.command.tolist() == [True, False]
    assert index.command.dtype == np.bool_
    assert index.service.tolist() == [210, 1]
    assert index.subservice.tolist() == [3, 1]
    assert index.destination.tolist() == [513, 21845]
    assert index.coarse.tolist() == [-1, 1009]


def test_a_telecommand_of_the_older_standard_has_a_short_source():
    rules = (PacketHeaderRule(900, "crc16", "pus-a"),)
    index = index_packets(telecommand(5, 3, source=77, version=1), rules)
    assert (index.service[0], index.subservice[0], index.destination[0]) == (210, 3, 77)
    assert index.coarse[0] == -1


def test_telecommands_do_not_disturb_the_counter_of_the_telemetry():
    """Interleaved, each direction continues its own count; without separate memory both would be torn."""
    packets = []
    for i in range(50):
        packets.append(telemetry(16380 + i))
        if i % 5 == 0:
            packets.append(telecommand(3000 + i // 5, 1, b"\x02"))
    index = index_packets(b"".join(packets), RULES)
    assert index.good.all()
    sent, received = continuity(index, commands=True), continuity(index)
    assert received[900].is_clean
    assert received[900].received == 50
    assert sent[900].is_clean
    assert sent[900].received == 10


def test_a_lost_telecommand_is_told_apart_from_lost_telemetry():
    raw = (
        telecommand(1, 1) + telemetry(1) + telemetry(2) + telecommand(4, 2) + telemetry(3) + telecommand(5, 2)
    )
    index = index_packets(raw, RULES)
    assert continuity(index)[900].lost == 0
    (gap,) = continuity(index, commands=True)[900].gaps
    assert (gap.first, gap.missing, gap.after, gap.before) == (2, 2, 0, 3)


def test_damage_between_is_judged_by_the_counter_of_its_own_direction():
    """The walk believes what continues: a broken telecommand is known by the count of telecommands."""
    broken = bytearray(telecommand(2, 1, bytes(9)))
    broken[14] ^= 1
    parts = [telemetry(7000), telecommand(1, 1, bytes(9)), bytes(broken), telemetry(7001)]
    index = index_packets(b"".join(parts), RULES)
    assert index.status.tolist() == [0, 0, 1, 0]
    assert index.command.tolist() == [False, True, True, False]
    assert continuity(index, commands=True)[900].damaged == 1
    assert continuity(index)[900].is_clean


@pytest.mark.parametrize("version", [1, 2])
def test_telecommands_are_learnt_without_a_definition(version):
    raw = b"".join(telecommand(i, 1 + i % 3, version=version) for i in range(20))
    index = index_packets(raw)
    assert index.command.all()
    assert set(index.subservice.tolist()) == {1, 2, 3}
    assert index.decisions[900].secondary == ("pus-c" if version == 2 else "pus-a")


def test_telemetry_beside_telecommands_is_learnt_without_a_definition():
    raw = b"".join(telecommand(i, 1) + telemetry(i) + telemetry(i + 20) for i in range(20))
    index = index_packets(raw)
    assert index.good.all()
    assert index.decisions[900].secondary == "pus-c"
    assert set(index.service[index.command].tolist()) == {210}
    assert set(index.service[~index.command].tolist()) == {1}


def test_encoded_telecommands_are_those_of_the_standard():
    raw = encode(
        ARGUMENTS,
        PacketHeaders(900, [0, 16383], 0, 0, service=210, subservice=3, destination=7, command=True),
        {"KEY": [1, 2], "VALUE": [3, 65535]},
        header=RULES[0],
    )
    assert bytes(raw) == telecommand(0, 3, struct.pack(">HH", 1, 3)) + telecommand(
        16383, 3, struct.pack(">HH", 2, 65535)
    )


def test_encoded_telecommands_of_the_older_standard():
    table = PacketLayout.parse("name,bit_offset,bit_width,type\nMODE,32,8,uint\n")
    raw = encode(
        table,
        PacketHeaders(900, [9], 0, 0, service=210, subservice=1, destination=7, command=True),
        {"MODE": [3]},
        header=PacketHeaderRule(900, "crc16", "pus-a"),
    )
    assert bytes(raw) == telecommand(9, 1, b"\x03", version=1)


def test_the_acknowledgement_asked_for_is_written():
    nothing = PacketLayout([], "stop")
    for asked in (0, 8, 15):
        raw = encode(
            nothing, PacketHeaders(900, [1], 0, 0, command=True, acknowledge=asked), {}, header=RULES[0]
        )
        assert len(raw) == 13
        assert raw[6] == 0x20 | asked


class Configure:
    apid, service, subservice, structure, command = 900, 210, 3, None, True


class Report:
    apid, service, subservice, structure, command = 900, None, None, None, False


def test_telecommands_are_selected_and_decoded():
    raw = telemetry(1) + telecommand(1, 1) + telecommand(2, 3, b"\x00\x05\x01\x00")
    index = index_packets(raw, RULES)
    assert select(raw, index, Configure()).tolist() == [False, False, True]
    assert select(raw, index, Report()).tolist() == [True, False, False]
    back = decode(raw, index[2], ARGUMENTS)
    assert back.complete.all()
    assert {name: column.tolist() for name, column in back.columns.items()} == {"KEY": [5], "VALUE": [256]}


def test_segments_of_a_telecommand_are_grouped_apart():
    raw = telecommand(1, 1, flags=1) + telemetry(1) + telecommand(2, 1, flags=2)
    index = index_packets(raw, RULES)
    assert segment_groups(index) == {}
    (group,) = segment_groups(index, commands=True)[900]
    assert group.complete
    assert group.rows.tolist() == [0, 2]


def test_the_report_shows_telecommands_apart(tmp_path):
    raw = telemetry(1) + telemetry(2) + telecommand(1, 1) + telecommand(3, 2) + telecommand(4, 2)
    report = report_index(tmp_path / "x", index_packets(raw, RULES))
    told = report.to_dict()
    assert told["apids"]["900"]["received"] == 2
    assert told["apids"]["900"]["lost"] == 0
    assert told["commands"]["900"]["types"] == {"210/1": 1, "210/2": 2}
    assert told["commands"]["900"]["lost"] == 1
    assert [row["apid"] for row in report.rows()] == [900, "900 TC"]
    assert not report.is_clean


def test_a_flipped_type_bit_makes_no_telecommands_in_the_report(tmp_path):
    parts = [telemetry(i) for i in range(10)]
    broken = bytearray(parts[5])
    broken[0] ^= 0x10
    parts[5] = bytes(broken)
    file = tmp_path / "flipped.ccsds"
    file.write_bytes(b"".join(parts))
    report = inspect_file(file)
    assert report.commands == {}
    assert report.damaged == 1


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_telecommands_in_chunks(size):
    raw = b"".join(telecommand(i, 1) + telemetry(i) + telemetry(i + 20) for i in range(0, 40, 2))
    indexer = PacketIndexer(RULES)
    parts = [indexer.feed(raw[i : i + size]) for i in range(0, len(raw), size)]
    assert PacketIndex.concatenate([*parts, indexer.finish()]) == index_packets(raw, RULES)


def test_the_direction_is_kept_on_disk(tmp_path):
    index = index_packets(telecommand(1, 1) + telemetry(1), RULES)
    index.save(tmp_path / "index.npz")
    back = PacketIndex.load(tmp_path / "index.npz")
    assert back == index
    assert back.command.dtype == np.bool_


def test_what_is_left_of_a_cut_packet_is_named_by_the_counter_of_its_direction():
    """Its count continues the telemetry, not the telecommand before: a damaged packet, no foreign bytes."""
    cut = telemetry(7001)[:-4]
    parts = [telemetry(7000), telecommand(1, 1), cut, telecommand(2, 1), telemetry(7002)]
    index = index_packets(b"".join(parts), RULES)
    assert index.skipped == ()
    assert index.sequence_count.tolist() == [7000, 1, 7001, 2, 7002]
    assert (index.status != 0).tolist() == [False, False, True, False, False]
    assert continuity(index)[900].damaged == 1
    assert continuity(index)[900].lost == 0
