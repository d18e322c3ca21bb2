"""Fixtures that more than one room needs; a room takes them into its conftest.py."""
