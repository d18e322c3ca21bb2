"""Machine code on disk must never be older than the functions that are compiled into it."""

import re
from pathlib import Path

import numpy as np

import eicpy.packets
from eicpy.packets import bits
from eicpy.packets.scan import scan

ROOM = Path(eicpy.packets.__file__).parent


def test_every_module_with_kernels_is_part_of_the_stamp():
    mark = re.compile(r"^@(inline_)?kernel$", re.MULTILINE)
    found = {path.stem for path in ROOM.glob("*.py") if mark.search(path.read_text())}
    assert found == set(bits.KERNEL_MODULES)


def test_machine_code_of_another_version_is_not_taken(tmp_path):
    """numba itself looks only at the file of the function; the stamp on disk must name all of them."""
    eicpy.packets.index_packets(bytes(100))
    cache = scan._cache._cache_file
    own, digest = cache._source_stamp
    assert len(digest) == 64
    assert cache._load_index()
    file = Path(cache._index_path)
    assert type(cache)(str(file.parent), file.stem, (own, digest))._load_index()
    for stamp in (own, (own, "another version")):
        assert type(cache)(str(file.parent), file.stem, stamp)._load_index() == {}


def test_a_large_block_begins_on_a_huge_page():
    for size in (0, 1, 1000, 5_000_001):
        block = bits.byte_block(size)
        assert block.shape == (size,)
        assert block.dtype == np.uint8
        assert size < 2 * bits.HUGE_PAGE or block.ctypes.data % bits.HUGE_PAGE == 0
