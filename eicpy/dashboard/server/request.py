"""What a visitor asked for in the address of the page, checked: it comes from outside."""

import os
from urllib.parse import parse_qs, unquote

from eicpy.errors import NotFoundError
from eicpy.instruments import available
from eicpy.text import LANGUAGES

__all__ = ["OPERATOR_HEADER", "ORDERS_VARIABLE", "PageRequest", "orders_allowed"]

OPERATOR_HEADER = "X-Eic-Operator"
"""Set by the server alone, whatever a visitor sends: the name of the log-in, percent-encoded."""
_OPERATOR_VARIABLE = "HTTP_X_EIC_OPERATOR"

MOST_FIELDS = 20
ORDERS_VARIABLE = "EIC_DASHBOARD_ORDERS"
"""Set by the server alone: whether its pages may give orders to the live chain."""


def orders_allowed() -> bool:
    """Whether the server allows its pages to give orders."""
    return os.environ.get(ORDERS_VARIABLE) == "allowed"


class PageRequest:
    """Language, instrument and operator of a page.

    Parameters
    ----------
    query
        Query of the address, such as ``lang=fr&instrument=meddea``.
    instrument
        Asked for where the query says nothing; None: the first that is known.
    operator
        Name of the log-in; empty for one who only looks.
    """

    def __init__(self, query: str, instrument: str | None = None, operator: str = "") -> None:
        self.operator = operator
        try:
            asked = parse_qs(query, max_num_fields=MOST_FIELDS)
        except ValueError:  # more fields than any page has: nothing of it is meant for us
            asked = {}
        self.language = (asked.get("lang") or ["en"])[-1]
        if self.language not in LANGUAGES:
            self.language = "en"
        self.instrument = (asked.get("instrument") or [instrument or available()[0]])[-1]

    def check(self) -> str:
        """Name of the instrument.

        Raises
        ------
        NotFoundError
            For one that is not known.
        """
        if self.instrument not in available():
            raise NotFoundError(
                f"got instrument {self.instrument[:40]!r}, expected one of {', '.join(available())}"
            )
        return self.instrument

    @classmethod
    def from_environment(cls) -> "PageRequest":
        """What the visitor of this kernel asked for."""
        operator = unquote(os.environ.get(_OPERATOR_VARIABLE, ""))
        return cls(os.environ.get("QUERY_STRING", ""), os.environ.get("EIC_INSTRUMENT"), operator)
