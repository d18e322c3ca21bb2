"""Start the dashboards and the reports in a browser, from one command.

A process of its own runs Voilà (:mod:`eicpy.dashboard.server.start`); this module prepares what it
needs, waits until it answers, and ends it with all its kernels. Everything that the page needs is
copied at the start from the packages that are installed here, so that BokehJS and Bokeh are always of
the same version and nothing comes from the network.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eicpy.dashboard.frame import DOOR_VARIABLE
from eicpy.dashboard.server.hosts import check_host_name
from eicpy.dashboard.server.request import ORDERS_VARIABLE
from eicpy.dashboard.server.visits import CLAIM_TIMEOUT, Limits
from eicpy.errors import BadArgumentError, FailedError, unbindable
from eicpy.figures.bokeh_script import core_script
from eicpy.moved import accept_old_keywords
from eicpy.process import interrupt
from eicpy.settings import Settings

__all__ = [
    "PAGES",
    "TOKEN_VARIABLE",
    "Server",
    "ServerOptions",
    "notebook_folder",
    "prepare_jupyter_path",
    "serve",
]

PAGES = ("quicklook", "monitor")
"""Pages beside that of the camera: each the name of a notebook, and its address."""
TOKEN_VARIABLE = "EIC_DASHBOARD_TOKEN"  # noqa: S105 - the name of the variable, not a token
CLEANUP_ATTEMPTS = 100
"""Attempts, 0.1 s apart, to remove the server's folder while its last kernels end."""


def notebook_folder() -> Path:
    """Folder of the dashboard notebooks: beside the package in a clone, inside it when it is installed.

    Raises
    ------
    FailedError
        Where they are in neither folder.
    """
    package = Path(str(files("eicpy")))
    folders = (package.parent / "dashboards", package / "dashboards")
    for folder in folders:
        if (folder / "camera.ipynb").is_file():
            return folder
    raise FailedError(f"got no camera.ipynb in {' or '.join(map(str, folders))}")


def prepare_jupyter_path(folder: Path) -> None:
    """Fill a folder for ``JUPYTER_PATH``: our template with the installed BokehJS, and our kernel.

    Parameters
    ----------
    folder
        Is created.
    """
    template = folder / "voila" / "templates" / "eicpy"
    shutil.copytree(str(files("eicpy.dashboard") / "template"), template)
    (template / "static" / "bokeh.min.js").write_text(core_script(), encoding="utf-8")
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    specification = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": "eicpy-fork", "config": {}}},
    }
    (kernel / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")


def _claim_port(host: str, port: int) -> int:
    """Check that a port can be had (0: any) before a server is started that would only fail."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise unbindable(error)(
                f"got no use of port {port} of {host} ({error.strerror}): is another dashboard running? "
                "choose another port"
            ) from error
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ServerOptions:
    """How the dashboard is served.

    Parameters
    ----------
    port
        0: a free one.
    host
        Address to listen on; the loopback, unless a proxy that knows its visitors stands before.
    reports
        Serve the folder of the reports under ``/reports/``.
    prepared
        Have everything imported before a visitor comes, so that a page appears at once
        (:mod:`eicpy.dashboard.server.nursery`).
    cull_idle_timeout, cull_interval
        s: a kernel that has lost its last connection is ended after the first, looked for at intervals of the
        second; one that never had a connection sooner (:mod:`eicpy.dashboard.server.visits`).
    notebook
        None: ``dashboards/camera.ipynb``, with the other pages beside it; another one is served alone.
    orders
        Let the monitor page start and stop runs, mark configuration and write comments. Every visitor then
        logs in with a token and a name, under which his orders are given.
    host_names
        Names by which a proxy or a tunnel asks for the server, each with or without its port. The server
        answers by these, its own address and those of the loopback alone.
    kernels, kernels_per_address
        Pages open at once, in all and from one remote address; None: as many as fit into half of the memory,
        and three quarters of them.
    claim_timeout
        s between the end of a page and the first connection of its browser, after which its kernel ends.
    request_timeout
        s in which the head of a request must be here, as much again for its body, and between two requests.

    Raises
    ------
    BadArgumentError
        For a port, a host name or a number that cannot be.
    """

    port: int = 8866
    host: str = "127.0.0.1"
    reports: bool = True
    prepared: bool = True
    cull_idle_timeout: int = 90
    cull_interval: int = 5
    notebook: Path | None = None
    orders: bool = False
    host_names: tuple[str, ...] = ()
    kernels: int | None = None
    kernels_per_address: int | None = None
    claim_timeout: float = CLAIM_TIMEOUT
    request_timeout: float = 20.0

    def __post_init__(self) -> None:
        for name in self.host_names:
            check_host_name(name)
        for number in (self.kernels, self.kernels_per_address):
            if number is not None and number < 1:
                raise BadArgumentError(f"got {number} kernels, expected at least 1")
        if not 0 <= self.port <= 65535:
            raise BadArgumentError(f"got port {self.port}, expected 0 to 65535")

    @property
    def limits(self) -> Limits:
        """Pages open at once."""
        found = Limits.for_memory()
        total = self.kernels or found.total
        return Limits(total, self.kernels_per_address or max(2, 3 * total // 4))


class Server:
    """The dashboard's server as a context: started on entry, gone with its kernels on exit.

    Parameters
    ----------
    settings
        Folders of the set-up to show.
    options
        Address, pages and kernels.
    """

    @accept_old_keywords(options=ServerOptions)
    def __init__(self, settings: Settings, options: ServerOptions | None = None) -> None:
        self.settings = settings
        self.options = options = options or ServerOptions()
        self.port = options.port
        self.log_file = settings.home / "logs" / "dashboard-server.log"
        self._reports = settings.reports if options.reports else None
        given = os.environ.get(TOKEN_VARIABLE, "").strip()
        self.token_is_new = options.orders and not given
        self.token = secrets.token_urlsafe(24) if self.token_is_new else given
        limits = options.limits
        self._setup: dict[str, Any] = {
            "notebook": str(options.notebook or notebook_folder() / "camera.ipynb"),
            "pages": [] if options.notebook else list(PAGES),
            "host": options.host,
            "prepared": options.prepared,
            "reports": None if self._reports is None else str(self._reports),
            "cull_idle_timeout": options.cull_idle_timeout,
            "cull_interval": options.cull_interval,
            "names": list(options.host_names),
            "kernels": limits.total,
            "kernels_per_address": limits.per_address,
            "claim_timeout": options.claim_timeout,
            "request_timeout": options.request_timeout,
            "orders": options.orders,
            "token": self.token,
        }
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the dashboard."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}/"

    @property
    def page_urls(self) -> dict[str, str]:
        """Addresses of the other pages, by name."""
        return {name: f"{self.url}{name}" for name in self._setup["pages"]}

    @property
    def reports_url(self) -> str | None:
        """Address of the reports."""
        return None if self._reports is None else f"{self.url}reports/"

    @property
    def log_in_url(self) -> str:
        """Address of the log-in with the token, which a browser keeps to itself (RFC 3986 §3.5)."""
        return f"{self.url}login#token={self.token}"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._running().pid

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise FailedError("got a server that was not started, expected `with Server(...)`")
        return self._process

    def __enter__(self) -> Self:
        self.port = _claim_port(self.options.host, self.port)
        if self._reports is not None:
            self._reports.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="eic-dashboard-")
        try:
            self._start(Path(self._folder.name))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _environment(self, folder: Path) -> dict[str, str]:
        paths = [str(folder / "share"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        inherited = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        return inherited | {
            "EIC_HOME": str(self.settings.home),
            "EIC_DATABASE_URL": self.settings.database_url,
            DOOR_VARIABLE: "ours",
            "EIC_BOKEH_RESOURCES": "page",
            ORDERS_VARIABLE: "allowed" if self.options.orders else "",  # set each time: never inherited
            "JUPYTER_PATH": os.pathsep.join(paths),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_NO_CONFIG": "1",
            "IPYTHONDIR": str(folder / "ipython"),
            "TMPDIR": str(folder),
        }

    def _start(self, folder: Path) -> None:
        prepare_jupyter_path(folder / "share")
        # Kernels talk over sockets in this folder, which nobody else can enter; a path has at most 107 bytes.
        transport = "ipc" if len(str(folder)) <= 40 else "tcp"
        setup = self._setup | {"port": self.port, "transport": transport}
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "eicpy.dashboard.server.start"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(folder),
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(setup).encode() + b"\n")
        self._process.stdin.flush()
        self._wait_until_it_answers()

    def _wait_until_it_answers(self, timeout: float = 120.0) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._running().poll() is not None:
                break
            try:
                socket.create_connection((self.options.host, self.port), timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise FailedError(f"the dashboard's server did not answer at {self.url}: see {self.log_file}")

    def stop(self) -> None:
        """End the server and its kernels; harmless when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            _remove(folder)

    def wait(self) -> int:
        """Wait until the server ends by itself; its exit code."""
        return self._running().wait()


def _remove(folder: "tempfile.TemporaryDirectory[str]") -> None:
    for attempt in range(1, CLEANUP_ATTEMPTS + 1):
        try:
            return folder.cleanup()
        except OSError:  # a kernel that is still ending writes there
            if attempt == CLEANUP_ATTEMPTS:
                raise
            time.sleep(0.1)
    return None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@accept_old_keywords(options=ServerOptions)
def serve(
    settings: Settings,
    options: ServerOptions | None = None,
    *,
    open_browser: bool = False,
    announce: Callable[[str], None] = _say,
) -> None:
    """Serve the dashboard and the reports until interrupted (SIGINT, SIGTERM).

    A token, asked from each visitor, may be given in the environment variable ``EIC_DASHBOARD_TOKEN``. Where
    orders are allowed and none is given, one is made, which is announced once and stands nowhere else.

    Parameters
    ----------
    settings, options
        As for :class:`Server`.
    open_browser
        Open the dashboard in the user's browser.
    announce
        Called with the lines that list the addresses.

    Raises
    ------
    FailedError
        If the server does not start, or ends by itself.
    """
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with Server(settings, options) as server:
            pages = {"dashboard": server.url} | server.page_urls
            if server.reports_url is not None:
                pages["reports"] = server.reports_url
            for name, address in pages.items():
                announce(f"{name + ':':<10} {address}")
            if server.options.orders:
                announce(
                    "Whoever logs in with the token can start and stop runs; his name goes into the journal."
                )
                if server.token_is_new:
                    announce(f"{'log in:':<10} {server.log_in_url}")
            announce("Ctrl-C ends them all.")
            if open_browser:
                webbrowser.open(server.url)
            code = server.wait()
        raise FailedError(f"the dashboard's server ended with code {code}: see {server.log_file}")
    except KeyboardInterrupt:
        announce("stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)
