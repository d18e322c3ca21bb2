"""Acquisition: packets are received, archived as they are, and decoded by the instrument's tables.

The raw bytes of a run are written before anything else sees them (:class:`RunArchive`); readers follow
them with a cursor of their own (:func:`follow`, :func:`blocks`), live and afterwards alike.
"""

from eicpy.acquisition.archive import RunArchive
from eicpy.acquisition.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.cursor import Follower, Increment, blocks, follow
from eicpy.acquisition.decoding import (
    alerts,
    housekeeping,
    is_simulated,
    photons,
    spectra,
)
from eicpy.acquisition.receiver import LOOPBACK, ReceiveSummary, receive
from eicpy.acquisition.run import Run, RunMetadata, RunWriter, hash_file
from eicpy.acquisition.tally import PacketCounts, Tally
from eicpy.acquisition.times import epoch_seconds, packet_seconds

__all__ = [
    "LOOPBACK",
    "Follower",
    "HousekeepingTable",
    "Increment",
    "PacketCounts",
    "PhotonColumns",
    "ReceiveSummary",
    "Run",
    "RunArchive",
    "RunMetadata",
    "RunWriter",
    "SpectraColumns",
    "Tally",
    "alerts",
    "blocks",
    "epoch_seconds",
    "follow",
    "hash_file",
    "housekeeping",
    "is_simulated",
    "packet_seconds",
    "photons",
    "receive",
    "spectra",
]
