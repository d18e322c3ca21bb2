"""Reading a stream of NATS JetStream: each message once, in order, without a gap.

The server's consumer numbers what it delivers to it, without holes. What follows on that without a hole is
kept; at the first number that is missing, comes twice or comes early, and where the connection broke or the
server does not answer, the consumer is given up and made again from the message after the last one that was
kept. So there is nothing to remember but that one number, however often the server is killed; nothing is
delivered out of order, and nothing has to be waited for until the server delivers it again. A message that
was deleted from the stream has no number of the consumer: it is no gap, and nobody waits for it.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.js import api
from nats.js.errors import APIError

from eicpy.messaging.bus import Message
from eicpy.messaging.nats_connection import TIMEOUT, NatsConnection

__all__ = ["OrderedReader", "Position", "made_at"]

_AHEAD = 1024
"""Messages that are asked for at once."""

_EXPIRES = 5.0
_INACTIVE = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a stream.

    Parameters
    ----------
    last
        Number of the message after which it is; 0 for the begin.
    made
        When the stream was made, as the server states it: numbers mean nothing in another stream of the same
        name. Empty where nobody knows.
    """

    last: int
    made: str = ""

    def within(self, info: api.StreamInfo) -> "Position":
        """Return where to go on in the stream as it is now.

        Parameters
        ----------
        info
            What the server says of it.

        Returns
        -------
        Position
            The same, or the begin of a stream that was made again, or the end of one that lost its last
            messages.
        """
        made, newest = made_at(info), info.state.last_seq
        known = bool(self.made)
        if (known and self.made != made) or (not known and self.last > newest):
            return Position(0, made)
        return Position(min(self.last, newest), made)


def made_at(info: api.StreamInfo) -> str:
    """Return when a stream was made."""
    return info.created.isoformat() if info.created else ""


class OrderedReader:
    """Messages of a subject in the order of the stream.

    What arrived stays here until it is taken, so that no answer that comes too late is lost.

    Parameters
    ----------
    connection
        Of the server.
    stream
        Name of the stream.
    subject
        Which messages; ``*`` stands for any word.
    position
        Where to begin.
    headers_only
        Whether the bytes of the messages are left out.
    """

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        subject: str,
        position: Position,
        *,
        headers_only: bool = False,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._last, self._made = position.last, position.made
        self._headers_only = headers_only
        self._passed = 0  # none of the subject is left up to this number, or it is said that they are gone
        self._ready: deque[Message] = deque()
        self._consumer: _Consumer | None = None

    @property
    def made(self) -> str:
        """When the stream was made."""
        return self._made

    async def fill(self, most: int, wait: float) -> None:
        """Wait for the next message, and for what the server has more, at most so many.

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

    def take(self, most: int) -> list[Message]:
        """Return the messages that arrived, at most so many; in any thread."""
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    async def pending(self) -> int:
        """Return how many messages there are to be taken, or to come."""
        return (await self._attend()).pending + len(self._ready)

    async def close(self) -> None:
        """Remove the consumer from the server."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.stopped = True
            with contextlib.suppress(nats.errors.Error, APIError, OSError, TimeoutError):
                await consumer.subscription.unsubscribe()
                await self._connection.jetstream.delete_consumer(self._stream, consumer.name)

    async def _attend(self) -> "_Consumer":
        """A consumer that is alive and has been asked for more."""
        consumer = self._consumer
        if consumer is not None and not self._ready and (consumer.ended or consumer.is_silent):
            await self.close()
            consumer = None
        if consumer is None or (not consumer.ended and not consumer.asked and len(self._ready) < _AHEAD // 2):
            if consumer is not None and consumer.exhausted:  # none of the subject is left before that
                self._passed = max(self._passed, consumer.newest)
            info = await self._connection.jetstream.stream_info(self._stream)
            before = Position(self._last, self._made)
            here = before.within(info)
            if consumer is not None and here != before:
                consumer.stopped = True  # it is made again when what came of it is taken
                return consumer
            self._go_on(before, here, info.state)
            if consumer is None:
                consumer = self._consumer = await self._create()
            await self._ask(consumer, info.state.last_seq)
        return consumer

    def _go_on(self, before: Position, here: Position, state: api.StreamState) -> None:
        """Take a position in the stream as it is now, and say what of it is gone."""
        if before != here:
            self._last, self._made, self._passed = here.last, here.made, 0
        if before.last > here.last:
            _log.warning(
                "%s: the stream %s was made again, or lost its last messages: it goes on with message %d "
                "where %d was the last; numbers come again, for other messages",
                self._connection.address, self._stream, here.last + 1, before.last,
            )  # fmt: skip
        elif here.last > 0 and max(here.last, self._passed) < state.first_seq - 1:
            _log.warning(
                "%s: the stream %s holds messages %d to %d no longer, of whatever subject: they are skipped; "
                "what is missing is to be read from the archive",
                self._connection.address, self._stream, max(here.last, self._passed) + 1, state.first_seq - 1,
            )  # fmt: skip
            self._passed = state.first_seq - 1

    async def _ask(self, consumer: "_Consumer", newest: int) -> None:
        consumer.asked, consumer.asked_at = _AHEAD, time.monotonic()
        consumer.newest, consumer.exhausted = newest, False
        request = {"batch": _AHEAD, "expires": int(_EXPIRES * 1e9)}
        await self._connection.client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer.name}",
            json.dumps(request).encode(),
            reply=consumer.inbox,
        )

    async def _create(self) -> "_Consumer":
        connection = self._connection
        consumer = _Consumer(connection.client.new_inbox(), connection.broken, self._ready, self._keep)
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
        try:
            info = await connection.jetstream.add_consumer(self._stream, config)
        except BaseException:
            await consumer.subscription.unsubscribe()
            raise
        consumer.name, consumer.pending = info.name, info.num_pending or 0
        return consumer

    def _keep(self, message: Message) -> None:
        self._last = message.sequence
        self._ready.append(message)


class _Consumer:
    """What the server delivers to one consumer."""

    def __init__(
        self,
        inbox: str,
        broken: "asyncio.Future[None]",
        ready: deque[Message],
        keep: Callable[[Message], None],
    ) -> None:
        self.inbox = inbox
        self.name = ""
        self.subscription: Any = None
        self.arrived = asyncio.Event()
        self.pending = 0
        self.wanted = 1
        self.asked = 0
        self.asked_at = 0.0
        self.newest = 0
        self.exhausted = False
        self.stopped = False
        self._broken = broken
        self._ready = ready
        self._keep = keep
        self._delivered = 0

    @property
    def ended(self) -> bool:
        """Whether no more can come of it than was kept."""
        return self.stopped or self._broken.done()

    @property
    def is_silent(self) -> bool:
        """Whether the server owes an answer."""
        return bool(self.asked) and time.monotonic() > self.asked_at + _EXPIRES + TIMEOUT

    @property
    def is_enough(self) -> bool:
        """Whether no more is to be waited for."""
        if not self._ready:
            return self.ended
        return len(self._ready) >= self.wanted or not (self.pending and self.asked) or self.ended

    async def take(self, message: Any) -> None:
        """Take a message, or the end of those that were requested."""
        if self.stopped:
            return
        if not message.reply:
            self._end_request(message.headers or {})
        else:
            metadata = message.metadata
            numbers, self.pending = metadata.sequence, metadata.num_pending
            self.asked -= 1
            if numbers.consumer == self._delivered + 1:
                self._delivered = numbers.consumer
                key = (message.headers or {}).get(api.Header.MSG_ID, "")
                self._keep(Message(message.subject, key, message.data, numbers.stream))
            else:
                self.stopped = True
        if self.is_enough:
            self.arrived.set()

    def _end_request(self, headers: dict[str, str]) -> None:
        """Nothing more comes of a request: the server may say how many messages of it are left."""
        left = headers.get("Nats-Pending-Messages", str(self.asked))
        self.stopped = headers.get("Status") not in {"404", "408"} or left != str(self.asked)
        self.exhausted = not self.stopped and self.asked > 0
        self.asked = 0
