"""The live pages of a detector and the server that shows them in a browser.

:mod:`~eicpy.dashboard.pages` are the pages, :mod:`~eicpy.dashboard.widgets` their panels and controls; the
modules here hold what is shown: data read from a run, played back or dropped as files. :func:`serve` starts
the server.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.dashboard.server.process import Server, ServerOptions, serve
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = ["Server", "ServerOptions", "serve"]
