"""Parameters of a notebook or a processor, declared by it and checked before it starts.

Whoever runs one gives values by name, in Python or as texts of a command line; a pydantic model made from the
declaration refuses an unknown name and a wrong type, and adds the defaults.
"""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from eicpy.errors import BadArgumentError

__all__ = ["CheckedParameters", "check", "make_model", "reason_against"]

_RANGE_WORDS = {
    "gt": "more than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
    "pattern": "matching {}",
}
_MOST_TEXT = 65_536
_MOST_WHOLE = (1 << 63) - 1


class CheckedParameters(dict[str, Any]):
    """Every parameter with its value, after the check."""


class _Parameters(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


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
        For an unknown name, a missing one, a value of the wrong type or one that nothing can use
        (:func:`reason_against`); the message lists what is known.

    Examples
    --------
    >>> check(make_model("fit", {"bins": (int, 20), "level": (float, 3.0)}), {"bins": 7}, owner="fit")
    {'bins': 7, 'level': 3.0}
    """
    for name, value in values.items():
        reason = reason_against(name) or reason_against(value)
        if reason is not None:
            raise BadArgumentError(f"parameters of {owner}: {_shown(name)}: {reason}")
    try:
        if mode == "text":
            checked = model.model_validate_strings(dict(values))
        else:
            checked = model.model_validate(dict(values))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}, got {_shown(e['input'])}"
            for e in error.errors()
        )
        known = ", ".join(_declaration(name, field) for name, field in model.model_fields.items())
        raise BadArgumentError(f"parameters of {owner}: {wrong}. Expected: {known or 'none'}") from error
    for name in checked.model_fields_set:
        reason = reason_against(getattr(checked, name))
        if reason is not None:
            raise BadArgumentError(f"parameters of {owner}: {name}: {reason}")
    return CheckedParameters({name: getattr(checked, name) for name in model.model_fields})


def _declaration(name: str, field: FieldInfo) -> str:
    """What a parameter takes: name, type, default and range."""
    kind = field.annotation
    text = f"{name}: {kind.__name__ if isinstance(kind, type) else kind}".replace("typing.", "")
    if not field.is_required():
        text += f" = {field.default!r}"
    limits = [
        words.format(getattr(rule, key))
        for rule in field.metadata
        for key, words in _RANGE_WORDS.items()
        if getattr(rule, key, None) is not None
    ]
    return text + (f" ({', '.join(limits)})" if limits else "")


def reason_against(value: object) -> str | None:
    r"""Why no program can use a value that somebody typed; None where nothing speaks against it.

    Parameters
    ----------
    value
        A number or a text; nothing is said about other values.

    Examples
    --------
    >>> reason_against(float("nan"))
    'got nan, expected a finite number'
    >>> reason_against("bell \x07")
    "got 'bell \\x07', expected no control characters"
    >>> reason_against("Ångström")
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"got {value}, expected a finite number"
    if isinstance(value, int) and not -_MOST_WHOLE - 1 <= value <= _MOST_WHOLE:
        return f"got {_shown(value)}, expected a whole number of at most 64 bits"
    return _reason_against_text(value) if isinstance(value, str) else None


def _reason_against_text(text: str) -> str | None:
    if len(text) > _MOST_TEXT:
        return f"got {len(text)} characters, expected at most {_MOST_TEXT}"
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return f"got {_shown(text)}, expected a text in UTF-8"
    if any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in text):
        return f"got {_shown(text)}, expected no control characters"
    return None


def _shown(value: object) -> str:
    try:
        text = ascii(value)
    except ValueError:  # a number of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}…"
