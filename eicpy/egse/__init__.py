"""The other end of the line: what electrical ground support equipment (EGSE) sends to a receiver."""

from eicpy.egse.session import SendSummary, send

__all__ = ["SendSummary", "send"]
