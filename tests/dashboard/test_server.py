"""The server: only for this machine, only for those who know the token, gone when it is told to go."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import bokeh
import pytest
from waiting import LIMIT, wait_until

from eicpy.dashboard import Server, ServerOptions
from eicpy.dashboard.server import prepare_jupyter_path
from eicpy.dashboard.server.kernels import VisitKernelManager
from eicpy.dashboard.server.request import ORDERS_VARIABLE, orders_allowed
from eicpy.dashboard.server.voila_server import configuration
from eicpy.errors import BadArgumentError, FailedError
from eicpy.settings import Settings


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        return None


def _get(url, cookie=""):
    opener = urllib.request.build_opener(_NoRedirect)
    opener.addheaders = [("Cookie", cookie)]
    try:
        with opener.open(url, timeout=LIMIT) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _below(pid):
    return [process for child in _children(pid) for process in (child, *_below(child))]


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


def test_bokehjs_is_copied_from_the_installed_bokeh(tmp_path):
    prepare_jupyter_path(tmp_path / "share")
    static = tmp_path / "share" / "voila" / "templates" / "eicpy" / "static"
    assert f'"{bokeh.__version__}"' in (static / "page.js").read_text(encoding="utf-8")
    assert "http" not in (static.parent / "index.html.j2").read_text()
    for sheet in ("eicpy.css", "door.css"):
        assert "http" not in (static / sheet).read_text()


def test_orders_are_allowed_by_the_flag_alone(settings, tmp_path, monkeypatch):
    """Not by what stands in the environment of whoever starts the server."""
    monkeypatch.setenv(ORDERS_VARIABLE, "allowed")
    assert orders_allowed()
    for flag in (False, True):
        environment = Server(settings, ServerOptions(port=0, orders=flag))._environment(tmp_path)
        monkeypatch.setenv(ORDERS_VARIABLE, environment[ORDERS_VARIABLE])
        assert orders_allowed() == flag


def test_configuration_is_the_safe_one():
    setup = {
        "notebook": "x.ipynb",
        "host": "127.0.0.1",
        "port": 1,
        "transport": "ipc",
        "cull_idle_timeout": 90,
        "cull_interval": 20,
        "kernels": 5,
        "kernels_per_address": 3,
        "claim_timeout": 30.0,
        "token": "",
    }
    config = configuration(setup)
    voila = config.VoilaConfiguration
    assert voila.allow_theme_override == voila.allow_template_override == "NO"
    assert voila.strip_sources
    assert not voila.show_tracebacks
    assert voila.file_allowlist == []
    assert len(voila.extension_allowlist) == 4
    assert config.Voila.config_file_paths == []
    assert config.VisitKernelManager.most_kernels == 5
    assert "disable_check_xsrf" not in config.Voila.tornado_settings


def test_reports_are_served_beside_the_dashboard_in_a_sandbox(settings, trivial_notebook):
    with Server(settings, ServerOptions(port=0, prepared=False, notebook=trivial_notebook)) as server:
        status, text, headers = _get(server.reports_url)
        assert status == 200
        assert "No night has been run yet" in text
        assert 'href="../monitor?' not in text, "this server has one page"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        settings.reports.joinpath("one.html").write_text("<h1>report</h1>")
        status, text, headers = _get(f"{server.reports_url}one.html")
        assert (status, text) == (200, "<h1>report</h1>")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert _get(f"{server.url}reports")[0] == 302
        for outside in (
            "reports/../eic.sqlite",
            "reports/%2e%2e/logs/dashboard-server.log",
            "voila/files/x.py",
        ):
            assert _get(server.url + outside)[0] in {403, 404}
        status, page, _headers = _get(server.url)
        assert status == 200
        assert "There was an error" not in page
        assert "ipywidgets.HTML" not in page, "sources stay here"
        with pytest.raises(FailedError, match="choose another port"):
            Server(settings, ServerOptions(port=server.port, notebook=trivial_notebook)).__enter__()


def test_a_token_is_asked_and_never_shown(settings, trivial_notebook, monkeypatch):
    token = "a-secret-of-the-duty-desk"  # noqa: S105 - of this test
    monkeypatch.setenv("EIC_DASHBOARD_TOKEN", token)
    with Server(settings, ServerOptions(port=0, notebook=trivial_notebook)) as server:
        for address in (server.url, f"{server.reports_url}index.html"):
            status, _text, headers = _get(address)
            assert status == 302
            assert "login" in headers["Location"]
        status, _text, headers = _get(f"{server.url}?lang=fr&token={token}")
        assert (status, headers["Location"]) == (302, "/?lang=fr"), "the token leaves the address"
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, page, _headers = _get(f"{server.url}?lang=fr", cookie=cookie)
        assert status == 200
        assert "voila" in page
        assert token not in Path(f"/proc/{server.pid}/cmdline").read_text()
        below = _below(server.pid)
        assert len(below) == 2, "the kernel, and the process that it was forked from"
        for process in below:
            assert token not in Path(f"/proc/{process}/environ").read_text(errors="replace")
        log = server.log_file
    assert token not in log.read_text(errors="replace")


@pytest.mark.parametrize("prepared", [True, False])
def test_the_server_ends_with_its_kernels(settings, trivial_notebook, prepared):
    options = ServerOptions(port=0, prepared=prepared, notebook=trivial_notebook)
    with Server(settings, options) as server:
        pid = server.pid
        assert _get(server.url)[0] == 200
        kernels = _below(pid)
        assert len(kernels) == (2 if prepared else 1), "the kernel, and the process that it was forked from"
    assert not _alive(pid)
    wait_until(lambda: not any(map(_alive, kernels)), what="the end of the kernels")


def test_without_the_process_that_forks_pages_are_only_slower(settings, trivial_notebook):
    with Server(settings, ServerOptions(port=0, notebook=trivial_notebook)) as server:
        assert _get(server.url)[0] == 200
        nursery = _children(server.pid)[0]
        os.kill(nursery, signal.SIGKILL)
        wait_until(lambda: not _alive(nursery), what="its end")
        status, page, _headers = _get(server.url)
        assert status == 200
        assert "There was an error" not in page
    assert "one is started without" in server.log_file.read_text()


SERVE = """
import sys
from pathlib import Path
from eicpy.dashboard import ServerOptions, serve
from eicpy.settings import Settings
serve(Settings.at(Path(sys.argv[1])), ServerOptions(port=0))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_serve_prints_addresses_and_leaves_nothing_behind(tmp_path, how):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        lines = [process.stdout.readline() for _ in range(5)]
        for line, name in zip(lines, ("dashboard", "quicklook", "monitor", "reports"), strict=False):
            assert line.startswith(f"{name + ':':<10} http://127.0.0.1:")
        assert lines[2].rstrip().endswith("/monitor")
        server = _children(process.pid)
        assert len(server) == 1
        os.kill(process.pid, how)
        rest = process.stdout.read()
        code = process.wait(timeout=LIMIT)
    if how != signal.SIGKILL:
        assert (code, rest) == (0, "stopped.\n")
    wait_until(lambda: not _alive(server[0]), what="the end of the server")


def test_a_port_that_cannot_be_is_refused(settings):
    with pytest.raises(BadArgumentError, match="port 70000"):
        Server(settings, ServerOptions(port=70000))


class _Culled(Exception):  # noqa: N818 - a mark, not an error
    pass


def test_a_kernel_of_a_visit_is_not_culled_for_being_idle(monkeypatch):
    async def cull(_self, _kernel_id):
        raise _Culled

    monkeypatch.setattr(VisitKernelManager.__mro__[1], "cull_kernel_if_idle", cull)

    async def scenario():
        manager = VisitKernelManager(cull_idle_timeout=60)
        manager._kernels["k"] = SimpleNamespace(execution_state="idle")
        visit = manager.visits.admit("127.0.0.1")
        visit.kernel = "k"
        await manager.cull_kernel_if_idle("k")
        manager.visits.end(visit)
        with pytest.raises(_Culled):
            await manager.cull_kernel_if_idle("k")

    with ThreadPoolExecutor(1) as thread:  # in this one a browser's loop may be running
        thread.submit(asyncio.run, scenario()).result()
