"""Faces of rooms whose names are imported when they are first asked for.

A face writes its imports once, for type checkers, and hands its names out lazily::

    if TYPE_CHECKING:
        from eicpy.runs.archive import RunArchive
    else:
        __getattr__, __dir__ = attach(__name__, __file__)

So a command pays for the modules that it uses, not for all of the room.
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["attach"]


class _Face(ModuleType):
    """A package in which a name that it offers is not hidden by a submodule of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self.__dict__["_offered"]):
            super().__setattr__(name, value)


def attach(
    package: str, file: str, missing: Callable[[str], Any] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports its names when they are asked for.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of the package; its imports stand in ``if TYPE_CHECKING`` blocks.
    missing
        Asked for names that are not among them, for example those that have moved.

    Returns
    -------
    tuple
        Both functions.

    Examples
    --------
    >>> import eicpy.runs
    >>> "RunArchive" in dir(eicpy.runs)
    True
    """
    homes = _homes(Path(file).read_text(encoding="utf-8"))
    face = sys.modules[package]
    face.__dict__["_offered"] = frozenset(homes)
    face.__class__ = _Face

    def get(name: str) -> Any:
        if name in homes:
            module, original = homes[name]
            value = getattr(import_module(module), original)
            setattr(face, name, value)
            return value
        if missing is not None:
            return missing(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted(face.__dict__.get("__all__", homes))

    return get, names


def _homes(source: str) -> dict[str, tuple[str, str]]:
    """Module and name there of each import in the ``if TYPE_CHECKING`` blocks of a face."""
    return {
        alias.asname or alias.name: (imported.module, alias.name)
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for imported in block.body
        if isinstance(imported, ast.ImportFrom) and imported.module
        for alias in imported.names
    }
