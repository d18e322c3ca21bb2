"""Processors: each is given every packet, in a process of its own, and resumes where it stopped.

A processor is a function ``f(batch, context)`` or a class with ``process(batch)``; :func:`find_processor`
finds it, :func:`run_processor` runs it. A :class:`Supervisor` keeps several, and the other parts of a
chain, running.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.processors.chain import run_chain, stop_chain
    from eicpy.processors.chain_plan import ChainPlan, default_processors, free_port
    from eicpy.processors.child import ChainCommand, ChildState, eic_command
    from eicpy.processors.context import Context
    from eicpy.processors.discovery import Processor, find_processor, known_processors
    from eicpy.processors.execution import ProcessorError
    from eicpy.processors.outputs import Output
    from eicpy.processors.runner import Job, Summary, run_processor
    from eicpy.processors.supervisor import Supervisor
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "ChainCommand",
    "ChainPlan",
    "ChildState",
    "Context",
    "Job",
    "Output",
    "Processor",
    "ProcessorError",
    "Summary",
    "Supervisor",
    "default_processors",
    "eic_command",
    "find_processor",
    "free_port",
    "known_processors",
    "run_chain",
    "run_processor",
    "stop_chain",
]
