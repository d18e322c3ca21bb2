"""Databases to test on."""

from eicpy_fixtures.databases import clock, database, postgresql, settings

__all__ = ["clock", "database", "postgresql", "settings"]
