"""Where notebooks are found: a file, one of the night by its name, and those that a set-up has of its own.

Notebooks of one's own are found, not registered: every ``*.ipynb`` in ``$EIC_HOME/notebooks/<instrument>``
belongs to the nights of that detector, every one in ``$EIC_HOME/notebooks`` to those of all detectors. A
package may bring more: an entry point of the group ``eicpy.reports`` names the path of a notebook.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import EicpyError, NotFoundError
from eicpy.inputs import check_file
from eicpy.registry import Registry

__all__ = ["REGISTRY", "NightlyNotebook", "find_notebook", "nightly_notebook", "own_notebooks"]

REGISTRY = Registry("report", "eicpy.reports", {})
"""Paths of notebooks that other packages bring."""


@dataclass(frozen=True, slots=True)
class NightlyNotebook:
    """A notebook that is run for every night.

    Parameters
    ----------
    name
        Name of its report.
    path
        The file.
    own
        Whether it is the user's, and not one of eicpy.
    problem
        Why it cannot be run; empty for one that can.
    """

    name: str
    path: Path
    own: bool = False
    problem: str = ""


def find_notebook(notebook: Path, own: Path | None = None) -> Path:
    """File of a notebook: a path that ends with ``.ipynb`` as it is, else the name of a nightly one.

    Parameters
    ----------
    notebook
        Path or name.
    own
        Folder of the set-up's own notebooks, where names are looked for too.

    Raises
    ------
    BadArgumentError
        For a name that is not known, and a path that leads to no file.
    """
    if notebook.suffix != ".ipynb":
        return nightly_notebook(str(notebook), own)
    check_file(notebook, "the path of an .ipynb file")
    return notebook


def nightly_notebook(name: str, own: Path | None = None) -> Path:
    """Find a notebook of the night by its name.

    They stand beside the package in a clone, inside it when it is installed; the variable
    ``EIC_NOTEBOOKS`` names another folder. Then those in `own` are looked through, and its subfolders.

    Raises
    ------
    NotFoundError
        Where it is in none of them.
    """
    package = Path(__file__).parents[1]
    instead = os.environ.get("EIC_NOTEBOOKS")
    folders = [Path(instead)] if instead else []
    folders += [package.parent / "notebooks" / "nightly", package / "notebooks" / "nightly"]
    if own is not None:
        folders += [own, *sorted(path for path in own.glob("*") if path.is_dir())]
    for folder in folders:
        if (folder / f"{name}.ipynb").is_file():
            return folder / f"{name}.ipynb"
    raise NotFoundError(
        f"got notebook {name!r}, expected {name}.ipynb in {' or '.join(map(str, folders))}; "
        "put it into the last of them, or give its path, which ends with .ipynb"
    )


def own_notebooks(instrument: str, folder: Path, taken: frozenset[str]) -> list[NightlyNotebook]:
    """Find the notebooks that a set-up has of its own for a detector, by name.

    Parameters
    ----------
    instrument
        The detector.
    folder
        Of the set-up's own notebooks; need not exist.
    taken
        Names of eicpy's own reports, which another cannot have.

    Returns
    -------
    list of NightlyNotebook
        One a name: that of the detector before that of all, a file before an entry point.
    """
    found = {notebook.name: notebook for notebook in _of_packages()}
    for place in (folder, folder / instrument):
        for path in sorted(place.glob("*.ipynb")):
            if not path.name.startswith("."):
                found[path.stem] = NightlyNotebook(path.stem, path, own=True)
    return [_checked(found[name], taken) for name in sorted(found)]


def _of_packages() -> list[NightlyNotebook]:
    notebooks = []
    for name, reference in sorted(REGISTRY.names().items()):
        try:
            path = Path(REGISTRY.load(name))
        except (EicpyError, TypeError) as error:
            notebooks.append(NightlyNotebook(name, Path(f"{name}.ipynb"), True, f"{reference}: {error}"))
        else:
            notebooks.append(NightlyNotebook(name, path, own=True))
    return notebooks


def _checked(notebook: NightlyNotebook, taken: frozenset[str]) -> NightlyNotebook:
    if notebook.name not in taken:
        return notebook
    words = f"got {notebook.path}, but {notebook.name!r} is a report of eicpy; give the file another name"
    return NightlyNotebook(f"{notebook.name} (own)", notebook.path, True, notebook.problem or words)
