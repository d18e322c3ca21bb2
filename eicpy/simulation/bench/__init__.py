"""A detector on the bench before radioactive sources, with telecommands and their answers."""

from eicpy.moved import moved_names

__getattr__ = moved_names(__name__)
