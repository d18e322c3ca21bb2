"""A connection to a NATS server, kept in a thread of its own and made again when it breaks.

The client's own reconnection is not used: it holds bytes of the connection before, which would come late.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError

from eicpy.errors import BadArgumentError, FailedError

__all__ = ["CREDENTIALS", "TIMEOUT", "NatsConnection"]

CREDENTIALS = "EIC_NATS_CREDENTIALS"
"""Environment variable that names a file: NATS credentials (.creds), or user:password, or a token."""

TIMEOUT = 5.0
"""How long a server may take to answer, s."""

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class NatsConnection:
    """A connection to a NATS server with JetStream.

    Parameters
    ----------
    url
        ``nats://HOST:PORT``.
    timeout
        How long a server that is away is waited for, s.

    Raises
    ------
    BadArgumentError
        For credentials that cannot be read.
    FailedError
        If no server answers, or it refuses us.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.timeout = timeout
        self.address = _address(url)
        self._reported = False
        self._url = url
        self._loop = asyncio.new_event_loop()
        self.client: Any = None
        self.jetstream: Any = None
        self.broken: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection breaks; client, stream context and this are made again by the next run."""
        self.broken.set_result(None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()
        try:
            self.run(self._connect)
        except BaseException:
            self._end_loop()
            raise

    def run(self, make: Callable[[], Coroutine[Any, Any, Result]], timeout: float = 2 * TIMEOUT) -> Result:
        """Run a coroutine in the thread of the connection, which is made again if it broke.

        Parameters
        ----------
        make
            Makes the coroutine; called in that thread in its turn, or never if nobody waits any more.
        timeout
            How long is waited, s.

        Raises
        ------
        FailedError
            If it takes too long, or the server is away.
        """
        abandoned = threading.Event()
        future = asyncio.run_coroutine_threadsafe(self._connected(make, abandoned), self._loop)
        try:
            return future.result(timeout)
        except (concurrent.futures.TimeoutError, nats.errors.Error, APIError, OSError) as error:
            abandoned.set()
            future.cancel()
            what = str(error) or type(error).__name__
            raise FailedError(f"{self.address}: the NATS server did not do what was asked: {what}") from error

    def retry(self, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run a coroutine again until it succeeds, until the timeout of the server.

        Raises
        ------
        FailedError
            The last failure.
        """
        end = time.monotonic() + self.timeout
        while True:
            try:
                result = self.run(make)
            except FailedError as error:
                if time.monotonic() > end:
                    raise
                self.report(error, f"trying again for {self.timeout:g} s")
                time.sleep(0.2)
            else:
                self.answered()
                return result

    def report(self, error: FailedError, then: str) -> None:
        """Log that the server is away, once until it answers again."""
        if not self._reported:
            _log.warning("%s; %s", error, then)
            self._reported = True

    def answered(self) -> None:
        """Note that the server answers: the next time that it is away is logged again."""
        self._reported = False

    def close(self) -> None:
        """Leave the server."""
        if self._thread.is_alive():
            with contextlib.suppress(Exception):  # a server that is away does not answer
                asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(TIMEOUT)
            self._end_loop()

    async def _connected(
        self, make: Callable[[], Coroutine[Any, Any, Result]], abandoned: threading.Event
    ) -> Result:
        if abandoned.is_set():  # while the thread was busy; a cancellation would come after the first step
            raise asyncio.CancelledError
        await self._connect()
        return await make()

    async def _connect(self) -> None:
        if not self.broken.done():
            return
        if self.client is not None:
            await self.client.close()
        self.client, broken = Client(), self._loop.create_future()

        async def note(error: Exception) -> None:
            _log.info("%s: %s", self.address, error or type(error).__name__)

        async def lost() -> None:
            if not broken.done():
                broken.set_result(None)

        options = {
            "connect_timeout": TIMEOUT,
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,  # of the first connection: 0 would mean for ever
            "reconnect_time_wait": 0.0,
            **_credentials(),
        }
        callbacks: dict[str, Any] = {"error_cb": note, "disconnected_cb": lost, "closed_cb": lost}
        try:
            await self.client.connect(self._url, name="eicpy", **options, **callbacks)
        except (OSError, nats.errors.Error) as error:
            await self.client.close()
            if "authorization" in str(error).lower():
                raise OSError(
                    f"it does not let us in; expected the file that {CREDENTIALS} names to say who we are"
                ) from error
            raise OSError("nobody answers; is a nats-server running there?") from error
        self.jetstream, self.broken = self.client.jetstream(timeout=TIMEOUT), broken

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        if not self._thread.is_alive():
            self._loop.close()


def _address(url: str) -> str:
    """Host and port of a URL: what may stand in a message."""
    try:
        parts = urlsplit(url)
        port = parts.port or 4222
    except ValueError:  # its text could hold a password
        raise BadArgumentError(
            "got the URL of a bus that cannot be parsed, expected nats://HOST:PORT"
        ) from None
    return f"{parts.hostname}:{port}"


def _credentials() -> dict[str, Any]:
    """Who we are, from the file that the environment names; nothing of it is ever shown."""
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
