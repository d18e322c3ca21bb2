"""What `make demo` runs, on a short night: from nothing to the reports; the second call finds it there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def demo(home: Path, duration: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"EIC_HOME": str(home), "DURATION": duration, "SERVE": "no", "PATH": path}
    return subprocess.run(
        [ROOT / "scripts/demo.sh"], env=os.environ | settings, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_demo_leaves_reports_and_its_second_call_finds_them(tmp_path: Path):
    first = demo(tmp_path, "600")
    assert first.returncode == 0, first.stdout + first.stderr
    assert (tmp_path / "reports/index.html").is_file()
    reports = sorted(tmp_path.glob("reports/eclairs/*/*/report.html"))
    assert len(reports) >= 2
    raw = sorted(tmp_path.glob("archive/eclairs/*/raw.ccsds"))
    assert len(raw) == 1
    (sent,) = tmp_path.glob("simulated/demo/*.ccsds")
    assert raw[0].read_bytes() == sent.read_bytes()

    before = {path: path.stat().st_mtime_ns for path in [*reports, *raw]}
    second = demo(tmp_path, "600")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "received before" in second.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before

    other = demo(tmp_path, "700")
    assert other.returncode == 2
    assert "another duration" in other.stderr
