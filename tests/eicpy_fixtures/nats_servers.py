"""A NATS server with JetStream for tests, and a proxy that cuts connections to it."""

import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest
from waiting import LIMIT, wait_until


class Server:
    """A NATS server with JetStream on the loopback, its store in a folder."""

    def __init__(self, program, folder, *options):
        self.folder, self.program, self.options = folder, program, options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None
        self.start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", self.folder, *self.options],
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.answers, "an answer of the NATS server")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), LIMIT):
            return True
        assert self.process.poll() is None, "the NATS server did not start"
        return False

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(LIMIT)


@pytest.fixture
def nats_server(tmp_path):
    pytest.importorskip("nats", reason="the client of NATS is not installed: pip install 'eicpy[nats]'")
    program = shutil.which("nats-server")
    if program is None:
        pytest.skip("no nats-server on this machine (Debian: apt-get install nats-server)")
    started = []

    def start(*options):
        started.append(Server(program, str(tmp_path / f"nats-{len(started)}"), *options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


class CuttingProxy:
    """Hands bytes on to a server, and cuts a connection each time that it has carried so many bytes.

    Parameters
    ----------
    port
        Of the server.
    upstream
        Bytes to the server on one connection at which it is cut, a number for each cut.
    downstream
        The same for bytes from the server.
    on_cut
        Called at each cut, before either side is told.
    """

    def __init__(self, port, upstream=(), downstream=(), on_cut=lambda: None):
        self._port = port
        self._limits = {"up": list(upstream), "down": list(downstream)}
        self._on_cut = on_cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets = [self._listener]
        self._threads = []
        self._start(self._accept)

    def _start(self, target, *arguments):
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    @property
    def cuts_left(self):
        return len(self._limits["up"]) + len(self._limits["down"])

    def _accept(self):
        with contextlib.suppress(OSError):  # of the listener, closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()  # with a reset: the client would keep what it reads to its end
                    continue
                self._sockets += [client, server]
                for way, source, sink in (("up", client, server), ("down", server, client)):
                    self._start(self._copy, source, sink, self._limits[way])

    def _copy(self, source, sink, limits):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                if limits and passed + len(data) >= limits[0]:
                    sink.sendall(data[: max(0, limits[0] - passed)])
                    limits.pop(0)
                    self._on_cut()
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        while self._threads:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._threads.pop(0).join(LIMIT)
        for one in self._sockets:
            one.close()


@pytest.fixture
def cutting_proxy():
    proxies = []

    def make(*arguments, **options):
        proxies.append(CuttingProxy(*arguments, **options))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()
