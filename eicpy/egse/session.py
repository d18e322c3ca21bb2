"""Sending a file of packets over TCP, as the electrical ground support equipment would."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadArgumentError, BadDataError, FailedError, readable

__all__ = ["SendSummary", "send"]

_CHUNK = 1 << 18


@dataclass(frozen=True)
class SendSummary:
    """What was sent.

    Parameters
    ----------
    size
        Bytes.
    seconds
        Time it took, s.
    """

    size: int
    seconds: float


def send(
    file: Path,
    host: str,
    port: int,
    *,
    rate: float | None = None,
    start: int = 0,
    connect_timeout: float = 10.0,
    progress: Callable[[int, int], None] | None = None,
) -> SendSummary:
    """Send the bytes of a file, unaltered.

    Returns when the receiver has taken everything from the connection: the connection is closed for
    writing, and the receiver's own close is awaited.

    Parameters
    ----------
    file
        The file.
    host, port
        The receiver. A receiver that is not there yet is tried until `connect_timeout`.
    rate
        Bytes per second; None: as fast as the receiver takes them.
    start
        Byte to start at, to go on after an interrupted connection.
    connect_timeout
        How long to try to connect, s.
    progress
        Called with (bytes done, bytes in all).

    Returns
    -------
    SendSummary
        What was sent.

    Raises
    ------
    BadArgumentError
        For a rate that is not positive, or a file that is not there.
    BadDataError
        If the file cannot be read.
    FailedError
        If nobody answers, or the connection is closed before everything was sent; the message says
        how many bytes went out.
    """
    if rate is not None and not rate > 0:
        raise BadArgumentError(f"got rate {rate}, expected bytes per second above 0")
    if not Path(file).is_file():
        raise BadArgumentError(f"{readable(file)}: no such file")
    begun = time.monotonic()
    sent = start
    try:
        stream = Path(file).open("rb")  # noqa: SIM115, closed by the with below; an error here is the file's
        total = Path(file).stat().st_size
    except OSError as error:
        raise BadDataError(f"could not be read: {error.strerror}", file=file) from error
    with stream, _connect(host, port, connect_timeout) as connection:
        stream.seek(start)
        step = _CHUNK if rate is None else max(1, min(_CHUNK, int(rate / 20)))
        try:
            while chunk := stream.read(step):
                connection.sendall(chunk)
                sent += len(chunk)
                if progress is not None:
                    progress(sent, total)
                if rate is not None:
                    time.sleep(max(0.0, begun + (sent - start) / rate - time.monotonic()))
            connection.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                connection.recv(1)  # the receiver closes when it has archived the last byte
        except OSError as error:
            raise FailedError(
                f"{host}:{port} closed the connection after about {sent - start} of {total - start} bytes: "
                f"{error.strerror or error}; is this host one of the receiver's peers?"
            ) from error
    return SendSummary(sent - start, time.monotonic() - begun)


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    end = time.monotonic() + timeout
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=timeout)
        except OSError as error:
            if time.monotonic() >= end or isinstance(error, socket.gaierror):
                raise FailedError(
                    f"{host}:{port}: no receiver answers: {error.strerror or error}; "
                    "start one with `eic receive`"
                ) from error
            time.sleep(0.1)
        else:
            connection.settimeout(60.0)
            return connection
