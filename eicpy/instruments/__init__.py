"""What differs from detector to detector, and nothing else: mostly data files.

An instrument is a folder here with an ``instrument.toml`` and the packet tables that it names.
"""

from eicpy.instruments.description import (
    EnergyScale,
    GainRule,
    GoodTimeRule,
    HealthRule,
    HousekeepingRule,
    Instrument,
    PacketHeader,
    PacketKind,
    PhotonRule,
    PhotonTime,
    PixelTerm,
    SpectraRule,
    TimeRule,
    available,
    load,
)
from eicpy.instruments.pixels import PixelGrid

__all__ = [
    "EnergyScale",
    "GainRule",
    "GoodTimeRule",
    "HealthRule",
    "HousekeepingRule",
    "Instrument",
    "PacketHeader",
    "PacketKind",
    "PhotonRule",
    "PhotonTime",
    "PixelGrid",
    "PixelTerm",
    "SpectraRule",
    "TimeRule",
    "available",
    "load",
]
