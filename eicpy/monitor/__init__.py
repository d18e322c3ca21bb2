"""The monitor: the terminal screen of a live chain, and the chain that it can start and end.

What is shown is read by :class:`~eicpy.acquisition.status.OverviewReader`; the chain is a process of its
own (:func:`run_chain`), so that nothing that happens to a screen (:mod:`eicpy.monitor.screen`) stops
reception.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.monitor.once import plain_text
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "plain_text",
]
