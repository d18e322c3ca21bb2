"""What differs from detector to detector, and nothing else: mostly data files.

An instrument is a folder with an ``instrument.toml`` and the packet tables that it names: here, or in one of
the folders of `search_path`.
"""

from eicpy.instruments.description import (
    EnergyScale,
    GainRule,
    GoodTimeRule,
    HealthRule,
    HousekeepingRule,
    Instrument,
    MaskGeometry,
    MeasurementRule,
    MeasurementSwitch,
    PacketHeader,
    PacketKind,
    PhotonRule,
    PhotonTime,
    PixelTerm,
    SpectraRule,
    TimeRule,
)
from eicpy.instruments.pixels import PixelGrid
from eicpy.instruments.search import available, find, load, search_path

__all__ = [
    "EnergyScale",
    "GainRule",
    "GoodTimeRule",
    "HealthRule",
    "HousekeepingRule",
    "Instrument",
    "MaskGeometry",
    "MeasurementRule",
    "MeasurementSwitch",
    "PacketHeader",
    "PacketKind",
    "PhotonRule",
    "PhotonTime",
    "PixelGrid",
    "PixelTerm",
    "SpectraRule",
    "TimeRule",
    "available",
    "find",
    "load",
    "search_path",
]
