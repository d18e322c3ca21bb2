"""The station: where the parts of a live chain tell how they are, and take orders from the operator."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
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
    from eicpy.acquisition.status.verdict import BEHIND, REASONS, Level, Reason, Verdict, judge
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "BEHIND",
    "REASONS",
    "ApidView",
    "DiskView",
    "Health",
    "JournalEntry",
    "LastError",
    "Level",
    "LinkView",
    "Order",
    "Overview",
    "OverviewReader",
    "PartView",
    "ProcessorView",
    "Reason",
    "ReceiverView",
    "RunView",
    "Station",
    "Status",
    "StatusReport",
    "Verdict",
    "judge",
    "read_overview",
    "send_order",
    "serve_orders",
]
