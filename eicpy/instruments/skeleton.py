"""The description of a new detector, to be filled in by who knows it.

It loads as it is laid out, so that every step from there can be checked.
"""

import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from eicpy.errors import BadArgumentError, ConflictError, FailedError
from eicpy.instruments.search import DESCRIPTION, available, find

__all__ = ["new_description"]

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_BLANK = "blank"
_FILES = {
    "description.toml": DESCRIPTION,
    "photons.csv": "photons.csv",
    "housekeeping.csv": "housekeeping.csv",
    "processor.py.txt": "processor.py",
    "README.md": "README.md",
}


def new_description(name: str, folder: Path) -> Path:
    """Lay out the description of a new detector.

    Parameters
    ----------
    name
        Of the detector: small letters, digits and single hyphens, at most 32.
    folder
        Where the folder of that name is made; it is found there if it is on the `search_path`.

    Returns
    -------
    Path
        The new folder: ``instrument.toml`` with every section explained, tables of a photon and of a
        housekeeping packet, a processor to begin with, and what to do next.

    Raises
    ------
    BadArgumentError
        For a name that cannot be one.
    ConflictError
        For a name or a folder that is taken.
    FailedError
        If the folder cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > 32:
        raise BadArgumentError(
            f"got name {name!r}, expected small letters, digits and single hyphens, at most 32, "
            "for example my-detector"
        )
    target = Path(folder).absolute() / name
    if target.exists():
        raise ConflictError(f"{target}: is there already; expected a new name, or remove it yourself")
    if name in available():
        raise ConflictError(f"got name {name!r}, which is taken by {find(name)}; expected another")
    try:
        _lay_out(name, target)
    except OSError as error:
        raise FailedError(f"{target}: could not be written: {error.strerror or error}") from error
    return target


def _lay_out(name: str, target: Path) -> None:
    """Write all files, then let the folder appear at once."""
    words = {"@NAME@": name, "@PREFIX@": name.replace("-", "")[:3].upper(), "@FOLDER@": str(target)}
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    try:
        for source, file in _FILES.items():
            text = (files("eicpy.instruments") / _BLANK / source).read_text(encoding="utf-8")
            for word, meaning in words.items():
                text = text.replace(word, meaning)
            (draft / file).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
