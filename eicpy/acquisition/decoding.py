"""From packets to photons, housekeeping, spectra and alerts, by the instrument's own tables.

Nothing here knows a detector: which packets are what, which field is the pixel, the channel or the
time, and how wide a counter is, all stand in the instrument's description. Damaged packets are counted
and give no values; photons of a pixel or channel that does not exist are counted and left out.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.acquisition.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.kernels import photon_columns
from eicpy.acquisition.times import epoch_seconds, packet_seconds, packet_ticks
from eicpy.instruments import Instrument, PixelTerm
from eicpy.packets import DecodedPackets, PacketIndex, PacketLayout, decode, select
from eicpy.packets.bits import Buffer

__all__ = [
    "alerts",
    "housekeeping",
    "is_simulated",
    "photons",
    "spectra",
]


def is_simulated(index: PacketIndex, instrument: Instrument) -> bool | None:
    """Whether any packet says that it is simulated.

    Parameters
    ----------
    index
        Packets.
    instrument
        Whose ``simulated_destination`` marks simulated packets.

    Returns
    -------
    bool or None
        None where the instrument has no such mark, or no packet could carry it.
    """
    mark = instrument.simulated_destination
    apids = [h.apid for h in instrument.headers if h.secondary == "pus-c"]
    # Who commands tells nothing of the detector.
    able = index.good & ~index.command & np.isin(index.apid, apids)
