"""The archiver: takes whole packets as they come, writes them into runs, and knows when a run ends.

Runs switch on the measurement commands that it sees in the stream and on the operator's orders, always
between two packets: the command that starts a measurement is the first packet of its run, the one that
stops it the last. The raw files of the runs, one after the other, are the bytes that came, none twice.

Where the instrument says by which commands measurements begin and end, what comes outside of them goes into
runs with the suffix ``configuration``. Where it does not, or says that a measurement is to be assumed, all
goes into a plain run until a command or an order comes.

A run that somebody removes, moves or replaces while it is written is let go at once, and what comes goes into
a new run of the same kind. Where the disk of the archive was taken away, it is waited for: nothing is written
into the empty folder that is left of it.
"""

import errno
import logging
import os
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from eicpy.acquisition.reception.duplicate_commands import CommandCopies
from eicpy.acquisition.reception.framing import Piece
from eicpy.acquisition.status import Order
from eicpy.decoding.measurement import Switch, measurement_switches
from eicpy.errors import BadDataError, ConflictError, FailedError, GoneError
from eicpy.instruments import Instrument
from eicpy.runs.archive import RunArchive
from eicpy.runs.edit import edit_run
from eicpy.runs.metadata import CONFIGURATION
from eicpy.runs.run import Run
from eicpy.runs.writer import RunWriter

__all__ = ["Archiver", "RunTexts"]

_log = logging.getLogger(__name__)

Mode = Literal["automatic", "measurement", "configuration"]


@dataclass(frozen=True)
class RunTexts:
    """What people say about the runs to come.

    Parameters
    ----------
    operator, setup, comment, position
        As in :class:`~eicpy.runs.RunMetadata`.
    """

    operator: str = ""
    setup: str = ""
    comment: str = ""
    position: str = ""


@dataclass(frozen=True)
class _Turn:
    """End the run that is open; what follows goes into the next."""

    mode: Mode
    opens: bool = False
    texts: RunTexts | None = None


@dataclass
class Archiver:
    """Writes packets into runs.

    Parameters
    ----------
    archive
        Where runs are opened.
    instrument
        Its measurement rule is followed.
    close
        Completes a run that was sealed.
    source
        Returns, when a run is opened, where its bytes come from.
    texts
        What people say about the runs to come.
    on_gone
        Called with each run that was removed, moved or replaced while it was written, and what is known of
        it.
    """

    archive: RunArchive
    instrument: Instrument
    close: Callable[[RunWriter], None]
    source: Callable[[], str]
    texts: RunTexts = field(default_factory=RunTexts)
    on_gone: Callable[[Run, GoneError], None] = lambda _run, _error: None
    error: str | None = None
    """What is wrong with the instrument's measurement rule, once that was found out."""
    opened: list[Run] = field(default_factory=list)
    """All runs that were opened, oldest first."""

    def __post_init__(self) -> None:
        self.writer: RunWriter | None = None
        self.copies = CommandCopies()
        rule = self.instrument.measurement
        self.mode: Mode = "automatic" if rule is None or rule.assumed else "configuration"
        self.archived = 0
        """Bytes that are in the archive; those of a run that was removed while it was written are not."""
        self._device = _device(self.archive.folder)
        self._current = self.texts
        self._suffix = CONFIGURATION if self.mode == "configuration" else ""
        self._marked: Mode | None = None
        self._trouble: FailedError | None = None
        self._next: RunTexts | None = None
        self._work: deque[bytes | _Turn] = deque()

    @property
    def is_blocked(self) -> bool:
        """Whether something could not be written, and waits for :meth:`retry`."""
        return bool(self._work)

    @property
    def held(self) -> int:
        """Bytes that were received and could not be written yet."""
        return sum(len(work) for work in self._work if isinstance(work, bytes))

    def take(self, stream: Hashable, piece: Piece) -> None:
        """Write whole packets, into the next run from where a command says so.

        Parameters
        ----------
        stream
            By which stream they came.
        piece
            The packets.

        Raises
        ------
        FailedError
            If the archive cannot be written. Nothing is lost: it is held for :meth:`retry`.
        """
        self.copies.begin(stream)
        done = piece.given
        for switch in self._switches(piece):
            start = int(piece.index.offset[switch.row])
            stop = start + int(piece.index.length[switch.row])
            if self.copies.is_copy(stream, bytes(piece.buffer[start:stop])):
                continue
            if switch.starts:
                if start < done:  # its beginning was written when the stream was silent: keep it whole
                    start = stop
                self._append(piece.buffer[done:start])
                done = max(done, start)
                self._marked = None
                self._turn(_Turn("measurement"))
            elif self.mode != "configuration":
                self._append(piece.buffer[done:stop])
                done = stop
                self._turn(_Turn("configuration"))
            else:
                self._marked = "configuration" if self._marked else None
        self._append(piece.buffer[done:])
        self._raise_trouble()

    def retry(self) -> None:
        """Do what could not be done before.

        Raises
        ------
        FailedError
            If it still cannot.
        """
        while self._work:
            work = self._work[0]
            if isinstance(work, _Turn):
                self._do_turn(work)
            else:
                self._write(work)
            self._work.popleft()

    def check(self) -> None:
        """Look whether the run that is open still is in the archive; where not, open another.

        Raises
        ------
        FailedError
            If no other can be opened.
        """
        if self.writer is None or self._work:
            return
        try:
            self.writer.check()
        except GoneError as error:
            self._let_go(error)
            self._turn(_Turn(self.mode, opens=True))
            self._raise_trouble()
        else:
            self._follow()

    def execute(self, order: Order) -> str:
        """Carry out an order of the operator.

        Parameters
        ----------
        order
            What is asked.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        BadArgumentError
            If there is nothing to stop, to end or to comment.
        FailedError
            If the archive cannot be written; on a full disk it is done when there is space.
        """
        act = {
            "start": self._start, "stop": self._stop, "configure": self._configure, "comment": self._comment
        }[order.kind]  # fmt: skip
        answer = act(order)
        self._raise_trouble()
        return answer

    def finish(self) -> None:
        """End the run that is open.

        Raises
        ------
        FailedError
            If it cannot be closed; it is left open for the next start.
        """
        self.retry()
        if self.writer is not None:
            self._do_turn(_Turn(self.mode))

    def abandon(self) -> None:
        """Release the run as a crash would."""
        if self.writer is not None:
            self.writer.release()
            self.writer = None

    def _switches(self, piece: Piece) -> list[Switch]:
        if self.instrument.measurement is None or self.error is not None:
            return []
        try:
            return measurement_switches(piece.buffer, piece.index, self.instrument)
        except BadDataError as error:  # the rule is wrong, not what was received: that is archived
            self.error = str(error)
            _log.error("runs do not switch on commands: %s", error)
            return []

    def _append(self, data: memoryview) -> None:
        if self._work or not len(data):
            self._work.extend([bytes(data)] if len(data) else [])
            return
        try:
            self._write(data)
        except FailedError as error:
            self._work.append(bytes(data))
            self._trouble = error

    def _turn(self, turn: _Turn) -> None:
        self.mode = turn.mode
        self._work.append(turn)
        if len(self._work) == 1:
            try:
                self.retry()
            except FailedError as error:
                self._trouble = error

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._writer().append(data)
        except GoneError as error:
            self._let_go(error)
            self._writer().append(data)
        self.archived += len(data)
        self._follow()

    def _follow(self) -> None:
        """Take note that the folder of the run was given another suffix."""
        if self.writer is not None:
            self.opened[-1] = self.writer.run

    def _let_go(self, error: GoneError) -> None:
        """Let go of a run that is not in the archive any more; the next one goes on with its texts."""
        assert self.writer is not None  # it has just said that its run is gone
        writer, self.writer = self.writer, None
        writer.release()
        self.archived -= writer.size
        words = f"goes on where run {writer.run.number} was taken away while it was written"
        comment = self._current.comment
        self._next = replace(self._current, comment=f"{comment} ({words})" if comment else words)
        self.on_gone(writer.run, error)

    def _raise_trouble(self) -> None:
        """Raise what went wrong, now that all is written or held."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def _do_turn(self, turn: _Turn) -> None:
        suffix = CONFIGURATION if turn.mode == "configuration" else ""
        if self.writer is not None and (turn.opens or self.writer.size or self._suffix != suffix):
            self._end_run()
        self._suffix, self._next = suffix, turn.texts or self._next
        if turn.opens:
            self._writer()

    def _end_run(self) -> None:
        assert self.writer is not None  # asked before
        after = self._next
        try:
            self.writer.seal()
        except GoneError as error:
            self._let_go(error)
            self._next = after  # the next run is another measurement
            return
        except BadDataError as error:  # its description was damaged; its bytes are not
            _log.error("run %d is left as it is: %s", self.writer.run.number, error)
        self._follow()
        writer, self.writer = self.writer, None
        self.close(writer)

    def _writer(self) -> RunWriter:
        if self.writer is None:
            self._check_disk()
            self._current = texts = self._next or self.texts
            self.writer = self.archive.create(
                source=self.source(),
                suffix=self._suffix,
                operator=texts.operator,
                setup=texts.setup,
                comment=texts.comment,
                position=texts.position,
                above=max((run.number for run in self.opened), default=0),
            )
            self._device = _device(self.archive.folder)
            self.opened.append(self.writer.run)
            self._next = None
        return self.writer

    def _check_disk(self) -> None:
        """Refuse to write where another disk was: it would hide what was written once it is back."""
        folder = self.archive.folder
        if not self.opened or _device(folder) == self._device or (folder / "last-number").exists():
            return
        raise FailedError(
            f"{folder}: the disk that the archive was on is not there any more; it is waited for (to go on "
            "without it, start the receiver again)"
        ) from OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def _name(self) -> str:
        return f"run {self.opened[-1].number}" if self.opened else "no run"

    def _start(self, order: Order) -> str:
        self._marked = None
        texts = replace(
            self.texts,
            operator=order.by,
            comment=order.text or self.texts.comment,
            setup=order.setup or self.texts.setup,
        )
        self._turn(_Turn("measurement", opens=True, texts=texts))
        return f"{self._name()} is open" if not self._work else "a run is opened when there is space"

    def _stop(self, order: Order) -> str:  # noqa: ARG002, all orders are carried out alike
        if self.mode == "configuration" or self.writer is None:
            raise ConflictError("got the order to stop, but no measurement is under way")
        name = self._name()
        self._turn(_Turn("configuration"))
        return f"{name} is closed; what follows goes into a run with the suffix {CONFIGURATION}"

    def _configure(self, order: Order) -> str:
        texts = replace(self.texts, operator=order.by, comment=order.text or self.texts.comment)
        if order.on:
            if self.mode == "configuration":
                raise ConflictError("what comes is marked as configuration already")
            self._marked = self.mode
            self._turn(_Turn("configuration", texts=texts))
            return f"what follows goes into a run with the suffix {CONFIGURATION}"
        if self.mode != "configuration":
            raise ConflictError("got the end of the configuration, but none was begun")
        back, self._marked = self._marked, None
        if back is None or back == "configuration":
            raise ConflictError(
                "no measurement is under way: its start command, or the order to start a run, ends this"
            )
        self._turn(_Turn(back, texts=texts))
        return "what follows goes into a new run"

    def _comment(self, order: Order) -> str:
        if self.writer is None:
            raise ConflictError("got a comment, but no run is open")
        run = self.writer.run
        before = run.metadata.comment
        edit_run(run, actor=order.by, comment=f"{before}\n{order.text}" if before else order.text)
        return f"comment added to run {run.number}"


def _device(folder: Path) -> int | None:
    """The disk that a folder is on, or would be made on; None where that is not known."""
    for each in (folder, *folder.absolute().parents):
        try:
            return each.stat().st_dev
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None
