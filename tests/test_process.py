"""Identity of processes, and signals as a request to stop."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from eicpy.process import is_running, process_identity, stop_on_signals


def test_a_process_is_known_until_its_end():
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from eicpy.process import *; print(process_identity(), flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    identity = child.stdout.readline().strip()
    assert is_running(identity)
    assert identity != process_identity()
    child.communicate("\n")
    assert not is_running(identity)


def test_a_reused_number_is_another_process_and_another_host_is_not_judged():
    host, pid, start = process_identity().rsplit(":", 2)
    assert is_running(f"{host}:{pid}:{start}")
    assert not is_running(f"{host}:{pid}:{int(start) - 1}")
    assert is_running(f"elsewhere:{pid}:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_the_handler_of_before_comes_back(number):
    before = signal.getsignal(number)
    own = threading.Event()
    with stop_on_signals(own) as stop:
        assert stop is own
        os.kill(os.getpid(), number)
        assert stop.wait(60)
        os.kill(os.getpid(), number)  # the second is the same request
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_at_once_where_asked():
    with stop_on_signals(second_ends=True) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.wait(60)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_while_the_lock_of_the_event_is_held_blocks_nobody():
    with stop_on_signals() as stop:
        with stop._cond:
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(60)


def test_outside_the_main_thread_signals_are_not_touched():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with stop_on_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
