"""Processes of this machine: how one is known again after its end, and how one is asked to stop."""

import _thread
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

__all__ = ["is_running", "process_identity", "stop_on_signals"]


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
    host, pid, start = identity.rsplit(":", 2)
    return host != socket.gethostname() or _start_time(int(pid)) == start


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
        if second_ends:
            signal.signal(number, before[signal.Signals(number)])
        # in a thread: the main thread may hold the lock of the event, in wait(), when the signal comes
        _thread.start_new_thread(stop.set, ())

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
