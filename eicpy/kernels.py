"""One way to compile the functions that walk arrays, with machine code on disk that is never stale.

numba keeps machine code on disk and takes it again as long as the file of the function itself is unchanged.
What was compiled *into* the function from other files, other kernels and constants, it does not look at:
after a change there it goes on with the old ones. Here the code on disk is stamped with the contents of all
files that it can have come from (`kernel_sources`), and is compiled again when one of them has changed.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

__all__ = ["inline_kernel", "kernel", "kernel_sources"]

_PACKAGE = Path(__file__).parent
_MARK = re.compile(r"^\s*@(?:inline_)?kernel\b", re.MULTILINE)
_IMPORT = re.compile(
    rf"^\s*(?:from\s+({_PACKAGE.name}[\w.]*)\s+import\s*(\([^)]*\)|[^\n]*)|import\s+({_PACKAGE.name}[\w.]*))",
    re.MULTILINE,
)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays and keep the machine code on disk for the next process.

    It runs without the interpreter's lock, so that threads may call it at once. The code on disk is used
    only while none of its `kernel_sources` has changed.
    """
    return _compile(function, inline=False)


def inline_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a short function into every kernel that calls it: a call with arrays costs some 5 ns."""
    return _compile(function, inline=True)


def _compile(function: Callable[..., Any], *, inline: bool) -> Callable[..., Any]:
    compiled: Any = njit(cache=True, nogil=True, forceinline=inline)(function)
    source = Path(function.__code__.co_filename)
    if (
        hasattr(compiled, "_cache") and source.is_file()
    ):  # neither where NUMBA_DISABLE_JIT is set, nor typed in
        file = compiled._cache._cache_file  # noqa: SLF001  # numba has no public way to add to the stamp
        file._source_stamp = (file._source_stamp, _digest(source.parent))  # noqa: SLF001  # as above
    result: Callable[..., Any] = compiled
    return result


def kernel_sources(folder: Path) -> tuple[Path, ...]:
    """Files that can be compiled into the kernels of a folder.

    They are its modules that hold kernels, all modules of the package that one of these imports (kernels,
    or constants, which are compiled in as they are), and so on through modules that hold kernels. A
    constant that is only passed on by a module without kernels is not followed.

    Parameters
    ----------
    folder
        A room of the package, or any folder with Python files.

    Returns
    -------
    tuple of Path
        In order.
    """
    waiting = [file for file in sorted(folder.glob("*.py")) if _holds_kernels(file)]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        rooms = file.name == "__init__.py"
        for imported in _imported(file):
            if _holds_kernels(imported) or (imported.name == "__init__.py" and not rooms):
                waiting.append(imported)
            elif not rooms:  # what a room lists for everybody is no constant of ours
                found.add(imported)
    return tuple(sorted(found))


@cache
def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in kernel_sources(folder):
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _holds_kernels(file: Path) -> bool:
    return _MARK.search(_text(file)) is not None


def _imported(file: Path) -> Iterator[Path]:
    """Files of the package that a file imports."""
    for match in _IMPORT.finditer(_text(file)):
        place = _PACKAGE.parent.joinpath(*(match[1] or match[3]).split("."))
        names = re.findall(r"\w+", match[2] or "")
        for path in (place, *(place / name for name in names)):
            module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if module.is_file():
                yield module
