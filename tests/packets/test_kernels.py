"""What the kernels of packets rest on."""

from eicpy.packets import buffers


def test_a_large_block_begins_on_a_huge_page():
    for size in (0, 1, 1000, 5_000_001):
        block = buffers.byte_block(size)
        assert block.shape == (size,)
        assert block.dtype.name == "uint8"
        assert size < 2 * buffers.HUGE_PAGE or block.ctypes.data % buffers.HUGE_PAGE == 0
