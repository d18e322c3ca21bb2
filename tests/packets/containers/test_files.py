"""Compressed files, hexadecimal text, captures, and files that are something else."""

import bz2
import gzip
import lzma
import struct
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from eicpy_fixtures.transfer_frames import FrameBuilder, random_packets, split, without_idle

from eicpy.errors import BadDataError
from eicpy.packets import inspect_file
from eicpy.packets.containers import compressed
from eicpy.packets.containers.source import open_source

COMPRESS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.fixture(scope="module")
def packets():
    return random_packets(np.random.default_rng(1), 200, 100, 400)


@pytest.fixture
def read(tmp_path):
    def one(data):
        path = tmp_path / "file"
        path.write_bytes(data)
        source = open_source(path)
        return source, b"".join(source.blocks())

    return one


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_compressed_file_is_read(kind, packets, read):
    raw = b"".join(packets)
    source, found = read(COMPRESS[kind](raw))
    assert (source.words, found, source.findings.is_clean) == (f"{kind}-compressed", raw, True)
    half = len(raw) // 2
    source, found = read(COMPRESS[kind](raw[:half]) + COMPRESS[kind](raw[half:]) + bytes(1000))
    assert (found, source.findings.is_clean) == (raw, True), "several members, padded"
    source, found = read(COMPRESS[kind](raw) + b"something else")
    assert found == raw
    assert "is not compressed" in source.findings.lines()[0]


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_cut_or_damaged_one_gives_what_is_before(kind, read):
    raw = np.random.default_rng(2).bytes(2_000_000)
    whole = COMPRESS[kind](raw)
    source, found = read(whole[: len(whole) // 2])
    assert raw.startswith(found)
    assert "ends too early" in source.findings.lines()[0]
    if kind != "xz":  # which gives nothing of a block before its end
        assert len(found) > 400_000
    changed = bytearray(whole)
    changed[3 * len(whole) // 4 : 3 * len(whole) // 4 + 50] = bytes(50)
    source, found = read(bytes(changed))
    assert "damaged" in source.findings.lines()[0]
    assert found[: len(raw) // 3] == raw[: len(found[: len(raw) // 3])]


def test_packets_before_the_damage_are_reported(packets, tmp_path):
    path = tmp_path / "pass.gz"
    path.write_bytes(gzip.compress(b"".join(packets))[:-3000])
    report = inspect_file(path)
    assert 0 < report.packets < 200
    assert report.exit_code == 1
    assert "ends too early" in " ".join(report.what)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_bomb_is_refused_in_bounded_memory(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "FREE", 1 << 23)
    path = tmp_path / "bomb"
    path.write_bytes(COMPRESS[kind](b"\x01" + bytes(20_000_000)))
    source = open_source(path)
    tracemalloc.start()
    with pytest.raises(BadDataError, match=r"expected at most 200 times as many \(a decompression bomb\?\)"):
        sum(map(len, source.blocks()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24, "xz alone has a dictionary of 8 MiB"


def test_layers_are_read_up_to_a_limit(packets, read):
    raw = b"".join(packets)
    source, found = read(bz2.compress(gzip.compress(raw)))
    assert (source.layers, found) == (("bzip2-compressed", "gzip-compressed"), raw)
    frames = b"".join(FrameBuilder("AOS", 500, spacecraft=3).pack(4, packets))
    source, found = read(gzip.compress(frames.hex().encode()))
    assert [layer.split(" of")[0] for layer in source.layers] == [
        "gzip-compressed", "hexadecimal text", "AOS transfer frames",
    ]  # fmt: skip
    assert without_idle(split(found)) == packets
    nested = raw
    for _ in range(6):
        nested = gzip.compress(nested)
    with pytest.raises(BadDataError, match="expected at most 4"):
        read(nested)


HEX = {
    "one line": lambda p: b"".join(p).hex().encode(),
    "a packet a line": lambda p: "\n".join(x.hex().upper() for x in p).encode(),
    "spaces": lambda p: b"".join(p).hex(" ").encode(),
    "0x and commas": lambda p: ", ".join(f"0x{b:02X}" for b in b"".join(p)).encode(),
    "short 0x": lambda p: ", ".join(f"0x{b:x}" for b in b"".join(p)).encode(),
    "lines of 75, CRLF, BOM": lambda p: b"\xef\xbb\xbf" + b"\r\n".join(
        b"".join(p).hex().encode()[i : i + 75] for i in range(0, 2 * len(b"".join(p)), 75)
    ),
    "escapes": lambda p: "".join(f"\\x{b:02x}" for b in b"".join(p)).encode(),
}  # fmt: skip


@pytest.mark.parametrize("style", HEX)
@pytest.mark.parametrize("block", [1 << 20, 1000])
def test_hexadecimal_text_is_read(style, block, packets, read, monkeypatch):
    monkeypatch.setattr("eicpy.packets.containers.blocks.BLOCK", block)
    monkeypatch.setattr("eicpy.packets.containers.hex_text._LONGEST_LINE", block)
    source, found = read(HEX[style](packets))
    assert (source.words, found) == ("hexadecimal text", b"".join(packets))
    assert source.findings.is_clean, source.findings.lines()


def test_half_a_byte_in_a_line_does_not_shift_the_next(packets, read):
    lines = [packet.hex() for packet in packets]
    lines[7] = lines[7][:-1]
    lines[9] = "?" + lines[9]
    source, found = read("\n".join(lines).encode())
    assert found == b"".join(packets[:7]) + packets[7][:-1] + b"".join(packets[8:])
    assert len(source.findings.lines()) == 2


def _ethernet(payload, protocol, number, *, sequence=0, ports=(4000, 5000), flags=0x10, fragment=None):
    if protocol == 17:
        body = struct.pack(">HHHH", *ports, len(payload) + 8, 0) + payload
    else:
        body = struct.pack(">HHIIBBHHH", *ports, sequence % 2**32, 0, 5 << 4, flags, 0, 0, 0) + payload
    parts = [(0, body, 0)] if fragment is None else [
        (at, body[at : at + fragment], at + fragment < len(body)) for at in range(0, len(body), fragment)
    ]  # fmt: skip
    for at, part, more in parts:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(part), number, more << 13 | at // 8,
                           64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")  # fmt: skip
        frame = bytes(12) + b"\x08\0" + head + part
        yield frame + bytes(max(0, 60 - len(frame)))  # Ethernet pads short frames


def _pcap(frames, link=1, order="<"):
    head = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack(f"{order}IIII", 0, 0, len(f), len(f)) + f for f in frames)


def _pcapng(frames, order="<", link=1):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return (
            struct.pack(f"{order}II", kind, len(body) + 12) + body + struct.pack(f"{order}I", len(body) + 12)
        )

    out = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack(f"{order}HHI", link, 0, 65535))
    return out + b"".join(block(6, struct.pack(f"{order}IIIII", 0, 0, 0, len(f), len(f)) + f) for f in frames)


@pytest.mark.parametrize("write", [_pcap, _pcapng])
@pytest.mark.parametrize("order", ["<", ">"])
def test_datagrams_of_a_capture(write, order, packets, read):
    frames = [
        frame
        for n, packet in enumerate(packets)
        for frame in _ethernet(packet, 17, n, fragment=160 if n % 3 else None)
    ]
    source, found = read(write(frames, order=order))
    assert "capture of a network (Ethernet)" in source.words
    assert found == b"".join(packets)
    assert source.findings.is_clean, source.findings.lines()


def test_a_tcp_stream_is_put_in_order(packets, read):
    raw, start, rng = b"".join(packets), 2**32 - 5000, np.random.default_rng(3)
    cuts = [0, *sorted(rng.choice(np.arange(1, len(raw)), 60, replace=False).tolist()), len(raw)]
    pieces = [(start + 1 + a, raw[a:b]) for a, b in pairwise(cuts)]
    pieces += [
        (s - 10, raw[s - start - 11 : s - start + 20]) for s, _ in pieces[5:15]
    ]  # sent again, overlapping
    opened = list(_ethernet(b"", 6, 0, sequence=start, flags=2))
    mixed = [pieces[i] for i in sorted(range(len(pieces)), key=lambda i: i + rng.integers(0, 6))]
    frames = [frame for n, (at, data) in enumerate(mixed) for frame in _ethernet(data, 6, n, sequence=at)]
    other = [
        frame
        for n in range(20)
        for frame in _ethernet(b"GET / HTTP/1.1", 6, n, sequence=n * 14, ports=(1, 2))
    ]
    together = [f for pair in zip(frames, other, strict=False) for f in pair] + frames[len(other) :]
    source, found = read(_pcap(opened + together))
    assert raw in found, "the two connections are not mixed"
    assert source.findings.is_clean, source.findings.lines()
    source, found = read(_pcap([*opened, *frames[:20], *frames[22:]]))
    assert "missing at" in " ".join(source.findings.lines())
    assert len(found) < len(raw)


def test_frames_in_datagrams_and_damaged_captures(packets, read):
    frames = FrameBuilder("TM", 700).pack(2, packets)
    capture = _pcap([f for n, frame in enumerate(frames) for f in _ethernet(frame, 17, n)])
    source, found = read(capture)
    assert len(source.layers) == 2
    assert without_idle(split(found)) == packets
    source, found = read(capture[:-100])
    assert any("is damaged" in line for line in source.findings.lines())
    assert without_idle(split(found))[:-2] == packets[: len(without_idle(split(found))) - 2]
    source, _ = read(_pcap([b"radio"] * 3, link=127))
    assert "link type 127" in source.words
    assert source.is_plain


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty: not one byte"),
        (bytes(3_000_000), "only zero bytes"),
        (b"\xff" * 5000, "only bytes 0xFF"),
        (b"SIMPLE  =                    T" + b" " * 2850, "a FITS file"),
        (b"PK\x03\x04" + bytes(range(200)), "a ZIP archive"),
        (bytes(257) + b"ustar\x0000" + bytes(500), "a tar archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(200)), "zstd-compressed"),
        (b"<?xml version='1.0'?><a/>", "an XML document"),
        (b"PAR1" + bytes(range(90)), "a Parquet file"),
        ("Bonjour, voilà les données demandées.".encode(), "text"),
        ("Dear colleague".encode("utf-16"), "text (UTF-16)"),
        (b"00000000: 0801 c000 0001 abcd  ........\n00000010: 0801 c001 0001 abcd  ........\n",
         "a hexadecimal dump with addresses"),
    ],
)  # fmt: skip
def test_what_is_no_telemetry_is_named(tmp_path, data, words):
    path = tmp_path / "file"
    path.write_bytes(data)
    report = inspect_file(path)
    assert report.what[0].startswith(words)
    assert (report.packets, report.exit_code) == (0, 1)
    assert report.foreign_bytes == len(data)


def test_packets_behind_a_strange_header_are_still_found(tmp_path, packets):
    path = tmp_path / "file"
    path.write_bytes(b"%PDF" + bytes(range(60, 200)) + b"".join(packets))
    assert inspect_file(path).packets == 200


def test_what_stands_before_the_damage_of_a_small_compressed_file_is_read(read):
    raw = np.random.default_rng(5).integers(0, 16, 32_000, dtype=np.uint8).tobytes()
    packed = gzip.compress(raw)
    ends = []
    for flip in range(1, 256, 30):
        changed = bytearray(packed)
        changed[len(packed) // 2] ^= flip
        source, found = read(bytes(changed))
        assert found[:14_000] == raw[:14_000]
        assert "damaged" in source.findings.lines()[0]
        assert f"the {len(found)} bytes before" in source.findings.lines()[0]
        ends.append(len(found))
    assert min(ends) < 30_000, "some of the damage is noticed where it is"


def test_nothing_that_comes_out_is_not_called_an_empty_file(read):
    source, found = read(gzip.compress(b"packets" * 99)[:10])
    assert (found, source.words) == (b"", "gzip-compressed: not one byte could be taken out")
    assert "ends too early" in source.findings.lines()[0]
