"""Panels and controls of the pages."""
