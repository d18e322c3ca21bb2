"""Databases to test on."""

from eicpy_fixtures.databases import clock, database, postgres, postgresql, settings

__all__ = ["clock", "database", "postgres", "postgresql", "settings"]
