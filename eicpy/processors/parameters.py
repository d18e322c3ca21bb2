"""A processor's own parameters: declared by its signature, checked before it starts.

What stands after ``batch, context`` in a function, or after ``self`` in the ``__init__`` of a class, with its
type and its default, is the declaration; nothing has to be said twice.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, PydanticSchemaGenerationError

from eicpy.errors import BadArgumentError
from eicpy.parameters import CheckedParameters, check, make_model

__all__ = ["check_parameters", "parameter_model", "status_parameters"]


def parameter_model(target: Callable[..., Any]) -> type[BaseModel]:
    """Make the model of a processor's parameters from its signature.

    Parameters
    ----------
    target
        The function or class.

    Returns
    -------
    type
        A pydantic model: strict types, no other names, the processor's defaults.

    Raises
    ------
    BadArgumentError
        For a function that does not take (batch, context), or a parameter without a type or with one that
        cannot be checked.
    """
    name = getattr(target, "__name__", str(target))
    if inspect.isclass(target):
        constructor = target.__init__
        own = (
            [] if constructor is object.__init__ else list(inspect.signature(constructor).parameters.values())
        )
        own, hints = own[1:], _hints(constructor, name) if own else {}
    else:
        own = list(inspect.signature(target).parameters.values())
        if len(own) < 2 or any(p.kind is p.KEYWORD_ONLY for p in own[:2]):
            raise BadArgumentError(
                f"got processor {name}{inspect.signature(target)}, expected (batch, context, …)"
            )
        own, hints = own[2:], _hints(target, name)
    fields: dict[str, Any] = {}
    for parameter in own:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise BadArgumentError(f"got {parameter} in the signature of {name}, expected parameters by name")
        if parameter.name not in hints:
            raise BadArgumentError(
                f"got parameter {parameter.name!r} of {name} without a type, "
                f"expected for example {parameter.name}: float = 1.0"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    try:
        return make_model(name, fields)
    except PydanticSchemaGenerationError as error:
        raise BadArgumentError(f"parameters of {name}: got a type that cannot be checked: {error}") from error


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    # a type that stands in quotes is evaluated here, and may raise anything
    except Exception as error:
        raise BadArgumentError(
            f"parameters of {name}: got a type that cannot be read: {type(error).__name__}: {error}"
        ) from error


def check_parameters(target: Callable[..., Any], given: Mapping[str, str]) -> CheckedParameters:
    """Check parameters given as texts against the processor's declaration.

    Parameters
    ----------
    target
        The function or class.
    given
        Texts by name; those left out keep their default.

    Returns
    -------
    CheckedParameters
        Every parameter with its value.

    Raises
    ------
    BadArgumentError
        For an unknown name, a missing one, or a text that is no such value; the message lists what is known.
    """
    model = parameter_model(target)
    return check(model, given, owner=model.__name__, mode="text")


def status_parameters(values: Mapping[str, Any]) -> dict[str, float | str]:
    """Parameters as a status holds them: numbers and texts."""
    return {
        name: value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else str(value)
        for name, value in values.items()
    }
