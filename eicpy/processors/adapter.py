"""A function or a class, called through one interface."""

import inspect
from collections.abc import Callable
from typing import Any

from eicpy.errors import BadArgumentError
from eicpy.processors.context import Context
from eicpy.runs import Increment, Run

__all__ = ["ProcessorAdapter"]


class ProcessorAdapter:
    """A processor at work.

    Parameters
    ----------
    target
        A function ``f(batch, context, …)``, or a class with ``process(batch)`` and, where it wants them,
        ``begin(context)``, ``save()``, ``end_run(run)`` and ``end()``.
    context
        Its context, with its parameters.

    Raises
    ------
    BadArgumentError
        For a class without ``process``.
    """

    def __init__(self, target: Callable[..., Any], context: Context) -> None:
        self._context = context
        self._object: Any = None
        if inspect.isclass(target):
            if not callable(getattr(target, "process", None)):
                raise BadArgumentError(f"got class {target.__name__} without process(batch), expected one")
            self._object = target(**context.parameters)
            self._process = self._object.process
        else:
            self._process = lambda batch: target(batch, context, **context.parameters)

    def begin(self) -> None:
        """Called before the first batch, and again after each restart."""
        self._call("begin", self._context)

    def process(self, batch: Increment) -> None:
        """Work on packets of one run."""
        self._process(batch)

    def save(self) -> None:
        """Write buffered results: the cursor is saved next."""
        self._call("save")

    def end_run(self, run: Run) -> None:
        """Called when all packets of a run were processed."""
        self._call("end_run", run)

    def end(self) -> None:
        """Called last: no more packets come."""
        self._call("end")

    def _call(self, name: str, *arguments: object) -> None:
        method = getattr(self._object, name, None)
        if method is not None:
            method(*arguments)
