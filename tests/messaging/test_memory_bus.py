"""The bus within the process, and buses found by their URL."""

import sys
import threading

import pytest
from waiting import LIMIT

from eicpy.errors import BadArgumentError, FailedError
from eicpy.messaging import MemoryBus, Message, open_bus, register_bus


def numbered(first, last):
    return [Message("a.b.c", str(n), b"%d" % n) for n in range(first, last)]


def test_a_slow_consumer_holds_the_publisher_and_memory_is_bounded():
    bus = MemoryBus(most=10, timeout=0.05)
    every = numbered(0, 40)
    bus.publish(every[:15])  # nobody reads: the oldest are let go
    subscription = bus.subscribe("a.*.*", "slow")
    assert [m.key for m in subscription.poll(3)] == ["5", "6", "7"]
    with pytest.raises(FailedError, match="behind"):
        bus.publish(every[15:])
    bus.timeout = LIMIT
    found = []

    def read():
        while len(found) < 35:
            found.extend(m.key for m in subscription.poll(2))
            subscription.done()

    subscription.close()
    thread = threading.Thread(target=read)
    thread.start()
    bus.publish(every[5:])
    thread.join(LIMIT)
    assert found == [str(n) for n in range(5, 40)]
    assert len(bus._keys) == len(bus._held) == 10


def test_a_subject_chooses_and_a_key_comes_once():
    bus = open_bus("memory://", "a")
    bus.publish([Message("a.b", "1", b"x"), Message("a.c", "2", b"y"), Message("a.b.c", "3", b"z")])
    bus.publish([Message("a.b", "1", b"x"), Message("a.b", "4", b"w")])
    assert [(m.data, m.sequence) for m in bus.subscribe("a.b").poll(9)] == [(b"x", 1), (b"w", 4)]
    assert [m.data for m in bus.subscribe("*.*").poll(2)] == [b"x", b"y"]
    assert not bus.subscribe("a.*", new=True).poll(9)


def test_another_url_is_refused_without_repeating_it():
    with pytest.raises(BadArgumentError, match="nats://") as refused:
        open_bus("amqp://me:secret@host", "a")
    assert "secret" not in str(refused.value)


def test_a_bus_of_another_kind_is_opened_by_its_scheme(monkeypatch):
    monkeypatch.setattr("eicpy.messaging.bus._openers", {})
    opened = []
    register_bus("mqtt", lambda url, root: opened.append((url, root)) or MemoryBus())
    open_bus("MQTT://host", "eic.alerts")
    assert opened == [("MQTT://host", "eic.alerts")]


def test_without_the_client_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "eicpy.messaging.nats_bus", raising=False)
    monkeypatch.delitem(sys.modules, "eicpy.messaging.nats_connection", raising=False)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(BadArgumentError, match=r"eicpy\[nats\]"):
        open_bus("nats://127.0.0.1:1", "a")
