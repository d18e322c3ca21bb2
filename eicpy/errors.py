"""The errors of the package: each says what was got, what was expected and what to do.

A person reads the message; a machine reads the class. Each class has a `kind` that stays the same for ever,
the exit code of the command line and the status of an HTTP reply:

================  ========================  =========  ====
class             kind                      exit code  HTTP
================  ========================  =========  ====
BadArgumentError  ``bad-argument``          2          400
NotFoundError     ``not-found``             2          404
ConflictError     ``conflict``              2          409
NotAllowedError   ``not-allowed``           2          403
BadDataError      ``bad-data``              1          422
FailedError       ``failed``                3          503
MissingDataError  ``missing-data``          1          404
InUseError        ``in-use``                3          409
RefusedError      ``refused``               3          403
GoneError         ``gone``                  3          410
================  ========================  =========  ====

The three before the last belong to two families each, so that a caller who catches either meets them: a file
that is not there is not found and is bad data, a run that another process writes is a conflict and a failure.

The shell learns only what it must do differently (:class:`ExitCode`): the call was wrong, data were bad and
the good part is kept, the work failed, or a signal ended it (128 and the number of the signal, as shells
count).
"""

import errno
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

__all__ = [
    "BadArgumentError",
    "BadDataError",
    "ConflictError",
    "EicpyError",
    "ExitCode",
    "FailedError",
    "GoneError",
    "InUseError",
    "MissingDataError",
    "NotAllowedError",
    "NotFoundError",
    "RefusedError",
    "readable",
    "unbindable",
    "unreadable",
]


def readable(path: Path | str) -> str:
    r"""Name of a file as text that any log, table, JSON file or database takes.

    A name on disk is bytes: it may hold line breaks, control characters, or bytes that are no UTF-8.
    Those are written as escapes.

    >>> readable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))


class ExitCode(IntEnum):
    """The exit status of the command ``eic``."""

    CLEAN = 0
    """All done, nothing lost or damaged."""
    BAD_DATA = 1
    """Something was lost or damaged; the good part is kept and the bad part is named."""
    BAD_ARGUMENTS = 2
    """The call was wrong; nothing was done."""
    FAILED = 3
    """The work could not be finished; what was finished before is kept."""
    INTERRUPTED = 130
    """Ctrl-C (SIGINT) ended it; what was finished before is kept, and the line says how to go on."""
    TERMINATED = 143
    """SIGTERM ended it, as a service manager or a container does; otherwise as above."""


class EicpyError(Exception):
    """Base of every error that the package raises on purpose."""

    kind: ClassVar[str] = "failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    http_status: ClassVar[HTTPStatus] = HTTPStatus.SERVICE_UNAVAILABLE


class BadArgumentError(EicpyError, ValueError):
    """A parameter, an option or a configuration value that cannot be used."""

    kind = "bad-argument"
    exit_code = ExitCode.BAD_ARGUMENTS
    http_status = HTTPStatus.BAD_REQUEST


class NotFoundError(BadArgumentError, LookupError):
    """Something that was named and does not exist: a run, a file, a detector, a table."""

    kind = "not-found"
    http_status = HTTPStatus.NOT_FOUND


class ConflictError(BadArgumentError):
    """What was asked for does not go with the present state: it exists already, is running, is closed."""

    kind = "conflict"
    http_status = HTTPStatus.CONFLICT


class NotAllowedError(BadArgumentError):
    """What was asked for is not allowed to whoever asked."""

    kind = "not-allowed"
    http_status = HTTPStatus.FORBIDDEN


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

    kind = "bad-data"
    exit_code = ExitCode.BAD_DATA
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

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


class MissingDataError(NotFoundError, BadDataError):
    """Data that were asked for and do not exist: a file, a night that was never run."""

    kind = "missing-data"
    exit_code = ExitCode.BAD_DATA


class InUseError(ConflictError, FailedError):
    """Another process holds what the work needs: a run, a step, a status, a port."""

    kind = "in-use"
    exit_code = ExitCode.FAILED


class RefusedError(NotAllowedError, FailedError):
    """An order that its receiver refused; the message is the receiver's."""

    kind = "refused"
    exit_code = ExitCode.FAILED


class GoneError(FailedError):
    """What the work is done on was removed, moved or replaced meanwhile: the folder of a run, an output."""

    kind = "gone"
    http_status = HTTPStatus.GONE


def unreadable(error: OSError) -> type[BadDataError]:
    """Return the class for a file that could not be opened or read."""
    return MissingDataError if isinstance(error, FileNotFoundError) else BadDataError


def unbindable(error: OSError) -> type[FailedError]:
    """Return the class for an address that could not be listened on."""
    return InUseError if error.errno == errno.EADDRINUSE else FailedError
