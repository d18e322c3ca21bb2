"""Messages through a real NATS server: in order and once, wherever the connection breaks."""

import contextlib
import signal
import threading
import time

import pytest
from waiting import LIMIT, wait_until

from eicpy.errors import BadArgumentError, FailedError
from eicpy.messaging import Message, open_bus

SIZE = 500


def numbered(first, last):
    return [Message(f"x.y.{n % 3}", f"{n:08x}", n.to_bytes(4) * (SIZE // 4)) for n in range(first, last)]


def read(url, count, consumer=None, most=500):
    """So many messages, and whatever comes after them."""
    with contextlib.closing(open_bus(url, "x")) as bus:
        subscription = bus.subscribe("x.*.*", consumer)
        found, end = [], time.monotonic() + LIMIT
        while len(found) < count and time.monotonic() < end:
            found += subscription.poll(most)
            subscription.done()
        return found + subscription.poll(most)


def keys(messages):
    return [message.key for message in messages]


@pytest.fixture
def server(nats_server):
    return nats_server()


class TestOrder:
    def test_the_publisher_is_cut_off_within_a_batch(self, server, cutting_proxy):
        proxy = cutting_proxy(server.port, upstream=[150_000, 350_000, 40_000], downstream=[60_000])
        with contextlib.closing(open_bus(proxy.url, "x")) as bus:
            bus.publish(numbered(0, 3000))
        assert proxy.cuts_left == 0
        found = read(server.url, 3000)
        assert keys(found) == keys(numbered(0, 3000))
        assert [m.data for m in found] == [m.data for m in numbered(0, 3000)]

    def test_the_server_is_killed_within_a_batch(self, server, cutting_proxy):
        def kill():
            server.process.kill()
            server.process.wait(LIMIT)
            server.start()

        proxy = cutting_proxy(server.port, upstream=[250_000, 250_000], on_cut=kill)
        with contextlib.closing(open_bus(proxy.url, "x")) as bus:
            bus.publish(numbered(0, 3000))
        assert proxy.cuts_left == 0
        assert keys(read(server.url, 3000)) == keys(numbered(0, 3000))

    def test_the_reader_is_cut_off_within_a_batch(self, server, cutting_proxy):
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 3000))
        proxy = cutting_proxy(server.port, downstream=[100_000, 700_000, 300_000])
        found = read(proxy.url, 3000, "display")
        assert proxy.cuts_left == 0
        assert [m.sequence for m in found] == list(range(1, 3001))
        assert keys(found) == keys(numbered(0, 3000))

    def test_what_stands_behind_a_refused_message_is_refused(self, server):
        every = numbered(0, 300)
        every[100] = Message("x.y.0", "large", bytes(5000))
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            config = bus.connection.run(lambda: bus.connection.jetstream.stream_info("X")).config
            config.max_msg_size = 4000
            bus.connection.run(lambda: bus.connection.jetstream.update_stream(config))
            bus.connection.timeout = 0.0
            with pytest.raises(FailedError, match="size"):
                bus.publish(every)
        assert keys(read(server.url, 100)) == keys(every[:100])

    def test_two_publishers_of_the_same_messages_one_of_which_lost_some(self, server):
        one, two = (open_bus(server.url, "x") for _ in range(2))
        one.publish([])  # both ask for the last keys while there are none
        two.publish([])
        every = numbered(0, 600)
        two.publish(every[100:200:2])
        one.publish([m for first in range(0, 600, 2) for m in (every[first], every[first + 1])])
        two.publish(every[::-1])
        found = keys(read(server.url, 600))
        first = keys(every[100:200:2])
        assert found == first + [key for key in keys(every) if key not in first]
        one.close()
        two.close()


class TestLivingReader:
    """A reader that is never killed, beside a server that is, and a publisher that waits for it."""

    @staticmethod
    def publish(url, every):
        with contextlib.closing(open_bus(url, "x")) as bus:
            for first in range(0, len(every), 250):
                bus.publish(every[first : first + 250])

    def test_each_message_once_and_in_order_while_the_server_is_killed_four_times(self, server):
        every = numbered(0, 5000)
        publisher = threading.Thread(target=self.publish, args=(server.url, every))
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            subscription = bus.subscribe("x.*.*", "living")
            found, kills, end = [], [400, 1500, 1600, 3800], time.monotonic() + LIMIT
            publisher.start()
            while len(found) < len(every) and time.monotonic() < end:
                found += subscription.poll(100)
                subscription.done()
                if kills and len(found) >= kills[0]:
                    kills.pop(0)
                    server.stop(signal.SIGKILL)
                    server.start()
            publisher.join(LIMIT)
            assert not kills
            assert subscription.poll(100) == []
        assert [message.sequence for message in found] == list(range(1, len(every) + 1))
        assert [(m.key, m.data) for m in found] == [(m.key, m.data) for m in every]

    def test_a_stream_that_is_made_again_with_more_messages_is_read_from_its_begin(self, server, caplog):
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            jetstream = bus.connection.jetstream
            bus.publish(numbered(0, 50))
            for name in (None, "me"):
                subscription = bus.subscribe("x.*.*", name)
                assert len(subscription.poll(99)) == 50
                subscription.done()
            bus.connection.run(lambda: jetstream.delete_stream("X"))
            bus.publish(numbered(50, 110))  # makes the stream again
            subscription._reader._consumer.stopped = (
                True  # as when the server was away, or was silent for 10 s
            )
            found = subscription.poll(99) + subscription.poll(99)
            assert [message.sequence for message in found] == list(range(1, 61))
            assert keys(bus.subscribe("x.*.*", "me", new=True).poll(99)) == keys(numbered(50, 110))
        assert any("made again" in text for text in caplog.messages)

    def test_a_request_that_ends_in_silence_says_how_many_are_left(self, server, monkeypatch):
        monkeypatch.setattr("eicpy.messaging.nats_read._EXPIRES", 0.1)
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 3))
            subscription = bus.subscribe("x.*.*")
            assert len(subscription.poll(9)) == 3
            consumer = subscription._reader._consumer
            wait_until(lambda: consumer.exhausted or consumer.stopped, "the end of the request")
            assert consumer.exhausted
            bus.publish(numbered(3, 6))
            assert keys(subscription.poll(9)) == keys(numbered(3, 6))
            assert subscription._reader._consumer is consumer


def test_work_of_a_blocked_connection_that_nobody_waits_for_is_never_made(server):
    blocked, made = threading.Event(), []
    with contextlib.closing(open_bus(server.url, "x")) as bus:
        bus.connection._loop.call_soon_threadsafe(blocked.wait)
        with pytest.raises(FailedError, match="TimeoutError"):
            bus.connection.run(lambda: made.append(1), timeout=0.01)
        blocked.set()
        bus.publish(numbered(0, 1))
    assert not made


class TestConsumer:
    def test_the_position_is_kept_by_name_and_not_without(self, server):
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 90))
            for consumer in ("me", "you"):
                subscription = bus.subscribe("x.*.*", consumer)
                assert keys(subscription.poll(40)) == keys(numbered(0, 40))
                subscription.done()
                assert keys(subscription.poll(10)) == keys(numbered(40, 50))
                subscription.close()
            assert keys(bus.subscribe("x.*.*", "me").poll(3)) == keys(numbered(40, 43))
            assert keys(bus.subscribe("x.*.*").poll(3)) == keys(numbered(0, 3))

    def test_a_new_consumer_goes_on_from_where_it_subscribed(self, server):
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 10))
            bus.subscribe("x.*.*", "late", new=True).close()
            bus.publish(numbered(10, 20))
            assert keys(bus.subscribe("x.*.*", "late", new=True).poll(99)) == keys(numbered(10, 20))

    def test_a_name_that_cannot_be_kept_is_refused(self, server):
        with contextlib.closing(open_bus(server.url, "x")) as bus, pytest.raises(BadArgumentError):
            bus.subscribe("x.*.*", "a.b *")

    def test_a_durable_consumer_of_the_version_before_goes_on(self, server):
        from nats.js import api

        async def acknowledge(jetstream):
            config = api.ConsumerConfig(durable_name="old", filter_subject="x.*.*", ack_wait=30.0)
            config.ack_policy = api.AckPolicy.EXPLICIT
            old = await jetstream.pull_subscribe("x.*.*", durable="old", stream="X", config=config)
            for message in await old.fetch(7):
                await message.ack_sync()

        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 20))
            bus.connection.run(lambda: acknowledge(bus.connection.jetstream))
            for _ in range(2):
                subscription = bus.subscribe("x.*.*", "old")
                assert keys(subscription.poll(5)) == keys(numbered(7, 12))
                subscription.close()
            with pytest.raises(BadArgumentError, match="another name"):
                bus.subscribe("x.y.*", "old")

    def test_a_stream_that_was_made_again_is_read_from_its_begin(self, server):
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 50))
            subscription = bus.subscribe("x.*.*", "me")
            assert len(subscription.poll(99)) == 50
            subscription.done()
            bus.connection.run(lambda: bus.connection.jetstream.delete_stream("X"))
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 5))
            assert keys(bus.subscribe("x.*.*", "me").poll(99)) == keys(numbered(0, 5))
