"""The number that names a packet: a slow twin, every bit counts, and no two packets share it."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadDataError
from eicpy.packets import PacketIndex, index_packets, packet_identity

WORD = (1 << 64) - 1


def twin(data):
    """MurmurHash64A over big-endian words, in plain Python."""
    m = 0xC6A4A7935BD1E995
    h = 0x8445D61A4E774912 ^ (len(data) * m & WORD)
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        k = int.from_bytes(data[at : at + 8], "big") * m & WORD
        h = (h ^ ((k ^ k >> 47) * m & WORD)) * m & WORD
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "big")) * m & WORD
    h = (h ^ h >> 47) * m & WORD
    return h ^ h >> 47


def row(*places):
    """An index of some places, (offset, length), whatever stands there."""
    index = index_packets(bytes.fromhex("0801c0000001abcd") * len(places), checksum="none")
    columns = {name: getattr(index, name) for name in index.__dataclass_fields__}
    columns["offset"] = np.array([at for at, _ in places], np.int64)
    columns["length"] = np.array([n for _, n in places], np.int32)
    return PacketIndex(**columns)


def identity(data):
    return int(packet_identity(data, row((0, len(data))))[0])


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=20))
def test_it_is_that_of_the_slow_twin_wherever_the_packet_stands(data, before):
    assert int(packet_identity(before + data + b"x", row((len(before), len(data))))[0]) == twin(data)


@given(st.binary(min_size=7, max_size=300), st.data())
def test_any_flipped_bit_changes_it(data, draw):
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = bytearray(data)
    changed[bit >> 3] ^= 1 << (bit & 7)
    assert identity(data) != identity(bytes(changed))


@pytest.mark.parametrize("size", [7, 8, 9, 65, 1002])
def test_each_flipped_bit_changes_about_half_of_the_bits(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    own = identity(data)
    changed = []
    for bit in range(8 * size):
        other = bytearray(data)
        other[bit >> 3] ^= 1 << (bit & 7)
        changed.append((own ^ identity(bytes(other))).bit_count())
    assert 28 < np.mean(changed) < 36
    assert min(changed) > 8


def test_length_counts_where_only_zeros_follow():
    assert len({identity(bytes(n)) for n in range(1, 100)}) == 99


def test_no_two_of_many_similar_packets_share_it():
    """Counters alone: the hardest for a weak mixture."""
    data = b"".join(struct.pack(">HHHI", 0x0801, 0xC000, 3, i) for i in range(200_000))
    index = index_packets(data, checksum="none")
    found = packet_identity(data, index)
    assert found.dtype == np.uint64
    assert len(np.unique(found)) == 200_000
    for shift in (0, 28, 48, 56):
        fill = np.bincount((found >> np.uint64(shift)).astype(np.int64) & 255, minlength=256)
        assert abs(fill - fill.mean()).max() < 6 * np.sqrt(fill.mean())


def test_an_index_of_other_bytes_is_refused():
    with pytest.raises(BadDataError, match="reaches to byte 8, expected at most 4"):
        packet_identity(b"abcd", row((0, 8)))
    with pytest.raises(BadDataError, match="reaches to byte"):
        packet_identity(b"abcd", row((-1, 2)))


def test_nothing_has_no_identity():
    assert packet_identity(b"", PacketIndex.empty()).shape == (0,)
