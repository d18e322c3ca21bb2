"""What a database says, in words of this project: no statement, no link, no traceback, no password."""

import re
from typing import Any

from sqlalchemy import URL

__all__ = ["reason_of", "shown_address"]

_SECRET = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)


def shown_address(url: URL) -> str:
    """An address as it may be shown: without its password, wherever it stands."""
    hidden = {name: "***" if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)


def reason_of(error: BaseException, url: URL | None = None) -> str:
    """Why a database did not do what was asked, in a line.

    Parameters
    ----------
    error
        What SQLAlchemy, or the driver, raised.
    url
        Address of the database, whose password is left out should the driver repeat it.

    Examples
    --------
    >>> from sqlalchemy.exc import OperationalError
    >>> reason_of(OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked")))
    'database is locked'
    """
    said: Any = getattr(error, "orig", None) or error
    text: Any = said.args[0] if said.args else type(said).__name__
    if isinstance(text, dict):  # an error message of PostgreSQL: M is its text for people
        text = text.get("M", "the server gave no reason")
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), type(said).__name__)
    if url is not None and url.password:
        line = line.replace(str(url.password), "***")
    return line
