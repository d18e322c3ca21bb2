"""Photons: lists, files, good time intervals, spectra, detector images and light curves.

Everything works block by block (``for block in photons.blocks(500_000)``), so that memory does not grow with
the length of the data. The room does not know where photons come from, nor how a gain was found: it takes
columns and, where energies matter, anything with a gain and an offset for each pixel.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.events.accumulators import ImageAccumulator, SpectraAccumulator
    from eicpy.events.bands import EnergyBands, PixelScale, Scale, energies
    from eicpy.events.coverage import Coverage
    from eicpy.events.criteria import read_criteria, tables_of_criteria
    from eicpy.events.event_file import EventFile
    from eicpy.events.event_list import EventList, PhotonBlock
    from eicpy.events.event_writer import EventWriter
    from eicpy.events.gti import GoodTimeIntervals
    from eicpy.events.light_curve import LightCurve, LightCurveAccumulator, band_columns
    from eicpy.events.live_time import DeadTime
    from eicpy.events.multiples import Multiples, multiples_card, readouts, treat_multiples
    from eicpy.events.photon_accumulator import PhotonAccumulator
    from eicpy.events.ticks import TickBins, tick_of
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Coverage",
    "DeadTime",
    "EnergyBands",
    "EventFile",
    "EventList",
    "EventWriter",
    "GoodTimeIntervals",
    "ImageAccumulator",
    "LightCurve",
    "LightCurveAccumulator",
    "Multiples",
    "PhotonAccumulator",
    "PhotonBlock",
    "PixelScale",
    "Scale",
    "SpectraAccumulator",
    "TickBins",
    "band_columns",
    "energies",
    "multiples_card",
    "read_criteria",
    "readouts",
    "tables_of_criteria",
    "tick_of",
    "treat_multiples",
]
