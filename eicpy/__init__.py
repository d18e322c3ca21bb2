"""The ECLAIRs Instrument Center as a Jupyter-centric platform.

``import eicpy`` offers what a notebook begins with (:mod:`eicpy.opening`). The rooms of the package, from
the ground up, are described in ``docs/house.md``.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import install

if TYPE_CHECKING:
    from eicpy.figures.notebook import show
    from eicpy.opening import (
        load_instrument,
        open_housekeeping,
        open_night,
        open_packets,
        open_photons,
        open_product,
        open_run,
        open_setup,
        simulate,
    )
    from eicpy.version import __version__
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "__version__",
    "load_instrument",
    "open_housekeeping",
    "open_night",
    "open_packets",
    "open_photons",
    "open_product",
    "open_run",
    "open_setup",
    "show",
    "simulate",
]

install()
