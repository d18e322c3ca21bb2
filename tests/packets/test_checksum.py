import binascii

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.packets import (
    ChecksumKind,
    checksum_crc16,
    checksum_iso16,
    verify_checksums,
)


def slow_iso16(data: bytes) -> int:
    """ECSS-E-ST-70-41C, annex B.2, sentence by sentence."""
    first = second = 255
    for octet in data:
        first = (first + octet) % 255
        second = (second + first) % 255
    low = (-(first + second)) % 255
    high = second % 255
    return (low or 255) << 8 | (high or 255)


def slow_xor16(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    return int(np.bitwise_xor.reduce(np.frombuffer(padded, ">u2"), initial=0))


def is_right(packet, kind):
    """Whether one whole packet agrees with its own checksum."""
    whole = np.array([0]), np.array([len(packet)])
    return bool(verify_checksums(packet, *whole, ChecksumKind.of(kind))[0])


@given(st.binary(max_size=300))
def test_each_checksum_agrees_with_a_slow_twin(data):
    assert checksum_crc16(data) == binascii.crc_hqx(data, 0xFFFF)
    assert checksum_iso16(data) == slow_iso16(data)


@given(st.binary(min_size=10, max_size=200), st.data())
def test_a_packet_with_its_checksum_is_right_and_with_a_flipped_bit_is_not(data, draw):
    data = data[: len(data) // 2 * 2]
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    for kind, function in (("crc16", checksum_crc16), ("xor16", slow_xor16), ("iso16", checksum_iso16)):
        whole = bytearray(data + function(data).to_bytes(2, "big"))
        assert is_right(whole, kind)
        before = whole[bit >> 3]
        whole[bit >> 3] ^= 1 << (bit & 7)
        # Modulo 255 the octets 0 and 255 are one number.
        same = kind == "iso16" and {before, whole[bit >> 3]} == {0, 255}
        assert is_right(whole, kind) == same


@pytest.mark.parametrize(
    ("data", "expected"),
    [("0000", "ffff"), ("000000", "ffff"), ("abcdef01", "9cf8"), ("1456f89a0001", "24dc")],
)
def test_iso_checksum_gives_the_values_of_the_standard(data, expected):
    assert checksum_iso16(bytes.fromhex(data)) == int(expected, 16)


@pytest.mark.parametrize(
    ("data", "expected"),
    [("0000", "1d0f"), ("000000", "cc9c"), ("abcdef01", "04a2"), ("1456f89a0001", "7fd5")],
)
def test_crc_gives_the_values_of_the_standard(data, expected):
    assert checksum_crc16(bytes.fromhex(data)) == int(expected, 16)


def test_many_packets_are_verified_at_once_and_none_beyond_the_buffer():
    rng = np.random.default_rng(3)
    packets = [rng.integers(0, 256, n, dtype=np.uint8).tobytes() for n in (8, 30, 99, 1000)]
    whole = [p + binascii.crc_hqx(p, 0xFFFF).to_bytes(2, "big") for p in packets]
    lengths = np.array([len(p) for p in whole], dtype=np.int32)
    offsets = (np.cumsum(lengths) - lengths).astype(np.int64)
    assert verify_checksums(b"".join(whole), offsets, lengths, ChecksumKind.CRC16).all()
    offsets[-1] += 1
    assert verify_checksums(b"".join(whole), offsets, lengths, ChecksumKind.CRC16).tolist() == [True] * 3 + [
        False
    ]


def test_both_ways_to_a_crc_agree_with_binascii_at_every_length():
    from eicpy.packets.bits import address_of, kernel
    from eicpy.packets.buffers import as_byte_array
    from eicpy.packets.checksum import _sliced, crc16_at

    @kernel
    def both(bytes_, start, length):
        at = address_of(bytes_) + start
        return _sliced(at, length), crc16_at(at, length)

    data = np.random.default_rng(5).integers(0, 256, 70_000, dtype=np.uint8)
    raw, array = data.tobytes(), as_byte_array(data)
    for length in (*range(300), 1002, 4111, 65_536, 65_542, 65_543):
        for start in (0, 3):
            expected = binascii.crc_hqx(raw[start : start + length], 0xFFFF)
            assert both(array, start, length) == (expected, expected)


def test_kinds_have_names():
    assert [ChecksumKind.of(kind) for kind in ("none", "crc16", "xor16", "iso16")] == list(ChecksumKind)
    with pytest.raises(BadArgumentError, match="md5"):
        ChecksumKind.of("md5")
