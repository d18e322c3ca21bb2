"""The ECLAIRs Instrument Center as a Jupyter-centric platform.

The rooms of the package, from the ground up, are described in ``docs/house.md``.
"""

from importlib.metadata import version

from eicpy.moved import install

__all__ = ["__version__"]

__version__ = version("eicpy")

install()
