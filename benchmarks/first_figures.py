"""Time to the first figures: from a server that has just been started, and from one that stands.

Each page is opened in headless Chromium against a set-up that holds a run. Told are, from the moment at
which the address is asked for: the first words of the page, all figures drawn with data (the page's clock
runs), and the time of the processor that it took in the server with its kernels, and in the browser. "Cold"
is the first page of a new server, asked for as soon as the server answers; "warm" a page of a server that has
drawn others before, by a browser that knows the scripts. Times of the clock are worth something on a quiet
machine alone; the load is printed beside them.

    python benchmarks/first_figures.py [--home HOME] [--rounds 3]

Without a home, a short night is simulated and ingested into a temporary one.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eicpy.dashboard import Server, ServerOptions
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.simulation import SimulationConfig, write_simulation

PAGES = ("", "quicklook", "monitor")
FIGURES = ".eic-heartbeat:not([data-tick='0'])"
WORDS = "h1, .eic-header"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Opening:
    """One page that was opened."""

    answered: float
    words: float
    figures: float
    server_cpu: float
    browser_cpu: float


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in children:
        yield from tree(int(child))


def cpu(pid: int) -> float:
    """Time of the processor of a tree, with its children that ended, s."""
    total = 0
    for process in tree(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total / TICK


def measure(context: Any, url: str, server: int, browser: int) -> Opening:
    """Open a page in a new tab, wait for its figures, and close it."""
    page = context.new_page()
    page.set_default_timeout(300_000)
    before, browser_before, begin = cpu(server), cpu(browser), time.monotonic()
    page.goto(url, wait_until="commit")
    answered = time.monotonic() - begin
    page.wait_for_selector(WORDS)
    words = time.monotonic() - begin
    page.wait_for_selector(FIGURES, state="attached")
    figures = time.monotonic() - begin
    opening = Opening(answered, words, figures, cpu(server) - before, cpu(browser) - browser_before)
    page.goto("about:blank")
    page.close()
    return opening


@contextmanager
def set_up(home: Path | None) -> Iterator[Settings]:
    """The set-up to show."""
    if home is not None:
        yield Settings.at(home)
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.at(Path(folder) / "home")
        config = SimulationConfig(name="first", duration=600.0, saa=False, earth=False)
        night = write_simulation(config, Path(folder) / "night")
        writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="benchmark")
        writer.append(night.packets.read_bytes())
        writer.close(simulated=True)
        yield settings


def browser_process() -> int:
    """The driver of the browser: the child that is no server."""
    own = os.getpid()
    children = [int(p) for p in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
    return next(p for p in children if "playwright" in Path(f"/proc/{p}/cmdline").read_text())


def openings(settings: Settings, rounds: int) -> dict[tuple[str, str], list[Opening]]:
    """Openings of each page, cold and warm."""
    from playwright.sync_api import sync_playwright

    found: dict[tuple[str, str], list[Opening]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        process = browser_process()
        for _ in range(rounds):
            for first in PAGES:
                with Server(settings, ServerOptions(port=0)) as server:
                    context = browser.new_context(viewport={"width": 1280, "height": 1000})
                    opened = measure(context, server.url + first, server.pid, process)
                    found.setdefault((first, "cold"), []).append(opened)
                    for other in [*(page for page in PAGES if page != first), first]:
                        time.sleep(3.0)  # nobody is faster
                        opened = measure(context, server.url + other, server.pid, process)
                        kind = "warm" if other == first else "second"
                        found.setdefault((other, kind), []).append(opened)
                    context.close()
        browser.close()
    return found


def rows(home: Path | None = None, rounds: int = 1) -> list[dict[str, object]]:
    """Rows for ``benchmarks/run.py``: the worst page, cold and warm."""
    targets = {"cold": 6.0, "warm": 2.0}
    with set_up(home) as settings:
        found = openings(settings, rounds)
    result: list[dict[str, object]] = []
    for kind, target in targets.items():
        of_pages = {
            page or "camera": statistics.median(o.figures for o in found[page, kind]) for page in PAGES
        }
        words = ", ".join(f"{page} {seconds:.1f} s" for page, seconds in of_pages.items())
        result.append(
            {
                "work": f"First figures of a page in the browser, {kind} server",
                "ours": words,
                "peer": "–",
                "ratio": max(of_pages.values()),
                "target": target,
                "unit": "s",
            }
        )
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with set_up(options.home) as settings:
        found = openings(settings, options.rounds)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {options.rounds}")
    print("page       server    answer    words  figures   CPU: server and kernel, browser (s)")
    for (page, kind), opened in sorted(found.items()):
        middle = [
            statistics.median(getattr(o, name) for o in opened) for name in Opening.__dataclass_fields__
        ]
        print(f"{page or 'camera':<10} {kind:<7}" + "".join(f" {value:8.2f}" for value in middle))


if __name__ == "__main__":
    main()
