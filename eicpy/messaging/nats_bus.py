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
from eicpy.messaging.nats_read import OrderedReader

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
            self.connection.run(self._create_stream())
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
        last = self.connection.retry(lambda: self._begin(subject, consumer, new=new))
        return _NatsSubscription(self, subject, consumer, last)

    def close(self) -> None:
        """Leave the server."""
        self.connection.close()

    async def save(self, consumer: str, subject: str, last: int) -> None:
        """Keep the position of a consumer: the number of the last message that it acknowledged."""
        value = json.dumps({"subject": subject, "last": last}).encode()
        await self.connection.jetstream.publish(f"$KV.{_POSITIONS}.{self.stream}.{consumer}", value)

    async def _create_stream(self) -> None:
        jetstream = self.connection.jetstream
        try:
            await jetstream.stream_info(self.stream)
        except NotFoundError:
            await jetstream.add_stream(
                api.StreamConfig(
                    name=self.stream,
                    subjects=[self._subjects],
                    storage=api.StorageType.FILE,
                    duplicate_window=_DUPLICATE_WINDOW,
                )
            )

    async def _publish(self, window: Sequence[Message]) -> None:
        recalled, self._recalled = self._recalled, None  # to be asked for again, unless this succeeds
        if recalled is None:
            recalled = await self._last_keys()
        await self._sender.send(list({m.key: m for m in window if m.key not in recalled}.values()))
        self._recalled = recalled

    async def _last_keys(self) -> set[str]:
        """Keys of the last messages of the stream, which the server itself may remember no longer."""
        state = (await self.connection.jetstream.stream_info(self.stream)).state
        if state.messages == 0:
            return set()
        last = max(state.first_seq - 1, state.last_seq - _RECALLED)
        reader = OrderedReader(self.connection, self.stream, self._subjects, last, headers_only=True)
        keys: set[str] = set()
        left = await reader.pending()  # not up to the last: it may be deleted
        while left > 0:
            found = await reader.take(left, TIMEOUT)
            if not found:
                raise OSError("it did not deliver the last messages of the stream")
            keys.update(message.key for message in found)
            left -= len(found)
        await reader.close()
        return keys

    async def _begin(self, subject: str, consumer: str | None, *, new: bool) -> int:
        """Number of the message after which a reader begins."""
        newest = (await self.connection.jetstream.stream_info(self.stream)).state.last_seq
        kept = None if consumer is None else await self._kept(consumer)
        if kept is None or kept[1] > newest:  # the stream was made again since
            last = newest if new else 0
            if consumer is not None:
                await self.save(consumer, subject, last)
            return last
        made_for, last = kept
        if made_for != subject:
            raise ConflictError(
                f"consumer {consumer!r} was made for {made_for}, got {subject}; choose another name"
            )
        return last

    async def _kept(self, consumer: str) -> tuple[str, int] | None:
        """Subject and position of a consumer, as they are kept on the server."""
        jetstream = self.connection.jetstream
        try:
            positions = await jetstream.key_value(_POSITIONS)
        except NotFoundError:
            positions = await jetstream.create_key_value(bucket=_POSITIONS)
        with contextlib.suppress(KeyNotFoundError):
            value = json.loads((await positions.get(f"{self.stream}.{consumer}")).value)
            return value["subject"], value["last"]
        with contextlib.suppress(NotFoundError):  # a durable consumer of the version before
            there = await jetstream.consumer_info(self.stream, consumer)
            floor = there.ack_floor.stream_seq if there.ack_floor else 0
            last = max(floor, (there.config.opt_start_seq or 1) - 1)
            return there.config.filter_subject, last
        return None


class _NatsSubscription:
    """A reader in order, whose position is saved when it acknowledges."""

    def __init__(self, bus: NatsBus, subject: str, consumer: str | None, last: int) -> None:
        self._bus = bus
        self._subject = subject
        self._consumer = consumer
        self._reader = OrderedReader(bus.connection, bus.stream, subject, last)
        self._polled = self._saved = last

    def poll(self, most: int) -> list[Message]:
        """Return the next messages; waits an instant for the first."""
        try:
            found = self._bus.connection.run(self._reader.take(most, _POLL), 4 * TIMEOUT)
        except FailedError as error:
            self._bus.connection.report(error, "waiting for it")
            return []
        if found:
            self._polled = found[-1].sequence
        return found

    def done(self) -> None:
        """Acknowledge all that was polled; the server has it when this returns."""
        if self._consumer is None or self._polled == self._saved:
            return
        try:
            self._bus.connection.run(self._bus.save(self._consumer, self._subject, self._polled))
        except FailedError as error:
            self._bus.connection.report(error, "what was polled is delivered again to who reads next")
        else:
            self._saved = self._polled

    def close(self) -> None:
        """Leave; the position of a named consumer is kept."""
        with contextlib.suppress(FailedError):
            self._bus.connection.run(self._reader.close(), TIMEOUT)


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
