"""The station: where the parts of a live chain report their status, and take orders from the operator.

A receiver, the processors and the monitors are processes of their own, which come and go and are killed.
They meet in one folder:

::

    live/<instrument>/receiver.status    status of the receiver, rewritten in place (:class:`StatusReport`)
                      photons.status     the same of a processor
                      orders.socket      where the receiver takes orders (:mod:`.orders`)
                      journal.jsonl      what operators did, a line each, never rewritten

A status is written over itself in a file whose room was claimed when it was opened: so it can still be
updated on a full disk. The file has two halves, written in turn: while one is being written, or was cut when
its writer was killed, the other holds the report before it, whole. Its writer holds a lock on it, which the
kernel releases when the writer dies, however it dies: what a dead part said last is never taken for the
present.
"""

import errno
import fcntl
import json
import logging
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eicpy.errors import BadArgumentError, ConflictError, FailedError, InUseError
from eicpy.files import try_lock

__all__ = ["JournalEntry", "Station", "Status", "StatusReport"]

_log = logging.getLogger(__name__)

ROOM = 1 << 16
"""Bytes claimed for a report; a file holds two."""
LONGEST_ERROR = 4000
"""Characters of an error that are kept."""
LEFT_OUT = "left_out"
"""Among the values of a status that would not fit: the names of those that are left out."""
_SUFFIX = ".status"
_ATTEMPTS = 5
_LONGEST_NAME = 40
_MOST_NAMES = 20
_LONGEST_STATE = 200


class Status(BaseModel):
    """Status of a part of the chain when it last reported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    role: str
    """``receiver``, ``processor``, ``publisher``, ``dashboards`` …"""
    pid: int
    state: str
    """In a word or two, as the part says it."""
    started: datetime
    """UTC."""
    updated: datetime
    """UTC."""
    error: str | None = None
    """The last thing that went wrong; None while nothing did."""
    values: dict[str, Any] = {}
    """What else the part reports."""
    number: int = 0
    """How many reports there were before it."""
    alive: bool = False
    """Whether its writer lives; known from the lock, not from what it said."""

    @property
    def age(self) -> float:
        """Time since it was reported, s."""
        return (datetime.now(tz=UTC) - self.updated).total_seconds()


class JournalEntry(BaseModel):
    """Something an operator did."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: datetime
    """UTC."""
    by: str
    what: str
    run: int | None = None
    """The run it concerns."""


@dataclass
class StatusReport:
    """The status of one part, written by that part alone; a context manager. Use :meth:`Station.report`.

    Parameters
    ----------
    file
        The status file.
    name, role
        Of the part.
    """

    file: Path
    name: str
    role: str
    _descriptor: int = field(default=-1, init=False, repr=False)
    _status: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _has_shortened: bool = field(default=False, init=False, repr=False)

    def __enter__(self) -> Self:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FailedError(
                f"{self.file}: could not be opened, expected a folder I may write: {error.strerror}"
            ) from error
        if not try_lock(self._descriptor, timeout=0.5):  # readers hold it for an instant to look at it
            os.close(self._descriptor)
            self._descriptor = -1
            raise InUseError(
                f"{self.name} is running already: another process reports its status in {self.file}"
            )
        try:
            os.posix_fallocate(self._descriptor, 0, 2 * ROOM)
        except OSError as error:
            _log.warning(
                "%s: no room could be claimed (%s); a full disk may hide this status", self.file, error
            )
        self._status = {
            "name": self.name, "role": self.role, "pid": os.getpid(), "state": "starting",
            "started": datetime.now(tz=UTC).isoformat(), "error": None, "values": {}, "number": self._next(),
        }  # fmt: skip
        self.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._status["error"] is None:
            self._status["error"] = f"{kind.__name__}: {error}"[:LONGEST_ERROR]
        self.update(state="stopped" if kind is None else "failed")
        os.close(self._descriptor)
        self._descriptor = -1

    def update(
        self,
        *,
        state: str | None = None,
        error: str | None = None,
        recovered: bool = False,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Report the status of the part.

        If it cannot be written, that is logged and nothing else is affected. Of values that do not fit into
        the file, the longest are left out, and named under ``left_out``.

        Parameters
        ----------
        state
            In a word or two; as before where None.
        error
            What went wrong last; it is kept until the part has `recovered`. A long text is cut.
        recovered
            Forget the last error.
        values
            What else to report, as JSON takes it; as before where None.

        Raises
        ------
        BadArgumentError
            For values that JSON does not take.
        """
        if state is not None:
            self._status["state"] = state[:_LONGEST_STATE]
        if recovered:
            self._status["error"] = None
        if error is not None:
            self._status["error"] = error[:LONGEST_ERROR]
        if values is not None:
            self._status["values"] = dict(values)
        self._status["updated"] = datetime.now(tz=UTC).isoformat()
        record = _record(self._status)
        if len(record) > ROOM:
            record = self._shortened()
        half = self._status["number"] % 2
        try:
            self._write(record, half)
        except OSError:
            try:  # where no room could be claimed there may be some in the other half
                self._write(record, 1 - half)
            except OSError as problem:
                _log.warning("%s: the status could not be written: %s", self.file, problem.strerror)

    def _write(self, record: bytes, half: int) -> None:
        os.pwrite(self._descriptor, record, half * ROOM)
        self._status["number"] += 1

    def _next(self) -> int:
        """Number of the first report: that of the last one of an earlier process is not written over."""
        last = _newest(os.pread(self._descriptor, 2 * ROOM, 0))
        return 0 if last is None else last.number + 1

    def _shortened(self) -> bytes:
        """The status without the longest of its values, with the names of those left out."""
        kept = dict(self._status["values"])
        left_out: list[str] = []
        while True:
            longest = max(kept, key=lambda name: len(json.dumps(kept[name])))
            del kept[longest]
            left_out.append(longest[:_LONGEST_NAME])
            record = _record({**self._status, "values": {**kept, LEFT_OUT: left_out[:_MOST_NAMES]}})
            if len(record) <= ROOM:
                break
        if not self._has_shortened:
            self._has_shortened = True
            _log.warning("%s: too long for its room, left out: %s", self.file, ", ".join(left_out))
        return record


@dataclass(frozen=True)
class Station:
    """The folder in which the parts of the live chain of an instrument meet.

    Parameters
    ----------
    folder
        Made when the first part opens its status; ``settings.live(instrument)``.

    See Also
    --------
    eicpy.acquisition.receive : a part that reports here.
    eicpy.acquisition.status.read_overview : the status of a whole chain.

    Examples
    --------
    >>> import tempfile
    >>> station = Station(Path(tempfile.mkdtemp()))
    >>> with station.report("receiver", role="receiver") as report:
    ...     report.update(state="receiving", values={"run": 7})
    ...     status = station.statuses()["receiver"]
    >>> status.state, status.alive, status.values["run"], station.statuses()["receiver"].alive
    ('receiving', True, 7, False)
    """

    folder: Path

    def report(self, name: str, *, role: str) -> StatusReport:
        """Return the status of a part, to be written by this process.

        Parameters
        ----------
        name
            Name of the part, the only one of that name in this station.
        role
            What it is.

        Raises
        ------
        BadArgumentError
            For a name that cannot be a file's.
        FailedError
            On entry: if a living process writes that status, or the folder cannot be written.
        """
        if not name or name != Path(name).name or name.startswith(".") or not name.isprintable():
            raise BadArgumentError(
                f"got the name {name!r} for a part of the chain, expected letters and digits"
            )
        return StatusReport(self.folder / f"{name}{_SUFFIX}", name, role)

    def statuses(self) -> dict[str, Status]:
        """Return the status of each part by name, of those that have ended too."""
        found = {}
        for file in sorted(self.folder.glob(f"*{_SUFFIX}")):
            status = _read(file)
            if status is not None:
                found[status.name] = status
        return found

    def status(self, name: str) -> Status | None:
        """Return the status of a part; None if it never reported."""
        return _read(self.folder / f"{name}{_SUFFIX}")

    def forget(self, name: str) -> None:
        """Remove the last status of a part that has ended.

        Raises
        ------
        ConflictError
            If it lives.
        """
        status = self.status(name)
        if status is not None and status.alive:
            raise ConflictError(f"got {name}, which is running (process {status.pid}); stop it first")
        (self.folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)

    @property
    def journal_file(self) -> Path:
        """What operators did, one JSON object a line."""
        return self.folder / "journal.jsonl"

    def journal(self, by: str, what: str, run: int | None = None) -> JournalEntry:
        """Write down what an operator did.

        Raises
        ------
        FailedError
            If it could not be written.
        """
        entry = JournalEntry(time=datetime.now(tz=UTC), by=by, what=what, run=run)
        line = entry.model_dump_json().encode() + b"\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                self.journal_file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                end = os.fstat(descriptor).st_size
                if end and os.pread(descriptor, 1, end - 1) != b"\n":
                    line = b"\n" + line  # a line cut by a crash or a full disk damages no other
                if os.write(descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise FailedError(f"{self.journal_file}: could not be written: {error.strerror}") from error
        return entry

    def read_journal(self, last: int = 100) -> list[JournalEntry]:
        """The last entries of the journal, oldest first; a line that does not read is left out and logged."""
        try:
            with self.journal_file.open("rb") as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4096 * last))
                lines = stream.read().splitlines()[-last:]
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            try:
                entries.append(JournalEntry.model_validate_json(line))
            except ValidationError:
                _log.warning("%s: left out a line that does not read: %.80r", self.journal_file, line)
        return entries


def _record(status: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(status, allow_nan=False).encode()
    except (TypeError, ValueError) as problem:
        raise BadArgumentError(f"got a status that JSON does not take: {problem}") from problem
    return b"%08x %08x " % (len(text), zlib.crc32(text)) + text


def _read(file: Path) -> Status | None:
    """A status as it was last written whole; None where there is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        for _ in range(_ATTEMPTS):  # its writer may have been at both halves while they were read
            status = _newest(os.pread(descriptor, 2 * ROOM, 0))
            if status is not None:
                return status.model_copy(update={"alive": _is_held(descriptor)})
    finally:
        os.close(descriptor)
    _log.warning("%s does not read: no report in it is whole", file)
    return None


def _newest(content: bytes) -> Status | None:
    """The newest of the reports in a file that are whole; None where none is."""
    found: Status | None = None
    for half in (content[:ROOM], content[ROOM:]):
        text = _checked(half)
        try:
            status = None if text is None else Status.model_validate_json(text)
        except ValidationError as error:
            _log.warning("a status does not read: %s", error)
            continue
        if status is not None and (found is None or status.number > found.number):
            found = status
    return found


def _is_held(descriptor: int) -> bool:
    """Whether a writer holds the file; asked so that readers do not take one another for a writer."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _checked(record: bytes) -> bytes | None:
    try:
        length, checksum = int(record[:8], 16), int(record[9:17], 16)
    except ValueError:
        return None
    text = record[18 : 18 + length]
    return text if len(text) == length and zlib.crc32(text) == checksum else None
