"""Packets of the reference layout with known contents, and a receiver in a thread."""

from eicpy_fixtures.live_chain import archive, archived, bench, eclairs, meddea, photon_packets, receiving
from eicpy_fixtures.nights import filled, settings, simulated

__all__ = [
    "archive",
    "archived",
    "bench",
    "eclairs",
    "filled",
    "meddea",
    "photon_packets",
    "receiving",
    "settings",
    "simulated",
]
