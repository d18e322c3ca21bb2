"""Units of one kind, found by their tag: calibration tables, processors and what else is looped over.

A unit stands in a module of its own and is named as ``module:object``. The package names its own; another
package names more under an entry-point group. The code around loops over the registry and knows none by name.
"""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from eicpy.errors import BadArgumentError, NotFoundError

__all__ = ["Registry", "importing", "load_object"]


class Registry:
    """Units by tag.

    Parameters
    ----------
    kind
        What a unit is, for messages: ``processor``.
    group
        Entry-point group under which other packages declare theirs.
    own
        Those of this package, ``module:object`` by tag: also found in a clone that was not installed again.

    Examples
    --------
    >>> Registry("function", "eicpy.functions", {"root": "math:sqrt"}).load("root")(4.0)
    2.0
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, str]) -> None:
        self.kind, self.group, self.own = kind, group, dict(own)

    def names(self) -> dict[str, str]:
        """Where each unit is, ``module:object`` by tag."""
        return self.own | {point.name: point.value for point in entry_points(group=self.group)}

    def load(self, tag: str) -> Any:
        """Import a unit.

        Raises
        ------
        NotFoundError
            For a tag that is not registered, or a unit that its module does not have.
        BadArgumentError
            For a module that cannot be imported.
        """
        names = self.names()
        if tag not in names:
            raise NotFoundError(f"got {self.kind} {tag!r}, expected one of {', '.join(sorted(names))}")
        return load_object(names[tag])


def load_object(reference: str) -> Any:
    """Import ``module:object``.

    Raises
    ------
    NotFoundError
        If the module has no such object.
    BadArgumentError
        If it cannot be imported.
    """
    module, _, attribute = reference.partition(":")
    found = importing(module, lambda: importlib.import_module(module))
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise NotFoundError(f"got {reference!r}, but {module} has no {attribute}")
        found = getattr(found, part)
    return found


def importing(name: str, load: Callable[[], Any]) -> Any:
    """Run what imports a module; whatever the module raises becomes an error that names it.

    Raises
    ------
    BadArgumentError
        For anything that is raised, :class:`SystemExit` among it.
    """
    try:
        return load()
    # a module may raise anything while it is imported, and it is the caller's own
    except (Exception, SystemExit) as error:
        raise BadArgumentError(f"{name} could not be imported: {type(error).__name__}: {error}") from error
