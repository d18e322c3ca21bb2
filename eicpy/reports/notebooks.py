"""Where notebooks are found: a file, or one of the night by its name."""

import os
from pathlib import Path

from eicpy.errors import NotFoundError
from eicpy.inputs import check_file

__all__ = ["find_notebook", "nightly_notebook"]


def find_notebook(notebook: Path) -> Path:
    """File of a notebook: a path that ends with ``.ipynb`` as it is, else the name of a nightly one.

    Raises
    ------
    BadArgumentError
        For a name that is not known, and a path that leads to no file.
    """
    if notebook.suffix != ".ipynb":
        return nightly_notebook(str(notebook))
    check_file(notebook, "the path of an .ipynb file")
    return notebook


def nightly_notebook(name: str) -> Path:
    """Find a notebook of the night by its name.

    They stand beside the package in a clone, inside it when it is installed; the variable
    ``EIC_NOTEBOOKS`` names another folder.

    Raises
    ------
    NotFoundError
        Where it is in none of them.
    """
    package = Path(__file__).parents[1]
    own = os.environ.get("EIC_NOTEBOOKS")
    folders = [Path(own)] if own else []
    folders += [package.parent / "notebooks" / "nightly", package / "notebooks" / "nightly"]
    for folder in folders:
        if (folder / f"{name}.ipynb").is_file():
            return folder / f"{name}.ipynb"
    raise NotFoundError(
        f"got notebook {name!r}, expected {name}.ipynb in {' or '.join(map(str, folders))}; "
        "set EIC_NOTEBOOKS to the folder that holds it"
    )
