"""The words of a detector's tables as a reader meets them: short, and in the reader's language.

Tables of packets are data, written in English, and tell beside what a parameter is also where its name or
its limits come from ("temperature of sector 3 (ours)"). :func:`described` gives the first alone. Words that
stand in the catalogue of :mod:`eicpy.text` under ``table:`` are translated; a whole number in them is taken
out first, so that one message serves all sectors. Words of a detector of one's own that are not in it stay
as they are.
"""

import re
from functools import lru_cache

from eicpy.instruments.description import Instrument
from eicpy.text import Texts

__all__ = ["described", "detector_note", "detector_title", "table_words"]

_PROVENANCE = re.compile(r"(name from|numbered like|width and|calibration|limits)\b")
_OURS = re.compile(r"\s*\(ours\)")
_NUMBER = re.compile(r"\b[0-9]+\b")


def described(description: str, texts: Texts) -> str:
    """What a parameter is, without where its name and its limits come from.

    Parameters
    ----------
    description
        As in the packet table.
    texts
        Language.

    Returns
    -------
    str
        Empty where the table says nothing.

    Examples
    --------
    >>> described("temperature of sector 3; numbered like DPIX_TEMPELS6 (ours)", Texts("en"))
    'temperature of sector 3'
    >>> described("temperature of sector 3 (ours)", Texts("fr"))
    'température du secteur 3'
    """
    return _described(description, texts.language)


@lru_cache(maxsize=4096)
def _described(description: str, language: str) -> str:
    clauses = [_OURS.sub("", clause).strip() for clause in description.split(";")]
    said = [clause for clause in clauses if clause and not _PROVENANCE.match(clause)]
    return table_words(said[0], Texts(language)) if said else ""


def table_words(words: str, texts: Texts) -> str:
    """Words of a table in a language; as they are where nobody translated them.

    Parameters
    ----------
    words
        In English.
    texts
        Language.
    """
    for pattern, number in ((words, None), *_numbered(words)):
        key = f"table:{pattern}"
        found = texts.template(key)
        if found != key:
            return found if number is None else found.replace("{number}", number)
    return words


def _numbered(words: str) -> list[tuple[str, str]]:
    """The words with their first number taken out, and the number."""
    found = _NUMBER.search(words)
    return (
        []
        if found is None
        else [(f"{words[: found.start()]}{{number}}{words[found.end() :]}", found.group())]
    )


def detector_title(instrument: Instrument, texts: Texts) -> str:
    """Title of a detector in a language."""
    return table_words(instrument.title, texts)


def detector_note(instrument: Instrument, texts: Texts) -> str:
    """What is to be known of the description of a detector, in a language."""
    return table_words(instrument.note, texts)
