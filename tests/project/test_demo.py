"""What `make demo` runs, on a short night, with what the wheel alone brings: from nothing to the reports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project.test_wheel import built_wheel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the wheel itself asks for, in the locked versions, checked by their hashes."""
    folder = tmp_path_factory.mktemp("environment")
    uv, venv = Path(sys.executable).with_name("uv"), folder / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", venv / "bin/python"]
    done = subprocess.run(
        [*install, "--constraint", ROOT / "requirements.lock", built_wheel(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
        pytest.skip(f"the packages cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return venv


@pytest.mark.slow
def test_demo_leaves_reports_and_its_second_call_finds_them(wheel_environment: Path, tmp_path: Path):
    (tmp_path / "scripts").mkdir()  # away from the source tree, which Python would import else
    script = Path(shutil.copy(ROOT / "scripts/demo.sh", tmp_path / "scripts"))
    home = tmp_path / "home"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "EIC_HOME": str(home), "SERVE": "no",
        "PATH": f"{wheel_environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip

    def demo(duration: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script], env=environment | {"DURATION": duration}, capture_output=True, text=True, check=False
        )

    found = subprocess.run(
        [wheel_environment / "bin/python", "-c", "import eicpy; print(eicpy.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).is_relative_to(wheel_environment)

    first = demo("400")
    assert first.returncode == 0, first.stdout + first.stderr
    assert (home / "reports/index.html").is_file()
    reports = sorted(home.glob("reports/eclairs/*/*/report.html"))
    assert len(reports) >= 2
    raw = sorted(home.glob("archive/eclairs/*/raw.ccsds"))
    assert len(raw) == 1
    (sent,) = home.glob("simulated/demo/*.ccsds")
    assert raw[0].read_bytes() == sent.read_bytes()

    before = {path: path.stat().st_mtime_ns for path in [*reports, *raw]}
    second = demo("400")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "received before" in second.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before

    other = demo("700")
    assert other.returncode == 2
    assert "another duration" in other.stderr
