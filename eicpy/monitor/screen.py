"""The screen in front of a chain: attached to what runs, or in front of a chain that it starts.

The chain runs in a process, and a session, of its own. Whatever happens to the screen – a crash, a closed
terminal, a lost connection – reception goes on.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eicpy.acquisition.status import OverviewReader, Station, send_order
from eicpy.errors import ExitCode, FailedError
from eicpy.instruments import Instrument, load
from eicpy.monitor.app import Leave, MonitorApp
from eicpy.processors.chain import CHAIN, data_outcome, note
from eicpy.processors.chain_plan import ChainPlan
from eicpy.settings import Settings

__all__ = ["attend", "show", "start_chain"]

GOES_ON = "the chain goes on: 'eic monitor -i {name}' looks again, and can stop it"
START_TIMEOUT = 60.0
"""How long a chain may take until it reports its status, s."""


def show(
    settings: Settings, instrument: Instrument, *, operator: str = "", on_interrupt: Leave = "leave"
) -> Leave:
    """Show the screen in this terminal until the operator leaves.

    Parameters
    ----------
    settings, instrument
        Set-up with the live chain.
    operator
        Who orders, until the operator changes it.
    on_interrupt
        What Ctrl-C and SIGTERM mean.

    Returns
    -------
    Leave
        Whether the chain is to go on or to be stopped.

    Raises
    ------
    FailedError
        If the screen itself failed. The chain goes on.
    """
    _need_terminal()
    reader = OverviewReader(settings, instrument)
    station = reader.station
    app = MonitorApp(
        reader.read,
        lambda order: send_order(station, order),
        operator=operator,
        may_stop=lambda: chain_runs(station),
        on_interrupt=on_interrupt,
    )
    with _logging_to(settings.home / "logs" / instrument.name / "monitor.log"):
        left = app.run()
    if left is None:
        raise FailedError(f"the screen failed; {GOES_ON.format(name=instrument.name)}")
    if left == "stop":
        note(station, app.operator, "stop all")
    return left


def attend(plan: ChainPlan, settings: Settings, *, timeout: float, say: Callable[[str], None]) -> ExitCode:
    """Start a chain, show the screen in front of it, and end it if the operator wants to.

    Parameters
    ----------
    plan
        What runs.
    settings
        Where.
    timeout
        How long the processors may take to finish at the end, s.
    say
        Gets lines for the terminal, before and after the screen.

    Returns
    -------
    ExitCode
        Of the chain, where it was ended; else ``CLEAN``.

    Raises
    ------
    FailedError
        If there is no terminal, the chain did not start, or the screen failed; in that case the chain
        goes on.
    """
    _need_terminal()
    instrument = load(plan.instrument)
    reader = OverviewReader(settings, instrument)
    chain = start_chain(plan, settings, timeout=timeout, say=say)
    try:
        left = show(settings, instrument, operator=plan.operator, on_interrupt="stop")
    finally:
        for address in reader.read().addresses:
            say(f"at {address}")
    if left == "leave":
        say(GOES_ON.format(name=plan.instrument))
        return ExitCode.CLEAN
    say("stopping: the receiver first, then the processors when they have done what is archived …")
    chain.terminate()
    code = ExitCode(chain.wait())
    say("stopped")
    return data_outcome(reader) if code is ExitCode.TERMINATED else code  # it was we who sent SIGTERM


def chain_runs(station: Station) -> bool:
    """Whether a chain of this station runs."""
    status = station.status(CHAIN)
    return status is not None and status.alive


def start_chain(
    plan: ChainPlan, settings: Settings, *, timeout: float, say: Callable[[str], None]
) -> "subprocess.Popen[bytes]":
    """Start a chain in a session of its own, and wait until it reports its status.

    Parameters
    ----------
    plan
        What runs.
    settings
        Where.
    timeout
        How long its processors may take to finish at the end, s.
    say
        Gets a line.

    Returns
    -------
    subprocess.Popen
        The process that holds the chain.

    Raises
    ------
    FailedError
        If one runs already, if it ended at once, with its last line of output, or if it did not report
        anything in time.
    """
    station = Station(settings.live(plan.instrument))
    if chain_runs(station):
        raise FailedError(
            f"{station.folder}: a chain runs here already; 'eic monitor' shows it, and can stop it"
        )
    log = settings.home / "logs" / plan.instrument / "chain.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        begin = stream.tell()
        process = subprocess.Popen(  # noqa: S603, our own command
            [sys.executable, "-m", "eicpy.cli", *plan.arguments(timeout)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=os.environ | plan.environment(settings),
            start_new_session=True,  # the terminal may close, or interrupt the screen: the chain goes on
        )
    say("starting …")
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        status = station.status(CHAIN)
        if status is not None and status.alive and status.pid == process.pid:
            return process
        if process.poll() is not None:
            output = log.read_bytes()[begin:].decode(errors="replace").splitlines() or [f"see {log}"]
            raise FailedError(f"the chain did not start: {output[-1].removeprefix('eic: ')}")
        time.sleep(0.05)
    process.terminate()
    process.wait()
    raise FailedError(f"the chain reported nothing within {START_TIMEOUT:g} s and was ended: see {log}")


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise FailedError(
            "got no terminal for the screen; use 'eic monitor --once' or --json, or 'eic acquire --headless'"
        )


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Send what is logged to a file: on the screen it would stand across the tables."""
    root = logging.getLogger()
    before = list(root.handlers)
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before
        handler.close()
