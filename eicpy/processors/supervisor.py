"""The supervisor: keeps the parts of a chain running, each in a process of its own.

A part that crashes is started again, after a wait that doubles, and given up when it crashes too often;
the others do not notice. All are stopped by their process id, in the order they were given: the source of
the packets first, so that those behind it still see the end. If the supervisor itself dies, the kernel
ends its children (:mod:`eicpy.processors.parent_death`).

The states of the children are in the status ``supervisor`` of the station; a child that was given up cannot
report it, and the supervisor does so in its name.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eicpy.acquisition.status import Station, StatusReport
from eicpy.errors import BadArgumentError, EicpyError, NotFoundError
from eicpy.processors.child import ChainCommand, Child, ChildState
from eicpy.processors.log_file import BoundedLog

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)

INTERVAL = 0.1
"""Between two looks at the children, s."""
LIMIT, WINDOW = 5, 60.0
LONGEST_WAIT = 10.0
"""Before a restart, s."""


class Supervisor:
    """Keeps commands running; a context manager that stops them all at its end.

    Parameters
    ----------
    commands
        What to run, in the order in which they are started and stopped.
    logs
        Folder of the log files, one for each command, bounded in size.
    station
        Where the supervisor reports the states of its children; None: nowhere.
    limit, window
        A child is given up when it crashes more than `limit` times within `window` seconds.
    longest_wait
        The wait before a restart doubles with each crash in the window, up to this, s.
    timeout
        How long a child may take to end when it is asked to, s, before it is killed.
    log_size
        Bytes of a log file; the one before it is kept as well.

    Raises
    ------
    BadArgumentError
        For two commands of one name.

    See Also
    --------
    run_chain : a whole chain with its receiver and pages.

    Examples
    --------
    ::

        with Supervisor([eic_command("receiver", "receive", "-i", "eclairs")], logs=folder) as chain:
            chain.wait()
    """

    def __init__(
        self,
        commands: Iterable[ChainCommand],
        *,
        logs: Path,
        station: Station | None = None,
        limit: int = LIMIT,
        window: float = WINDOW,
        longest_wait: float = LONGEST_WAIT,
        timeout: float = 30.0,
        log_size: int = 1 << 20,
    ) -> None:
        self._make: Callable[[ChainCommand], Child] = lambda command: Child(
            command, BoundedLog(logs / f"{command.name}.log", log_size), limit, window, longest_wait
        )
        self._station = station
        self._timeout = timeout
        self._children: dict[str, Child] = {}
        for command in commands:
            if command.name in self._children:
                raise BadArgumentError(f"got two commands named {command.name}, expected one of each name")
            self._children[command.name] = self._make(command)
        self._states = {name: child.snapshot for name, child in self._children.items()}
        self._revive: set[str] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: dict[str, tuple[ExitStack, StatusReport]] = {}

    @property
    def states(self) -> dict[str, ChildState]:
        """States of the children, by name."""
        return dict(self._states)

    def start(self) -> None:
        """Start all commands."""
        # One thread starts the children and outlives them: the kernel ends them with that thread.
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop all children, one after the other, and wait for them."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def revive(self, name: str) -> None:
        """Start a child again that was given up or had ended.

        Raises
        ------
        NotFoundError
            If there is no child of that name.
        """
        if name not in self._children:
            raise NotFoundError(f"got no child {name!r}, expected one of {', '.join(self._children)}")
        self._revive.add(name)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the supervisor was stopped.

        Parameters
        ----------
        timeout
            How long at most, s.

        Returns
        -------
        bool
            Whether it was.
        """
        return self._stopping.wait(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with ExitStack() as stack:
            report = self._own_report(stack)
            for child in self._children.values():
                self._guarded(child, child.start)
            while not self._stopping.wait(INTERVAL):
                for name, child in self._children.items():
                    if name in self._revive:
                        self._revive.discard(name)
                        child.revive()
                    self._guarded(child, child.watch)
                self._report(report, "running")
            for child in self._children.values():
                child.end(self._timeout)
                child.log.close()
            self._report(report, "stopped")

    def _guarded(self, child: Child, step: Callable[[], None]) -> None:
        """Do something with a child; that it cannot be done must not end the others."""
        try:
            step()
        except OSError as error:  # no process, no memory
            child.error, child.state = f"could not be started: {error.strerror}", "given up"
            _log.exception("%s could not be started", child.command.name)

    def _own_report(self, stack: ExitStack) -> StatusReport | None:
        if self._station is None:
            return None
        try:
            return stack.enter_context(self._station.report("supervisor", role="supervisor"))
        except EicpyError:  # running the children matters more than reporting them
            _log.exception("the supervisor cannot report the states of its children")
            return None

    def _report(self, report: StatusReport | None, state: str) -> None:
        before, self._states = self._states, {n: c.snapshot for n, c in self._children.items()}
        for name, child_state in self._states.items():
            if child_state.state != before[name].state:
                how = f"{child_state.state} ({child_state.error})" if child_state.error else child_state.state
                _log.log(logging.WARNING if child_state.error else logging.INFO, "%s: %s", name, how)
        self._report_given_up(state)
        if report is not None:
            errors = [f"{t.name}: {t.error}" for t in self._states.values() if t.state == "given up"]
            report.update(
                state=state,
                error="; ".join(errors) or None,
                recovered=not errors,
                values={"children": {n: _plain(t) for n, t in self._states.items()}},
            )

    def _report_given_up(self, state: str) -> None:
        """Hold the status of children that were given up, and release it when they run again."""
        lost = {n for n, t in self._states.items() if t.state == "given up"} if state == "running" else set()
        for name in self._held.keys() - lost:
            self._held.pop(name)[0].close()
        if self._station is None:
            return
        for name in lost - self._held.keys():
            child_state, before = self._states[name], self._station.status(name)
            stack = ExitStack()
            try:
                report = stack.enter_context(self._station.report(name, role=child_state.role))
            except EicpyError as error:  # another process holds that status
                _log.warning("%s was given up, and its status cannot say so: %s", name, error)
                continue
            values = {} if before is None else before.values
            why = child_state.error if before is None or before.error is None else before.error
            report.update(state="given up", error=why, values=values | {"restarts": child_state.restarts})
            self._held[name] = (stack, report)


def _plain(child_state: ChildState) -> dict[str, Any]:
    return asdict(child_state) | {"log": str(child_state.log)}
