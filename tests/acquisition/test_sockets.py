"""Sockets: addresses, binding, and a holder that keeps what comes while no receiver reads."""

import os
import socket
import subprocess
import sys

import pytest
from waiting import wait_until

from eicpy.acquisition.reception import held_sockets
from eicpy.acquisition.reception.held_sockets import GivenSockets, HeldSockets
from eicpy.acquisition.reception.sockets import bind_tcp, host_and_port
from eicpy.errors import BadArgumentError, FailedError


@pytest.mark.parametrize("text", ["", "host", "host:", "host:port", "host:70000"])
def test_an_address_needs_a_host_and_a_port(text):
    with pytest.raises(BadArgumentError, match="HOST:PORT"):
        host_and_port(text)


def test_an_address_is_split():
    assert host_and_port("[::1]:80") == ("::1", 80)
    assert host_and_port(":80") == ("127.0.0.1", 80)


def test_an_address_that_is_taken_or_nowhere_is_refused_by_name():
    (taken,) = bind_tcp("127.0.0.1", 0)
    with taken, pytest.raises(FailedError, match=f"{taken.getsockname()[1]}: cannot be listened on"):
        HeldSockets(*taken.getsockname())
    with pytest.raises(FailedError, match="cannot be listened on"):
        HeldSockets("127.0.0.1", 0, ("192.0.2.1", 0))


def test_connections_are_completed_before_anybody_accepts_them():
    with HeldSockets("127.0.0.1", 0) as held:
        _, _, port = held.addresses[0].rpartition(":")
        with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
            connection.sendall(b"early")


# A receiver that takes what was kept, says so, reads one datagram more, and is then killed or ends.
RECEIVER = """
import sys
from eicpy.acquisition.reception.held_sockets import GivenSockets
sockets = GivenSockets.inherited()
kept = sockets.take()
print(len(kept.datagrams), kept.dropped, *(data.decode() for _, data in kept.datagrams), flush=True)
sockets.udp.settimeout(None)
print(sockets.udp.recv(100).decode(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held():
    with HeldSockets("127.0.0.1", 0, ("127.0.0.1", 0)) as sockets:
        yield sockets


@pytest.fixture
def out(held):
    _, _, port = held.addresses[1].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", int(port)))
        yield sender


def start(held):
    with held.passing() as (files, variables):
        return subprocess.Popen(
            [sys.executable, "-c", RECEIVER], env=os.environ | dict(variables), pass_fds=files,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip


def test_what_comes_while_no_receiver_reads_is_given_to_the_next_in_order(held, out):
    for turn in range(3):
        texts = [f"{turn}-{n}" for n in range(50)]
        for text in texts:
            out.send(text.encode())
        wait_until(lambda: held.waiting == 50)
        with start(held) as receiver:
            assert receiver.stdout.readline().split() == ["50", "0", *texts]
            out.send(b"live")
            assert receiver.stdout.readline() == "live\n"
            wait_until(lambda: held.waiting == 0, what="the holder to forget what it gave")
            receiver.kill()


def test_more_is_kept_than_the_kernel_would_and_beyond_a_limit_it_is_counted(held, out, monkeypatch):
    monkeypatch.setattr(held_sockets, "_MOST_KEPT", 100 * (1000 + 256))
    for n in range(150):
        out.send(b"%03d" % n + bytes(997))
        wait_until(lambda n=n: held.waiting + held.dropped == n + 1)
    assert held.dropped == 49  # the one that passes the limit is kept still
    assert held.waiting == 101


def test_sockets_of_ones_own_have_kept_nothing():
    sockets = GivenSockets.bind("127.0.0.1", 0, ("127.0.0.1", 0))
    assert sockets.take().datagrams == []
    sockets.close()
    assert GivenSockets.inherited() is None
