"""Make the pictures of the documentation anew, with headless Chromium: ``make pictures``.

A set-up of its own is simulated in a temporary folder: a quarter of an hour of the camera, and the bench with
a run of background and one of a source. The pages are served on a free port of the loopback and photographed.
The picture of the terminal monitor is the chain in trouble of its tests.
"""
# ruff: noqa: INP001, S603 - a script beside the package, which runs our own commands

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "_static"
LARGEST = 300_000
"""Bytes of a picture."""
ALIVE = ".eic-heartbeat:not([data-tick='0']):not([data-tick='1'])"
VERDICT = ".eic-verdict:not([data-level='0'])"


def eic(*words: str) -> None:
    """Run a command; that packets were lost or damaged (code 1) is part of a demonstration."""
    code = subprocess.run([sys.executable, "-m", "eicpy.cli", *words], cwd=ROOT, check=False).returncode
    if code > 1:
        raise SystemExit(f"eic {' '.join(words)} ended with code {code}")


def simulate(home: Path) -> None:
    """Fill the archive: a night of the camera from a file, the bench as its equipment sends it."""
    eic("simulate", "demo", "--duration", "900")
    eic("ingest", str(next(home.glob("simulated/demo/*.ccsds"))), "-i", "eclairs")
    port = home / "port"
    receive = [
        sys.executable,
        "-m",
        "eicpy.cli",
        "receive",
        "-i",
        "dpix-prototype",
        "--once",
        "--port-file",
        str(port),
    ]
    with subprocess.Popen(
        [*receive, "--setup", "Am-241 at 30 cm", "--operator", "Ada"], cwd=ROOT
    ) as receiver:
        while not (port.is_file() and port.read_text()):
            if receiver.poll() is not None:
                raise SystemExit("the receiver ended before it listened")
            os.sched_yield()
        eic("send", "simulator:bench", "--to", f"127.0.0.1:{port.read_text().strip()}", "--speed", "40")


def photograph(url: str) -> None:
    """Open each page, choose what its picture shows, and keep it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415, it is only needed here

    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.set_default_timeout(300_000)

        def opened(address: str) -> None:
            page.goto(url + address)
            page.wait_for_selector(ALIVE, state="attached")

        def kept(name: str) -> None:
            page.wait_for_selector(f"{VERDICT}:not(:has-text('READING'))")
            page.wait_for_timeout(3000)
            page.screenshot(path=PICTURES / name)

        opened("?instrument=eclairs")
        kept("dashboard.png")
        opened("quicklook?instrument=eclairs")
        kept("quick-look.png")
        opened("quicklook?instrument=dpix-prototype")
        for label, number in (("Source", "4 "), ("Compare with", "2 ")):
            control = page.get_by_label(label, exact=True)
            texts = [
                text.replace("\N{NO-BREAK SPACE}", " ")
                for text in control.locator("option").all_text_contents()
            ]
            control.select_option(index=next(n for n, text in enumerate(texts) if text.startswith(number)))
        page.get_by_label("Pace", exact=True).select_option(index=2)
        page.wait_for_selector(".eic-playing:has-text('Differs from run 2')")
        kept("bench-quick-look.png")
        browser.close()


async def draw_terminal() -> None:
    """Draw the terminal monitor of a chain in trouble."""
    sys.path.insert(0, str(ROOT / "tests" / "monitor"))
    from conftest import make_bad  # noqa: PLC0415, the chain of the tests

    from eicpy.monitor.app import MonitorApp  # noqa: PLC0415, as above

    overview = make_bad()
    app = MonitorApp(lambda: overview, lambda _order: "", operator="ada")
    async with app.run_test(size=(110, 34)) as pilot:
        await pilot.pause(2.0)
        drawn = app.export_screenshot()
    # Nothing from elsewhere, and the same bytes for the same screen.
    drawn = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"terminal-[0-9]+", "monitor", drawn).replace(
        "Fira Code", "DejaVu Sans Mono, Menlo, Consolas"
    )
    lines = (line.strip() for line in drawn.splitlines())
    (PICTURES / "monitor.svg").write_text("\n".join(filter(None, lines)) + "\n", encoding="utf-8")


def main() -> None:
    """Make all pictures."""
    asyncio.run(draw_terminal())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["EIC_HOME"] = str(home)
        simulate(home)
        from eicpy.dashboard import Server, ServerOptions  # noqa: PLC0415, reads EIC_HOME
        from eicpy.settings import Settings  # noqa: PLC0415, as above

        with Server(Settings.at(home), ServerOptions(port=0)) as server:
            photograph(server.url)
    for picture in PICTURES.iterdir():
        if picture.stat().st_size > LARGEST:
            raise SystemExit(f"{picture}: got {picture.stat().st_size} bytes, expected at most {LARGEST}")


if __name__ == "__main__":
    main()
