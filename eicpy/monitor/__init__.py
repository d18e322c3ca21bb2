"""The monitor: the terminal screen of a live chain, and the chain that it can start and end.

What is shown is read by :class:`~eicpy.acquisition.station.OverviewReader`; the chain is a process of its
own (:func:`run_chain`), so that nothing that happens to a screen (:mod:`eicpy.monitor.screen`) stops
reception.
"""

from eicpy.monitor.chain import run_chain, stop_chain
from eicpy.monitor.once import plain_text
from eicpy.monitor.plan import ChainPlan, default_processors, free_port
from eicpy.monitor.texts import reason_text

__all__ = [
    "ChainPlan",
    "default_processors",
    "free_port",
    "plain_text",
    "reason_text",
    "run_chain",
    "stop_chain",
]
