"""Databases that describe packets, taken over into tables of our own."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.importers.scos import import_scos
    from eicpy.importers.tables import HeaderEntry, ImportedInstrument, ImportedPacket, Row, Shortfall
    from eicpy.importers.xtce import import_xtce
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "HeaderEntry",
    "ImportedInstrument",
    "ImportedPacket",
    "Row",
    "Shortfall",
    "import_scos",
    "import_xtce",
]
