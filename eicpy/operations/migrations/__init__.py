"""Versions of the tables of the internal database, applied by alembic when the database is opened."""
