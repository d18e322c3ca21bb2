import numpy as np

from eicpy.packets import PacketHeaderRule, assemble, index_packets, segment_groups

RULES = (PacketHeaderRule(9, "crc16"),)


def make(packet, plan):
    """Packets of one APID from (count, flags, data, secondary)."""
    return b"".join(
        packet(9, count, data, flags=flags, secondary=secondary) for count, flags, data, secondary in plan
    )


def groups_of(raw):
    index = index_packets(raw, RULES)
    return index, segment_groups(index).get(9, [])


def test_complete_groups_are_put_together(packet):
    plan = [
        (0, 1, b"HEADfirst-", True),
        (1, 0, b"second-", False),
        (2, 2, b"third", False),
        (3, 3, b"whole", False),
        (4, 1, b"HEADa", True),
        (5, 2, b"HEADb", True),
    ]
    raw = make(packet, plan)
    index, groups = groups_of(raw)
    assert [g.complete for g in groups] == [True, True]
    assert assemble(raw, index, groups[0], 4).tobytes() == b"first-second-third"
    assert assemble(raw, index, groups[1], 4).tobytes() == b"ab"
    assert groups.complete.all()


def test_incomplete_groups_are_kept_and_say_what_is_missing(packet):
    plan = [
        (0, 0, b"no beginning", False),
        (1, 2, b"end", False),
        (2, 1, b"begin", False),
        (4, 2, b"after one that is lost", False),
        (5, 1, b"never ends", False),
        (6, 3, b"whole", False),
        (7, 0, b"alone", False),
        (8, 1, b"begin", False),
        (9, 1, b"begin", False),
        (10, 2, b"end", False),
    ]
    raw = make(packet, plan)
    index, groups = groups_of(raw)
    found = [(g.rows.tolist(), g.complete, g.reason) for g in groups]
    assert found == [
        ([0, 1], False, "the beginning missing"),
        ([2, 3], False, "a segment between missing"),
        ([4], False, "the end missing"),
        ([6], False, "the beginning and the end missing"),
        ([7], False, "the end missing"),
        ([8, 9], True, ""),
    ]
    kept = np.concatenate([g.rows for g in groups])
    assert kept.tolist() == np.flatnonzero(index.sequence_flags != 3).tolist()
    assert assemble(raw, index, groups[0]).tobytes() == b"no beginningend"


def test_a_wider_gap_may_hide_an_end_and_a_beginning(packet):
    plan = [(0, 1, b"a", False), (1, 0, b"b", False), (4, 0, b"e", False), (5, 2, b"f", False)]
    _, groups = groups_of(make(packet, plan))
    assert [(g.rows.tolist(), g.reason) for g in groups] == [
        ([0, 1], "the end missing"),
        ([2, 3], "the beginning missing"),
    ]


def test_late_and_doubled_segments_find_their_place_across_the_rollover(packet):
    plan = [
        (16382, 1, b"a", False),
        (0, 0, b"c", False),
        (16383, 0, b"b", False),
        (0, 0, b"c", False),
        (1, 2, b"d", False),
    ]
    raw = make(packet, plan)
    index, groups = groups_of(raw)
    assert len(groups) == 1
    assert groups[0].complete
    assert assemble(raw, index, groups[0]).tobytes() == b"abcd"


def test_a_damaged_segment_makes_its_group_incomplete(packet):
    raw = bytearray(make(packet, [(n, f, bytes(30), False) for n, f in enumerate((3, 1, 0, 2, 3))]))
    raw[2 * 38 + 20] ^= 1
    _, groups = groups_of(bytes(raw))
    assert [(g.complete, g.reason) for g in groups] == [(False, "a segment between missing")]


def test_whole_packets_have_no_groups(packet):
    _, groups = groups_of(make(packet, [(n, 3, bytes(5), False) for n in range(5)]))
    assert len(groups) == 0
