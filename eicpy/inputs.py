"""Files that others made: only ordinary ones are opened, and what is wrong with one refuses it alone.

To open a pipe waits for somebody who writes into it, a device may never end. So a path from outside is looked
at before it is opened, opened without waiting, and looked at again: what stands under a name can change in
between.

What a hostile or broken file makes a reader raise nobody can list. The boundary (:func:`refusing`) stands
around the reading of each file: what the reader says on purpose passes, everything else becomes a refused
file with its reason. An exception that no reader should raise is a mistake of eicpy: it is logged with its
traceback under the name ``eicpy.mistakes``, and the work goes on with the next file.
"""

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eicpy.errors import (
    BadArgumentError,
    BadDataError,
    EicpyError,
    FailedError,
    MissingDataError,
    NotFoundError,
    readable,
)

__all__ = [
    "MISTAKES",
    "UnreadError",
    "check_file",
    "check_regular",
    "kind_of_file",
    "only_bytes",
    "open_regular",
    "read_text",
    "refusing",
    "single_byte",
]

MISTAKES = "eicpy.mistakes"
"""Name under which mistakes of eicpy are logged, with their traceback."""


class UnreadError(BadDataError):
    """A file that was not read though it may be good: no permission, no memory, a mistake of eicpy."""


MOST_TEXT = 1 << 26
"""Bytes of a table, a notebook or a configuration at most: 64 MiB."""
_CHUNK = 1 << 22
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NAMES = {0x00: "zero bytes", 0xFF: "bytes 0xFF"}

_log = logging.getLogger(MISTAKES)


def kind_of_file(path: Path | str) -> str | None:
    """What stands under a path that is no ordinary file: a folder, a pipe, a socket, a device.

    None for an ordinary file, and where nothing can be found out: opening it then says why.

    Examples
    --------
    >>> kind_of_file("/dev/null"), kind_of_file("/"), kind_of_file(__file__)
    ('a device', 'a folder', None)
    """
    try:
        return _kind(os.stat(path).st_mode)  # noqa: PTH116, also for a text
    except (OSError, ValueError):
        return None


def _kind(mode: int) -> str | None:
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def check_regular(path: Path | str, expected: str = "a file") -> None:
    """Refuse what stands under a path unless it is an ordinary file, or nothing that can be looked at.

    Raises
    ------
    BadDataError
        For a folder, a pipe, a socket or a device.
    """
    kind = kind_of_file(path)
    if kind is not None:
        raise BadDataError(f"got {kind}, expected {expected}", file=path)


def check_file(path: Path, expected: str = "a file") -> None:
    """Refuse a path that was named and is no file, before it is opened: the call was wrong, not the data.

    Raises
    ------
    NotFoundError
        If there is nothing of that name.
    BadArgumentError
        For a folder, a pipe or a device.
    UnreadError
        If it cannot be looked at.
    """
    try:
        if not path.exists():
            raise NotFoundError(f"{readable(path)}: no such file")
        kind = kind_of_file(path)
        if kind is not None:
            raise BadArgumentError(f"{readable(path)}: {kind}; expected {expected}")
    except OSError as error:
        raise _unread(error, path) from error


def open_regular(path: Path | str, expected: str = "a file") -> BinaryIO:
    """Open an ordinary file for reading; anything else is refused at once, and never waited for.

    Parameters
    ----------
    path
        The file.
    expected
        What it should be, for the message.

    Raises
    ------
    BadDataError
        For a folder, a pipe, a socket or a device.
    OSError
        Where it cannot be opened.
    """
    check_regular(path, expected)
    stream = Path(path).open("rb") if not hasattr(os, "O_NONBLOCK") else open(path, "rb", opener=_at_once)  # noqa: SIM115, Path.open takes no opener
    kind = _kind(os.fstat(stream.fileno()).st_mode)
    if kind is not None:  # it was put there since
        stream.close()
        raise BadDataError(f"got {kind}, expected {expected}", file=path)
    return stream


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def read_text(path: Path | str, expected: str = "a text in UTF-8") -> str:
    """Read a text file that others made, up to 64 MiB.

    Raises
    ------
    BadDataError
        For what is no ordinary file, is larger, or is not UTF-8.
    OSError
        Where it cannot be read.
    """
    with open_regular(path, expected) as stream:
        octets = stream.read(MOST_TEXT + 1)
    if len(octets) > MOST_TEXT:
        raise BadDataError(f"got more than {MOST_TEXT} bytes, expected {expected}", file=path)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"got byte 0x{octets[error.start]:02X}, which is no UTF-8; expected {expected}",
            file=path,
            offset=error.start,
            advice="save it as UTF-8",
        ) from error


def single_byte(stream: BinaryIO) -> str | None:
    """In words, the one byte that a file consists of; None for different bytes, or an empty file.

    Ends at the first byte that differs; a hole of a sparse file, which reads as zeros, is passed over without
    being read.

    Parameters
    ----------
    stream
        The file, open for reading; its position stays as it is.

    Examples
    --------
    >>> from tempfile import TemporaryFile
    >>> with TemporaryFile() as file:
    ...     _ = file.write(bytes(100)), file.flush()
    ...     single_byte(file)
    'only zero bytes'
    """
    descriptor = stream.fileno()
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        byte = _single_byte(descriptor)
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)
    return None if byte is None else only_bytes(byte)


def only_bytes(byte: int) -> str:
    """In words, bytes that are all the same."""
    return f"only {_NAMES.get(byte, f'bytes 0x{byte:02X}')}"


def _single_byte(descriptor: int) -> int | None:
    size, position, length = os.fstat(descriptor).st_size, 0, 4096
    first: bytes | None = None
    expected = b""
    while position < size:
        begin = _next_data(descriptor, position, size)
        piece = b"\0" if begin > position else os.pread(descriptor, length, position)
        if first is None:
            first = piece[:1]
        if len(piece) > len(expected):
            expected = first * len(piece)
        if piece != (expected if len(piece) == len(expected) else expected[: len(piece)]):
            return None
        if not piece:
            break  # the file was cut since
        position = begin if begin > position else position + len(piece)
        length = _CHUNK
    return first[0] if first else None


def _next_data(descriptor: int, position: int, size: int) -> int:
    """Where the next bytes that are on the disk begin; `size` behind the last."""
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else position
    except AttributeError:  # a system that knows no holes
        return position


def _unread(error: OSError, file: Path | str) -> BadDataError:
    """The system's error as one of a file; it names the other file where it is about one."""
    about = "" if error.filename in (None, str(file)) else f": {readable(str(error.filename))}"
    wrong = MissingDataError if isinstance(error, FileNotFoundError) and not about else UnreadError
    return wrong(f"could not be read: {error.strerror or error}{about}", file=file)


@contextmanager
def refusing(file: Path | str, what: str = "a file") -> Iterator[None]:
    """Stand around the reading of a file that others made: whatever is raised refuses this file.

    Parameters
    ----------
    file
        The file.
    what
        What is read, for the message.

    Raises
    ------
    UnreadError
        For the system's errors, too little memory, and every exception that no reader should raise, which is
        logged as a mistake of eicpy with its traceback.
    BadDataError
        For too deep a nesting. What eicpy raises itself passes as it is.
    FailedError
        Where there is no space: the disk is full, and the file may be good.
    """
    try:
        yield
    except EicpyError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise FailedError(f"{readable(file)}: no space: {error.strerror}") from error
        raise _unread(error, file) from error
    except MemoryError as error:
        raise UnreadError(f"does not fit into memory; expected {what}", file=file) from error
    except RecursionError as error:
        raise BadDataError(f"is nested too deeply; expected {what}", file=file) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        _log.exception("%s: refused by a mistake of eicpy itself", readable(file))
        raise UnreadError(
            f"could not be read, by a mistake of eicpy itself: {reason}; please report it with its traceback",
            file=file,
        ) from error
