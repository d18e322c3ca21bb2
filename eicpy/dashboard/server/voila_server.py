"""The process that serves the dashboard: Voilà, stand-alone, set up as it is safe and works offline.

Its set-up comes from :mod:`eicpy.dashboard.server.start`.
"""

import logging
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import IOLoop
from traitlets.config import Config
from traitlets.log import get_logger
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import AllowListFileHandler, TemplateStaticFileHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.utils import get_page_config, make_url

from eicpy.dashboard.server.drawing import PageTemplate
from eicpy.dashboard.server.gate import LARGEST_BODY, BoundedServer, Gate
from eicpy.dashboard.server.home import HomePage
from eicpy.dashboard.server.hosts import HostNames
from eicpy.dashboard.server.identity import TokenIdentity
from eicpy.dashboard.server.kernels import (
    KernelSocket,
    VersionOneConnection,
    VisitKernelManager,
)
from eicpy.dashboard.server.pages import (
    AliveHandler,
    FarewellHandler,
    PageHandler,
    ReportsHandler,
    TemplateFiles,
)
from eicpy.dashboard.server.provisioner import ForkProvisioner, NurseryLink, register
from eicpy.dashboard.server.request import OPERATOR_HEADER
from eicpy.errors import readable
from eicpy.settings import Settings

if TYPE_CHECKING:
    import socket
    import subprocess

__all__ = ["DashboardServer", "configuration", "serve"]

EXTENSIONS = [
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "@bokeh/jupyter_bokeh",
    "anywidget",
]
NAME = "eicpy"
"""Of our template."""
OURS: dict[Any, Any] = {
    TemplateStaticFileHandler: TemplateFiles,
    VoilaKernelWebsocketHandler: KernelSocket,
    VoilaShutdownKernelHandler: FarewellHandler,
}
"""Handlers of Voilà, and ours in their places."""
NEVER = (AllowListFileHandler, RequestInfoSocketHandler)
"""Not served: files of the notebooks' folder; what a kernel of Voilà's own pool would ask for."""
PING_INTERVAL = 10_000
"""ms between two pings of a websocket; one that does not answer for 30 s is closed."""
MOST_FILES = 4096


class DashboardServer(Voila):  # type: ignore[misc]  # untyped base
    """Voilà with several pages and the reports beside them, ending with its parent."""

    reports: Path | None = None
    pages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    request_timeout = 20.0

    def init_handlers(self) -> list[Any]:
        """Voilà's handlers with ours in their places, the pages by name, and the reports."""
        rules = [
            (rule[0], OURS.get(rule[1], rule[1]), *rule[2:])
            for rule in super().init_handlers()
            if rule[1] not in NEVER
        ]
        rules.pop()  # Voilà's own way to draw a page
        first, template = Path(self.notebook_path), self._template()
        for name in ("", *self.pages):
            # One notebook by name each: no part of an address ever becomes part of a path.
            shown = first.with_name(f"{name}.ipynb") if name else first
            options = {"notebook": shown, "template": template}
            rules.append((url_path_join(self.server_url, f"/{name}"), PageHandler, options))
        rules.append((url_path_join(self.server_url, r"/alive/([0-9a-f-]{36})"), AliveHandler))
        if self.reports is not None:
            static = {"path": str(self.reports), "default_filename": "index.html"}
            redirect = url_path_join(self.server_url, "/reports")
            rules += [
                (redirect, web.RedirectHandler, {"url": redirect + "/", "permanent": False}),
                (url_path_join(self.server_url, r"/reports/(.*)"), ReportsHandler, static),
            ]
        return rules

    def _template(self) -> PageTemplate:
        """The page around each notebook."""
        config = get_page_config(
            base_url=self.base_url,
            settings=self.app.settings,
            log=self.log,
            voila_configuration=self.voila_configuration,
        )
        folder = next(path for path in map(Path, self.template_paths) if path.name == NAME)
        return PageTemplate(folder, lambda name: make_url(NAME, self.base_url, f"static/{name}"), config)

    def _addresses(self) -> dict[str, str]:
        """Addresses of what is served, and the keys of their names, for a reader who took a wrong one."""
        found = {"/": "page_camera"} | {f"/{name}": f"page_{name}" for name in self.pages}
        return found if self.reports is None else found | {"/reports/": "reports"}

    def start(self) -> None:
        """Make the application and serve it."""
        self.connection_dir = tempfile.mkdtemp(prefix="voila_", dir=self.connection_dir_root)
        pages = self._addresses()
        home = HomePage(Settings.from_environment(), pages)
        settings = self.init_settings() | self.tornado_settings | {"pages": pages, "home": home}
        self.app = Gate(HostNames(self.ip, self.port, self.names), **settings)
        self.app.add_rules(self.init_handlers())
        self.listen()

    def listen(self) -> None:
        """Listen, and stop when the parent closes our standard input."""
        self.ioloop = loop = IOLoop.current()

        def on_input(*_event: Any) -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_handler(sys.stdin.fileno())
                self.log.info("the parent has gone: stopping")
                loop.stop()

        loop.add_handler(sys.stdin.fileno(), on_input, IOLoop.READ)
        server = BoundedServer(
            self.app,
            # A proxy says who its visitor is; that it stands before us is known by the name it is asked by.
            xheaders=bool(self.names),
            idle_connection_timeout=self.request_timeout,
            body_timeout=self.request_timeout,
            max_body_size=LARGEST_BODY,
        )
        self.app.server = server
        server.listen(self.port, self.ip)
        self.log.info("listening on %s port %s", self.ip, self.port)
        try:
            loop.start()
        finally:
            self.stop()
            if ForkProvisioner.nursery is not None:
                ForkProvisioner.nursery.close()


def log_request(handler: web.RequestHandler) -> None:
    """Log what was asked for, without the part of the address that may hold a token."""
    request, status = handler.request, handler.get_status()
    path = readable(request.path[:200])
    line = f"{status} {request.method} {path} ({request.remote_ip}) {1e3 * request.request_time():.0f} ms"
    get_logger().log(logging.ERROR if status >= 500 and status != 503 else logging.DEBUG, "%s", line)


def configuration(setup: dict[str, Any]) -> Config:
    """Return the whole configuration of Voilà.

    Parameters
    ----------
    setup
        ``notebook``, ``host``, ``port``, ``transport``, ``cull_idle_timeout``, ``cull_interval``,
        ``kernels``, ``kernels_per_address``, ``claim_timeout``; ``token``, asked from each visitor,
        empty: nothing is asked.
    """
    config = Config()
    config.Voila.update(
        notebook_path=setup["notebook"],
        ip=setup["host"],
        port=setup["port"],
        port_retries=0,
        open_browser=False,
        config_file_paths=[],
        token=setup["token"],
        identity_provider_class=TokenIdentity,
        kernel_websocket_connection_class=VersionOneConnection,
        tornado_settings={
            "log_function": log_request,
            "ws_ping_interval": PING_INTERVAL,
            # Cookies do not know ports: a name of our own leaves other servers of this machine alone.
            "xsrf_cookie_name": f"eic-xsrf-{setup['port']}",
            "xsrf_cookie_kwargs": {"samesite": "Strict", "httponly": True, "expires_days": None},
        },
    )
    config.VoilaConfiguration.update(
        template=NAME,
        allow_template_override="NO",
        allow_theme_override="NO",  # ?theme= is copied into the page unescaped (0.5.13)
        extension_allowlist=EXTENSIONS,
        file_allowlist=[],
        http_header_envs=[OPERATOR_HEADER],
        strip_sources=True,
        show_tracebacks=False,
        multi_kernel_manager_class=VisitKernelManager,
        preheat_kernel=False,  # kernels are forked (eicpy.dashboard.server.nursery)
    )
    if "kernel_specs" in setup:  # ours alone: looking for others imports IPython, half a second
        config.KernelSpecManager.update(kernel_dirs=[setup["kernel_specs"]], ensure_native_kernel=False)
    config.MappingKernelManager.cull_idle_timeout = setup["cull_idle_timeout"]
    config.MappingKernelManager.cull_interval = setup["cull_interval"]
    config.VisitKernelManager.most_kernels = setup["kernels"]
    config.VisitKernelManager.claim_timeout = setup["claim_timeout"]
    config.VisitKernelManager.most_per_address = setup["kernels_per_address"]
    config.KernelManager.transport = setup["transport"]
    config.KernelManager.autorestart = False  # a new kernel under an old name would be a page without widgets
    return config


def serve(setup: dict[str, Any], nursery: "tuple[subprocess.Popen[bytes], socket.socket] | None") -> None:
    """Serve until stopped.

    Parameters
    ----------
    setup
        As for :func:`configuration`, with ``pages``, ``names``, ``reports``, ``orders``, ``request_timeout``.
    nursery
        Process and connection of the nursery; None: kernels are started without one.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    DashboardServer.pages = tuple(setup["pages"])
    DashboardServer.names = tuple(setup["names"])
    DashboardServer.reports = None if setup["reports"] is None else Path(setup["reports"])
    DashboardServer.request_timeout = setup["request_timeout"]
    TokenIdentity.orders = setup["orders"]
    register(None if nursery is None else NurseryLink(*nursery))
    DashboardServer.launch_instance(argv=[], config=configuration(setup))
