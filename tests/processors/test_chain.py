"""The whole chain as an operator runs it: headless, behind a screen, killed, and ended in order."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Order, OverviewReader, Station, send_order
from eicpy.errors import ExitCode, FailedError
from eicpy.instruments import load
from eicpy.monitor.screen import start_chain
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.processors import ChainPlan, default_processors, stop_chain
from eicpy.runs.archive import RunArchive
from eicpy.settings import Settings

EIC = [sys.executable, "-m", "eicpy.cli"]


@pytest.fixture(scope="module")
def packets():
    """300 photon packets of a camera that says it is simulated."""
    eclairs = load("eclairs")
    kind = eclairs.packets["photons"]
    layout = PacketLayout.read(eclairs.layout_file("photons"))
    n, each = 300, 20
    rng = np.random.default_rng(3)
    ticks = 15_000_000_000_000 + np.arange(n * each) * 500
    start = ticks[::each]
    photons = {
        "TIME": ticks % 2**32,
        "DETNUM": rng.integers(0, 6400, n * each),
        "CHANNEL": rng.integers(0, 1024, n * each),
        "MULTIPLICITY": np.ones(n * each, dtype=np.int64),
    }
    return encode(
        layout,
        PacketHeaders(
            kind.apid,
            np.arange(n),
            start // 50_000,
            (start % 50_000) * 2**24 // 50_000,
            service=kind.service,
            subservice=kind.subservice,
            destination=eclairs.simulated_destination,
        ),
        {},
        photons,
        np.full(n, each),
        header=eclairs.header(kind.apid),
    ).tobytes()


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def station(settings):
    station = Station(settings.live("eclairs"))
    yield station
    stop_chain(station)


def address(station):
    """Where the receiver listens, once it does."""

    def found():
        status = station.status("receiver")
        listening = status.values.get("listening") if status is not None and status.alive else None
        return listening and listening[0].removeprefix("tcp ").rsplit(":", 1)

    host, port = wait_until(found, "a receiver that listens")
    return host, int(port)


def send(station, packets):
    with socket.create_connection(address(station), timeout=LIMIT) as connection:
        connection.sendall(packets)


def environment(settings):
    return os.environ | {"EIC_HOME": str(settings.home), "TERM": "xterm-256color"}


class Terminal:
    """A command in a terminal of 80×24."""

    def __init__(self, arguments, settings):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.master, self.said = master, b""
        self.process = subprocess.Popen(
            [*EIC, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment(settings),
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def read(self, seconds=0.1):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.said += os.read(self.master, 1 << 16)
            except OSError:  # the other end has closed
                return False
        return True

    def wait_for(self, text):
        wait_until(lambda: (self.read() and text in self.said) or text in self.said, text)

    def press(self, keys):
        os.write(self.master, keys)

    def wait(self):
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1], "the end of the command")
        while self.read(0.0) and select.select([self.master], [], [], 0.2)[0]:
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(settings):
    opened = []

    def start(*arguments):
        opened.append(Terminal(arguments, settings))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_default_processors_are_those_the_instrument_has_rules_for():
    assert default_processors(load("eclairs")) == ("photons", "housekeeping")
    bare = load("eclairs").model_copy(update={"photons": None, "housekeeping": None})
    assert default_processors(bare) == ()


def test_the_commands_of_a_chain_and_of_the_same_chain_without_a_screen(settings):
    plan = ChainPlan(
        instrument="eclairs", listen="127.0.0.1:0", udp="127.0.0.1:5001", peers=("10.0.0.7", "10.0.0.8"),
        operator="anna", comment="--not an option", processors=("photons",), dashboards_port=None,
        bus="nats://127.0.0.1:4222",
    )  # fmt: skip
    receiver, photons, publisher = plan.commands(settings)
    words = " ".join(receiver.arguments)
    assert "receive -i eclairs --listen 127.0.0.1:0 --udp 127.0.0.1:5001 --operator anna" in words
    assert words.count("--peer") == 2
    assert "--setup" not in words
    assert photons.name == "photons"
    assert publisher.arguments[-4:] == ("-i", "eclairs", "--bus", "nats://127.0.0.1:4222")
    assert receiver.environment["EIC_HOME"] == str(settings.home)
    again = plan.arguments(5.0)
    assert again[0] == "acquire"
    assert {"--headless", "--no-dashboards", "--processor", "--bus"} < set(again)


@pytest.mark.slow
def test_a_headless_chain_keeps_every_packet_through_a_crash_and_ends_in_order(settings, station, packets):
    begin = (*EIC, "acquire", "-i", "eclairs", "--listen", "127.0.0.1:0", "--no-dashboards", "--headless")
    chain = subprocess.Popen(
        [*begin, "--operator", "anna", "--comment", "first light", "--patience", "60"],
        stdout=subprocess.PIPE, text=True, env=environment(settings),
    )  # fmt: skip
    with chain:
        half = len(packets) // 2
        send(station, packets[:half])
        reader = OverviewReader(settings, load("eclairs"))
        wait_until(lambda: [p.packets for p in reader.read().processors] == [150, 150], "the half to be done")
        killed = processor(reader, "photons").pid
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: restarted(reader, killed), "the restart of the processor")
        assert send_order(station, Order(kind="comment", text="half is there", by="bert"))
        send(station, packets[half:])
        chain.send_signal(signal.SIGTERM)
        said, _ = chain.communicate(timeout=LIMIT)
    assert chain.returncode == ExitCode.TERMINATED, said
    assert "listening on tcp 127.0.0.1:" in said
    assert "stopping: the receiver first" in said
    runs = RunArchive(settings.archive("eclairs"), "eclairs").runs()
    assert b"".join(run.raw_file.read_bytes() for run in runs) == packets
    assert {run.metadata.operator for run in runs} == {"anna"}
    overview = reader.read()
    assert {part.health for part in overview.parts} == {"ended"}
    assert [(p.name, p.behind) for p in overview.processors] == [("housekeeping", 0), ("photons", 0)]
    assert any(entry.by == "bert" and "half is there" in entry.what for entry in overview.journal)
    assert [entry.what for entry in overview.journal if entry.by == "anna"] == [
        "the chain begins: receiver, photons, housekeeping",
        "the chain has ended",
    ]
    assert "restarted" in [reason.code for reason in overview.verdict.reasons]


@pytest.mark.slow
def test_datagrams_that_come_while_no_receiver_reads_are_archived_once(settings, station, packets):
    begin = (*EIC, "acquire", "-i", "eclairs", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0")
    chain = subprocess.Popen(
        [*begin, "--no-dashboards", "--no-processors", "--headless"],
        stdout=subprocess.PIPE, text=True, env=environment(settings),
    )  # fmt: skip
    size = len(packets) // 300
    numbered = [packets[n * size : (n + 1) * size] for n in range(300)]
    with chain, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        address = next(line for line in chain.stdout if line.startswith("listening on udp"))
        out.connect(("127.0.0.1", int(address.rsplit(":", 1)[1])))
        for packet in numbered[:100]:
            out.send(packet)
        wait_until(lambda: alive(station) and received(station) == 100 * size, "what came before the start")
        killed = station.status("receiver").pid
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not station.status("receiver").alive, "the death of the receiver")
        for packet in numbered[100:200]:
            out.send(packet)
        wait_until(lambda: alive(station) and received(station) == 100 * size, "what came while it was away")
        assert station.status("receiver").pid != killed
        for packet in numbered[200:]:
            out.send(packet)
        wait_until(lambda: received(station) == 200 * size, "what came afterwards")
        chain.send_signal(signal.SIGTERM)
        chain.communicate(timeout=LIMIT)
    assert chain.returncode == ExitCode.TERMINATED
    runs = RunArchive(settings.archive("eclairs"), "eclairs").runs()
    assert [run.size for run in runs] == [100 * size, 200 * size]
    assert b"".join(run.raw_file.read_bytes() for run in runs) == packets


def alive(station):
    status = station.status("receiver")
    return status is not None and status.alive


def processor(reader, name):
    return next(part for part in reader.read().processors if part.name == name)


def restarted(reader, killed):
    photons = processor(reader, "photons")
    return photons.health == "alive" and photons.pid != killed


@pytest.mark.slow
def test_a_second_chain_of_an_instrument_is_refused_in_words(settings, station):
    plan = ChainPlan(instrument="eclairs", listen="127.0.0.1:0", dashboards_port=None)
    said = []
    first = start_chain(plan, settings, timeout=5.0, say=said.append)
    with pytest.raises(FailedError, match="runs here already"):
        start_chain(plan, settings, timeout=5.0, say=said.append)
    assert stop_chain(station)
    assert first.wait(LIMIT) == ExitCode.TERMINATED
    assert said == ["starting …"]


def test_a_chain_that_cannot_start_says_why(settings):
    plan = ChainPlan(instrument="no-such", dashboards_port=None)
    with pytest.raises(FailedError, match="no-such"):
        start_chain(plan, settings, timeout=5.0, say=lambda _: None)


def test_the_screen_needs_a_terminal(settings):
    done = subprocess.run(
        [*EIC, "monitor", "-i", "eclairs"], env=environment(settings), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "--once" in done.stderr


def test_the_screen_starts_and_quits_and_leaves_the_terminal_as_it_was(terminal):
    screen = terminal("monitor", "-i", "eclairs")
    screen.wait_for(b"nothing receives")
    screen.press(b"q")
    assert screen.wait() == 0
    assert b"\x1b[?1049h" in screen.said  # the other screen, and back
    assert screen.said.rindex(b"\x1b[?1049l") > screen.said.rindex(b"\x1b[?1049h")


def test_a_terminated_screen_leaves_the_terminal_as_it_was(terminal):
    screen = terminal("monitor", "-i", "eclairs")
    screen.wait_for(b"nothing receives")
    screen.process.terminate()
    assert screen.wait() == 0
    assert b"\x1b[?1049l" in screen.said


@pytest.mark.slow
def test_a_screen_that_is_killed_does_not_stop_reception(settings, station, packets, tmp_path, terminal):
    begin = ("acquire", "-i", "eclairs", "--listen", "127.0.0.1:0", "--no-dashboards", "--no-processors")
    screen = terminal(*begin)
    screen.wait_for(b"no connection")
    send(station, packets)
    screen.process.kill()
    screen.process.wait()
    send(station, packets)
    wait_until(lambda: received(station) == 2 * len(packets), "the packets that came after the screen died")
    attached = terminal("monitor", "-i", "eclairs")
    attached.wait_for(b"photons")
    attached.press(b"q")
    attached.wait_for(b"Leave the monitor")
    attached.press(b"s")
    assert attached.wait() == 0
    assert not station.status("receiver").alive
    assert station.status("receiver").state == "stopped"


def received(station):
    return station.status("receiver").values.get("received")


@pytest.mark.slow
def test_leaving_by_control_c_stops_all_and_prints_the_addresses(station, terminal):
    begin = ("acquire", "-i", "eclairs", "--listen", "127.0.0.1:0", "--no-dashboards", "--no-processors")
    screen = terminal(*begin)
    screen.wait_for(b"no connection")
    host, port = address(station)
    screen.press(b"\x03")
    assert screen.wait() == 130
    assert f"at tcp {host}:{port}".encode() in screen.said
    assert not station.status("chain").alive
    assert "stop all" in [entry.what for entry in station.read_journal()]
