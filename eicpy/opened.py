"""What a notebook opened, noted for the report that is made of it.

Whether a report is about simulated data, about which night, and made from which files is not asked of
whoever starts it, nor read from names of parameters: what opens data notes it. The runner names a file in the
variable ``EIC_REPORT_OPENED`` of the kernel; there each opening leaves a line of JSON. Without the variable
nothing is noted.
"""

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["VARIABLE", "Opened", "are_simulated", "is_noting", "note_opened", "read_opened", "title_of"]

VARIABLE = "EIC_REPORT_OPENED"
"""Environment variable that names the file of notes."""
_MOST_BYTES = 1 << 24
"""More notes than this are not read: a notebook that opens files in a loop without end."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """Something that was opened.

    Parameters
    ----------
    kind
        ``night``, ``product``, ``photons``, ``packets``.
    path
        The file.
    simulated
        Whether it says that it is simulated; None where it does not say.
    instrument, night
        Of which detector and which night (YYYYMMDD) it is, where that is known.
    title
        What a reader calls it; empty: nothing worth a line.
    sha256
        Hash of the file where it is known already.
    """

    kind: str
    path: str
    simulated: bool | None = None
    instrument: str = ""
    night: str = ""
    title: str = ""
    sha256: str = ""


def is_noting() -> bool:
    """Whether anybody wants to know what is opened."""
    return bool(os.environ.get(VARIABLE))


def note_opened(opened: Opened) -> None:
    """Note that something was opened, where a report is being made."""
    file = os.environ.get(VARIABLE)
    if file:
        line = json.dumps(asdict(opened) | {"path": str(Path(opened.path).absolute())})
        with Path(file).open("a", encoding="utf-8") as notes:
            notes.write(line + "\n")


def read_opened(file: Path) -> tuple[Opened, ...]:
    """Read the notes, each once, in the order in which things were first opened.

    The file lies within reach of the notebook: a line that is no note is left out, and logged.
    """
    if not file.is_file():
        return ()
    with file.open("rb") as stream:
        lines = stream.read(_MOST_BYTES).splitlines()
    found = dict.fromkeys(filter(None, map(_read, dict.fromkeys(lines))))
    return tuple(found)


def _read(line: bytes) -> Opened | None:
    try:
        values = json.loads(line)
        note = Opened(**values)
        texts = (getattr(note, f.name) for f in fields(note) if f.name != "simulated")
        if all(isinstance(text, str) for text in texts) and note.simulated in (True, False, None):
            return note
    except (ValueError, TypeError, RecursionError):
        pass
    _log.warning("got a note of what a notebook opened that is none: %r", line[:200])
    return None


def are_simulated(said: Iterable[bool | None]) -> bool | None:
    """Whether data of several sources are simulated: as soon as one is; None where none says."""
    known = [value for value in said if value is not None]
    return any(known) if known else None


def title_of(opened: Iterable[Opened]) -> str:
    """Name what was opened: one thing by its title, several by the first and the last."""
    titles = sorted({note.title for note in opened if note.title})
    if len(titles) < 3:
        return " and ".join(titles)
    return f"{titles[0]} to {titles[-1]} ({len(titles)} in all)"
