"""The errors of the package: each tells what was got, what was expected and what to do.

The command line turns them into exit codes (see :class:`ExitCode`), so that a script can tell
"your arguments are wrong" from "the data were bad, the good part is kept" and from "it failed".
"""

from enum import IntEnum
from pathlib import Path

__all__ = ["BadArgumentError", "BadDataError", "EicpyError", "ExitCode", "FailedError", "readable"]


def readable(path: Path | str) -> str:
    r"""Name of a file as text that any log, table, JSON file or database takes.

    A name on disk is bytes: it may hold line breaks, control characters, or bytes that are no UTF-8.
    Those are written as escapes.

    >>> readable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))


class ExitCode(IntEnum):
    """What the command ``eic`` returns to the shell."""

    CLEAN = 0
    """All done, nothing lost or damaged."""
    BAD_DATA = 1
    """Something was lost or damaged; the good part is kept and the bad part is named."""
    BAD_ARGUMENTS = 2
    """The call was wrong; nothing was done."""
    FAILED = 3
    """The work could not be finished; what was finished before is kept."""


class EicpyError(Exception):
    """Base of every error that the package raises on purpose."""

    exit_code: ExitCode = ExitCode.FAILED


class BadArgumentError(EicpyError, ValueError):
    """A parameter, an option or a configuration value that cannot be used."""

    exit_code = ExitCode.BAD_ARGUMENTS


class BadDataError(EicpyError):
    """Data that are not what they should be.

    Parameters
    ----------
    what
        What was got and what was expected, in a sentence.
    file
        The file it was found in, where there is one.
    offset
        The byte at which it was found, where that is known.
    advice
        What the reader can do about it.
    """

    exit_code = ExitCode.BAD_DATA

    def __init__(
        self, what: str, *, file: Path | str | None = None, offset: int | None = None, advice: str = ""
    ) -> None:
        self.what = what
        self.file = None if file is None else Path(file)
        self.offset = offset
        self.advice = advice
        where = "" if file is None else f"{readable(file)}: "
        at = "" if offset is None else f"at byte {offset}: "
        super().__init__(f"{where}{at}{what}{f' ({advice})' if advice else ''}")


class FailedError(EicpyError):
    """Work that could not be finished for a reason outside the data: no space, no peer, no permission."""
