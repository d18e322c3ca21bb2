"""Counting packets piece by piece, whatever the pace of each counter."""

import binascii
import struct

from eicpy.decoding import PacketCounts, RunningContinuity
from eicpy.instruments import load
from eicpy.packets import index_packets

ECLAIRS = load("eclairs")


def packet(apid, count, *, command=False):
    data = bytes([0x20, 3, 25]) + bytes(14)
    head = struct.pack(">HHH", command << 12 | 0x0800 | apid, 0xC000 | count % 16384, len(data) + 1)
    return head + data + binascii.crc_hqx(head + data, 0xFFFF).to_bytes(2, "big")


def test_telecommands_have_counts_of_their_own():
    tally = RunningContinuity(ECLAIRS)
    raw = packet(800, 1) + packet(800, 90, command=True) + packet(800, 2) + packet(800, 93, command=True)
    tally.add(index_packets(raw, ECLAIRS.headers))
    tally.add(index_packets(packet(800, 93, command=True) + packet(800, 4), ECLAIRS.headers))
    assert tally.counts == {800: PacketCounts(received=3, unconfirmed=1)}, "nothing confirms the jump yet"
    tally.add(index_packets(packet(800, 5) + packet(800, 94, command=True), ECLAIRS.headers))
    assert tally.counts == {800: PacketCounts(received=4, lost=1)}
    assert tally.commands == {800: PacketCounts(received=4, lost=2, duplicated=1)}


def test_a_gap_of_a_slow_counter_is_seen_beside_a_fast_one():
    """Thousands of photon packets between two of housekeeping must not make it be forgotten."""
    tally = RunningContinuity(ECLAIRS)
    slow = {1: 10, 3: 13, 5: 13, 6: 14}
    for piece in range(7):
        raw = b"".join(packet(810, 1500 * piece + i) for i in range(1500))
        if piece in slow:
            raw += packet(801, slow[piece])
        tally.add(index_packets(raw, ECLAIRS.headers))
    assert tally.counts[801] == PacketCounts(received=4, lost=2, duplicated=1)
    assert tally.counts[810] == PacketCounts(received=7 * 1500)
