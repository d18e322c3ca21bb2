"""Processes of this machine: how one is known again after its end, and how one is asked to stop.

SIGTERM (a service manager, a container that is replaced) and SIGINT (Ctrl-C) ask a process to stop. Work that
comes in pieces looks for the request between two of them (`stop_on_signals`); work in one piece is left at
once (`interrupt_on_signals`), since everything it writes is complete or absent.
"""

import _thread
import getpass
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NoReturn

__all__ = [
    "Interrupted",
    "interrupt",
    "interrupt_on_signals",
    "is_running",
    "note_signal",
    "of_this_host",
    "process_identity",
    "stop_asked",
    "stop_on_signals",
    "user_name",
]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_received: list[signal.Signals] = []
"""Those that asked this process to stop, the first one first."""
_stops: list[threading.Event] = []
"""What the blocks of `stop_on_signals` that run now listen to."""


def process_identity() -> str:
    """Host, number and start time of this process, so that a reused process number is not mistaken for it.

    See Also
    --------
    is_running : Whether the process of an identity still runs.

    Examples
    --------
    >>> is_running(process_identity())
    True
    """
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"


def is_running(identity: str) -> bool:
    """Whether the process of an identity still runs; True for one of another host, where nobody knows.

    Parameters
    ----------
    identity
        As :func:`process_identity` gave it.
    """
    _, pid, start = identity.rsplit(":", 2)
    return not of_this_host(identity) or _start_time(int(pid)) == start


def of_this_host(identity: str) -> bool:
    """Whether the process of an identity is, or was, one of this host.

    >>> of_this_host(process_identity()), of_this_host("old-container:7:1234")
    (True, False)
    """
    return identity.rsplit(":", 2)[0] == socket.gethostname()


def user_name() -> str:
    """Name of the user of this process; its number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _start_time(pid: int) -> str:
    """Start time of a process in clock ticks; without /proc only whether its number is in use is known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "gone" if _has_proc() or not _is_used(pid) else "lives"
    return stat.rpartition(")")[2].split()[19]


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


def _is_used(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to stop.

    Parameters
    ----------
    number
        The signal.
    """

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)
        super().__init__(f"stopped by {self.number.name}")


def interrupt(number: int, _frame: FrameType | None = None) -> NoReturn:
    """Handler of a signal: leave the work at hand.

    Raises
    ------
    Interrupted
        Always.
    """
    note_signal(number)
    raise Interrupted(number)


def note_signal(number: int) -> None:
    """Note that a signal asked this process to stop, for who catches it in a way of their own."""
    _received.append(signal.Signals(number))


@contextmanager
def interrupt_on_signals() -> Iterator[list[signal.Signals]]:
    """Let SIGTERM and Ctrl-C raise :class:`Interrupted`, while the block runs.

    A signal that this process was told to ignore (``nohup``, a job in the background) is ignored still.
    Signals are caught in the main thread only; in another thread the block just runs.

    Yields
    ------
    list of signal.Signals
        Those that were received, also by `stop_on_signals` inside the block; the first one first.
    """
    _received.clear()
    if threading.current_thread() is not threading.main_thread():
        yield _received
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)
    try:
        yield _received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_asked() -> bool:
    """Whether a block of `stop_on_signals` that runs now was asked to stop: for who waits inside of it."""
    return any(stop.is_set() for stop in _stops)


@contextmanager
def stop_on_signals(
    stop: threading.Event | None = None, *, second_ends: bool = False
) -> Iterator[threading.Event]:
    """Let SIGTERM and Ctrl-C ask to stop after the work in hand, while the block runs.

    Signals are caught in the main thread only; in another thread the block just runs.

    Parameters
    ----------
    stop
        Set by the signals; by default a new event.
    second_ends
        Whether a second signal ends the process at once, as it does outside the block.

    Yields
    ------
    threading.Event
        `stop`.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        note_signal(number)
        if second_ends:
            signal.signal(number, before[signal.Signals(number)])
        # in a thread: the main thread may hold the lock of the event, in wait(), when the signal comes
        _thread.start_new_thread(stop.set, ())

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    _stops.append(stop)
    try:
        yield stop
    finally:
        _stops.remove(stop)
        for number, handler in before.items():
            signal.signal(number, handler)
