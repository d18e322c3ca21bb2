"""Measure what eicpy promises about speed and memory, beside the peers, in one run.

Each of :data:`PARTS` is a file beside this one with a function ``rows()``
that returns a list of dictionaries: ``work`` (what was done), ``ours`` and ``peer`` (texts with units; the
peer named), ``ratio`` (the figure that is judged), ``target`` and ``unit``: "×" where more is better; "ns",
"min", "GiB" and others where less is. Each part is measured in a process of its own, so that none warms or
fills the memory of another, and one that fails is told without hiding the others.

    python benchmarks/run.py [--only NAME ...] [--no-page]
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("packets", "photons", "simulation", "gain", "live", "messaging", "monitor", "night")
PEERS = ("numpy", "numba", "scipy", "ccsdspy", "space_packet_parser", "stingray", "lmfit", "dask", "pyarrow")
MARK = "@rows@"


@dataclass(frozen=True)
class Row:
    """One measurement beside what was promised."""

    work: str
    ours: str
    peer: str
    ratio: float
    target: float
    unit: str

    @property
    def more_is_better(self) -> bool:
        return self.unit.startswith("×")

    @property
    def met(self) -> bool:
        return self.ratio >= self.target if self.more_is_better else self.ratio <= self.target

    @property
    def promise(self) -> str:
        return f"{'≥' if self.more_is_better else '≤'} {self.target:g} {self.unit}"

    @property
    def got(self) -> str:
        return f"{self.ratio:.3g} {self.unit}" if self.ratio < 1000 else f"{self.ratio:.0f} {self.unit}"


def measure_here(name: str) -> list[dict[str, object]]:
    """Rows of one part, in this process."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return list(module.rows())


def measure(name: str) -> tuple[list[Row], str]:
    """Rows of one part, in a process of its own, and the reason where there are none."""
    if not (HERE / f"{name}.py").is_file():
        return [], f"there is no benchmarks/{name}.py"
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    begin = time.monotonic()
    command = [sys.executable, str(Path(__file__).resolve()), "--part", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    found = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not found:
        return [], f"benchmarks/{name}.py ended with exit code {done.returncode}"
    rows = [Row(**row) for row in json.loads(found[-1])]
    print(f"  {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return rows, "" if rows else f"benchmarks/{name}.py measured nothing"


def machine() -> dict[str, str]:
    """What the figures were measured with."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "eicpy", "benchmarks"],
        capture_output=True,
        text=True,
        check=False,
    )
    suffix = " with changes not committed" if changed.stdout.strip() else ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}",
        "load": f"{os.getloadavg()[0]:.1f} (mean of the last minute, at the end)",
        "eicpy": f"{version('eicpy')}, commit {commit.stdout.strip() or 'unknown'}{suffix}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version_or_none(name)}" for name in PEERS),
    }


def version_or_none(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def table(rows: list[Row], failed: dict[str, str]) -> str:
    """The rows as a Markdown table; a promise that is not kept says so."""
    lines = ["| work | eicpy | beside | measured | promised | kept |", "|---|---|---|---|---|---|"]
    for row in rows:
        kept = "yes" if row.met else "**no**"
        lines.append(f"| {row.work} | {row.ours} | {row.peer} | {row.got} | {row.promise} | {kept} |")
    lines += [f"| {name} | – | – | not measured: {reason} | – | **no** |" for name, reason in failed.items()]
    return "\n".join(lines)


def page(rows: list[Row], failed: dict[str, str]) -> str:
    """The page of the documentation."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine().items())
    kept = sum(row.met for row in rows)
    return f"""# Speed and memory

Written by `make benchmark`; not edited by hand.
{kept} of {len(rows) + len(failed)} promises are kept in this run.

{table(rows, failed)}

"×" is how many times faster (or smaller) eicpy is than the peer in the same run on the same data; where
another unit stands, less is better. Each part runs in a process of its own; short times are the best of
several, because the machine may be busy. Ratios travel from machine to machine, seconds do not.

{facts}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these parts alone")
    parser.add_argument("--no-page", action="store_true", help="print, but leave docs/benchmarks.md as it is")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        try:
            print(MARK + json.dumps(measure_here(arguments.part)))
        except Exception:  # noqa: BLE001 - whatever fails is told as the reason of a missing row
            traceback.print_exc()
            return 1
        return 0

    rows: list[Row] = []
    failed: dict[str, str] = {}
    for name in arguments.only:
        measured, reason = measure(name)
        rows += measured
        if reason:
            failed[name] = reason
    print(table(rows, failed))
    if not arguments.no_page and set(arguments.only) == set(PARTS):
        PAGE.write_text(page(rows, failed), encoding="utf-8")
        print(f"\nwritten: {PAGE.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
