"""The lines of the how-to as cron and systemd run them: with an empty environment."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eicpy

ROOT = Path(__file__).resolve().parents[2]
NIGHTLY = ROOT / "docs" / "howto" / "nightly"
INSTALLED = "/opt/eicpy/.venv/bin/eic"


def _cron_line():
    """Variables and the command of the only entry of the crontab."""
    lines = [line for line in (NIGHTLY / "crontab").read_text().splitlines() if not line.startswith("#")]
    entries = [line for line in lines if line[0].isdigit()]
    assert len(entries) == 1
    return dict(line.split("=", 1) for line in lines if not line[0].isdigit()), entries[0].split(None, 5)[5]


def _run(command, home, folder):
    """As cron: /bin/sh, and the variables of the table and a few of its own, no others."""
    bare = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "eic", "EIC_HOME": str(home)}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=bare,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _stand_in(folder, body):
    script = folder / "eic"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 143])
def test_cron_mails_what_failed_and_nothing_else(tmp_path, status):
    variables, command = _cron_line()
    assert set(variables) == {"MAILTO", "EIC_HOME"}
    assert "%" not in command, "cron reads it as the end of the command"
    eic = _stand_in(tmp_path, f'echo "said of $EIC_HOME by $*"; echo more >&2; exit {status}')
    done = _run(command.replace(INSTALLED, eic), "/srv/eic", tmp_path)
    assert done.returncode == (0 if status <= 1 else status)
    if status <= 1:
        assert done.stdout == done.stderr == ""
    else:
        expected = "said of /srv/eic by night --instrument eclairs\nmore"
        assert done.stdout == f"{expected}\neic night: status {status}\n"


def test_the_command_itself_runs_with_an_empty_environment(tmp_path):
    """Nothing to do is no mail; a call that cannot be is one, with the reason."""
    package = Path(eicpy.__file__).parents[1]
    eic = _stand_in(tmp_path, f'PYTHONPATH="{package}" exec "{sys.executable}" -m eicpy.cli "$@"')
    command = _cron_line()[1].replace(INSTALLED, eic)
    done = _run(command, tmp_path / "home", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = _run(command.replace("eclairs", "eclair"), tmp_path / "home", tmp_path)
    assert done.returncode == 2
    assert "eclair" in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.count("\n") >= 2, "the reason, and the status"


def _unit(name):
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(NIGHTLY / name)
    return unit


def test_the_units_say_all_that_systemd_does_not_give():
    service, timer = _unit("eic-night.service"), _unit("eic-night.timer")
    assert service["Service"]["ExecStart"] == f"{INSTALLED} night --instrument eclairs"
    assert service["Service"]["Environment"] == "EIC_HOME=/srv/eic"
    assert service["Service"]["SuccessExitStatus"] == "1"
    mail = service["Unit"]["OnFailure"]
    assert (NIGHTLY / f"{mail.partition('@')[0]}@.service").is_file()
    assert timer["Timer"]["Persistent"] == "true", "catches up"
    page = (ROOT / "docs" / "howto" / "run-a-night.md").read_text()
    for file in NIGHTLY.iterdir():
        assert f"literalinclude}} nightly/{file.name}" in page


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_units(tmp_path):
    for file in NIGHTLY.glob("eic-*"):
        text = file.read_text().replace(INSTALLED, "/bin/true").replace("User=eic\n", "")
        (tmp_path / file.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "eic-night.service", "eic-night.timer"],
        cwd=tmp_path, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    about_ours = [line for line in done.stderr.splitlines() if "eic-" in line]
    assert about_ours == []
