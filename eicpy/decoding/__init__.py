"""Decoding: packets become photons, housekeeping, spectra and alerts by the instrument's own tables.

Nothing here knows where packets come from: a file, the run archive or a live connection.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.decoding.columns import HousekeepingTable, PhotonColumns, SpectraColumns
    from eicpy.decoding.decode import alerts, housekeeping, is_simulated, photons, spectra
    from eicpy.decoding.description_check import DescriptionCheck, check_description
    from eicpy.decoding.measurement import Switch, measurement_switches
    from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
    from eicpy.decoding.times import epoch_seconds, packet_seconds
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "DescriptionCheck",
    "HousekeepingTable",
    "PacketCounts",
    "PhotonColumns",
    "RunningContinuity",
    "SpectraColumns",
    "Switch",
    "alerts",
    "check_description",
    "epoch_seconds",
    "housekeeping",
    "is_simulated",
    "measurement_switches",
    "packet_seconds",
    "photons",
    "spectra",
]
