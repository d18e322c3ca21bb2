"""Version of the package, from its metadata."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("eicpy")
