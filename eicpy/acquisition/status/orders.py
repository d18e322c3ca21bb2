"""Orders: what an operator asks of the receiver, and what it answers.

They go through a Unix socket in the folder of the station, which only the user who runs the receiver can
open. Each order is a line of JSON and so is its answer; both stand in the journal.
"""

import asyncio
import getpass
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eicpy.acquisition.status.status import Station
from eicpy.errors import EicpyError, FailedError, RefusedError
from eicpy.moved import accept_old_keywords

__all__ = ["Order", "send_order", "serve_orders"]

_log = logging.getLogger(__name__)

SOCKET_NAME = "orders.socket"
LONGEST = 1 << 14
"""Bytes of an order, or an answer, at most."""


class Order(BaseModel):
    """What an operator asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["start", "stop", "configure", "comment"]
    """Start a new run; stop it; mark what follows as taken during configuration, or no longer; comment."""
    text: str = Field(default="", max_length=2000)
    """The comment; at ``start`` that of the new run."""
    setup: str = Field(default="", max_length=2000)
    """At ``start``: what stands on the bench."""
    by: str = Field(default_factory=getpass.getuser, min_length=1, max_length=200)
    """Who asks."""
    on: bool = True
    """At ``configure``: begin (True) or end."""

    @property
    def words(self) -> str:
        """The order as a line of the journal."""
        what = {
            "start": "start a run",
            "stop": "stop the run",
            "configure": "configuration begins" if self.on else "configuration ends",
            "comment": "comment",
        }[self.kind]
        words = "; ".join(part for part in (self.text, self.setup and f"set-up: {self.setup}") if part)
        return f"{what}: {words}" if words else what


@asynccontextmanager
async def serve_orders(station: Station, handle: Callable[[Order], str]) -> AsyncIterator[None]:
    """Take orders while the block runs.

    Parameters
    ----------
    station
        Where.
    handle
        Carries an order out, in the loop of the caller, and returns the answer in words; an error of the
        project's own is the answer to the operator, and harms nothing else.

    Raises
    ------
    FailedError
        If the socket cannot be opened.
    """
    station.folder.mkdir(parents=True, exist_ok=True)
    folder = os.open(station.folder, os.O_RDONLY | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        (station.folder / SOCKET_NAME).unlink(missing_ok=True)  # of a receiver that died
        before = os.umask(0o177)
        try:
            listener.bind(_address(folder))
        except OSError as error:
            raise FailedError(f"{station.folder}: orders cannot be taken there: {error.strerror}") from error
        finally:
            os.umask(before)
        server = await asyncio.start_unix_server(_answering(station, handle), sock=listener, limit=LONGEST)
        try:
            yield
        finally:
            server.close()
            (station.folder / SOCKET_NAME).unlink(missing_ok=True)
    finally:
        listener.close()
        os.close(folder)


def _answering(
    station: Station, handle: Callable[[Order], str]
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), 5.0)
            writer.write(json.dumps(_carry_out(line, station, handle)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:
            _log.warning("an order did not arrive whole: %s", error)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    return answer


def _carry_out(line: bytes, station: Station, handle: Callable[[Order], str]) -> dict[str, str]:
    try:
        order = Order.model_validate_json(line)
    except ValidationError as error:
        return {"error": f"got no order: {error}"}
    try:
        answer = {"answer": handle(order)}
    except EicpyError as error:
        answer = {"error": str(error)}
    try:
        station.journal(order.by, f"{order.words} → {' '.join(answer.values())}")
    except FailedError as error:  # what was done is done: a full disk must not keep a run from being stopped
        _log.error("an order was carried out, but is not in the journal: %s", error)
    return answer


@accept_old_keywords(renamed={"patience": "timeout"})
def send_order(station: Station, order: Order, *, timeout: float = 10.0) -> str:
    """Give an order to the receiver and wait for its answer.

    Parameters
    ----------
    station
        Station of the receiver.
    order
        What is asked.
    timeout
        How long to wait for the answer, s.

    Returns
    -------
    str
        What was done, in words.

    Raises
    ------
    FailedError
        If no receiver listens or answers.
    RefusedError
        If it refuses; the message is the receiver's.

    See Also
    --------
    Station : where the receiver takes orders.
    """
    try:
        folder = os.open(station.folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _nobody(station.folder) from error
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(_address(folder))
            connection.sendall(order.model_dump_json().encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline(LONGEST))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _nobody(station.folder) from error
    except (OSError, ValueError) as error:
        raise FailedError(
            f"got no answer to the order ({order.words}): {error}; look at the receiver"
        ) from error
    finally:
        os.close(folder)
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    return str(answer["answer"])


def _address(folder: int) -> str:
    """Address of the socket, short wherever the folder lies: a Unix address has at most 107 bytes."""
    return f"/proc/self/fd/{folder}/{SOCKET_NAME}"


def _nobody(folder: Path) -> FailedError:
    return FailedError(
        f"{folder}: no receiver takes orders here; start one with 'eic receive' or 'eic acquire'"
    )
