"""A short simulated night, and notebooks that take no time."""

from eicpy_fixtures.nights import filled, make_notebook, no_reports, settings, simulated

__all__ = ["filled", "make_notebook", "no_reports", "settings", "simulated"]
