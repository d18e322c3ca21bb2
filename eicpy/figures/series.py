"""What the figures share: series by label, lengths that fit, labels with units."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.text import unit_sign
from eicpy.typing import AnyArray

__all__ = ["check_length", "named", "unit_sign", "with_unit"]


def with_unit(name: str, unit: str) -> str:
    """Label of an axis: quantity (unit)."""
    return f"{name} ({unit_sign(unit)})" if unit else name


def named(values: npt.ArrayLike | Mapping[str, npt.ArrayLike], name: str) -> dict[str, AnyArray]:
    """Series as arrays of floats, by label; a lone one takes `name`."""
    items = values if isinstance(values, Mapping) else {name: values}
    return {label: np.asarray(array, dtype=np.float64) for label, array in items.items()}


def check_length(label: str, got: int, expected: int) -> None:
    """Refuse a series that does not fit the others."""
    if got != expected:
        raise BadArgumentError(f"got {got} values for {label!r}, expected {expected}")
