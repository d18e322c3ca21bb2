"""Packets of the reference layout with known contents, and a receiver in a thread."""

from eicpy_fixtures.live_chain import archive, archived, bench, eclairs, meddea, photon_packets, receiving
from eicpy_fixtures.nats_servers import nats_server

__all__ = ["archive", "archived", "bench", "eclairs", "meddea", "nats_server", "photon_packets", "receiving"]
