"""The whole chain in one background process: it starts the parts and ends them in order.

The parts are processes of their own under a :class:`~eicpy.processors.Supervisor`. The sockets are bound
here, before anything else starts, and passed to each receiver: what comes while none reads is kept. Ended by
a signal, the receiver goes first; the processors may finish what is archived, for a stated time; then all
else ends.
"""

import getpass
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from eicpy.acquisition.reception.held_sockets import HeldSockets
from eicpy.acquisition.status import OverviewReader, Station, StatusReport
from eicpy.errors import ExitCode, FailedError
from eicpy.instruments import load
from eicpy.process import stop_on_signals
from eicpy.processors.chain_plan import ChainPlan
from eicpy.processors.child import ChildState
from eicpy.processors.supervisor import Supervisor
from eicpy.settings import Settings
from eicpy.text import span_text

__all__ = ["CHAIN", "run_chain", "stop_chain"]

_log = logging.getLogger(__name__)

CHAIN = "chain"
"""Name and role of the status of the process that holds the chain."""
TIMEOUT = 60.0
"""How long processors may take to finish what is archived, s, by default."""
STEP = 0.2
"""Between two looks, s."""


def run_chain(
    plan: ChainPlan,
    settings: Settings,
    *,
    timeout: float = TIMEOUT,
    say: Callable[[str], None] = _log.info,
    stop: threading.Event | None = None,
) -> ExitCode:
    """Run a chain until SIGTERM, SIGINT or `stop`.

    Parameters
    ----------
    plan
        What runs.
    settings
        Where.
    timeout
        How long the processors may take to finish what is archived once reception has ended, s.
    say
        Gets a line for each message: addresses at the start, what happens at the end.
    stop
        Set by another thread to end the chain.

    Returns
    -------
    ExitCode
        ``BAD_DATA`` if something that came was damaged or foreign, ``FAILED`` if a part was given up.

    Raises
    ------
    FailedError
        If a chain of this instrument runs already, or an address cannot be listened on.
    """
    station = Station(settings.live(plan.instrument))
    stop = stop or threading.Event()
    with (
        station.report(CHAIN, role=CHAIN) as report,
        HeldSockets(*plan.tcp_address, plan.udp_address) as held,
        stop_on_signals(stop),
    ):
        for address in held.addresses:
            say(f"listening on {address}")
        commands = tuple(
            replace(command, holds=held) if command.role == "receiver" else command
            for command in plan.commands(settings)
        )
        reader = OverviewReader(settings, load(plan.instrument))
        for command in commands:  # the last statuses of an earlier chain do not belong to this one
            _forget(station, command.name)
        supervisor = Supervisor(
            commands, logs=settings.home / "logs" / plan.instrument, station=station, timeout=timeout
        )
        note(station, plan.operator, f"the chain begins: {', '.join(command.name for command in commands)}")
        with supervisor:
            status = _ChainStatus(report, plan, reader, say)
            while not stop.wait(STEP):
                status("running")
            say("stopping: the receiver first")
            _stop_receiver(supervisor, status, timeout)
            _wait_for_processors(status, timeout)
            before = supervisor.states
        status("stopped")
        note(station, plan.operator, "the chain has ended")
        return _outcome(before, supervisor.states, reader)


def stop_chain(station: Station, *, timeout: float = 2 * TIMEOUT + 30.0) -> bool:
    """Ask the chain of a station to end, and wait until it has.

    Parameters
    ----------
    station
        Of the instrument.
    timeout
        How long to wait, s.

    Returns
    -------
    bool
        Whether none runs any more.
    """
    status = station.status(CHAIN)
    if status is None or not status.alive:
        return True
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(status.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status = station.status(CHAIN)
        if status is None or not status.alive:
            return True
        time.sleep(STEP)
    return False


def note(station: Station, by: str, what: str) -> None:
    """Write into the journal; on a full disk, where that fails, the chain matters more.

    Parameters
    ----------
    station
        Whose journal.
    by
        Who; empty: the user of this process.
    what
        What was done.
    """
    try:
        station.journal(by or getpass.getuser(), what)
    except FailedError as error:
        _log.warning("not in the journal: %s (%s)", what, error)


class _ChainStatus:
    """Keeps the status of the chain fresh, and says where its pages are once the receiver is ready."""

    def __init__(
        self, report: StatusReport, plan: ChainPlan, reader: OverviewReader, say: Callable[[str], None]
    ) -> None:
        self._report = report
        self._plan = plan
        self.reader = reader
        self._say = say
        self._said = False

    def __call__(self, state: str) -> None:
        self._report.update(state=state, values={"addresses": list(self._plan.pages)})
        receiver = self.reader.station.status("receiver")
        if self._said or receiver is None or not receiver.alive or not receiver.values.get("listening"):
            return
        self._said = True
        for address in self._plan.pages:
            self._say(f"pages: {address}")


def _forget(station: Station, name: str) -> None:
    status = station.status(name)
    if status is None or not status.alive:
        station.forget(name)


def _stop_receiver(supervisor: Supervisor, status: _ChainStatus, timeout: float) -> None:
    """End reception alone, so that the archive does not grow any more."""
    pid = supervisor.states["receiver"].pid
    if pid is None:
        return
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status("stopping")
        state = supervisor.states["receiver"]
        if state.pid != pid:
            return
        time.sleep(STEP)
    _log.warning("the receiver did not end within %s and will be killed", span_text(timeout))


def _wait_for_processors(status: _ChainStatus, timeout: float) -> None:
    """Wait until the processors have done all that is archived; name those that have not."""
    begun, deadline = datetime.now(tz=UTC), time.monotonic() + timeout
    while True:
        late = [
            part.name
            for part in status.reader.read().processors
            if part.health in {"alive", "silent"}
            and part.mode != "last"
            and part.state != "given up"
            and (part.behind != 0 or part.updated is None or part.updated <= begun)
        ]
        if not late:
            return
        if time.monotonic() > deadline:
            _log.warning(
                "after %s still behind, they resume there next time: %s",
                span_text(timeout), ", ".join(late),
            )  # fmt: skip
            return
        status("stopping")
        time.sleep(STEP)


def _outcome(
    before: Mapping[str, ChildState], after: Mapping[str, ChildState], reader: OverviewReader
) -> ExitCode:
    """The exit code; a crash after which a part was restarted is no failure of the chain."""
    if any(state.state == "given up" or state.error != before[name].error for name, state in after.items()):
        return ExitCode.FAILED
    return data_outcome(reader)


def data_outcome(reader: OverviewReader) -> ExitCode:
    """The exit code by what came: ``BAD_DATA`` if something was damaged or foreign."""
    receiver = reader.read().receiver
    if receiver is not None and (receiver.damaged or receiver.foreign_bytes):
        return ExitCode.BAD_DATA
    return ExitCode.CLEAN
