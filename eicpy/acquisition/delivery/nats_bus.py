"""The bus on NATS JetStream: a stream for each detector, kept on the server's disk.

A batch is under way at once and acknowledged by the server message by message before :meth:`NatsBus.publish`
returns. What a lost connection leaves unacknowledged is published again; the server knows each message by its
name within the stream's window. A publisher that starts again after a longer pause first asks the stream for
the last names, so that even then nothing is there twice.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import nats
import nats.errors
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from eicpy.acquisition.delivery.bus import Message, subject_of
from eicpy.errors import BadArgumentError, FailedError

__all__ = ["CREDENTIALS", "NatsBus"]

CREDENTIALS = "EIC_NATS_CREDENTIALS"
"""Environment variable that names a file: NATS credentials (.creds), or user:password, or a token."""

_WINDOW = 120.0
_RECALLED = 4096
_REMEMBERED = 16384
_ANSWER = 5.0
_PATIENCE = 120.0
_POLL = 0.25
_ACK_WAIT = 30.0
_MOST_UNACKNOWLEDGED = 8192

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class NatsBus:
    """A stream of NATS JetStream.

    Parameters
    ----------
    url
        ``nats://HOST:PORT``.
    instrument
        Name of the detector: the stream ``EIC_<INSTRUMENT>`` holds the subjects ``eic.<instrument>.>``.
    patience
        How long a server that is away is waited for, s.
    ack_wait
        How long a consumer may take before a message is delivered again, s.

    Raises
    ------
    BadArgumentError
        For credentials that cannot be read.
    FailedError
        If no server answers, or it has no JetStream.
    """

    def __init__(
        self, url: str, instrument: str, *, patience: float = _PATIENCE, ack_wait: float = _ACK_WAIT
    ) -> None:
        self._address = _address(url)
        self._instrument = instrument
        self._stream = f"EIC_{subject_of(instrument).split('.')[1].upper()}"
        self._patience = patience
        self._ack_wait = ack_wait
        self._recalled: set[str] | None = None
        self._told = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()
        try:
            self._client, self._jetstream = self.run(self._connect(url), 4 * _ANSWER)
        except BaseException:
            self._end_loop()
            raise

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; all are on the server's disk when this returns.

        Raises
        ------
        FailedError
            If the server is away for longer than is waited.
        """
        if self._recalled is None:
            self._recalled = self._retry(self._last_names)
        left = [message for message in batch if message.name not in self._recalled]
        self._retry(lambda: self._publish(left))

    def subscribe(
        self, subject: str, consumer: str | None = None, *, new: bool = False
    ) -> "_NatsSubscription":
        """Read messages of a subject; a named consumer is durable and takes up where it stopped."""
        return _NatsSubscription(self, self._retry(lambda: self._consumer(subject, consumer, new=new)))

    def close(self) -> None:
        """Leave the server."""
        if self._thread.is_alive():
            with contextlib.suppress(Exception):  # a server that is away cannot be told
                self.run(self._client.close(), _ANSWER)
            self._end_loop()

    def run(self, work: Coroutine[Any, Any, Result], timeout: float) -> Result:
        """Do something in the thread of the connection.

        Raises
        ------
        FailedError
            If it takes too long, or the server is away.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except (concurrent.futures.TimeoutError, nats.errors.Error, APIError, OSError) as error:
            future.cancel()
            what = str(error) or type(error).__name__
            raise FailedError(
                f"{self._address}: the NATS server did not do what was asked: {what}"
            ) from error

    def _retry(self, make: Any) -> Any:
        """Do something again until it succeeds, for as long as a server is waited for."""
        end = time.monotonic() + self._patience
        while True:
            try:
                result = self.run(make(), 2 * _ANSWER)
            except FailedError as error:
                if time.monotonic() > end:
                    raise
                self._tell(error)
                time.sleep(0.2)
            else:
                self._told = False
                return result

    def _tell(self, error: FailedError) -> None:
        if not self._told:
            _log.warning("%s; trying again for %g s", error, self._patience)
            self._told = True

    async def _connect(self, url: str) -> tuple[Any, Any]:
        if not await _answers(url):
            raise OSError("nobody answers; is a nats-server running there?")
        refused = asyncio.Event()

        async def note(error: Exception) -> None:
            _log.info("%s: %s", self._address, error or type(error).__name__)
            if "authorization" in str(error).lower():
                refused.set()  # else the client would try again for ever

        connecting = asyncio.ensure_future(
            nats.connect(
                url,
                name="eicpy",
                connect_timeout=_ANSWER,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                pending_size=0,  # what was not sent is published again in order, not out of a buffer
                error_cb=note,
                **_credentials(),
            )
        )
        refusal = asyncio.ensure_future(refused.wait())
        await asyncio.wait({connecting, refusal}, return_when=asyncio.FIRST_COMPLETED)
        refusal.cancel()
        if not connecting.done():
            connecting.cancel()
            raise OSError(
                f"it does not let us in; expected the file that {CREDENTIALS} names to say who we are"
            )
        client = connecting.result()
        jetstream = client.jetstream(timeout=_ANSWER)
        config = api.StreamConfig(
            name=self._stream,
            subjects=[f"eic.{self._stream_word}.>"],
            storage=api.StorageType.FILE,
            duplicate_window=_WINDOW,
        )
        try:
            await jetstream.stream_info(self._stream)
        except NotFoundError:
            await jetstream.add_stream(config)
        return client, jetstream

    @property
    def _stream_word(self) -> str:
        return subject_of(self._instrument).split(".")[1]

    async def _publish(self, batch: Sequence[Message]) -> None:
        acknowledged = [
            await self._jetstream.publish_async(
                m.subject, m.data, headers={"Nats-Msg-Id": m.name}, wait_stall=_ANSWER
            )
            for m in batch
        ]
        await asyncio.wait_for(asyncio.gather(*acknowledged), _ANSWER)

    async def _last_names(self) -> set[str]:
        """Names of the last messages that the stream holds."""
        state = (await self._jetstream.stream_info(self._stream)).state
        first = max(state.first_seq, state.last_seq - _RECALLED + 1)
        names: set[str] = set()
        if state.messages == 0:
            return names
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=api.AckPolicy.NONE,
            headers_only=True,
            inactive_threshold=60.0,
        )
        subscription = await self._jetstream.pull_subscribe(
            f"eic.{self._stream_word}.>", stream=self._stream, config=config
        )
        left = (await subscription.consumer_info()).num_pending or 0  # not up to the last: it may be deleted
        while left > 0:
            found = await subscription.fetch(min(left, 1024), timeout=_ANSWER)
            names.update((message.headers or {}).get("Nats-Msg-Id", "") for message in found)
            left -= len(found)
        await subscription.unsubscribe()
        return names

    async def _consumer(self, subject: str, consumer: str | None, *, new: bool) -> Any:
        config = api.ConsumerConfig(
            durable_name=consumer,
            deliver_policy=api.DeliverPolicy.NEW if new else api.DeliverPolicy.ALL,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            max_ack_pending=_MOST_UNACKNOWLEDGED,
            filter_subject=subject,
            inactive_threshold=None if consumer else 300.0,
        )
        if consumer is not None:
            with contextlib.suppress(NotFoundError):
                there = await self._jetstream.consumer_info(self._stream, consumer)
                if there.config.filter_subject != subject:
                    raise BadArgumentError(
                        f"consumer {consumer!r} was made for {there.config.filter_subject}, got {subject}; "
                        "choose another name"
                    )
                return await self._jetstream.pull_subscribe_bind(consumer=consumer, stream=self._stream)
        return await self._jetstream.pull_subscribe(
            subject, durable=consumer, stream=self._stream, config=config
        )

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER)
        if not self._thread.is_alive():
            self._loop.close()


class _NatsSubscription:
    """A pull consumer with explicit acknowledgement."""

    def __init__(self, bus: NatsBus, subscription: Any) -> None:
        self._bus = bus
        self._subscription = subscription
        self._taken: dict[int, Any] = {}
        self._finished: dict[int, None] = {}
        self._told = False

    def poll(self, most: int) -> list[Message]:
        """Messages that are there; waits an instant for the first."""
        try:
            found = self._bus.run(self._fetch(most), 4 * _ANSWER)
        except FailedError as error:
            if not self._told:
                _log.warning("%s; waiting for it", error)
                self._told = True
            return []
        self._told = False
        fresh = []
        for message in found:
            sequence = message.metadata.sequence.stream
            if sequence not in self._taken and sequence not in self._finished:  # else it comes once more
                name = (message.headers or {}).get("Nats-Msg-Id", "")
                fresh.append(Message(message.subject, name, message.data, sequence))
            self._taken[sequence] = message
        return fresh

    def done(self) -> None:
        """Acknowledge all that was polled; the server has it when this returns."""
        taken = list(self._taken.values())
        self._finished |= dict.fromkeys(self._taken)
        self._taken = {}
        for oldest in list(self._finished)[: max(0, len(self._finished) - _REMEMBERED)]:
            del self._finished[oldest]
        if taken:
            try:
                self._bus.run(self._acknowledge(taken), 2 * _ANSWER)
            except FailedError as error:
                _log.warning("%s; %d messages will be delivered again", error, len(taken))

    def close(self) -> None:
        """Leave; a durable consumer stays on the server."""
        with contextlib.suppress(FailedError):
            self._bus.run(self._subscription.unsubscribe(), _ANSWER)

    async def _fetch(self, most: int) -> list[Any]:
        try:
            return list(await self._subscription.fetch(most, timeout=_POLL))
        except (nats.errors.TimeoutError, TimeoutError):
            return []

    @staticmethod
    async def _acknowledge(taken: Sequence[Any]) -> None:
        for message in taken[:-1]:
            await message.ack()
        await taken[-1].ack_sync(timeout=_ANSWER)


def _address(url: str) -> str:
    """Host and port of a URL: what may stand in a message."""
    try:
        parts = urlsplit(url)
        port = parts.port or 4222
    except ValueError:  # its text could hold a password
        raise BadArgumentError("got the URL of a bus that does not read, expected nats://HOST:PORT") from None
    return f"{parts.hostname}:{port}"


async def _answers(url: str) -> bool:
    """Whether anybody listens at the address of a URL; the client itself would try for ever."""
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(parts.hostname, parts.port or 4222), _ANSWER
        )
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _credentials() -> dict[str, Any]:
    """What the file that the environment names says; nothing of it is ever shown."""
    name = os.environ.get(CREDENTIALS)
    if not name:
        return {}
    try:
        text = Path(name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgumentError(f"{name}, named by {CREDENTIALS}: could not be read") from error
    if "BEGIN NATS USER JWT" in text:
        return {"user_credentials": name}
    user, colon, password = text.partition(":")
    return {"user": user, "password": password} if colon else {"token": text}
