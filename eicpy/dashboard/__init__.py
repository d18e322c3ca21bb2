"""Figures, the live page of the camera, and the server that shows both in a browser.

The room is entered by its modules: :mod:`~eicpy.figures.plots` draws, :mod:`~eicpy.figures.notebook`
shows figures in a notebook, :mod:`~eicpy.dashboard.camera` is the live page; :func:`serve` starts the
server.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.dashboard.server import Server, serve
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = ["Server", "serve"]
