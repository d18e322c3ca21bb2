"""One way to compile the functions that walk arrays, with machine code on disk that is never stale.

numba keeps machine code on disk and takes it again as long as the file of the function itself is unchanged.
What was compiled *into* the function from other files, other kernels and constants, it does not look at:
after a change there it goes on with the old ones. Here the code on disk is stamped with the contents of all
files that it can have come from (`kernel_sources`), and is compiled again when one of them has changed.

Importing numba takes longer than most commands. It is imported when the first kernel is called, and no
earlier: what a kernel is made of, other kernels and intrinsics, is `Deferred` until then.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import cache, partial, update_wrapper
from inspect import getclosurevars
from pathlib import Path
from threading import RLock
from typing import Any

__all__ = ["INTERPRETED", "Deferred", "inline_kernel", "kernel", "kernel_sources"]

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}
"""Whether kernels run as plain Python, for a debugger, a coverage measurement or a fuzzer."""

_STARTED = time.time_ns()
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


class Deferred:
    """A function of numba's that is made when it is first called, or compiled into another.

    It has all that the function made has, and is pickled by its name.

    Parameters
    ----------
    make
        Makes it.
    module, name
        Where it is found again.
    function
        The plain function that it is compiled from, if there is one.
    """

    _lock = RLock()

    def __init__(
        self, make: Callable[[], Any], module: str, name: str, function: Callable[..., Any] | None = None
    ) -> None:
        self._make = make
        self._made: Any = None
        if function is not None:
            update_wrapper(self, function)
        self.py_func = function
        self.__module__ = module
        self.__qualname__ = name

    def made(self) -> Any:
        """The function itself."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made

    @property
    def _numba_type_(self) -> Any:
        """By this numba takes it for the function itself where it is compiled into another."""
        from numba.core.registry import cpu_target  # noqa: PLC0415, see the head of the module

        return cpu_target.typing_context.resolve_value_type(self.made())

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.made()(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made(), name)

    def __reduce__(self) -> str:
        return self.__qualname__


def _compile(function: Callable[..., Any], *, inline: bool) -> Callable[..., Any]:
    if INTERPRETED:
        return function
    make = partial(_compiled, function, inline=inline)
    return Deferred(make, function.__module__, function.__qualname__, function)


def _compiled(function: Callable[..., Any], *, inline: bool) -> Any:
    from numba import njit  # noqa: PLC0415, see the head of the module

    known = getclosurevars(function)
    for part in (*known.globals.values(), *known.nonlocals.values()):
        if isinstance(part, Deferred) and part.py_func is not function:
            part.made()  # numba has to know intrinsics before it begins to compile
    source = Path(function.__code__.co_filename)
    digest = _digest(source.parent) if source.is_file() else None  # not where it was typed in
    compiled: Any = njit(cache=digest is not None, nogil=True, forceinline=inline)(function)
    if digest is not None:
        # numba has no public way to add to what it compares. The version is compared before the rest of the
        # index is read, which may name classes that are gone.
        file = compiled._cache._cache_file  # noqa: SLF001
        file._version = f"{file._version} {digest}"  # noqa: SLF001
    return compiled


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
def _digest(folder: Path) -> str | None:
    """Digest of the sources; None if one was written after this process may have read it."""
    digest = hashlib.sha256()
    for file in kernel_sources(folder):
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
        if file.stat().st_ctime_ns >= _STARTED:
            return None
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
