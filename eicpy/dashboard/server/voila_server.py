"""The process that serves the dashboard: Voilà, stand-alone, set up as it is safe and works offline.

Started by :mod:`eicpy.dashboard.server`, never by hand. Its set-up comes as one JSON object on the
standard input, which the parent then keeps open: when it closes, the parent has gone and this process
ends with its kernels. Tokens come by the environment and are taken out of it before a kernel starts.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import IOLoop
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from eicpy.dashboard.server.kernels import PoolAwareKernelManager, VersionOneConnection

__all__ = ["DashboardServer", "PageHandler", "ReportsHandler", "configuration", "main"]

EXTENSIONS = [
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "@bokeh/jupyter_bokeh",
    "anywidget",
]
TOKEN_VARIABLE = "EIC_DASHBOARD_TOKEN"  # noqa: S105 - the name of the variable, not a token


class ReportsHandler(AuthenticatedFileHandler):
    """The reports: static pages that cannot reach the dashboard's kernels, whatever they contain."""

    @property
    def content_security_policy(self) -> str:
        """A sandbox of their own, from which figures may still be saved and links be opened."""
        return "frame-ancestors 'self'; sandbox allow-scripts allow-downloads allow-popups"

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        """Report in words that there is no report yet, rather than 404."""
        if Path(absolute_path) == Path(root) and not (Path(root) / "index.html").is_file():
            raise web.HTTPError(404, reason="No report yet")
        return super().validate_absolute_path(root, absolute_path)

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """Write a short page, without a traceback."""
        self.set_status(status_code, self._reason)
        self.finish(
            f"<!DOCTYPE html><meta charset=utf-8><title>{status_code}</title>"
            f"<p>{self._reason} ({status_code}). <a href='{self.base_url}'>Dashboard</a></p>"
        )


class PageHandler(TornadoVoilaHandler):  # type: ignore[misc]  # untyped base
    """The page; a token that came in its address is exchanged for a cookie and goes no further."""

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Send to the same address without the token, else draw the page."""
        asked = parse_qsl(self.request.query, keep_blank_values=True)
        kept = [(name, value) for name, value in asked if name != "token"]
        if len(kept) != len(asked):
            here = "/" + self.request.path.lstrip("/")  # two slashes would lead to another machine
            self.redirect(f"{here}?{urlencode(kept)}" if kept else here)
            return
        await super().get(path)


class DashboardServer(Voila):  # type: ignore[misc]  # untyped base
    """Voilà with several pages and the reports beside them, ending with its parent."""

    reports: Path | None = None
    pages: tuple[str, ...] = ()

    def init_handlers(self) -> list[Any]:
        """Put reports and pages before Voilà's last handler, the first page, which takes every address."""
        handlers: list[Any] = super().init_handlers()
        address, _handler, options = handlers[-1]
        handlers[-1] = (address, PageHandler, options)
        for name in self.pages:
            # One notebook by name each: no part of an address ever becomes part of a path.
            own = options | {"notebook_path": f"{name}.ipynb"}
            handlers.insert(-1, (url_path_join(self.server_url, f"/{name}"), PageHandler, own))
        if self.reports is not None:
            static = {"path": str(self.reports), "default_filename": "index.html"}
            address = url_path_join(self.server_url, r"/reports/(.*)")
            redirect = url_path_join(self.server_url, "/reports")
            handlers[:0] = [
                (redirect, web.RedirectHandler, {"url": redirect + "/", "permanent": False}),
                (address, ReportsHandler, static),
            ]
        return handlers

    def listen(self) -> None:
        """Listen, and stop when the parent closes our standard input."""
        loop = IOLoop.current()

        def on_input(*_event: Any) -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_handler(sys.stdin.fileno())
                self.log.info("the parent has gone: stopping")
                loop.stop()

        loop.add_handler(sys.stdin.fileno(), on_input, IOLoop.READ)
        super().listen()


def configuration(setup: dict[str, Any], token: str | None) -> Config:
    """Return the whole configuration of Voilà.

    Parameters
    ----------
    setup
        ``notebook``, ``host``, ``port``, ``pool``, ``transport``, ``cull_idle_timeout``, ``cull_interval``.
    token
        Asked from each visitor; None: nothing is asked.
    """
    config = Config()
    config.Voila.update(
        notebook_path=setup["notebook"],
        ip=setup["host"],
        port=setup["port"],
        port_retries=0,
        open_browser=False,
        config_file_paths=[],
        token=token or "",
        kernel_websocket_connection_class=VersionOneConnection,
        # Without it the page's farewell is refused and its kernel runs on (voila#1458); the server has
        # no cookie-authenticated action besides, and cross-origin websockets are refused.
        tornado_settings={"disable_check_xsrf": True},
    )
    config.VoilaConfiguration.update(
        template="eicpy",
        allow_template_override="NO",
        allow_theme_override="NO",  # ?theme= is copied into the page unescaped (0.5.13)
        extension_allowlist=EXTENSIONS,
        file_allowlist=[],
        strip_sources=True,
        show_tracebacks=False,
        multi_kernel_manager_class=PoolAwareKernelManager,
        preheat_kernel=setup["pool"] > 0,
        default_pool_size=setup["pool"],
    )
    config.MappingKernelManager.cull_idle_timeout = setup["cull_idle_timeout"]
    config.MappingKernelManager.cull_interval = setup["cull_interval"]
    config.KernelManager.transport = setup["transport"]
    return config


def main() -> None:
    """Read the set-up from the standard input and serve until stopped."""
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as parent:
        setup = json.loads(parent.readline())
    token = os.environ.pop(TOKEN_VARIABLE, None)
    DashboardServer.pages = tuple(setup["pages"])
    DashboardServer.reports = None if setup["reports"] is None else Path(setup["reports"])
    DashboardServer.launch_instance(argv=[], config=configuration(setup, token))


if __name__ == "__main__":
    main()
