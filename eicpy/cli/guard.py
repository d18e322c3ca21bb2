"""What every command has in common: arguments that no command can use, and the log of mistakes.

The check stands around all commands at once, so that no option can be forgotten: a number that is none
(nan) or has no end, a text with bytes that are no UTF-8 or with control characters is a wrong call,
whatever the option. Names of files may hold anything and are left alone.

A mistake of eicpy itself is said in a line; its traceback goes into ``mistakes.log`` of the home folder,
and with ``-v`` to standard error.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click

from eicpy.inputs import MISTAKES
from eicpy.parameters import reason_against

__all__ = ["MISTAKES_FILE", "guarded", "start_logging"]

MISTAKES_FILE = "mistakes.log"
_MOST_BYTES = 1 << 20
"""Size at which the log of mistakes begins anew; the one before is kept."""
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OURS = frozenset({"eicpy", MISTAKES})


def guarded(command: click.Command) -> click.Command:
    """A command that refuses what no command can use; of a group, all its commands."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            guarded(one)
    if command.callback is not None:
        command.callback = _checked(command.callback)
    return command


def _checked(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def checked(*arguments: Any, **named: Any) -> Any:
        ctx = click.get_current_context()
        for parameter in ctx.command.params:
            if isinstance(parameter.type, click.Path):
                continue
            for value in _single(ctx.params.get(parameter.name or "")):
                reason = reason_against(value)
                if reason is not None:
                    raise click.BadParameter(reason, ctx=ctx, param=parameter)
        return callback(*arguments, **named)

    return checked


def _single(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for one in value:
            yield from _single(one)
    else:
        yield value


def start_logging(verbose: int, home: Path) -> None:
    """Log to standard error, and mistakes of eicpy with their traceback into a file of the home folder.

    Parameters
    ----------
    verbose
        How often ``-v`` was given: 0 warnings, 1 what happens, 2 everything.
    home
        The home folder.
    """
    level = [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    file = home / MISTAKES_FILE
    stream = logging.StreamHandler()
    stream.setFormatter(logging.Formatter(_FORMAT) if verbose else _WithoutTraceback(file))
    logging.basicConfig(level=level, handlers=[stream, _MistakeFile(file)], force=True)


def _is_mistake(record: logging.LogRecord) -> bool:
    return record.name in _OURS and bool(record.exc_info)


class _WithoutTraceback(logging.Formatter):
    """A mistake in a line; everything else as it is."""

    def __init__(self, file: Path) -> None:
        super().__init__(_FORMAT)
        self._file = file

    def format(self, record: logging.LogRecord) -> str:
        if not _is_mistake(record):
            return super().format(record)
        error = record.exc_info[1] if record.exc_info else None
        line = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return f"{super().format(line)}: {type(error).__name__}: {error} (traceback: {self._file})"


class _MistakeFile(logging.Handler):
    """Appends mistakes with their traceback to a file; where that cannot be written, to standard error."""

    def __init__(self, file: Path) -> None:
        super().__init__(logging.ERROR)
        self._file = file
        self.setFormatter(logging.Formatter(_FORMAT))
        self.addFilter(_is_mistake)

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{self.format(record)}\n"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if self._file.exists() and self._file.stat().st_size > _MOST_BYTES:
                self._file.replace(self._file.with_name(f"{self._file.name}.1"))
            with self._file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        except OSError:
            sys.stderr.write(text)
