"""Processors: each works on every packet, in a process of its own, and goes on where it stopped."""

from eicpy.processors.child import ChildState, Command, eic_command
from eicpy.processors.supervisor import Supervisor

__all__ = ["ChildState", "Command", "Supervisor", "eic_command"]
