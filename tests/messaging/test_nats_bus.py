"""Messages through a real NATS server: in order and once, wherever the connection breaks."""

import contextlib
import time

import pytest
from waiting import LIMIT

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
            config = bus.connection.run(bus.connection.jetstream.stream_info("X")).config
            config.max_msg_size = 4000
            bus.connection.run(bus.connection.jetstream.update_stream(config))
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
            bus.connection.run(acknowledge(bus.connection.jetstream))
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
            bus.connection.run(bus.connection.jetstream.delete_stream("X"))
        with contextlib.closing(open_bus(server.url, "x")) as bus:
            bus.publish(numbered(0, 5))
            assert keys(bus.subscribe("x.*.*", "me").poll(99)) == keys(numbered(0, 5))
