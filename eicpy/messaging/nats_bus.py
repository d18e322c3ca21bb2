"""The bus on NATS JetStream: a stream for each root of subjects, kept on the server's disk."""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence

from nats.js import api
from nats.js.errors import KeyNotFoundError, NotFoundError

from eicpy.errors import BadArgumentError, ConflictError, FailedError
from eicpy.messaging.bus import Message
from eicpy.messaging.nats_connection import TIMEOUT, NatsConnection
from eicpy.messaging.nats_publish import Sender
from eicpy.messaging.nats_read import OrderedReader, Position, made_at

__all__ = ["NatsBus"]

_DUPLICATE_WINDOW = 120.0
_RECALLED = 4096
_WINDOW, _WINDOW_BYTES = 1024, 1 << 22
_WAIT = 120.0
_POLL = 0.25
_POSITIONS = "EIC_POSITIONS"


class NatsBus:
    """A stream of NATS JetStream.

    Parameters
    ----------
    url
        ``nats://HOST:PORT``.
    root
        First words of the subjects: the stream ``EIC_ECLAIRS`` holds the subjects ``eic.eclairs.>``.
    timeout
        How long a server that is away is waited for, s.

    Raises
    ------
    BadArgumentError
        For credentials that cannot be read.
    FailedError
        If no server answers, or it has no JetStream.
    """

    def __init__(self, url: str, root: str, *, timeout: float = _WAIT) -> None:
        self.connection = NatsConnection(url, timeout)
        self.stream = root.replace(".", "_").upper()
        self._subjects = f"{root}.>"
        self._sender = Sender(self.connection)
        self._recalled: set[str] | None = None
        try:
            self.connection.run(self._create_stream)
        except BaseException:
            self.close()
            raise

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; all are on the server's disk when this returns.

        Raises
        ------
        FailedError
            If the server is away for longer than is waited.
        """
        for window in _windows(batch):
            self.connection.retry(lambda: self._publish(window))  # noqa: B023, it is run at once

    def subscribe(
        self, subject: str, consumer: str | None = None, *, new: bool = False
    ) -> "_NatsSubscription":
        """Read the messages of a subject; the position of a named consumer is kept on the server."""
        if consumer is not None and not re.fullmatch(r"[-\w=/]+", consumer, re.ASCII):
            raise BadArgumentError(f"got consumer {consumer!r}, expected letters, digits, - and _")
        position = self.connection.retry(lambda: self._begin(subject, consumer, new=new))
        return _NatsSubscription(self, subject, consumer, position)

    def close(self) -> None:
        """Leave the server."""
        self.connection.close()

    async def save(self, consumer: str, subject: str, position: Position) -> None:
        """Keep the position of a consumer: the number of the last message that it acknowledged."""
        value = json.dumps({"subject": subject, "last": position.last, "made": position.made}).encode()
        await self.connection.jetstream.publish(f"$KV.{_POSITIONS}.{self.stream}.{consumer}", value)

    async def _create_stream(self) -> api.StreamInfo:
        """What the server says of the stream, which is made where there is none."""
        jetstream = self.connection.jetstream
        try:
            info: api.StreamInfo = await jetstream.stream_info(self.stream)
        except NotFoundError:
            info = await jetstream.add_stream(
                api.StreamConfig(
                    name=self.stream,
                    subjects=[self._subjects],
                    storage=api.StorageType.FILE,
                    duplicate_window=_DUPLICATE_WINDOW,
                )
            )
        return info

    async def _publish(self, window: Sequence[Message]) -> None:
        recalled, self._recalled = self._recalled, None  # to be asked for again, unless this succeeds
        if recalled is None:
            recalled = await self._last_keys()
        await self._sender.send(list({m.key: m for m in window if m.key not in recalled}.values()))
        self._recalled = recalled

    async def _last_keys(self) -> set[str]:
        """Keys of the last messages of the stream, which the server itself may remember no longer."""
        info = await self._create_stream()  # again, if a server lost its disk
        state = info.state
        if state.messages == 0:
            return set()
        begin = Position(max(state.first_seq - 1, state.last_seq - _RECALLED), made_at(info))
        reader = OrderedReader(self.connection, self.stream, self._subjects, begin, headers_only=True)
        keys: set[str] = set()
        left = await reader.pending()  # not up to the last: it may be deleted
        while left > 0:
            await reader.fill(left, TIMEOUT)
            found = reader.take(left)
            if not found:
                raise OSError("it did not deliver the last messages of the stream")
            keys.update(message.key for message in found)
            left -= len(found)
        await reader.close()
        return keys

    async def _begin(self, subject: str, consumer: str | None, *, new: bool) -> Position:
        """Where a reader begins."""
        info = await self.connection.jetstream.stream_info(self.stream)
        kept = None if consumer is None else await self._kept(consumer)
        if kept is None:
            position = Position(info.state.last_seq if new else 0, made_at(info))
            if consumer is not None:
                await self.save(consumer, subject, position)
            return position
        made_for, position = kept
        if position.within(info).last == position.last and made_for != subject:
            raise ConflictError(
                f"consumer {consumer!r} was made for {made_for}, got {subject}; choose another name"
            )
        return position  # which the reader judges by the stream as it then is

    async def _kept(self, consumer: str) -> tuple[str, Position] | None:
        """Subject and position of a consumer, as they are kept on the server."""
        jetstream = self.connection.jetstream
        try:
            positions = await jetstream.key_value(_POSITIONS)
        except NotFoundError:
            positions = await jetstream.create_key_value(bucket=_POSITIONS)
        with contextlib.suppress(KeyNotFoundError):
            value = json.loads((await positions.get(f"{self.stream}.{consumer}")).value)
            return value["subject"], Position(value["last"], value.get("made", ""))
        with contextlib.suppress(NotFoundError):  # a durable consumer of the version before
            there = await jetstream.consumer_info(self.stream, consumer)
            floor = there.ack_floor.stream_seq if there.ack_floor else 0
            last = max(floor, (there.config.opt_start_seq or 1) - 1)
            return there.config.filter_subject, Position(last)
        return None


class _NatsSubscription:
    """A reader in order, whose position is saved when it acknowledges."""

    def __init__(self, bus: NatsBus, subject: str, consumer: str | None, position: Position) -> None:
        self._bus = bus
        self._subject = subject
        self._consumer = consumer
        self._reader = OrderedReader(bus.connection, bus.stream, subject, position)
        self._polled = self._saved = position

    def poll(self, most: int) -> list[Message]:
        """Return the next messages; waits an instant for the first."""
        try:
            self._bus.connection.run(lambda: self._reader.fill(most, _POLL), 4 * TIMEOUT)
        except FailedError as error:
            self._bus.connection.report(error, "waiting for it")
        else:
            self._bus.connection.answered()
        made = self._reader.made  # before the messages: of the two, the older is safe to go on from
        found = self._reader.take(most)
        if found:
            self._polled = Position(found[-1].sequence, made)
        return found

    def done(self) -> None:
        """Acknowledge all that was polled; the server has it when this returns."""
        consumer = self._consumer
        if consumer is None or self._polled == self._saved:
            return
        try:
            self._bus.connection.run(lambda: self._bus.save(consumer, self._subject, self._polled))
        except FailedError as error:
            self._bus.connection.report(error, "what was polled is delivered again to who reads next")
        else:
            self._saved = self._polled

    def close(self) -> None:
        """Leave; the position of a named consumer is kept."""
        with contextlib.suppress(FailedError):
            self._bus.connection.run(self._reader.close, TIMEOUT)


def _windows(batch: Sequence[Message]) -> Iterator[list[Message]]:
    """Divide messages into those that are under way at once."""
    window: list[Message] = []
    size = 0
    for message in batch:
        if window and (len(window) == _WINDOW or size + len(message.data) > _WINDOW_BYTES):
            yield window
            window, size = [], 0
        window.append(message)
        size += len(message.data)
    if window:
        yield window
