"""Packets out of transfer frames: exactly those that were put in, whatever happened to the frames."""

import itertools

import numpy as np
import pytest
from eicpy_fixtures.transfer_frames import MARKER, FrameBuilder, random_packets, send, split, without_idle

from eicpy.packets import index_packets, inspect_file, map_file
from eicpy.packets.containers import source as source_module
from eicpy.packets.containers.frame_layout import RANDOMISER, derandomised
from eicpy.packets.containers.source import open_source


@pytest.fixture
def read(tmp_path):
    """Writes a file and takes the packets out of it."""

    def one(stream):
        path = tmp_path / "file.bin"
        path.write_bytes(stream)
        source = open_source(path)
        return source, without_idle(split(b"".join(source.blocks()))) if source.layers else []

    return one


def _builder(rng, service, **options):
    given = {
        "length": int(rng.integers(64, 1500)),
        "spacecraft": 0x123 if service == "TM" else 0x5A,
    } | options
    return FrameBuilder(service, **given)


def _random_frames(rng, builder, *, checksum=True, idle=0.1):
    packets = {
        channel: random_packets(rng, int(rng.integers(20, 60)), 100 * channel, 600, checksum=checksum)
        for channel in (1, 2, 3)
    }
    return send(rng, builder, packets, idle)


OPTIONS = list(itertools.product(("TM", "AOS"), (True, False), (True, False), (True, False), (True, False)))


@pytest.mark.parametrize(("service", "marker", "check", "control", "checksum"), OPTIONS)
def test_any_layout_is_recognised_and_all_packets_come_back(read, service, marker, check, control, checksum):
    rng = np.random.default_rng(sum(map(int, (marker, check, control, checksum))) + len(service))
    for extra in (
        {},
        {"secondary": 9} if service == "TM" else {"zone": 12},
        {"length": 1115, "symbols": 160},
    ):
        builder = _builder(rng, service, marker=marker, check=check, control=control, **extra)
        sent = _random_frames(rng, builder, checksum=checksum)
        source, found = read(b"".join(frame for frame, _, _ in sent.frames))
        assert f"{service} transfer frames of {builder.length} bytes" in source.words
        assert ("CRC-16" in source.words) == check
        assert ("160 Reed–Solomon check symbols" in source.words) == ("symbols" in extra)
        for channel, packets in sent.packets.items():
            own = [packet for packet in found if int.from_bytes(packet[:2], "big") == 100 * channel]
            assert own == [packet for packet, _, _ in packets]
        assert source.findings.is_clean, source.findings.lines()


@pytest.mark.parametrize("seed", range(32))
def test_lost_damaged_and_repeated_frames(read, seed):
    rng = np.random.default_rng(seed)
    service, marker, check, checksum = OPTIONS[seed][:4]
    builder = _builder(rng, service, marker=marker, check=check)
    sent = _random_frames(rng, builder, checksum=checksum)
    number = len(sent.frames)
    lost = set(rng.choice(number, number // 20 + 1, replace=False).tolist())
    flipped = (set(rng.choice(number, number // 30 + 1, replace=False).tolist()) if check else set()) - lost
    twice = set(rng.choice(number, number // 30 + 1, replace=False).tolist()) - lost - flipped
    stream, harmed = [], set()
    for i, (frame, *name) in enumerate(sent.frames):
        if i in lost | flipped:
            harmed.add(tuple(name))
        if i in flipped:
            bit = int(rng.integers(32 * marker, 8 * len(frame)))
            changed = bytearray(frame)
            changed[bit // 8] ^= 1 << bit % 8
            stream.append(bytes(changed))
        elif i not in lost:
            stream += [frame] * (1 + (i in twice))
    source, found = read(b"".join(stream))
    assert set(found) <= sent.all_packets(), "no packet was put together of two"
    assert sent.whole(harmed) <= set(found)
    assert len(found) == len(set(found))
    report = source.findings.frames
    assert sum(channel.duplicated for channel in report.channels.values()) == len(twice)
    assert report.damaged == len(flipped)
    assert not source.findings.is_clean
    missing = sum(channel.missing for channel in report.channels.values())
    assert missing <= len(lost) + len(flipped)


def _flipped(frame, bit):
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _mixed(rng, service, marker, *, checksum):
    """Frames of 200 bytes of three channels, mixed."""
    builder = FrameBuilder(service, 200, marker=marker, spacecraft=0x5A)
    packets = {n: random_packets(rng, 40, 100 * n, 110, checksum=checksum) for n in (1, 2, 3)}
    return send(rng, builder, packets, 0.05)


FIELDS = {
    "data": (100, 100), "pointer": (5, 7), "count": (3, 4), "channel": (1, 1), "version": (0, 0),
}  # fmt: skip
"""Byte of a frame in which a bit is flipped, TM and AOS."""


@pytest.mark.parametrize("marker", [True, False])
@pytest.mark.parametrize("service", ["TM", "AOS"])
@pytest.mark.parametrize("what", FIELDS)
def test_a_damaged_frame_is_counted_once_and_harms_its_own_packets_alone(read, what, service, marker):
    sent = _mixed(np.random.default_rng(1), service, marker, checksum=False)
    byte = 4 * marker + FIELDS[what][service == "AOS"]
    for at in [(0,), (30,), (30, 31), (len(sent.frames) - 1,), (len(sent.frames) - 2, len(sent.frames) - 1)]:
        frames = [frame for frame, _, _ in sent.frames]
        for i in at:
            frames[i] = _flipped(frames[i], 8 * byte + (6 if what == "version" else 2))
        source, found = read(b"".join(frames))
        report = source.findings.frames
        assert set(found) == sent.whole({sent.frames[i][1:] for i in at}), at
        assert (report.frames, report.damaged, report.missing) == (len(frames), len(at), 0), at
        assert (report.foreign_bytes, report.cut_frames) == (0, 0), at
        for channel in report.channels.values():
            assert (channel.late, channel.restarts, channel.duplicated, channel.other) == (0, 0, 0, 0), at
        whole = [one for one in report.cut if one.length and one.received >= one.length]
        assert all("left out" in one.words and "in a damaged frame" in one.words for one in whole)
        assert f"{len(at)} damaged" in source.findings.lines()[0]
        assert "missing" not in "".join(source.findings.lines())


@pytest.mark.parametrize("seed", range(16))
def test_missing_and_damaged_frames_are_told_apart(read, seed):
    rng = np.random.default_rng(200 + seed)
    marker, checksum = bool(seed % 2), bool(seed // 2 % 2)
    sent = _mixed(rng, "TM", marker, checksum=checksum)
    number = len(sent.frames)
    names = [name for _, *name in sent.frames]
    # What is lost behind the last sound frame of all, no count can say.
    between = [i for i, (_, n) in enumerate(names[: 3 * number // 4]) if n > 0]
    lost = set(rng.choice(between, 4, replace=False).tolist())
    begin = rng.choice(number - 1, 4, replace=False).tolist()
    damaged = {*begin, begin[0] + 1, *(i + 1 for i in lost)} - lost - {number}
    frames, harmed = [], {tuple(names[i]) for i in lost | damaged}
    for i, (frame, *_) in enumerate(sent.frames):
        if i in damaged:
            frames.append(_flipped(frame, int(rng.integers(32 * marker, 8 * len(frame)))))
        elif i not in lost:
            frames.append(frame)
    source, found = read(b"".join(frames))
    report = source.findings.frames
    assert (report.damaged, report.missing) == (len(damaged), len(lost))
    assert set(found) <= sent.all_packets()
    assert set(found) >= sent.whole(harmed)
    assert checksum or set(found) == sent.whole(harmed)


def test_a_frame_that_is_damaged_in_one_of_two_copies_is_not_late(read):
    sent = _mixed(np.random.default_rng(3), "TM", marker=True, checksum=False)
    frames = [frame for frame, _, _ in sent.frames]
    for copies in ([frames[30], _flipped(frames[30], 500)], [_flipped(frames[30], 500), frames[30]]):
        source, found = read(b"".join([*frames[:30], *copies, *frames[31:]]))
        report = source.findings.frames
        assert set(found) == sent.all_packets()
        assert (report.damaged, report.missing) == (1, 0)
        assert not any(one.late or one.missing or one.cut for one in report.channels.values())


@pytest.mark.parametrize("service", ["TM", "AOS"])
@pytest.mark.parametrize("marker", [True, False])
def test_a_last_frame_that_is_cut_is_named_so(read, service, marker):
    sent = _mixed(np.random.default_rng(2), service, marker, checksum=True)
    stream = b"".join(frame for frame, _, _ in sent.frames)
    period = 200 + 4 * marker
    for left in (1, 3, 7, 100, period - 1):
        source, found = read(stream[: left - period])
        report = source.findings.frames
        assert (report.foreign_bytes, report.cut_frames, report.damaged) == (0, 1, 0)
        line = f"frame cut at byte {len(stream) - period}: {left} of {period} bytes: the file ends"
        assert line in source.findings.lines()
        assert "1 cut" in source.findings.lines()[0]
        assert "outside frames" not in "".join(source.findings.lines())
        assert set(found) == sent.whole({sent.frames[-1][1:]})
        assert not source.findings.is_clean


def test_a_frame_cut_by_the_next_one_is_named_so(read):
    sent = _mixed(np.random.default_rng(4), "TM", marker=True, checksum=True)
    frames = [frame for frame, _, _ in sent.frames]
    source, found = read(b"".join([*frames[:20], frames[20][:77], *frames[21:]]))
    report = source.findings.frames
    assert (report.foreign_bytes, report.cut_frames, report.damaged) == (0, 1, 0)
    assert f"frame cut at byte {20 * 204}: 77 of 204 bytes: the next frame begins" in source.words + "".join(
        source.findings.lines()
    )
    assert sent.whole({sent.frames[20][1:]}) == set(found)


@pytest.mark.parametrize("seed", range(24))
def test_bytes_lost_added_and_the_file_begun_inside_a_frame(read, seed):
    rng = np.random.default_rng(100 + seed)
    service, marker, check = OPTIONS[(8 * (seed % 4) + seed) % 32][:3]
    builder = _builder(rng, service, marker=marker, check=check, length=int(rng.integers(100, 700)))
    sent = _random_frames(rng, builder, idle=0.0)
    number = len(sent.frames)
    chosen = {0, *rng.choice(np.arange(8, number), number // 30 + 1, replace=False).tolist()}
    stream, harmed = b"", {sent.frames[-1][1:], sent.frames[-2][1:]}
    for i, (frame, *_) in enumerate(sent.frames):
        part = frame
        if i in chosen:
            harmed |= {sent.frames[j][1:] for j in (i - 1, i, i + 1) if 0 <= j < number}
            cut, kind = int(rng.integers(1, len(frame) - 1)), int(rng.integers(3))
            part = [
                frame[:cut] + frame[cut + 40 :],
                frame[:cut] + rng.bytes(60) + frame[cut:],
                frame + rng.bytes(9),
            ][kind]
            part = frame[cut:] if i == 0 else part
        stream += part
    source, found = read(stream[: -int(rng.integers(1, builder.length))])
    assert source.layers, "recognised"
    assert set(found) <= sent.all_packets()
    assert sent.whole(harmed) <= set(found)
    assert source.findings.frames.foreign_bytes > 0


@pytest.mark.parametrize("block", [7, 100, 4096])
def test_it_does_not_matter_how_the_stream_is_cut(tmp_path, monkeypatch, block):
    rng = np.random.default_rng(3)
    sent = _random_frames(rng, _builder(rng, "TM", length=333))
    stream = b"".join(frame for i, (frame, *_) in enumerate(sent.frames) if i % 9)
    path = tmp_path / "file.bin"
    path.write_bytes(stream)
    whole = open_source(path)
    expected = b"".join(whole.blocks())
    monkeypatch.setattr("eicpy.packets.containers.blocks.BLOCK", block)
    pieces = open_source(path)
    assert pieces.words == whole.words
    assert b"".join(pieces.blocks()) == expected
    assert pieces.findings.lines() == whole.findings.lines()


def test_a_packet_over_a_lost_frame_is_cut_and_named(read):
    builder = FrameBuilder("TM", 200)
    packets = [b"\0\x64\xc0" + bytes([n]) + (493).to_bytes(2, "big") + bytes([n]) * 494 for n in range(8)]
    frames = builder.pack(1, packets)
    source, found = read(b"".join(frames[:3] + frames[4:]))
    assert found == [packets[0], *packets[2:]]
    (cut,) = source.findings.frames.cut
    assert (cut.apid, cut.sequence_count, cut.length, cut.received) == (100, 1, 500, 3 * builder.room - 500)
    assert "1 frame missing" in cut.reason
    assert source.findings.frames.missing == 1


def test_a_late_frame_closes_its_gap_and_a_restart_is_no_loss(read):
    rng = np.random.default_rng(5)
    packets = [random_packets(rng, 1, 100, 60, first=n)[0].ljust(100, b"\0") for n in range(40)]
    packets = [p[:4] + (93).to_bytes(2, "big") + p[6:100] for p in packets]
    builder = FrameBuilder("TM", 108)  # a packet a frame
    frames = builder.pack(1, packets)
    late = [*frames[:10], frames[11], frames[12], frames[10], *frames[13:]]
    source, found = read(b"".join(late))
    assert sorted(found) == sorted(packets)
    channel = source.findings.frames.channels[0x123, 1]
    assert (channel.missing, channel.late, source.findings.frames.missing) == (0, 1, 0)
    again = FrameBuilder("TM", 108).pack(1, packets[20:])
    source, found = read(b"".join(frames[:20] + again))
    assert found == packets
    channel = source.findings.frames.channels[0x123, 1]
    assert (channel.missing, channel.restarts) == (0, 1)


def test_one_damaged_count_is_no_loss(read):
    rng = np.random.default_rng(6)
    builder = FrameBuilder("AOS", 300, check=False, spacecraft=9)
    packets = random_packets(rng, 60, 100, 200)
    frames = builder.pack(2, packets)
    changed = bytearray(frames[5])
    changed[4 + 2] ^= 0x40
    source, found = read(b"".join([*frames[:5], bytes(changed), *frames[6:]]))
    assert without_idle(found) == packets, "their own checksums are right"
    assert source.findings.frames.channels[9, 2].missing == 0
    assert source.findings.frames.damaged == 1


def test_a_channel_without_packets_is_named(read):
    rng = np.random.default_rng(7)
    builder = FrameBuilder("TM", 400)
    packets = random_packets(rng, 40, 100)
    frames = builder.pack(1, packets)
    mixed = []
    for frame in frames:
        mixed += [frame, builder.frame(5, 0x123, rng.bytes(builder.room), synchronous=True)]
    source, found = read(b"".join(mixed))
    assert found == packets
    assert any("virtual channel 5" in line and "no packets" in line for line in source.findings.lines())


def test_only_idle_frames_and_a_single_frame(read):
    builder = FrameBuilder("TM", 400)
    source, found = read(b"".join(builder.idle(7) for _ in range(20)))
    assert "TM transfer frames of 400 bytes" in source.words
    assert found == []
    packets = random_packets(np.random.default_rng(1), 2, 100, 100)
    source, found = read(FrameBuilder("TM", 400).pack(1, packets)[0])
    assert found == packets


def test_randomised_and_other_frames_are_named_and_not_read(tmp_path):
    assert RANDOMISER[:12].hex() == "ff480ec09a0d70bc8e2c93ad", "CCSDS 131.0-B, 10.4.1"
    rng = np.random.default_rng(8)
    frames = FrameBuilder("TM", 500).pack(1, random_packets(rng, 40, 100))
    path = tmp_path / "file.bin"
    path.write_bytes(b"".join(MARKER + derandomised(frame[4:]) for frame in frames))
    report = inspect_file(path)
    assert (report.packets, report.exit_code) == (0, 1)
    assert "pseudo-randomised TM transfer frames" in report.what[0]
    assert "undo" in report.what[0]
    path.write_bytes(b"".join(MARKER + rng.bytes(500) for _ in range(40)))
    assert "blocks of 504 bytes" in inspect_file(path).what[0]


def test_packets_are_not_taken_for_frames(tmp_path, stream, packet):
    path = tmp_path / "file.bin"
    for raw in (
        b"".join(stream(np.random.default_rng(1), 300)),
        b"".join(stream(np.random.default_rng(2), 300, size=None)),
        b"".join(packet(5, n, bytes(20), checksum="none") for n in range(300)),
        b"".join(MARKER + packet(5, n, bytes(20)) for n in range(300)),
        b"".join(packet(0x400, n, bytes([n % 256]) * 1000, checksum="none") for n in range(40))[333:],
    ):
        path.write_bytes(raw)
        assert open_source(path).is_plain
        assert open_source(path).words == ""


def test_a_path_gives_the_packets_wherever_bytes_are_taken(tmp_path):
    packets = random_packets(np.random.default_rng(9), 50, 100)
    path = tmp_path / "frames.bin"
    path.write_bytes(b"".join(FrameBuilder("TM", 700).pack(3, packets)))
    index = index_packets(path)
    assert without_idle(split(map_file(path).tobytes())) == packets
    assert int((index.apid == 100).sum()) == 50
    found = inspect_file(path).to_dict()
    assert found["source"]["frames"]["channels"][0]["channel"] == 3
    assert "virtual channel 3" in inspect_file(path)._repr_html_()


def test_the_case_of_forty_packets(shared_data):
    path = shared_data / "cases" / "telemetry" / "tm-frames-cadu.bin"
    if not path.is_file():
        pytest.skip("this case is not there")
    report = inspect_file(path)
    assert (report.packets, report.exit_code) == (40, 0)


def test_real_files_of_packets_are_no_frames(shared_data):
    files = [
        path
        for path in (shared_data / "packets").rglob("*")
        if path.suffix in {".bin", ".dat", ".tlm", ".pkts"}
    ]
    assert files
    assert {path.name: open_source(path).words for path in files if open_source(path).words} == {}
    assert source_module.MOST_LAYERS > 1
