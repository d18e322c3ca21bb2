"""The receiver killed at random moments under load: what it acknowledged is there, once, in order."""

import subprocess
import sys
import textwrap

import pytest
from waiting import LIMIT

from eicpy.packets import index_packets
from eicpy.runs import RunArchive

TURNS = 30
KILLS = """
    import os, random, signal, socket, sys, threading, time
    from pathlib import Path
    from eicpy.runs import RunArchive
    from eicpy.acquisition import ReceiveCallbacks, ReceiveRules, RunTexts, receive
    from eicpy.acquisition.status import Station
    from eicpy.instruments import load

    home, raw = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
    instrument, rng = load("dpix-prototype"), random.Random(20261121)

    def child(turn, ports, log):
        archive = RunArchive(home / "archive", "dpix-prototype")
        receive(
            archive, instrument, station=Station(home / "live"), rules=ReceiveRules(timeout=0.2),
            texts=RunTexts(comment=f"turn {turn:03d}"),
            callbacks=ReceiveCallbacks(
                on_listening=lambda host, port: os.write(ports, b"%d\\n" % port),
                on_progress=lambda s: os.write(
                    log, b"%d %s\\n" % (s.size, ",".join(str(r.number) for r in s.runs).encode())
                ),
            ),
        )

    def speak(port):
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                for at in range(0, len(raw), 1500):
                    connection.sendall(raw[at : at + 1500])
                    time.sleep(0.001)  # so that the bytes come in many pieces
        except OSError:
            pass

    def warm(host, port):
        threading.Thread(target=speak, args=(port,)).start()

    def acknowledged(turn):
        lines = (home / f"log-{turn:03d}").read_bytes().splitlines()
        return int(lines[-1].split(b" ")[0]) if lines and b" " in lines[-1] else 0

    receive(
        RunArchive(home / "warm", "dpix-prototype"), instrument,
        rules=ReceiveRules(until_disconnect=True), callbacks=ReceiveCallbacks(on_listening=warm),
    )
    for turn in range(int(sys.argv[3])):
        ports, told = os.pipe()
        log = os.open(home / f"log-{turn:03d}", os.O_WRONLY | os.O_CREAT)
        process = os.fork()
        if process == 0:
            child(turn, told, log)
            os._exit(0)
        os.close(told)
        os.close(log)
        port = os.read(ports, 16)
        os.close(ports)
        if not port:
            raise SystemExit(f"receiver {turn} did not start")
        sender = threading.Thread(target=speak, args=(int(port),))
        sender.start()
        moment = rng.uniform(-0.1, 0.9) * len(raw)
        while acknowledged(turn) < moment:  # on a busy machine that is long after all was sent
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        sender.join()
"""


@pytest.mark.slow
def test_what_was_acknowledged_is_there_once_whenever_the_receiver_is_killed(tmp_path, bench):
    """A hundred kills of each part of a chain are a long job: benchmarks/kills.py."""
    packets = []
    for i in range(6_000):
        packets.append(bench.telemetry(i))
        if i % 600 in {200, 500}:
            packets.append(bench.start(i) if i % 600 == 200 else bench.stop(i))
    raw = b"".join(packets)
    (tmp_path / "raw").write_bytes(raw)
    command = [sys.executable, "-c", textwrap.dedent(KILLS), str(tmp_path), str(tmp_path / "raw"), str(TURNS)]
    subprocess.run(command, check=True, timeout=LIMIT)
    archive = RunArchive(tmp_path / "archive", "dpix-prototype")
    runs = archive.runs()
    announced, switched = [], 0
    for turn in range(TURNS):
        mine = [run for run in runs if run.metadata.comment.startswith(f"turn {turn:03d}")]
        kept = b"".join(run.raw_file.read_bytes() for run in mine)
        assert raw.startswith(kept), f"receiver {turn}: not the bytes that were sent"
        switched += len(mine) > 2
        for line in (tmp_path / f"log-{turn:03d}").read_text().splitlines()[-1:]:
            acknowledged, numbers = line.split(" ")
            assert len(kept) >= int(acknowledged)
            told = [int(number) for number in numbers.split(",") if number]
            assert told == [run.number for run in mine][: len(told)]
            announced += told
    assert announced == sorted(set(announced)), "a number came twice"
    assert len(announced) > TURNS // 2
    assert switched > TURNS // 10, "the runs did not switch under load"
    archive.recover()
    assert archive.unfinished() == []
    for run in archive.runs():
        assert run.metadata.sha256 == run.sha256()
        assert run.index(bench.instrument) == index_packets(
            run.raw_file.read_bytes(), bench.instrument.headers
        )
    assert archive.create(source="after").run.number > runs[-1].number
