"""Databases that describe packets, taken over into tables of our own."""

from eicpy.importers.scos import import_scos
from eicpy.importers.tables import HeaderEntry, ImportedInstrument, ImportedPacket, Row, Shortfall
from eicpy.importers.xtce import import_xtce

__all__ = [
    "HeaderEntry",
    "ImportedInstrument",
    "ImportedPacket",
    "Row",
    "Shortfall",
    "import_scos",
    "import_xtce",
]
