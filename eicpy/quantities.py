"""Physical values at the public edge: a Quantity, or plain numbers in the documented unit.

Inside, arrays are plain. Units are read from what a caller passes, so that nothing here imports astropy.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from eicpy.errors import BadArgumentError

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.units import Quantity

__all__ = ["in_unit"]


def in_unit(values: "npt.ArrayLike | Quantity", unit: str) -> Any:
    """Return plain numbers in a unit.

    Parameters
    ----------
    values
        A Quantity, or numbers that are in `unit` already.
    unit
        As astropy writes it, for example ``keV``.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `values`.

    Raises
    ------
    BadArgumentError
        For a Quantity of another physical type.

    Examples
    --------
    >>> import astropy.units as u
    >>> in_unit(80_000 * u.eV, "keV"), in_unit(80, "keV")
    (80.0, 80.0)
    """
    if hasattr(values, "to_value"):
        try:
            values = values.to_value(unit)
        except ValueError as error:  # astropy's UnitConversionError is one
            got = getattr(values, "unit", "")
            raise BadArgumentError(
                f"got a value in {str(got) or 'no unit'}, expected one in {unit}"
            ) from error
    array = np.asarray(values, dtype=np.float64)
    return float(array) if array.ndim == 0 else array
