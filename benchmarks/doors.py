"""Walks the doors by which others come to the pages, in an environment made from ``environment.yml``.

As Binder does it: a Jupyter server in a copy of the notebooks, the landing notebook run, then each
dashboard through the Voilà of that server, one in JupyterLab, and all by plain ``voila``. Told are, for
each: figures drawn, what the verdict says, its colour and that of the page's style, and the time; then the
size of the executed notebooks, and the memory of server and kernels. Pictures show what the visitor sees.
The environment is made beforehand:

    python -m venv ENV && ENV/bin/pip install (what stands in environment.yml)
    ENV/bin/pip install --no-deps --editable .
    python benchmarks/doors.py ENV/bin/python --pictures FOLDER
"""

import argparse
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from first_figures import FIGURES, FLAGS, tree

ROOT = Path(__file__).resolve().parents[1]
DASHBOARDS = ("camera", "quicklook", "monitor")
CANVASES = """() => {
  const count = root => [...root.querySelectorAll("*")].reduce(
    (sum, e) => sum + (e.tagName === "CANVAS") + (e.shadowRoot ? count(e.shadowRoot) : 0), 0);
  return count(document);
}"""
VERDICT = """() => {
  const shown = document.querySelector(".eic-page .eic-verdict");
  return [shown.innerText.replace(/\\s+/g, " "), getComputedStyle(shown).backgroundColor];
}"""
TOKEN = "welcome"  # noqa: S105 - of this measurement
LIMIT = 300_000
"""ms to wait for anything, on a busy machine."""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str], port: int) -> Iterator[int]:
    """A server, from when it answers; its process id."""
    with (folder.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit((folder.parent / "server.log").read_text())
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def memory(pid: int) -> tuple[float, float]:
    """Resident and proportional size of a tree of processes, MB."""
    resident = proportional = 0
    for process in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                name, _colon, value = line.partition(":")
                resident += int(value.split()[0]) if name == "Rss" else 0
                proportional += int(value.split()[0]) if name == "Pss" else 0
    return resident / 1024, proportional / 1024


def look(page: Any, name: str, begin: float, pictures: Path) -> None:
    """Tell what a page shows, and take its picture."""
    page.wait_for_selector(FIGURES, state="attached")
    seconds = time.monotonic() - begin
    page.wait_for_timeout(3000)
    verdict = page.evaluate(VERDICT)
    print(f"{name:<28} {seconds:6.1f} s  {page.evaluate(CANVASES)} canvases  {verdict[1]}  {verdict[0][:90]}")
    page.screenshot(path=pictures / f"{name.replace(' ', '-')}.png", full_page=True)


def by_voila(context: Any, address: str, door: str, pictures: Path) -> list[Any]:
    """Open each dashboard, and leave it open."""
    opened = []
    for name in DASHBOARDS:
        page = context.new_page()
        page.set_default_timeout(LIMIT)
        begin = time.monotonic()
        page.goto(address.format(name=name), wait_until="commit")
        look(page, f"{door} {name}", begin, pictures)
        opened.append(page)
    return opened


def in_lab(context: Any, address: str, folder: Path, pictures: Path) -> Any:
    """Run all cells of the camera's notebook in JupyterLab, save it, and tell its size."""
    page = context.new_page()
    page.set_default_timeout(LIMIT)
    begin = time.monotonic()
    page.goto(f"{address}lab/tree/dashboards/camera.ipynb?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("#jp-bottom-panel >> text=| Idle")
    page.click(".lm-MenuBar-itemLabel:text-is('Run')")
    page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
    look(page, "lab camera", begin, pictures)
    page.keyboard.press("Control+s")
    page.wait_for_timeout(5000)
    size = (folder / "dashboards" / "camera.ipynb").stat().st_size
    print(f"{'camera.ipynb saved by Lab':<28} {size / 1e6:6.2f} MB")
    return page


def walk(python: Path, pictures: Path) -> None:
    """Walk all doors."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        folder = Path(temporary) / "clone"
        for part in ("dashboards", "notebooks"):
            shutil.copytree(ROOT / part, folder / part)
        bare = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
        environment = bare | {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "EIC_HOME": str(folder.parent / "eic-home"),
            "JUPYTER_CONFIG_DIR": str(folder.parent / "config"),
            "IPYTHONDIR": str(folder.parent / "ipython"),
        }
        begin = time.monotonic()
        welcome = folder / "notebooks" / "binder" / "welcome.ipynb"
        command = [python, "-m", "papermill", welcome, folder.parent / "welcome.ipynb", "--no-progress-bar"]
        subprocess.run(list(map(str, command)), cwd=welcome.parent, env=environment, check=True)
        size = (folder.parent / "welcome.ipynb").stat().st_size
        print(f"{'welcome.ipynb by papermill':<28} {time.monotonic() - begin:6.1f} s  {size / 1e6:.2f} MB")

        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        port = free_port()
        lab = [
            str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
            f"--IdentityProvider.token={TOKEN}", "--LabApp.news_url=None",
        ]  # fmt: skip
        with running(lab, folder, environment, port) as server:
            address = f"http://127.0.0.1:{port}/"
            page = context.new_page()
            page.goto(f"{address}lab/tree/notebooks/binder/welcome.ipynb?token={TOKEN}", timeout=LIMIT)
            page.wait_for_selector(".jp-Notebook .jp-MarkdownCell", timeout=LIMIT)
            page.wait_for_timeout(2000)
            page.screenshot(path=pictures / "landing.png")
            by_voila(context, f"{address}voila/render/dashboards/{{name}}.ipynb", "jupyter", pictures)
            print("{:<28} {:.0f} MB resident, {:.0f} MB proportional".format("three pages", *memory(server)))
            in_lab(context, address, folder, pictures)
            print("{:<28} {:.0f} MB resident, {:.0f} MB proportional".format("and Lab", *memory(server)))
        context.close()
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        port = free_port()
        plain = [
            str(python),
            "-m",
            "voila",
            "dashboards",
            "--no-browser",
            f"--port={port}",
            "--Voila.ip=127.0.0.1",
        ]
        with running(plain, folder, environment, port):
            by_voila(context, f"http://127.0.0.1:{port}/voila/render/{{name}}.ipynb", "voila", pictures)
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="of the environment")
    parser.add_argument("--pictures", type=Path, default=Path())
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    walk(options.python.absolute(), options.pictures)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
