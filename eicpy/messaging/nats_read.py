"""Reading a stream of NATS JetStream in order, without a gap.

The server's consumer numbers what it delivers. Where a number is missing, or the connection broke, or the
server does not answer, the consumer is made again from the message after the last one that came: nothing is
delivered out of order, and nothing has to be waited for until the server delivers it again.
"""

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import Any

import nats.errors
from nats.js import api
from nats.js.errors import APIError

from eicpy.messaging.bus import Message
from eicpy.messaging.nats_connection import TIMEOUT, NatsConnection

__all__ = ["OrderedReader"]

_AHEAD = 1024
"""Messages that are asked for at once."""

_EXPIRES = 5.0
_INACTIVE = 300.0


class OrderedReader:
    """Messages of a subject in the order of the stream.

    Parameters
    ----------
    connection
        Of the server.
    stream
        Name of the stream.
    subject
        Which messages; ``*`` stands for any word.
    last
        Number of the message after which to begin.
    headers_only
        Whether the bytes of the messages are left out.
    """

    def __init__(
        self, connection: NatsConnection, stream: str, subject: str, last: int, *, headers_only: bool = False
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._last = last
        self._headers_only = headers_only
        self._consumer: _Consumer | None = None

    async def take(self, most: int, wait: float) -> list[Message]:
        """Return the next messages, at most so many; wait for the first, and for what the server has more.

        Raises
        ------
        nats.errors.Error, APIError, OSError
            If the server does not answer.
        """
        consumer = await self._attend()
        consumer.wanted = most
        if not consumer.is_enough:
            consumer.arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(consumer.arrived.wait(), wait)
        found = [consumer.ready.popleft() for _ in range(min(most, len(consumer.ready)))]
        if found:
            self._last = found[-1].sequence
        return found

    async def pending(self) -> int:
        """Return how many messages there are to come."""
        return (await self._attend()).pending

    async def close(self) -> None:
        """Remove the consumer from the server."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            with contextlib.suppress(nats.errors.Error, APIError, OSError, TimeoutError):
                await consumer.subscription.unsubscribe()
                await self._connection.jetstream.delete_consumer(self._stream, consumer.name)

    async def _attend(self) -> "_Consumer":
        """A consumer that is alive and has been asked for more."""
        consumer = self._consumer
        if consumer is None or (consumer.ended and not consumer.ready) or self._is_silent(consumer):
            await self.close()
            self._consumer = consumer = await self._create()
        if not (consumer.asked or consumer.ended) and len(consumer.ready) < _AHEAD // 2:
            request = {"batch": _AHEAD, "expires": int(_EXPIRES * 1e9)}
            await self._connection.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer.name}",
                json.dumps(request).encode(),
                reply=consumer.inbox,
            )
            consumer.asked, consumer.asked_at = _AHEAD, time.monotonic()
        return consumer

    @staticmethod
    def _is_silent(consumer: "_Consumer") -> bool:
        return bool(consumer.asked) and time.monotonic() > consumer.asked_at + _EXPIRES + TIMEOUT

    async def _create(self) -> "_Consumer":
        connection = self._connection
        consumer = _Consumer(connection.client.new_inbox(), connection.broken)
        consumer.subscription = await connection.client.subscribe(consumer.inbox, cb=consumer.take)
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=api.AckPolicy.NONE,
            filter_subject=self._subject,
            headers_only=self._headers_only or None,
            inactive_threshold=_INACTIVE,
            mem_storage=True,
        )
        info = await connection.jetstream.add_consumer(self._stream, config)
        consumer.name, consumer.pending = info.name, info.num_pending or 0
        return consumer


class _Consumer:
    """What the server delivers to one consumer."""

    def __init__(self, inbox: str, broken: "asyncio.Future[None]") -> None:
        self.inbox = inbox
        self.name = ""
        self.subscription: Any = None
        self.ready: deque[Message] = deque()
        self.arrived = asyncio.Event()
        self.pending = 0
        self.wanted = 1
        self.asked = 0
        self.asked_at = 0.0
        self._broken = broken
        self._gap = False
        self._delivered = 0

    @property
    def ended(self) -> bool:
        """Whether no more can come of it than is ready."""
        return self._gap or self._broken.done()

    @property
    def is_enough(self) -> bool:
        """Whether no more is to be waited for."""
        if not self.ready:
            return self.ended
        return len(self.ready) >= self.wanted or not (self.pending and self.asked) or self.ended

    async def take(self, message: Any) -> None:
        """Take a message, or the end of those that were requested."""
        if not message.reply:
            status = (message.headers or {}).get("Status", "")
            self._gap = self._gap or status not in {"404", "408"}
            self.asked = 0
        elif not self._gap:
            metadata = message.metadata
            numbers, self.pending = metadata.sequence, metadata.num_pending
            self._gap = numbers.consumer != self._delivered + 1
            self._delivered = numbers.consumer
            self.asked -= 1
            if not self._gap:
                key = (message.headers or {}).get(api.Header.MSG_ID, "")
                self.ready.append(Message(message.subject, key, message.data, numbers.stream))
        if self.is_enough:
            self.arrived.set()
