"""Good time intervals by criterion: the tables of the product ECL-GTI-CAL.

Criteria as in the flight files, in our reading: NSA outside the South Atlantic Anomaly, STA stable attitude,
TLM telemetry received, NEO no Earth occultation (PEO partial, TEO total).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.events.gti import GoodTimeIntervals
from eicpy.products import Product

__all__ = ["read_criteria", "tables_of_criteria"]

_GROUP = "ECL-GTI-CAL-GRP"
_STEM = "GTICAL-"
_DAY = 86400.0


def tables_of_criteria(criteria: Mapping[str, GoodTimeIntervals]) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Tables of ECL-GTI-CAL, for :func:`eicpy.products.write_product`.

    Parameters
    ----------
    criteria
        Intervals by criterion (``NSA``, ``STA``, …).

    Returns
    -------
    dict
        The group table, then one table for each criterion.
    """
    names = np.array([f"{_STEM}{name}" for name in criteria], dtype=np.str_)
    tables: dict[str, dict[str, npt.NDArray[Any]]] = {
        _GROUP: {
            "MEMBER_XTENSION": np.full(names.size, "BINTABLE"),
            "MEMBER_NAME": names,
            "GTI_NAME": np.array(list(criteria), dtype=np.str_),
        }
    }
    for name, gti in criteria.items():
        tables[f"{_STEM}{name}"] = {
            **gti.to_columns(),
            "SJDSTART": gti.start / _DAY,
            "SJDSTOP": gti.stop / _DAY,
        }
    return tables


def read_criteria(product: Product) -> dict[str, GoodTimeIntervals]:
    """Intervals by criterion of an ECL-GTI-CAL that was read."""
    return {
        name.removeprefix(_STEM): GoodTimeIntervals.from_columns(table.columns)
        for name, table in product.tables.items()
        if name.startswith(_STEM)
    }
