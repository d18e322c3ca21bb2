"""The scripts of a page in one file: Voilà's front end, its extensions for widgets and figures, and BokehJS.

Voilà's front end comes in more than a hundred small files, each asked for when one before it has run. As one
file they are one request, kept by the browser, and read while the kernel works. The file is made at the
start of the server from what is installed, so that versions always match.

The small files add themselves to a list, in which the loader (webpack's, ``voila.js``) finds what it need
not ask for: one that is missing here, as with another version of Voilà, is only loaded later.

References
----------
webpack documentation, ``output.chunkLoadingGlobal``: the list by which chunks and loader know each other.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from eicpy.figures.bokeh_script import core_script

__all__ = ["NAME", "bundle", "chunks"]

NAME = "page.js"
"""Name of the file, among those of our template."""
EXTENSIONS = {
    "labextensions/@jupyter-widgets/jupyterlab-manager": "7 704 170 84 32 452 967 160 718 121",
    "labextensions/@bokeh/jupyter_bokeh": "824 25",
    "voila/labextensions/@voila-dashboards/widgets-manager8": "883 496",
}
"""Folders of the extensions, and their files by the number with which their names begin."""
FRONT_END = (
    "5764 8135 3992 9582 8925 7883 7556 6049 1670 6573 3311 4135 1621 3916 3649 8487 9684 4041 143 7155 "
    "3144 1601 4972 9890 5312 6468 3459 630 5688 2930 73 1187 4173 7483 431 3989 8766 9151 4729 6382 5044 "
    "7598 9081 7770 3249 4653 8862 9981 5767 4222 8773 3307 6008 8017 457 9212"
)
"""Files of Voilà 0.5.13 that each page asks for, by number."""
_STYLES_FIRST = """(function (head) {
  const ours = head.querySelector("link[rel=stylesheet]");
  head.appendChild = (element) => head.insertBefore(element, ours);
})(document.head);"""
_AS_BEFORE = "delete document.head.appendChild;"
"""Around the styles that the front end writes into the page: those of the page itself come after them."""


def chunks(share: Path) -> Iterator[Path]:
    """Find the files that a page asks for.

    Parameters
    ----------
    share
        Jupyter's folder of shared data (``share/jupyter`` of the environment).

    Yields
    ------
    pathlib.Path
        Those that are there.
    """
    front_end = share / "voila" / "templates" / "base" / "static"
    for number in FRONT_END.split():
        yield from front_end.glob(f"{number}.voila.js")
    for folder, numbers in EXTENSIONS.items():
        for number in numbers.split():
            yield from (share / folder / "static").glob(f"{number}.*.js")


def bundle(shares: Sequence[Path] = ()) -> str:
    """Write the scripts of a page as one.

    Parameters
    ----------
    shares
        Jupyter's folders of shared data, of which the first that has Voilà's front end counts; by default
        that of this Python.

    Returns
    -------
    str
        BokehJS and styles first, the loader last: it starts the front end.

    Raises
    ------
    FileNotFoundError
        Where there is no front end.
    """
    found = [*shares, Path(sys.prefix) / "share" / "jupyter"]
    share = next((s for s in found if _loader(s).is_file()), found[-1])
    style = _loader(share).with_name("voila-style.js")
    parts = {"bokeh.min.js": core_script(), **{path.name: path.read_text("utf-8") for path in chunks(share)}}
    after = "\n".join(_alone(name, text) for name, text in parts.items())
    loader = _loader(share).read_text(encoding="utf-8")
    return (
        f"{_STYLES_FIRST}\n{_alone(style.name, style.read_text('utf-8'))}\n{_AS_BEFORE}\n{after}\n{loader}\n"
    )


def _loader(share: Path) -> Path:
    return share / "voila" / "templates" / "base" / "static" / "voila.js"


def _alone(name: str, script: str) -> str:
    """A script that shares neither names nor strictness with those beside it."""
    return f"/* {json.dumps(name)} */ (function () {{{script}\n}}).call(this);"
