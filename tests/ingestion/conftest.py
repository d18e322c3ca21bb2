"""Databases to test on."""

from eicpy_fixtures.databases import database, postgresql, settings

__all__ = ["database", "postgresql", "settings"]
