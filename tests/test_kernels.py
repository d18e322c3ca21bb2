"""Machine code on disk must never be older than the functions and constants that are compiled into it."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eicpy
import eicpy.packets
from eicpy.kernels import kernel_sources
from eicpy.packets.bits import get_64
from eicpy.packets.scan import scan

PACKAGE = Path(eicpy.__file__).parent

CALLER = """
from {origin} import kernel
from parts import CONSTANT, part

@kernel
def whole(number):
    return part(number) + CONSTANT

print(whole(1))
"""


def run(folder, origin, helper):
    """What the caller prints, in a process of its own, with a helper module of some content."""
    (folder / "parts.py").write_text(f"from {origin} import kernel\n{helper}")
    if not (folder / "caller.py").exists():
        (folder / "caller.py").write_text(CALLER.format(origin=origin))
    command = [sys.executable, "-W", "error", "caller.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout)


FIRST = "CONSTANT = 100\n@kernel\ndef part(number):\n    return number\n"
OTHER_FUNCTION = FIRST.replace("return number", "return 10 * number")
OTHER_CONSTANT = FIRST.replace("100", "500")


@pytest.mark.parametrize(("helper", "expected"), [(OTHER_FUNCTION, 110), (OTHER_CONSTANT, 501)])
def test_a_changed_helper_is_compiled_into_its_callers(tmp_path, helper, expected):
    assert run(tmp_path, "eicpy.kernels", FIRST) == 101
    assert run(tmp_path, "eicpy.kernels", FIRST) == 101
    assert run(tmp_path, "eicpy.kernels", helper) == expected


def test_machine_code_for_a_class_that_is_gone_is_not_taken(tmp_path):
    """The index of the code on disk names the types of arguments: it is compared before it is read."""
    tuple_ = "from typing import NamedTuple\nclass {0}(NamedTuple):\n    x: int\n"
    body = (
        "CONSTANT = 0\n@kernel\ndef inner(one):\n    return one.x\ndef part(n):\n    return inner({0}(n))\n"
    )
    caller = "from parts import part\nprint(part(7))\n"
    (tmp_path / "caller.py").write_text(caller)
    for name in ("Old", "New"):
        assert run(tmp_path, "eicpy.kernels", (tuple_ + body).format(name)) == 7


@pytest.mark.parametrize("helper", [OTHER_FUNCTION, OTHER_CONSTANT])
def test_numba_alone_goes_on_with_the_old_helper(tmp_path, helper):
    """The reason for all this: once it fails, the decorator of our own may go."""
    (tmp_path / "plain.py").write_text("from numba import njit\nkernel = njit(cache=True)\n")
    assert run(tmp_path, "plain", FIRST) == 101
    assert run(tmp_path, "plain", helper) == 101


def test_nothing_is_compiled_by_other_means():
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\b(?:njit|jit|vectorize|guvectorize)\b", path.read_text())
        and path.name != "kernels.py"
    ]
    own = [p for p in PACKAGE.rglob("kernels.py") if re.search(r"numba import .*jit", p.read_text())]
    assert found == []
    assert own == [PACKAGE / "kernels.py"]


def names(room):
    return {path.relative_to(PACKAGE).as_posix() for path in kernel_sources(PACKAGE / room)}


def test_all_that_can_be_compiled_in_is_part_of_the_stamp():
    mark = re.compile(r"^@(inline_)?kernel$", re.MULTILINE)
    for room in {path.parent for path in PACKAGE.rglob("*.py") if mark.search(path.read_text())}:
        own = {p.relative_to(PACKAGE).as_posix() for p in room.glob("*.py") if mark.search(p.read_text())}
        assert own <= names(room.relative_to(PACKAGE))
    assert {"packets/bits.py", "packets/rules.py", "packets/scan.py", "kernels.py"} <= names("packets")
    assert "packets/report.py" not in names("packets")


def test_kernels_of_other_rooms_are_part_of_the_stamp():
    """Constants of plain modules and kernels of lower rooms are compiled in, too."""
    decoding = {"decoding/kernels.py", "packets/bits.py", "packets/checksum.py"}
    assert decoding <= names("decoding")
    assert {"calibration/gain/model.py", "calibration/gain/linear_steps.py"} <= names("calibration/gain")


def test_machine_code_of_another_version_is_not_taken():
    """The stamp on disk must name all sources, not only the file of the function."""
    eicpy.packets.index_packets(bytes(100))
    cache = scan._cache._cache_file
    numba, digest = cache._version.split()
    assert len(digest) == 64
    assert cache._load_index()
    for version in (numba, f"{numba} another"):
        cache._version = version
        assert cache._load_index() == {}
    cache._version = f"{numba} {digest}"


def test_without_machine_code_the_functions_still_run(tmp_path):
    """As a debugger or a fuzzer wants it."""
    code = "from eicpy.kernels import kernel\n@kernel\ndef one():\n    return 1\nprint(one())"
    (tmp_path / "plain.py").write_text(code)
    command, env = [sys.executable, "plain.py"], {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def printed(code):
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_numba_is_imported_at_the_first_call_only():
    code = "import sys\nimport eicpy.packets\nprint('numba' in sys.modules, 'llvmlite' in sys.modules)\n"
    code += "print(len(eicpy.packets.index_packets(bytes(100))), 'numba' in sys.modules)"
    assert printed(code) == ["False", "False", "0", "True"]


def test_a_kernel_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(scan)) is scan  # noqa: S301  # our own bytes
    assert pickle.loads(pickle.dumps(get_64)) is get_64  # noqa: S301  # our own bytes


def test_threads_may_call_a_kernel_for_the_first_time_at_once():
    code = (
        "from concurrent.futures import ThreadPoolExecutor\nfrom eicpy.packets import checksum_crc16\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(*pool.map(checksum_crc16, [b'123456789'] * 8))"
    )
    assert printed(code) == [str(0x29B1)] * 8


def test_code_is_not_kept_if_a_source_was_written_after_it_was_read(tmp_path):
    """Else the code of the old source would go with the digest of the new one."""
    (tmp_path / "late.py").write_text("from eicpy.kernels import kernel\n@kernel\ndef one():\n    return 1\n")
    code = "from pathlib import Path\nimport late\nfile = Path(late.__file__)\n"
    code += "file.write_text(file.read_text().replace('1', '2'))\nprint(late.one())"
    for expected in ("1\n", "2\n"):
        command = [sys.executable, "-B", "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == expected
