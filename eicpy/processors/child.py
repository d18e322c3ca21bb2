"""One command as a supervised process: started, watched, its output kept, ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from eicpy.errors import ExitCode
from eicpy.processors import parent_death
from eicpy.processors.log_file import BoundedLog

__all__ = ["RESTARTS", "ChainCommand", "Child", "ChildState", "eic_command"]

RESTARTS = "EIC_RESTARTS"
"""Environment variable with the number of restarts of a child."""
FIRST_WAIT = 0.2
"""Before the first restart, s; doubled with each further one."""


class Passing(Protocol):
    """What outlives a process and is passed to the next, such as sockets."""

    def passing(self) -> AbstractContextManager[tuple[tuple[int, ...], Mapping[str, str]]]:
        """File descriptors and variables for the process that is started inside the block."""


@dataclass(frozen=True)
class ChainCommand:
    """A command to be kept running.

    Parameters
    ----------
    name
        Of the part of the chain; that of its status and its log.
    arguments
        Program and arguments.
    role
        As in its status.
    environment
        Variables besides those of this process.
    clean
        Exit codes of a command that has done its work: it is not started again.
    holds
        What is passed to the process at each start.
    """

    name: str
    arguments: tuple[str, ...]
    role: str = "processor"
    environment: Mapping[str, str] = field(default_factory=dict)
    clean: frozenset[int] = frozenset({0})
    holds: Passing | None = None


def eic_command(name: str, *arguments: str, role: str = "processor") -> ChainCommand:
    """A command of ``eic``; that some of its data were bad, or that somebody stopped it, is no crash.

    Parameters
    ----------
    name
        Of the part of the chain.
    *arguments
        What follows ``eic``.
    role
        As in its status.
    """
    program = (sys.executable, "-m", "eicpy.cli")
    ended = (ExitCode.CLEAN, ExitCode.BAD_DATA, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    return ChainCommand(name, (*program, *arguments), role, clean=frozenset(map(int, ended)))


@dataclass(frozen=True)
class ChildState:
    """The state of a supervised command.

    Parameters
    ----------
    name, role
        Of the command.
    state
        ``waiting`` (not started yet), ``running``, ``restarting``, ``given up``, ``ended`` (it had done its
        work) or ``stopped``.
    pid
        Process id; None while it does not run.
    restarts
        Number of restarts.
    error
        How it ended last, where that was no clean end; else empty.
    log
        Where its output is.
    """

    name: str
    role: str
    state: str
    pid: int | None
    restarts: int
    error: str
    log: Path


class Child:
    """A command and the process that runs it now. Only the thread of the supervisor uses it.

    Parameters
    ----------
    command
        The command.
    log
        Where its output goes.
    limit, window
        It is given up when it crashes more than `limit` times within `window` seconds.
    longest_wait
        Before a restart at most, s.
    """

    def __init__(
        self, command: ChainCommand, log: BoundedLog, limit: int, window: float, longest_wait: float
    ) -> None:
        self.command = command
        self.log = log
        self.state = "waiting"
        self.restarts = 0
        self.error = ""
        self._limit = limit
        self._window = window
        self._longest_wait = longest_wait
        self._crashes: deque[float] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._due = 0.0

    @property
    def snapshot(self) -> ChildState:
        """Its state now."""
        pid = self._process.pid if self._process is not None else None
        c = self.command
        return ChildState(c.name, c.role, self.state, pid, self.restarts, self.error, self.log.file)

    def start(self) -> None:
        """Start the process; the thread that calls must outlive it."""
        environment = os.environ | dict(self.command.environment) | {RESTARTS: str(self.restarts)}
        guard = [sys.executable, "-I", "-S", str(Path(parent_death.__file__)), str(os.getpid())]
        holds = self.command.holds
        with nullcontext(((), {})) if holds is None else holds.passing() as (files, variables):
            process = subprocess.Popen(  # noqa: S603, the commands are our own or the operator's
                [*guard, *self.command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment | dict(variables),
                pass_fds=files,
                process_group=0,  # Ctrl-C in the terminal is ours: we stop the children in order
            )
        self._process, self.state = process, "running"
        threading.Thread(target=_pump, args=(process, self.log), daemon=True).start()

    def watch(self) -> None:
        """Notice its end; start it again when that is due."""
        if self.state == "restarting" and time.monotonic() >= self._due:
            self.restarts += 1
            self.start()
        elif self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            self._ended(code)

    def revive(self) -> None:
        """Start it again though it was given up, or had ended."""
        if self._process is None:
            self._crashes.clear()
            self.state, self._due = "restarting", 0.0

    def ask_to_end(self) -> None:
        """Ask the process to end, by its id."""
        if self._process is not None:
            self._process.terminate()

    def end(self, timeout: float) -> None:
        """End the process: asked first, killed when it does not end within `timeout` seconds."""
        if self._process is not None:
            self._process.terminate()
            try:
                code = self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
                self.error = f"did not end within {timeout:g} s and was killed"
            else:
                if code not in self.command.clean and code != -signal.SIGTERM:
                    self.error = self._why(code)
            self._process = None
        if self.state in {"waiting", "running", "restarting"}:
            self.state = "stopped"

    def _ended(self, code: int) -> None:
        if code in self.command.clean:
            self.state = "ended"
            return
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes[0] < now - self._window:
            self._crashes.popleft()
        self.error = self._why(code)
        # the same wrong arguments would be wrong again
        if code == ExitCode.BAD_ARGUMENTS or len(self._crashes) > self._limit:
            self.state = "given up"
            return
        self.state = "restarting"
        self._due = now + min(FIRST_WAIT * 2.0 ** min(len(self._crashes) - 1, 20), self._longest_wait)

    def _why(self, code: int) -> str:
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        return f"{how}: {self.log.last_line}" if self.log.last_line and code >= 0 else how


def _pump(process: subprocess.Popen[bytes], log: BoundedLog) -> None:
    """Copy the output of a process into its log until the process, and all it started, have closed it."""
    assert process.stdout is not None
    with process.stdout as stream:
        while said := os.read(stream.fileno(), 1 << 16):
            log.write(said)
