"""The parameters of a notebook, checked before a kernel starts.

papermill accepts unknown names and wrong types without a word: a misspelt parameter gives a report of
the default, and nobody notices. Here the cell tagged ``parameters`` is the declaration: each line is
an annotated assignment of a literal (``night: str = ""``), from which a strict pydantic model is made
that forbids anything else. A range stands beside the type, as pydantic takes it
(``bins: Annotated[int, Field(ge=1, le=600)] = 20``). So the defaults stand in one file, the notebook, and
anyone who opens it in JupyterLab sees them.

The cell is read, never run: what it imports is not imported here, and a check costs no kernel.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, PydanticSchemaGenerationError, ValidationError

from eicpy.errors import BadDataError, NotFoundError
from eicpy.inputs import check_regular, read_text, refusing
from eicpy.parameters import CheckedParameters, check, make_model

if TYPE_CHECKING:
    import nbformat

__all__ = ["check_parameters", "parameter_model", "read_notebook"]

_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "None": None}
_LIMITS = frozenset(
    {"gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "description"}
)
"""What ``Field`` may say of a parameter; anything else would change what the check means."""


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
        Where a line of the cell is not an annotated assignment of a literal, or a default is outside its
        own range.
    """
    cells = _parameter_cells(path)
    if len(cells) > 1:
        raise BadDataError(f"got {len(cells)} cells tagged 'parameters', expected at most one", file=path)
    source = cells[0] if cells else ""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadDataError(f"the cell tagged 'parameters' is not Python: {error}", file=path) from error
    fields: Any = dict(_field(s, path) for s in statements if not isinstance(s, ast.Import | ast.ImportFrom))
    try:
        model = make_model(path.stem, fields)
        model.model_validate({name: default for name, (_, default) in fields.items()})
    except (ValidationError, PydanticSchemaGenerationError, NameError, TypeError) as error:
        raise BadDataError(f"the cell tagged 'parameters' contradicts itself: {error}", file=path) from error
    return model


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
            f"line {statement.lineno} of the cell tagged 'parameters' is {_shown(statement)!r}, "
            "expected an annotated assignment such as 'night: str = \"\"'",
            file=path,
        )
    try:
        return statement.target.id, (_type(statement.annotation), ast.literal_eval(statement.value))
    except (KeyError, ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise BadDataError(
            f"line {statement.lineno} of the cell tagged 'parameters' is {_shown(statement)!r}, "
            f"expected one of the types {', '.join(_TYPES)} and a literal; a range is written "
            "Annotated[int, Field(ge=1)], a choice Literal['a', 'b']",
            file=path,
        ) from error


def _shown(statement: ast.stmt) -> str:
    text = ast.unparse(statement)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _type(annotation: ast.expr) -> Any:
    """Type that an annotation names, with its range."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _type(annotation.left) | _type(annotation.right)
    if not isinstance(annotation, ast.Subscript):
        return _TYPES[ast.unparse(annotation)]
    inside = annotation.slice
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    kind = ast.unparse(annotation.value).rpartition(".")[2]
    if kind == "Literal":
        return Literal[tuple(ast.literal_eval(part) for part in parts)]
    if kind != "Annotated" or len(parts) < 2:
        raise KeyError(kind)
    return Annotated[_type(parts[0]), *map(_range, parts[1:])]


def _range(call: ast.expr) -> Any:
    """Range that stands behind a type, ``Field(gt=0)`` of pydantic."""
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != "Field":
        raise KeyError(ast.unparse(call))
    limits = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    if call.args or not limits.keys() <= _LIMITS:
        raise KeyError(ast.unparse(call))
    return Field(**limits)
