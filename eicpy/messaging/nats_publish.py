"""Publishing a window of messages on NATS JetStream: all under way at once, kept in order or not at all.

Each message names the one before it (``Nats-Expected-Last-Msg-Id``), so that the server refuses what comes
behind a message that was lost; each is acknowledged. What was not acknowledged is sent again in the same
order, and the server drops a key that it knows. With both, the messages of a window stand in the stream in
their order, each once, wherever the connection broke.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from nats.js.api import Header

from eicpy.messaging.bus import Message
from eicpy.messaging.nats_connection import TIMEOUT, NatsConnection

__all__ = ["Sender"]

_WRONG_LAST_KEY = 10070
"""Error code of JetStream: the last message of the stream is another than the one expected."""


class Sender:
    """Sends messages to a stream.

    Parameters
    ----------
    connection
        Of the server.
    """

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._client: Any = None
        self._inbox = ""
        self._attempt = 0
        self._answers: _Answers | None = None

    async def send(self, window: Sequence[Message]) -> None:
        """Send messages of different keys, until the server has acknowledged each.

        Raises
        ------
        OSError
            If the connection broke, or the server refused a message.
        """
        left = window
        while left:
            answers = await self._send_once(left)
            left = [message for message, kept in zip(left, answers.kept, strict=True) if not kept]

    async def _send_once(self, window: Sequence[Message]) -> "_Answers":
        client, broken = self._connection.client, self._connection.broken
        if client is not self._client:
            self._inbox = client.new_inbox()
            await client.subscribe(f"{self._inbox}.*.*", cb=self._take)
            self._client = client
        self._attempt += 1
        self._answers = answers = _Answers(len(window))
        previous = ""
        for number, message in enumerate(window):
            headers = {Header.MSG_ID: message.key}
            if previous:  # the first is sent without, so that each attempt gets on beside other publishers
                headers[Header.EXPECTED_LAST_MSG_ID] = previous
            reply = f"{self._inbox}.{self._attempt}.{number}"
            await client.publish(message.subject, message.data, reply=reply, headers=headers)
            previous = message.key
        await asyncio.wait({answers.complete, broken}, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        if answers.refusal or not answers.complete.done():
            reason = answers.refusal or f"{answers.missing} of {len(window)} messages were not acknowledged"
            raise OSError(reason)
        return answers

    async def _take(self, answer: Any) -> None:
        _, attempt, number = answer.subject.rsplit(".", 2)
        if (
            self._answers is not None and int(attempt) == self._attempt
        ):  # else an answer to what was sent before the connection broke
            self._answers.take(int(number), answer.data, answer.headers)


class _Answers:
    """Answers of the server to the messages of a window."""

    def __init__(self, count: int) -> None:
        self.kept = [False] * count
        self.missing = count
        self.refusal = ""
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, number: int, data: bytes, headers: dict[str, str] | None) -> None:
        """Note one; any refusal but that of a message behind a lost one ends the attempt."""
        self.missing -= 1
        if headers:
            self.refusal = "there is no JetStream, or no stream for the subject"
        elif b'"error"' in data:
            error = json.loads(data)["error"]
            if error.get("err_code") != _WRONG_LAST_KEY:
                self.refusal = str(error.get("description", error))
        else:
            self.kept[number] = True
        if (self.refusal or not self.missing) and not self.complete.done():
            self.complete.set_result(None)
