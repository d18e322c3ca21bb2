"""The supervisor: crashes are repaired up to a limit, the others do not notice, nothing outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Station
from eicpy.errors import BadArgumentError
from eicpy.processors import ChainCommand, Supervisor
from eicpy.processors.log_file import BoundedLog

STEADY = "import signal\nprint('steady', flush=True)\nwhile True: signal.pause()"
CRASHING = "import sys\nprint('about to fail', flush=True)\nsys.exit(7)"


def python(name: str, code: str, **more: object) -> ChainCommand:
    return ChainCommand(name, (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "live")


@pytest.fixture
def chain(tmp_path: Path, station: Station) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def start(*commands: ChainCommand, **options: object) -> Supervisor:
        supervisor = Supervisor(commands, logs=tmp_path / "logs", station=station, **options)  # type: ignore[arg-type]
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()


def test_a_killed_child_is_started_again_and_the_other_does_not_notice(chain: Callable[..., Supervisor]):
    supervisor = chain(python("one", STEADY), python("two", STEADY))
    wait_until(lambda: all(s.pid for s in supervisor.states.values()))
    before = supervisor.states
    os.kill(before["one"].pid, signal.SIGKILL)
    wait_until(lambda: supervisor.states["one"].restarts == 1 and supervisor.states["one"].state == "running")
    assert supervisor.states["one"].pid != before["one"].pid
    assert supervisor.states["one"].error == "killed by SIGKILL"
    assert supervisor.states["two"] == before["two"]


def test_a_child_that_always_crashes_is_given_up_and_its_status_says_so(
    chain: Callable[..., Supervisor], station: Station
):
    supervisor = chain(python("bad", CRASHING), python("good", STEADY), limit=2)
    wait_until(lambda: supervisor.states["bad"].state == "given up")
    assert supervisor.states["bad"].restarts == 2
    wait_until(lambda: station.status("bad") is not None and station.status("bad").state == "given up")
    assert station.status("bad").error == "exit code 7: about to fail"
    assert station.status("bad").values["restarts"] == 2
    assert supervisor.states["good"].state == "running"
    assert supervisor.states["good"].restarts == 0
    wait_until(lambda: station.status("supervisor").values["children"]["bad"]["state"] == "given up")
    assert station.status("supervisor").error == "bad: exit code 7: about to fail"


def test_a_child_that_was_given_up_can_be_revived(chain: Callable[..., Supervisor], tmp_path: Path):
    flag = tmp_path / "works now"
    code = f"import os, signal, sys\nif not os.path.exists({str(flag)!r}): sys.exit(7)\nsignal.pause()"
    supervisor = chain(python("part", code), limit=0)
    wait_until(lambda: supervisor.states["part"].state == "given up")
    flag.touch()
    supervisor.revive("part")
    wait_until(lambda: supervisor.states["part"].state == "running")
    with pytest.raises(BadArgumentError, match="'nobody', expected one of part"):
        supervisor.revive("nobody")


def test_wrong_arguments_are_not_tried_again(chain: Callable[..., Supervisor]):
    supervisor = chain(python("wrong", "import sys; sys.exit(2)"))
    wait_until(lambda: supervisor.states["wrong"].state == "given up")
    assert supervisor.states["wrong"].restarts == 0


def test_a_program_that_is_not_there_harms_nobody(chain: Callable[..., Supervisor]):
    supervisor = chain(ChainCommand("missing", ("/no/such/program",)), python("good", STEADY))
    wait_until(lambda: supervisor.states["missing"].state == "given up")
    assert "could not be started: No such file" in supervisor.states["missing"].error
    assert supervisor.states["good"].state == "running"


def test_a_child_that_has_done_its_work_is_left_alone(chain: Callable[..., Supervisor]):
    supervisor = chain(
        python("short", "print('done')"), python("damaged", "exit(1)", clean=frozenset({0, 1}))
    )
    wait_until(lambda: {s.state for s in supervisor.states.values()} == {"ended"})
    assert [s.restarts for s in supervisor.states.values()] == [0, 0]


def test_children_are_stopped_in_order(chain: Callable[..., Supervisor], tmp_path: Path):
    record = tmp_path / "record"
    code = (
        "import signal, sys\n"
        "def end(*_):\n"
        f"    open({str(record)!r}, 'a').write('%s ')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\nwhile True: signal.pause()"
    )
    supervisor = chain(python("first", code % "first"), python("second", code % "second"), timeout=LIMIT)
    logs = [s.log for s in supervisor.states.values()]
    wait_until(lambda: all(log.exists() and b"ready" in log.read_bytes() for log in logs))
    supervisor.stop()
    assert record.read_text().split() == ["first", "second"]
    assert {s.state for s in supervisor.states.values()} == {"stopped"}
    assert not supervisor.states["second"].error


def test_a_deaf_child_is_killed(chain: Callable[..., Supervisor]):
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\n"
    supervisor = chain(python("deaf", f"{code}while True: signal.pause()"), timeout=0.5)
    log = supervisor.states["deaf"].log
    wait_until(lambda: log.exists() and b"ready" in log.read_bytes())
    supervisor.stop()
    assert supervisor.states["deaf"].state == "stopped"
    assert "was killed" in supervisor.states["deaf"].error


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom eicpy.processors import ChainCommand, Supervisor\n"
        f"c = ChainCommand('part', (sys.executable, '-c', {STEADY!r}))\n"
        f"s = Supervisor([c], logs=Path({str(tmp_path)!r}))\ns.start()\n"
        "while s.states['part'].pid is None: s.wait(0.05)\n"
        "print(s.states['part'].pid, flush=True)\ns.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        try:
            pid = int(parent.stdout.readline())
            assert is_running(pid)
        finally:
            parent.kill()
    with suppress(FileNotFoundError):
        wait_until(lambda: not is_running(pid))


def test_two_children_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(BadArgumentError, match="two commands named twin"):
        Supervisor([python("twin", ""), python("twin", "")], logs=tmp_path)


def test_what_children_say_is_kept_in_bounded_files(chain: Callable[..., Supervisor], tmp_path: Path):
    code = "for n in range(20000): print(f'line {n:06d}')"
    supervisor = chain(python("talker", code), log_size=10_000)
    wait_until(lambda: supervisor.states["talker"].state == "ended")
    log = supervisor.states["talker"].log
    wait_until(lambda: log.read_text().endswith("line 019999\n"))
    assert [file.name for file in sorted(log.parent.iterdir())] == ["talker.log", "talker.log.1"]
    assert all(file.stat().st_size <= 10_000 for file in log.parent.iterdir())


def test_a_log_that_cannot_be_written_says_later_how_much_was_left_out(tmp_path: Path):
    blocked = tmp_path / "logs"
    blocked.write_text("in the way")
    log = BoundedLog(blocked / "part.log")
    log.write(b"lost\n")
    blocked.unlink()
    log.write(b"kept\n")
    log.close()
    assert log.file.read_text() == "... 5 bytes were left out: no room ...\nkept\n"
