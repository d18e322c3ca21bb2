"""The words of the dashboards in English and French, one file a language beside this module.

A key that a language lacks is a defect that a test finds; it never reaches a reader as an error.
"""

import tomllib
from functools import cache
from importlib.resources import files

__all__ = ["LANGUAGES", "Texts"]

LANGUAGES = {"en": "English", "fr": "Français"}


@cache
def _table(language: str) -> dict[str, str]:
    source = files("eicpy.dashboard") / "languages" / f"{language}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


class Texts:
    """The words of one language.

    Parameters
    ----------
    language
        ``en`` or ``fr``; anything else is English.

    Examples
    --------
    >>> Texts("fr")("energy")
    'énergie'
    """

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"

    def __call__(self, key: str, **values: object) -> str:
        """Words of a key, with values put in."""
        return _table(self.language).get(key, key).format(**values)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number as the language has it, thousands apart."""
        text = f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        return text.replace(".", ",") if self.language == "fr" else text
