"""Parameters of a notebook or a processor, declared by it and checked before it starts.

Whoever runs one gives values by name, in Python or as texts of a command line; a pydantic model made from the
declaration refuses an unknown name and a wrong type, and adds the defaults.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from eicpy.errors import BadArgumentError

__all__ = ["CheckedParameters", "check", "make_model"]


class CheckedParameters(dict[str, Any]):
    """Every parameter with its value, after the check."""


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def make_model(name: str, fields: Mapping[str, tuple[Any, Any]]) -> type[BaseModel]:
    """Make the model of declared parameters: strict types, no other names.

    Parameters
    ----------
    name
        Of what declares them.
    fields
        Type and default of each parameter; the default ``...`` means that a value is required.
    """
    definitions: dict[str, Any] = dict(fields)
    return create_model(name, __base__=_Parameters, **definitions)


def check(
    model: type[BaseModel],
    values: Mapping[str, object],
    *,
    owner: str,
    mode: Literal["python", "text"] = "python",
) -> CheckedParameters:
    """Check values against a model.

    Parameters
    ----------
    model
        As :func:`make_model` made it.
    values
        By name; those left out keep their default.
    owner
        What declares them, for the message.
    mode
        ``text`` where the values are text, as on a command line: ``"7"`` is then a whole number.

    Raises
    ------
    BadArgumentError
        For an unknown name, a missing one or a value of the wrong type; the message lists what is known.

    Examples
    --------
    >>> check(make_model("fit", {"bins": (int, 20), "level": (float, 3.0)}), {"bins": 7}, owner="fit")
    {'bins': 7, 'level': 3.0}
    """
    try:
        if mode == "text":
            checked = model.model_validate_strings(dict(values))
        else:
            checked = model.model_validate(dict(values))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}, got {e['input']!r}" for e in error.errors()
        )
        known = ", ".join(
            f"{name}: {field.annotation.__name__ if isinstance(field.annotation, type) else field.annotation}"
            + ("" if field.is_required() else f" = {field.default!r}")
            for name, field in model.model_fields.items()
        )
        raise BadArgumentError(f"parameters of {owner}: {wrong}. Expected: {known or 'none'}") from error
    return CheckedParameters({name: getattr(checked, name) for name in model.model_fields})
