"""Acquisition: packets are received, archived as they are, and decoded by the instrument's tables.

The raw bytes of a run are written before anything else sees them (:class:`RunArchive`); readers follow
them with a cursor of their own (:func:`follow`, :func:`blocks`), live and afterwards alike.
"""

from eicpy.acquisition.archive import RunArchive
from eicpy.acquisition.archiver import Archiver, RunTexts
from eicpy.acquisition.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.cursor import Cursor, Follower, Increment, blocks, follow
from eicpy.acquisition.decoding import (
    alerts,
    housekeeping,
    is_simulated,
    photons,
    spectra,
)
from eicpy.acquisition.description_check import DescriptionCheck, check_description
from eicpy.acquisition.measurement import Switch, measurement_switches
from eicpy.acquisition.metadata import RunChange, RunMetadata, edit_run
from eicpy.acquisition.pace import LONGEST_WAIT, Pacer
from eicpy.acquisition.provider import Mode, Provider, Runs, provide
from eicpy.acquisition.receiver import LOOPBACK, ReceiveSummary, receive
from eicpy.acquisition.repeated import Repeats
from eicpy.acquisition.run import Run, hash_file
from eicpy.acquisition.selection import Selection, kind_names
from eicpy.acquisition.tally import PacketCounts, Tally
from eicpy.acquisition.times import epoch_seconds, packet_seconds
from eicpy.acquisition.writer import RunWriter

__all__ = [
    "LONGEST_WAIT",
    "LOOPBACK",
    "Archiver",
    "Cursor",
    "DescriptionCheck",
    "Follower",
    "HousekeepingTable",
    "Increment",
    "Mode",
    "Pacer",
    "PacketCounts",
    "PhotonColumns",
    "Provider",
    "ReceiveSummary",
    "Repeats",
    "Run",
    "RunArchive",
    "RunChange",
    "RunMetadata",
    "RunTexts",
    "RunWriter",
    "Runs",
    "Selection",
    "SpectraColumns",
    "Switch",
    "Tally",
    "alerts",
    "blocks",
    "check_description",
    "edit_run",
    "epoch_seconds",
    "follow",
    "hash_file",
    "housekeeping",
    "is_simulated",
    "kind_names",
    "measurement_switches",
    "packet_seconds",
    "photons",
    "provide",
    "receive",
    "spectra",
]
