"""The server that shows the dashboards and the reports in a browser, and what a visitor asked of it."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.dashboard.server.process import (
        PAGES,
        Server,
        ServerOptions,
        notebook_folder,
        prepare_jupyter_path,
        serve,
    )
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = ["PAGES", "Server", "ServerOptions", "notebook_folder", "prepare_jupyter_path", "serve"]
