"""The station: where the parts of a live chain report their status, and take orders from the operator."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.acquisition.status.chain_reasons import BEHIND, chain_reasons
    from eicpy.acquisition.status.orders import Order, send_order, serve_orders
    from eicpy.acquisition.status.overview import Overview, OverviewReader, read_overview
    from eicpy.acquisition.status.overview_parts import (
        ApidView,
        DiskView,
        Health,
        LastError,
        LinkView,
        PartView,
        ProcessorView,
        ReceiverView,
        RunView,
    )
    from eicpy.acquisition.status.status import JournalEntry, Station, Status, StatusReport
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "BEHIND",
    "ApidView",
    "DiskView",
    "Health",
    "JournalEntry",
    "LastError",
    "LinkView",
    "Order",
    "Overview",
    "OverviewReader",
    "PartView",
    "ProcessorView",
    "ReceiverView",
    "RunView",
    "Station",
    "Status",
    "StatusReport",
    "chain_reasons",
    "read_overview",
    "send_order",
    "serve_orders",
]
