"""Packets on a pipe: what a program in another language is given."""

import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from waiting import LIMIT, wait_until

from eicpy.acquisition.delivery.formats import packet_writer
from eicpy.acquisition.delivery.packet_columns import utc_texts
from eicpy.acquisition.delivery.passing import CursorFile, pass_on
from eicpy.cli import main
from eicpy.errors import BadArgumentError, BadDataError, ExitCode
from eicpy.packets import PacketHeaders, PacketLayout, encode, index_packets
from eicpy.runs import Cursor, Increment, RunArchive, provide
from eicpy.runs.provider.selection import Selection

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "howto" / "follow"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def kept(home, photon_packets, ecl_packets):
    """An archive with a run of photons and housekeeping, as the command finds it."""
    archive = RunArchive(home / "archive" / "eclairs", "eclairs")
    with archive.create(source="x") as writer:
        writer.append(photon_packets(40).raw + ecl_packets)
    return archive


@pytest.fixture(scope="session")
def ecl_packets(eclairs):
    layout, kind = PacketLayout.read(eclairs.layout_file("ecl")), eclairs.packets["ecl"]
    fields = {layout.structure.name: np.full(5, kind.structure)}
    coarse = 1000 + np.arange(5)
    return encode(
        layout,
        PacketHeaders(
            kind.apid,
            np.arange(5),
            coarse,
            np.zeros(5, np.int64),
            service=kind.service,
            subservice=kind.subservice,
            destination=0x5555,
        ),
        fields,
        {},
        np.zeros(5, np.int64),
        header=eclairs.header(kind.apid),
    ).tobytes()


def command(home, *arguments):
    return [sys.executable, "-m", "eicpy.cli", "--home", str(home), *map(str, arguments)]


@dataclass
class Done:
    """What a command left: as subprocess tells it, without the seconds that a process takes to start."""

    returncode: int
    stdout: bytes
    stderr: bytes


def follow(home, *arguments, given=b""):
    text = ["--home", str(home), "follow", *map(str, arguments), "-i", "eclairs"]
    result = CliRunner().invoke(main, text, input=given, catch_exceptions=False)
    return Done(result.exit_code, result.stdout_bytes, result.stderr_bytes)


def write(form, archive, eclairs, *, kinds=(), with_photons=False, runs=1):
    stream = io.BytesIO()
    selection = Selection(eclairs, kinds=kinds)
    writer = packet_writer(form, stream, eclairs, selection, with_photons=with_photons)
    with provide(archive, eclairs, runs, kinds=kinds) as provider:
        pass_on(provider, writer, stop=threading.Event(), most_packets=7)
    return stream.getvalue()


class TestFormats:
    def test_raw_is_the_packets_and_nothing_else(self, kept, eclairs):
        assert write("raw", kept, eclairs) == kept.run(1).raw_file.read_bytes()

    def test_numbered_has_run_and_offset_before_each_packet(self, kept, photon_packets, eclairs):
        with kept.create(source="x") as writer:
            writer.append(b"\x55" * 3 + photon_packets(2).raw)
        stream, found = io.BytesIO(write("numbered", kept, eclairs, runs=None)), []
        while number := stream.read(12):
            header = stream.read(6)
            found.append(
                (*struct.unpack(">IQ", number), header + stream.read(int.from_bytes(header[4:6]) + 1))
            )
        files = {run: kept.run(run).raw_file.read_bytes() for run in (1, 2)}
        assert [run for run, _, _ in found] == [1] * 45 + [2] * 2
        assert found[45][1] == 3
        assert all(files[run][offset : offset + len(packet)] == packet for run, offset, packet in found)
        assert b"".join(packet for _, _, packet in found) == files[1] + files[2][3:]

    def test_raw_leaves_out_what_is_damaged(self, kept, photon_packets, eclairs):
        raw = bytearray(photon_packets(9).raw)
        whole = len(raw)
        raw[20] ^= 1
        with kept.create(source="x") as writer:
            writer.append(bytes(raw))
        first = kept.run(2).index(eclairs).length[0]
        assert write("raw", kept, eclairs, runs=2) == bytes(raw)[first:whole]

    def test_json_tells_everything_of_each_packet(self, kept, photon_packets, eclairs):
        lines = [json.loads(line) for line in write("jsonl", kept, eclairs, with_photons=True).splitlines()]
        assert [line["apid"] for line in lines] == [810] * 40 + [801] * 5
        assert {line["status"] for line in lines} == {"good"}
        assert {line["simulated"] for line in lines} == {True}
        truth = photon_packets(40)
        for name in ("detnum", "channel", "multiplicity"):
            found = [value for line in lines[:40] for value in line["photons"][name]]
            assert found == getattr(truth, name).tolist()
        hk = lines[-1]
        assert (hk["kind"], hk["run"], hk["service"], hk["coarse"]) == ("ecl", 1, 3, 1004)
        assert hk["time"] == "2017-01-01T00:16:44.000000Z"
        with provide(kept, eclairs, 1, kinds=["ecl"]) as provider:
            table = provider.step(5).housekeeping["ecl"]
        for name, values in table.values.items():
            if name in table.texts:
                assert hk["values"][name] == table.texts[name][-1]
            else:
                assert hk["values"][name] == pytest.approx(values[-1])
        assert hk["offset"] + hk["length"] == kept.run(1).size

    def test_json_names_damage_and_gives_no_values(self, kept, photon_packets, eclairs):
        raw = bytearray(photon_packets(3).raw)
        raw[20] ^= 1
        with kept.create(source="x") as writer:
            writer.append(bytes(raw))
        lines = [json.loads(line) for line in write("jsonl", kept, eclairs, runs=2).splitlines()]
        assert [line["status"] for line in lines] == ["bad_checksum", "good", "good"]
        assert ["values" in line for line in lines] == [False, True, True]

    def test_a_time_far_ahead_and_one_that_is_no_date(self, photon_packets, eclairs):
        raw = photon_packets(1).raw
        with_time = index_packets(raw, eclairs.headers)
        assert with_time.good.all()
        for coarse, text in ((2**32 - 1, "2153-02-07T06:28:15.000000Z"), (2**60, None), (-1, None)):
            index = replace(with_time, coarse=np.array([coarse]), fine=np.array([0]))
            assert utc_texts(Increment(index, raw, 0, eclairs)) == [text]

    def test_arrow_of_one_kind_has_its_parameters(self, kept, eclairs):
        table = pa.ipc.open_stream(write("arrow", kept, eclairs, kinds=("ecl",))).read_all()
        assert table.num_rows == 5
        with provide(kept, eclairs, 1, kinds=["ecl"]) as provider:
            truth = provider.step(5).housekeeping["ecl"]
        for name, values in truth.values.items():
            if name not in truth.texts:
                assert np.array_equal(table[name].to_numpy(), values)
            else:
                assert table[name].to_pylist() == truth.texts[name].tolist()
        assert np.array_equal(table["time"].to_numpy(), truth.time)
        assert table["simulated"].to_pylist() == [True] * 5
        units = {f.name: f.metadata[b"unit"].decode() for f in table.schema if f.metadata}
        assert units.items() >= {n: truth.layout.units.get(n, "") for n in truth.values}.items()

    def test_arrow_of_photons_has_a_row_for_each(self, kept, photon_packets, eclairs):
        table = pa.ipc.open_stream(write("arrow", kept, eclairs, with_photons=True)).read_all()
        truth = photon_packets(40)
        assert np.array_equal(table["detnum"].to_numpy(), truth.detnum)
        assert np.array_equal(table["time"].to_numpy(), truth.ticks * 2e-5)

    def test_arrow_of_everything_has_the_headers(self, kept, eclairs):
        table = pa.ipc.open_stream(write("arrow", kept, eclairs)).read_all()
        index = kept.run(1).index(eclairs)
        for name in ("offset", "length", "apid", "sequence_count", "coarse", "fine"):
            assert np.array_equal(table[name].to_numpy(), getattr(index, name))

    def test_photons_of_a_detector_without_any_are_refused(self, eclairs):
        blind = eclairs.model_copy(update={"photons": None})
        with pytest.raises(BadArgumentError, match="photons"):
            packet_writer("arrow", io.BytesIO(), blind, Selection(blind), with_photons=True)


class TestCursorFile:
    def test_it_keeps_a_place(self, tmp_path):
        keep = CursorFile(tmp_path / "place.json")
        assert keep.load() is None
        keep.save(Cursor(3, 7))
        keep.save(Cursor(4, 8))
        assert keep.load() == Cursor(4, 8)
        assert [f.name for f in tmp_path.iterdir()] == ["place.json"]

    def test_a_file_that_is_none_is_refused(self, tmp_path):
        (tmp_path / "place.json").write_text("yes")
        with pytest.raises(BadDataError, match="from the beginning"):
            CursorFile(tmp_path / "place.json").load()


@pytest.mark.usefixtures("kept")
class TestCommand:
    def test_a_playback_goes_on_where_it_stopped(self, home, photon_packets):
        place = home / "place.json"
        first = follow(home, 1, "--apid", 810, "--format", "raw", "--cursor", place)
        assert (first.returncode, first.stdout) == (0, photon_packets(40).raw)
        again = follow(home, 1, "--format", "raw", "--cursor", place)
        assert (again.returncode, again.stdout) == (0, b"")
        CursorFile(place).save(Cursor(1, len(photon_packets(40).raw)))
        rest = follow(home, 1, "--cursor", place)
        assert len(rest.stdout.splitlines()) == 5

    def test_what_is_damaged_is_told_beside_the_data(self, home, kept, photon_packets):
        with kept.create(source="x") as writer:
            writer.append(b"\x55" * 9 + photon_packets(3).raw[:-1])
        done = follow(home, 2, "--format", "raw")
        assert done.returncode == 1
        assert b"3 packets, 1 damaged (left out), 9 foreign bytes" in done.stderr

    def test_live_hands_each_packet_on_at_once_and_ends_when_told(self, home, kept, ecl_packets):
        process = subprocess.Popen(
            command(home, "follow", "live", "-i", "eclairs", "--kind", "ecl"), stdout=subprocess.PIPE
        )
        try:
            lines = [json.loads(process.stdout.readline()) for _ in range(5)]
            with kept.create(source="x") as writer:
                size = len(ecl_packets) // 5
                for row in range(5):
                    writer.append(ecl_packets[row * size : (row + 1) * size])
                    lines.append(json.loads(process.stdout.readline()))
            assert [(line["run"], line["coarse"]) for line in lines[5:]] == [(2, 1000 + n) for n in range(5)]
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=LIMIT)
            assert (process.returncode, rest) == (ExitCode.TERMINATED, b"")
        finally:
            process.kill()
            process.wait()

    @pytest.mark.parametrize("live", [True, False])
    def test_it_ends_quietly_when_the_reader_has_gone(self, home, live):
        where = ("live",) if live else ("1", "--speed", "0.001")
        process = subprocess.Popen(
            command(home, "follow", *where, "-i", "eclairs"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(LIMIT) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    def test_step_by_step(self, home):
        done = follow(home, 1, "--step", given=b"\n3\nx\n\n")
        assert len(done.stdout.splitlines()) == 5
        assert b"got 'x'" in done.stderr

    def test_from_a_packet_and_from_a_time(self, home, kept, ecl_packets):
        assert len(follow(home, 1, "--from-packet", 43).stdout.splitlines()) == 2
        with kept.create(source="x") as writer:
            writer.append(ecl_packets)
        found = follow(home, 2, "--from-time", "2017-01-01T00:16:42").stdout.splitlines()
        assert [json.loads(line)["coarse"] for line in found] == [1002, 1003, 1004]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("yesterday",), b"live, all, or numbers"),
            (("live", "--speed", "2"), b"live"),
            (("1", "--step", "--speed", "2"), b"--step"),
            (("1", "--bus", "nats://127.0.0.1:1"), b"all that the bus holds"),
            (("live", "--bus", "http://127.0.0.1:1"), b"nats://"),
            (("live", "--bus", "nats://127.0.0.1:1", "--from-packet", "1"), b"--consumer"),
            (("7",), b"run 7"),
        ],
    )
    def test_calls_that_cannot_be_are_told_so(self, home, arguments, words):
        done = follow(home, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stdout == b""

    def test_nothing_is_missing_after_kills(self, home, kept, photon_packets):
        place, out = home / "place.json", home / "out.raw"
        rng = np.random.default_rng(3)
        CursorFile(place).save(Cursor(0))  # live, from the first run on
        with out.open("wb") as stream:
            for _ in range(2):
                process = subprocess.Popen(
                    command(home, "follow", "live", "-i", "eclairs", "--format", "raw", "--cursor", place),
                    stdout=stream,
                )
                before = out.stat().st_size
                with kept.create(source="x") as writer:
                    writer.append(photon_packets(60, seed=int(rng.integers(99))).raw)
                wait_until(lambda before=before: out.stat().st_size > before, "the first packets")
                process.kill()
                process.wait()
            whole = b"".join(run.raw_file.read_bytes() for run in kept.runs())
            stream.seek(0, os.SEEK_END)
            stream.write(follow(home, "all", "--format", "raw", "--cursor", place).stdout)
        given, expected = split(out.read_bytes()), split(whole)
        assert set(expected) == set(given)
        assert list(dict.fromkeys(given)) == list(dict.fromkeys(expected))


def split(raw):
    packets, at = [], 0
    while at < len(raw):
        length = int.from_bytes(raw[at + 4 : at + 6], "big") + 7
        packets.append(raw[at : at + length])
        at += length
    return packets


@pytest.mark.usefixtures("kept")
class TestExamples:
    def expected(self, truth):
        counts = np.bincount(truth.detnum, minlength=6400)
        photons, hit, most = counts.sum(), np.count_nonzero(counts), counts.argmax()
        return f"{photons} photons in {hit} pixels, most in pixel {most}: {counts[most]}\n"

    def test_in_c(self, home, photon_packets, tmp_path):
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler (cc) on this machine")
        program = tmp_path / "count_photons"
        subprocess.run(
            [compiler, "-Wall", "-Wextra", "-Werror", "-O2", "-o", program, EXAMPLES / "count_photons.c"],
            check=True,
        )
        raw = follow(home, 1, "--format", "raw").stdout
        done = subprocess.run([program], input=raw, capture_output=True, check=True)
        assert done.stdout.decode() == "45 packets, " + self.expected(photon_packets(40))
        cut = subprocess.run([program], input=raw[:-3], capture_output=True, check=False)
        assert (cut.returncode, cut.stderr) == (1, b"after 44 packets: the stream ends inside a packet\n")
        foreign = subprocess.run([program], input=b"\xff" * 9, capture_output=True, check=False)
        assert foreign.returncode == 1

    def test_an_archive_of_its_own_holds_each_packet_once(self, tmp_path):
        def numbered(first, last):
            packets = (bytes((8, 1, 192, 0, 0, n)) + bytes(n + 1) for n in range(first, last))
            return [struct.pack(">IQ", 0, 10 * n) + packet for n, packet in enumerate(packets, first)]

        file = tmp_path / "packets.numbered"
        for first, last, cut in ((1, 9, 3), (5, 20, 10), (15, 31, None)):
            data = b"".join(numbered(first, last))
            subprocess.run([sys.executable, EXAMPLES / "archive_once.py", file], input=data, check=True)
            file.write_bytes(file.read_bytes()[: -cut if cut else None])  # killed while it wrote
        assert file.read_bytes() == b"".join(numbered(1, 31))
        other = struct.pack(">IQ", 0, 10) + numbered(2, 3)[0][12:]
        done = subprocess.run(
            [sys.executable, EXAMPLES / "archive_once.py", file],
            input=other,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert (done.returncode, b"made again" in done.stderr) == (1, True)

    def test_in_python(self, home, photon_packets):
        arguments = (1, "--kind", "photons", "--photons", "--format", "arrow")
        arrow = follow(home, *arguments).stdout
        done = subprocess.run(
            [sys.executable, EXAMPLES / "count_photons.py"], input=arrow, capture_output=True, check=True,
            env=os.environ,
        )  # fmt: skip
        assert done.stdout.decode() == self.expected(photon_packets(40))
