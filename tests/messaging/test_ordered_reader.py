"""Reading in order from a server that delivers twice, early, late, not at all, and breaks off."""

import asyncio
import json
from bisect import bisect_right
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nats", reason="the client of NATS is not installed: pip install 'eicpy[nats]'")

import nats.errors

from eicpy.messaging.nats_read import OrderedReader, Position


class Stream:
    """A connection to a server with one stream, which disturbs each of its deliveries as it is told.

    Parameters
    ----------
    numbers
        Of the messages that the stream holds; what is between was deleted.
    disturbances
        What is done to one delivery after the other: called with the messages, returns what arrives, and None
        where the connection breaks. After the last of them all is well.
    """

    def __init__(self, numbers, disturbances=()):
        self.numbers = list(numbers)
        self.first = min(self.numbers, default=1)
        self.created = "one"
        self.address = "a server"
        self._disturbances = list(disturbances)
        self._consumers = {}
        self._names = 0
        self.broken = asyncio.get_running_loop().create_future()
        self.client = self.jetstream = self

    def connect(self):
        if self.broken.done():
            self._consumers = {}
            self.broken = asyncio.get_running_loop().create_future()

    def new_inbox(self):
        self._names += 1
        return str(self._names)

    async def subscribe(self, inbox, cb):
        self._consumers[inbox] = SimpleNamespace(take=cb, after=0, sent=0)
        return SimpleNamespace(unsubscribe=self.unsubscribe)

    async def unsubscribe(self):
        pass

    async def delete_consumer(self, _, name):
        self._consumers.pop(name, None)

    async def add_consumer(self, _, config):
        inbox = str(self._names)
        self._consumers[inbox].after = config.opt_start_seq - 1
        return SimpleNamespace(name=inbox, num_pending=self._after(config.opt_start_seq - 1))

    async def stream_info(self, _):
        state = SimpleNamespace(first_seq=self.first, last_seq=max(self.numbers, default=0))
        return SimpleNamespace(state=state, created=SimpleNamespace(isoformat=lambda: self.created))

    async def publish(self, _, request, reply):
        consumer, most = self._consumers[reply], json.loads(request)["batch"]
        first = bisect_right(self.numbers, consumer.after)
        numbers = self.numbers[first : first + most]
        every = []
        for number in numbers:
            consumer.after, consumer.sent = number, consumer.sent + 1
            every.append((number, consumer.sent))
        disturb = self._disturbances.pop(0) if self._disturbances else list
        for one in disturb(every):
            if one is None:
                self.broken.set_result(None)
                return
            await consumer.take(self._message(*one))
        headers = {"Status": "408", "Nats-Pending-Messages": str(most - len(numbers))}
        await consumer.take(SimpleNamespace(reply="", headers=headers))

    def _after(self, number):
        return len(self.numbers) - bisect_right(self.numbers, number)

    def _message(self, number, sent):
        metadata = SimpleNamespace(
            sequence=SimpleNamespace(stream=number, consumer=sent),
            num_pending=self._after(number),
        )
        return SimpleNamespace(
            reply="here", headers=None, metadata=metadata, subject="x.y", data=number.to_bytes(4)
        )


async def read(stream, reader, most=7, looks=200):
    """All that a reader hands on until nothing more comes."""
    found = []
    for _ in range(looks):
        stream.connect()
        await reader.fill(most, 0)
        taken = reader.take(most)
        found += [(message.sequence, int.from_bytes(message.data)) for message in taken]
        if not taken and not reader._consumer.ended:
            break
    return found


def twice(numbers):
    return [(number, number) for number in numbers]


@st.composite
def disturbances(draw):
    """A permutation of the places of a delivery, some left out, some twice, and a break somewhere or not."""
    places = draw(st.lists(st.integers(0, 15), max_size=12))
    cut = draw(st.none() | st.integers(0, 12))

    def disturb(every):
        kept = draw(st.booleans())
        found = list(every) if kept else []
        for place in places:
            if place < len(every):
                found.insert(place % (len(found) + 1), every[place])
        return found if cut is None else [*found[:cut], None]

    return disturb


class TestOnceAndInOrder:
    @given(
        numbers=st.sets(st.integers(1, 30), max_size=16).map(sorted),
        disturbed=st.lists(disturbances(), max_size=3),
        most=st.integers(1, 20),
    )
    def test_whatever_arrives_twice_early_late_or_not_at_all(self, numbers, disturbed, most):
        async def work():
            stream = Stream(numbers, disturbed)
            return await read(stream, OrderedReader(stream, "X", "x.*", Position(0, "one")), most)

        assert asyncio.run(work()) == twice(numbers)

    def test_a_message_that_comes_again_after_any_number_of_others(self):
        async def work():
            again = [(4110, 4110)]
            stream = Stream(range(1, 40_001), [list] * 20 + [lambda every: again + every] * 3)
            return await read(stream, OrderedReader(stream, "X", "x.*", Position(0, "one")), 1024)

        assert asyncio.run(work()) == twice(range(1, 40_001))

    def test_the_last_of_a_stream_that_got_lost_on_the_way(self):
        async def work():
            stream = Stream(range(1, 11), [lambda every: every[:-3]])
            return await read(stream, OrderedReader(stream, "X", "x.*", Position(0, "one")))

        assert asyncio.run(work()) == twice(range(1, 11))

    def test_what_arrived_is_not_lost_with_an_answer_that_came_too_late(self):
        async def work():
            stream = Stream(range(1, 11))
            reader = OrderedReader(stream, "X", "x.*", Position(0, "one"))
            await reader.fill(4, 0)  # and nobody takes it
            return await read(stream, reader)

        assert asyncio.run(work()) == twice(range(1, 11))

    def test_a_refusal_leaves_the_consumer_unused(self):
        async def work():
            stream = Stream(range(1, 11))

            async def refuse(*_):
                raise nats.errors.TimeoutError

            create, stream.add_consumer = stream.add_consumer, refuse
            reader = OrderedReader(stream, "X", "x.*", Position(0, "one"))
            with pytest.raises(nats.errors.TimeoutError):
                await reader.fill(4, 0)
            stream.add_consumer = create
            return await read(stream, reader)

        assert asyncio.run(work()) == twice(range(1, 11))


class TestAnotherStream:
    @staticmethod
    def go_on(change, caplog):
        """Read ten messages, change the stream while the reader lives, and read on."""

        async def work():
            stream = Stream(range(1, 11))
            reader = OrderedReader(stream, "X", "x.*", Position(0, "one"))
            assert await read(stream, reader) == twice(range(1, 11))
            assert not caplog.messages
            change(stream)
            return [number for number, _ in await read(stream, reader)]

        return asyncio.run(work())

    def test_it_was_made_again_and_holds_more_than_was_read(self, caplog):
        def change(stream):
            stream.created, stream.numbers = "two", list(range(1, 21))

        assert self.go_on(change, caplog) == list(range(1, 21))
        assert ["made again" in text for text in caplog.messages] == [True]

    def test_it_lost_its_last_messages(self, caplog):
        assert self.go_on(lambda stream: stream.numbers.__delitem__(slice(7, None)), caplog) == []
        assert ["goes on with message 8 where 10" in text for text in caplog.messages] == [True]

    def test_it_was_cut_at_its_begin_before_they_were_read(self, caplog):
        def change(stream):
            stream.numbers, stream.first = list(range(15, 21)), 15

        assert self.go_on(change, caplog) == list(range(15, 21))
        assert ["messages 11 to 14 no longer" in text for text in caplog.messages] == [True]

    def test_it_was_cut_where_they_were_of_another_subject(self, caplog):
        async def work():
            stream = Stream([1, 2, 9])
            reader = OrderedReader(stream, "X", "x.*", Position(0, "one"))
            await read(stream, reader)
            stream.first = 10
            stream.numbers = [12]
            return [number for number, _ in await read(stream, reader)]

        assert asyncio.run(work()) == [12]
        assert not [text for text in caplog.messages if "no longer" in text and "3 to" in text]

    def test_a_position_of_the_version_before_is_taken_over(self, caplog):
        async def work(last):
            stream = Stream(range(1, 11))
            return [n for n, _ in await read(stream, OrderedReader(stream, "X", "x.*", Position(last)))]

        assert asyncio.run(work(8)) == [9, 10]
        assert asyncio.run(work(11)) == list(range(1, 11))
        assert ["made again" in text for text in caplog.messages] == [True]
