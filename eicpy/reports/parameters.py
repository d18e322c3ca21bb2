"""The parameters of a notebook, checked before a kernel starts.

papermill accepts unknown names and wrong types without a word: a misspelt parameter gives a report of
the default, and nobody notices. Here the cell tagged ``parameters`` is the declaration: each line is
an annotated assignment of a literal (``night: str = ""``), from which a strict pydantic model is made
that forbids anything else. So the defaults stand in one file, the notebook, and anyone who opens it
in JupyterLab sees them.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbformat
from pydantic import BaseModel

from eicpy.errors import BadDataError, NotFoundError
from eicpy.inputs import check_regular, read_text, refusing
from eicpy.parameters import CheckedParameters, check, make_model

if TYPE_CHECKING:
    import nbformat

__all__ = ["check_parameters", "parameter_model", "read_notebook"]

_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "None": None}


def read_notebook(path: Path) -> "nbformat.NotebookNode":
    """Read a notebook of format 4.

    Raises
    ------
    NotFoundError
        Where there is no such file.
    BadDataError
        Where the file is not a notebook.
    """
    import nbformat  # noqa: PLC0415, takes seconds: a wrong parameter should not cost them

    check_regular(path, "a notebook")
    if not path.is_file():
        raise NotFoundError(f"got notebook {path}, which does not exist; expected the path of an .ipynb file")
    with refusing(path, "a notebook"):
        try:
            notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
        except (
            nbformat.reader.NotJSONError,
            nbformat.ValidationError,
            UnicodeDecodeError,
            LookupError,
            AttributeError,  # JSON that is no object
            TypeError,
        ) as error:
            raise BadDataError(
                f"got {type(error).__name__}, expected a notebook of format 4",
                file=path,
                advice="open and save it in JupyterLab",
            ) from error
    return notebook


def parameter_model(path: Path) -> type[BaseModel]:
    """Make the model of a notebook's parameters from its cell tagged ``parameters``.

    Parameters
    ----------
    path
        The notebook.

    Returns
    -------
    type
        A pydantic model: strict types, no other names, the notebook's defaults.

    Raises
    ------
    BadDataError
        Where a line of the cell is not an annotated assignment of a literal.
    """
    cells = _parameter_cells(path)
    if len(cells) > 1:
        raise BadDataError(f"got {len(cells)} cells tagged 'parameters', expected at most one", file=path)
    source = cells[0] if cells else ""
    try:
        fields: Any = dict(_field(statement, path) for statement in ast.parse(source).body)
    except SyntaxError as error:
        raise BadDataError(f"the cell tagged 'parameters' is not Python: {error}", file=path) from error
    return make_model(path.stem, fields)


def check_parameters(
    path: Path, parameters: Mapping[str, object], *, mode: Literal["python", "text"] = "python"
) -> CheckedParameters:
    """Check parameters against the notebook's declaration.

    Parameters
    ----------
    path
        The notebook.
    parameters
        Values by name; those left out keep the notebook's default.
    mode
        ``text`` where the values are text, as on a command line: ``"7"`` is then a whole number.

    Returns
    -------
    CheckedParameters
        Every parameter of the notebook with its value.

    Raises
    ------
    BadArgumentError
        For an unknown name or a value of the wrong type; the message lists what is known.
    """
    return check(parameter_model(path), parameters, owner=path.name, mode=mode)


def _parameter_cells(path: Path) -> list[str]:
    """Sources of the cells tagged ``parameters``, from the JSON itself where that is of format 4."""
    check_regular(path, "a notebook")
    try:
        document = json.loads(read_text(path, "a notebook"))
        cells = document["cells"] if document["nbformat"] == 4 else read_notebook(path).cells
        tagged = [cell["source"] for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # no notebook: it says why
        tagged = [c.source for c in read_notebook(path).cells if "parameters" in c.metadata.get("tags", ())]
    return ["".join(source) for source in tagged]


def _field(statement: ast.stmt, path: Path) -> tuple[str, tuple[Any, Any]]:
    if not (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.value is not None
    ):
        raise BadDataError(
            f"line {statement.lineno} of the cell tagged 'parameters' is {ast.unparse(statement)!r}, "
            "expected an annotated assignment such as 'night: str = \"\"'",
            file=path,
        )
    try:
        return statement.target.id, (_type(statement.annotation), ast.literal_eval(statement.value))
    except (KeyError, ValueError) as error:
        raise BadDataError(
            f"line {statement.lineno} of the cell tagged 'parameters' is {ast.unparse(statement)!r}, "
            f"expected one of the types {', '.join(_TYPES)} and a literal",
            file=path,
        ) from error


def _type(annotation: ast.expr) -> Any:
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _type(annotation.left) | _type(annotation.right)
    return _TYPES[ast.unparse(annotation)]
