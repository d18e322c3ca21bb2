"""What differs from detector to detector, and nothing else: mostly data files.

An instrument is a folder with an ``instrument.toml`` and the packet tables that it names: here, or in one of
the folders of `search_path`.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.instruments.description import (
        EnergyRequirement,
        EnergyScale,
        GainRule,
        GoodTimeRule,
        HealthRule,
        HousekeepingRule,
        Instrument,
        LineTables,
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
    from eicpy.instruments.lines import Block, Line
    from eicpy.instruments.mask_geometry import MaskGeometry
    from eicpy.instruments.pixels import PixelGrid
    from eicpy.instruments.search import available, find, load, search_path
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Block",
    "EnergyRequirement",
    "EnergyScale",
    "GainRule",
    "GoodTimeRule",
    "HealthRule",
    "HousekeepingRule",
    "Instrument",
    "Line",
    "LineTables",
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
