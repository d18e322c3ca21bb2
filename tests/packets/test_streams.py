"""Whatever happens to a stream of telemetry and telecommands: no crash, nothing intact lost, however cut."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eicpy.packets import PacketHeaderRule, PacketIndex, PacketIndexer, continuity, index_packets

_FILE = Path(__file__).parents[2] / "benchmarks" / "fuzz_packets.py"
_SPECIFICATION = importlib.util.spec_from_file_location("fuzz_packets", _FILE)
fuzz = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["fuzz_packets"] = fuzz  # its data classes look for their module
_SPECIFICATION.loader.exec_module(fuzz)

RULES = tuple(PacketHeaderRule(apid, "crc16", "pus-c", fine_bits=24) for apid in (900, 901))


class Stream(RuleBasedStateMachine):
    """A line that loses, doubles, damages and adds, read in chunks while it goes on.

    Each direction of each APID has a counter. What was sent whole must be found whole and in order; how many
    are lost must be told exactly as long as nothing on the line was damaged.
    """

    def __init__(self):
        super().__init__()
        self.raw = bytearray()
        self.indexer = PacketIndexer(RULES)
        self.fed = 0
        self.parts = []
        self.counts = {}
        self.whole = []
        self.missing = {}
        self.waiting = {}
        self.harmed = False
        self.last = None

    def made(self, apid, command, body):
        count = self.counts.get((apid, command), 0)
        self.counts[apid, command] = count + 1
        return fuzz.packet(apid, count, body, command=command, flags=3, checksum="crc16")

    def put(self, part):
        self.whole.append(len(self.raw))
        self.raw += part

    @rule(
        apid=st.sampled_from([900, 901]),
        command=st.booleans(),
        body=st.binary(min_size=1, max_size=60),
        times=st.integers(1, 5),
    )
    def send(self, apid, command, body, times):
        for _ in range(times):
            self.last = self.made(apid, command, b"\x2d\xd2\x01" + bytes(11) + body)  # all at one time
            self.put(self.last)
        key = apid, command
        self.missing[key] = self.missing.get(key, 0) + self.waiting.pop(key, 0)

    @rule(apid=st.sampled_from([900, 901]), command=st.booleans(), number=st.integers(1, 100))
    def lose(self, apid, command, number):
        key = apid, command
        if key in self.missing and self.waiting.get(key, 0) + number < 8000:
            self.counts[key] += number
            self.waiting[key] = self.waiting.get(key, 0) + number

    @precondition(lambda self: self.last is not None)
    @rule()
    def double(self):
        self.harmed = True  # a duplicate of what lies far back is not judged here
        self.put(self.last)

    @precondition(lambda self: self.last is not None)
    @rule(bit=st.integers(0, 10_000))
    def flip(self, bit):
        self.harmed = True
        part = bytearray(self.last)
        bit %= 8 * len(part)
        part[bit >> 3] ^= 1 << (bit & 7)
        self.raw += part

    @precondition(lambda self: self.last is not None)
    @rule(size=st.integers(1, 100))
    def cut(self, size):
        self.harmed = True
        self.raw += self.last[: size % len(self.last)]

    @rule(noise=st.binary(min_size=1, max_size=80))
    def add(self, noise):
        self.harmed = True
        self.raw += noise

    @rule(size=st.integers(1, 200))
    def read(self, size):
        chunk = bytes(self.raw[self.fed : self.fed + size])
        self.fed += len(chunk)
        self.parts.append(self.indexer.feed(chunk))

    @invariant()
    def what_is_read_is_told_once(self):
        at = 0
        for part in self.parts:
            places = list(zip(part.offset.tolist(), part.length.tolist(), strict=True))
            for start, length in sorted(places + [(g.offset, g.length) for g in part.skipped]):
                assert start == at
                at += length
        assert at == self.indexer.consumed <= self.fed
        assert self.indexer.pending == self.fed - at

    def teardown(self):
        self.parts += [self.indexer.feed(bytes(self.raw[self.fed :])), self.indexer.finish()]
        raw = bytes(self.raw)
        index = index_packets(raw, RULES)
        assert PacketIndex.concatenate(self.parts) == index
        fuzz._nothing_lost(fuzz.Case("crc16", True, raw, [], self.whole), index)
        if self.harmed:
            return
        assert index.good.all()
        assert index.skipped == ()
        for command in (False, True):
            for apid, one in continuity(index, commands=command).items():
                assert (one.lost, one.duplicated) == (self.missing[apid, command], 0)


TestStream = Stream.TestCase
TestStream.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@settings(max_examples=300)
@given(st.binary(min_size=2, max_size=800))
def test_inputs_of_the_fuzzer(data):
    fuzz.check(fuzz.build(data))


@pytest.mark.parametrize("checksum", ["crc16", "xor16", "iso16", "none"])
def test_packets_of_the_fuzzer_are_what_they_say(checksum):
    """Else its promises would be empty."""
    parts = [
        fuzz.packet(900, i, bytes([i] * (10 + i % 3)), command=i % 2 == 0, flags=3, checksum=checksum)
        for i in range(40)
    ]
    raw = b"".join(parts)
    index = index_packets(raw, [PacketHeaderRule(900, checksum)])
    assert index.good.all()
    assert index.offset.tolist() == np.cumsum([0, *map(len, parts[:-1])]).tolist()


def test_the_fuzzer_sees_a_lost_packet():
    """Its judgement must be able to fail."""
    case = fuzz.Case("crc16", described=True)
    case.raw = fuzz.packet(900, 1, b"\x2d\xd2\x01", command=True, flags=3, checksum="crc16")
    case.intact = [0]
    fuzz._nothing_lost(case, index_packets(case.raw, case.rules))
    with pytest.raises(AssertionError, match="byte 0 is lost"):
        fuzz._nothing_lost(case, PacketIndex.empty())
    with pytest.raises(AssertionError, match="0 bytes are told"):
        fuzz._covers(PacketIndex.empty(), len(case.raw))


INDEX_ALL = f"""
import importlib.util, random, sys
specification = importlib.util.spec_from_file_location("fuzz", {str(_FILE)!r})
fuzz = importlib.util.module_from_spec(specification)
sys.modules["fuzz"] = fuzz
specification.loader.exec_module(fuzz)
numbers = random.Random(3)
for _ in range(60):
    case = fuzz.build(bytes(numbers.randrange(256) for _ in range(300)))
    fuzz.check(case)
    index = fuzz.index_packets(case.raw, case.rules)
    print(index.offset.tolist(), index.status.tolist(), index.coarse.tolist(), index.command.tolist())
"""
BEYOND = """
from eicpy.packets.bits import address_of, get_64
from eicpy.packets.buffers import as_byte_array
start = address_of(as_byte_array(bytes(10)))
get_64(start, 2)
try:
    get_64(start, 3)
except IndexError as error:
    print(error)
"""


def run(code, *, interpreted):
    command = [sys.executable, "-W", "error", "-c", code]
    env = {"NUMBA_DISABLE_JIT": str(int(interpreted)), "PATH": "/usr/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_kernels_without_machine_code_give_the_same():
    """What the fuzzer runs is what everybody else runs."""
    told = run(INDEX_ALL, interpreted=True)
    assert told.count("\n") == 60
    assert told == run(INDEX_ALL, interpreted=False)


def test_kernels_without_machine_code_check_every_bound():
    assert "8 bytes at 3" in run(BEYOND, interpreted=True)
