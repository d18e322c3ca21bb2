"""From a name to a processor: by entry point, as ``module:object``, or as ``file.py:object``."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.registry import Registry, importing

__all__ = ["GROUP", "Processor", "find_processor", "known_processors"]

GROUP = "eicpy.processors"
"""Entry-point group under which a package declares its processors."""
REGISTRY = Registry(
    "processor",
    GROUP,
    {
        "photons": "eicpy.processors.photon_files:PhotonFiles",
        "housekeeping": "eicpy.processors.housekeeping_parts:HousekeepingParts",
    },
)


@dataclass(frozen=True)
class Processor:
    """A processor that was found.

    Parameters
    ----------
    name
        What it is called, in its status and its folder.
    target
        A function ``f(batch, context)`` or a class.
    """

    name: str
    target: Callable[..., Any]


def known_processors() -> dict[str, str]:
    """Processors with a name, and where they are."""
    return REGISTRY.names()


def find_processor(name: str) -> Processor:
    """Find a processor.

    Parameters
    ----------
    name
        Name of an entry point in the group ``eicpy.processors``, or ``module:object``, or
        ``path/to/file.py:object``.

    Raises
    ------
    NotFoundError
        If there is none, or it is no function and no class.
    BadArgumentError
        If its module cannot be imported, or its name cannot be one.

    See Also
    --------
    known_processors : the names of those installed.
    run_processor : runs one.
    """
    known = known_processors()
    module_name, colon, attribute = known.get(name, name).rpartition(":")
    if not colon or not module_name or not attribute:
        raise NotFoundError(
            f"got processor {name!r}, expected one of {', '.join(sorted(known))}, "
            "module:object or file.py:object"
        )
    file = module_name.endswith(".py")
    if file and not Path(module_name).is_file():
        raise NotFoundError(f"got {module_name}, which does not exist; expected a Python file")
    load = _from_file if file else importlib.import_module
    target: Any = importing(module_name, lambda: load(module_name))
    for part in attribute.split("."):
        target = getattr(target, part, None)
    if not callable(target):
        raise NotFoundError(
            f"got processor {name!r}, expected a function or a class {attribute} in {module_name}"
        )
    own = name if name in known else attribute
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", own):
        raise BadArgumentError(
            f"got processor {name!r}, expected a name of letters, digits, '-', '_' and '.'"
        )
    return Processor(own, target)


def _from_file(name: str) -> Any:
    file = Path(name).absolute()
    specification = importlib.util.spec_from_file_location(file.stem, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules.setdefault(file.stem, module)
    sys.path.append(str(file.parent))  # what lies beside it may be imported by it
    specification.loader.exec_module(module)
    return module
