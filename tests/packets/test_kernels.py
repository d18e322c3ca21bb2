"""What the kernels of packets rest on."""

import numpy as np
import pytest

from eicpy.packets import bits, memory


def test_a_large_block_begins_on_a_huge_page():
    for size in (0, 1, 1000, 5_000_001):
        block = memory.byte_block(size)
        assert block.shape == (size,)
        assert block.dtype.name == "uint8"
        assert size < 2 * memory.HUGE_PAGE or block.ctypes.data % memory.HUGE_PAGE == 0


@pytest.mark.skipif(bits.INTERPRETED, reason="without compiled kernels there are no addresses")
def test_bits_are_read_up_to_the_last_byte_and_are_zero_beyond_it():
    """Near the end no whole word can be read: there they are put together byte by byte."""
    octets = np.random.default_rng(4).integers(1, 256, 19, dtype=np.uint8)
    number = int.from_bytes(octets.tobytes() + bytes(16), "big")
    for bit in range(8 * len(octets)):
        for width in (1, 7, 8, 13, 32, 57, 63, 64):
            expected = number >> (8 * (len(octets) + 16) - bit - width) & (1 << width) - 1
            assert bits.bits_at(octets.ctypes.data, len(octets), bit, width) == expected, (bit, width)
