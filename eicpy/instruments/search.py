"""Where descriptions of detectors are looked for, and how one is read.

In this order: the folders that the environment variable ``EIC_INSTRUMENTS`` lists, ``instruments`` in the
home folder of the set-up (``EIC_HOME``), and the package itself. Each holds a folder for each detector, with
an ``instrument.toml``. A name that is found earlier hides the same name later, so that the tables of a
detector that comes with the package can be replaced by better ones.
"""

import os
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from eicpy.errors import BadDataError, NotFoundError
from eicpy.inputs import read_text
from eicpy.instruments.description import Instrument
from eicpy.settings import Settings

__all__ = ["DESCRIPTION", "available", "find", "load", "search_path"]

DESCRIPTION = "instrument.toml"
_ADVICE = "docs/howto/describe-a-detector.md explains each entry; eic instrument check NAME checks all"


def search_path() -> tuple[Path, ...]:
    """Folders in which a detector is looked for, in order."""
    listed = [Path(f).expanduser() for f in os.environ.get("EIC_INSTRUMENTS", "").split(os.pathsep) if f]
    return (*listed, Settings.from_environment().home / "instruments", Path(str(files("eicpy.instruments"))))


def find(name: str) -> Path:
    """Description file of a detector.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    """
    file = _files().get(name)
    if file is None:
        folders = ", ".join(str(folder) for folder in search_path())
        raise NotFoundError(
            f"got instrument {name!r}, expected one of {', '.join(available())} (looked in {folders}; "
            "eic instrument new lays out another)"
        )
    return file


def available() -> tuple[str, ...]:
    """Names of the detectors that are known, in their ``order``, then by name."""
    return tuple(sorted(_files(), key=lambda name: (_order(_files()[name]), name)))


def load(name: str) -> Instrument:
    """Read the description of a detector.

    Parameters
    ----------
    name
        Its name, which is that of its folder.

    Returns
    -------
    Instrument
        The same object again as long as its file does not change.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    BadDataError
        For a description that does not fit the model, with the file and the entry.
    """
    file = find(name)
    return _read(file, file.stat().st_mtime_ns)


@cache
def _read(file: Path, _changed: int) -> Instrument:
    try:
        entries = tomllib.loads(read_text(file))
        instrument = Instrument(**entries | {"folder": file.parent})
    except ValidationError as error:
        raise BadDataError(_wrong_entries(error), file=file, advice=_ADVICE) from error
    except (tomllib.TOMLDecodeError, RecursionError, OSError) as error:
        raise BadDataError(f"unreadable: {error}", file=file, advice=_ADVICE) from error
    if instrument.name != file.parent.name:
        raise BadDataError(
            f"name: got {instrument.name!r}, expected {file.parent.name!r} like the folder",
            file=file,
            advice="give both the same name",
        )
    return instrument


def _wrong_entries(error: ValidationError) -> str:
    """What is wrong, entry by entry."""
    messages = []
    for wrong in error.errors(include_url=False):
        entry = ".".join(str(part) for part in wrong["loc"])
        got = "" if wrong["type"] in {"missing", "value_error"} else f", got {wrong['input']!r}"
        messages.append(f"{entry}: {wrong['msg']}{got}" if entry else f"{wrong['msg']}")
    return "; ".join(messages)


def _files() -> dict[str, Path]:
    """Description file of each name; the first that is found counts."""
    found: dict[str, Path] = {}
    for folder in search_path():
        for file in sorted(folder.glob(f"*/{DESCRIPTION}")):
            found.setdefault(file.parent.name, file)
    return found


def _order(file: Path) -> int:
    """Order in lists; a description that does not load counts as one that names none."""
    try:
        return _read(file, file.stat().st_mtime_ns).order
    except (BadDataError, OSError):
        return 100
