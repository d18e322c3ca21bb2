"""Acquisition: packets are received, archived as they are, and decoded by the instrument's tables.

The raw bytes of a run are written before anything else sees them (:class:`RunArchive`); readers follow
them with a cursor of their own (:func:`follow`, :func:`blocks`), live and afterwards alike.
"""

from eicpy.acquisition.decoding.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.decoding.decode import (
    alerts,
    housekeeping,
    is_simulated,
    photons,
    spectra,
)
from eicpy.acquisition.decoding.description_check import DescriptionCheck, check_description
from eicpy.acquisition.decoding.measurement import Switch, measurement_switches
from eicpy.acquisition.decoding.tally import PacketCounts, Tally
from eicpy.acquisition.decoding.times import epoch_seconds, packet_seconds
from eicpy.acquisition.provider.cursor import Cursor, Follower, Increment, blocks, follow
from eicpy.acquisition.provider.pace import LONGEST_WAIT, Pacer
from eicpy.acquisition.provider.provide import Mode, Provider, Runs, provide
from eicpy.acquisition.provider.repeated import Repeats
from eicpy.acquisition.provider.selection import Selection, kind_names
from eicpy.acquisition.reception.archiver import Archiver, RunTexts
from eicpy.acquisition.reception.receiver import LOOPBACK, ReceiveSummary, receive
from eicpy.acquisition.runs.archive import RunArchive
from eicpy.acquisition.runs.metadata import RunChange, RunMetadata, edit_run
from eicpy.acquisition.runs.run import Run, hash_file
from eicpy.acquisition.runs.writer import RunWriter

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
