"""Packets with known contents, and a receiver that only keeps what comes."""

import socket
import threading

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.simulation import preset, write_simulation


@pytest.fixture(scope="session")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="session")
def prototype():
    return load("dpix-prototype")


@pytest.fixture(scope="session")
def night(tmp_path_factory):
    """Half a minute of the camera without a fault."""
    config = preset("quiet").model_copy(update={"name": "short", "duration": 30.0, "background_rate": 1500.0})
    return write_simulation(config, tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="session")
def second_packets(eclairs):
    """Makes n housekeeping packets, one a second from `first` on."""
    layout = PacketLayout.read(eclairs.layout_file("ecl"))
    kind = eclairs.packets["ecl"]

    def make(n, first=1000, count=0):
        raw = encode(
            layout,
            PacketHeaders(
                kind.apid,
                np.arange(count, count + n),
                np.arange(first, first + n),
                np.zeros(n, int),
                service=kind.service,
                subservice=kind.subservice,
            ),
            {layout.structure.name: np.full(n, kind.structure)},
            header=eclairs.header(kind.apid),
        )  # one packet a second
        return raw.tobytes()

    return make


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.now = 100.0
        self.naps = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


class Line:
    """A line that keeps what is sent, and when."""

    def __init__(self, clock):
        self.clock = clock
        self.sent_at = []
        self.pieces = []
        self.size = self.packets = self.breaks = 0
        self.connections = 1
        self.ended = ""

    @property
    def sent(self):
        return f"{self.size} bytes"

    @property
    def data(self):
        return b"".join(self.pieces)

    def send(self, chunk):
        self.sent_at.append(self.clock.monotonic())
        self.pieces.append(chunk.data.tobytes())
        self.size += len(chunk.data)
        self.packets += chunk.packets

    def interrupt(self):
        self.breaks += 1

    def close(self):
        self.ended = "closed"

    def abort(self):
        self.ended = "aborted"


@pytest.fixture
def line(clock):
    return Line(clock)


class Listener:
    """Takes TCP connections and keeps the bytes of each, in the order in which they were opened."""

    def __init__(self, most=None, port=0):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.received = []
        self._most = most
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            data = bytearray()
            self.received.append(data)
            with connection:
                while chunk := connection.recv(1 << 16):
                    data += chunk
                    if self._most is not None and len(data) >= self._most:
                        self._most = None
                        break

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join(LIMIT)


@pytest.fixture
def listening():
    """Makes listeners; all are stopped at the end."""
    made = []

    def make(**options):
        made.append(Listener(**options))
        return made[-1]

    yield make
    for listener in made:
        listener.stop()
