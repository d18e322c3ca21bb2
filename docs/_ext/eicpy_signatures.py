"""Signatures as a reader writes them: ``NDArray[float64]``, ``ArrayLike``, instead of what they expand to."""

import re

from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata, stringify_annotation

NDARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[~?tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[([^\]]+)\]\]"
)
MODES = ("fully-qualified", "fully-qualified-except-typing", "smart")
ARRAY_LIKE = tuple(stringify_annotation(ArrayLike, mode) for mode in MODES)


def shorten(text: str | None) -> str | None:
    """Put the short names back into the text of a signature or of what it returns."""
    if text is None:
        return None
    for expanded in ARRAY_LIKE:
        text = text.replace(expanded, "ArrayLike")
    return NDARRAY.sub(r"NDArray[\1]", text)


def process(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Answer Sphinx's question what a signature should look like."""
    return shorten(signature), shorten(returned)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register it."""
    app.connect("autodoc-process-signature", process)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
