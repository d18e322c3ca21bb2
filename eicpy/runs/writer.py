"""Writing a run: bytes are appended whole or not at all, and the run is closed with its size and hash.

A file that is deleted goes on taking bytes as long as it is open, and loses them when it is closed. So a
writer looks before and after it appends whether its file still is the one in the archive. Where it is not,
the bytes are taken back, and :class:`~eicpy.errors.GoneError` says what became of those before: whoever has
the new ones writes them into another run. A folder that was only given another suffix is followed.
"""

import hashlib
import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import RawIOBase
from typing import Any, Self

from eicpy.errors import BadDataError, FailedError, GoneError, InUseError
from eicpy.files import locked_folder, try_lock
from eicpy.runs.edit import rewrite
from eicpy.runs.listing import listing
from eicpy.runs.metadata import RunMetadata
from eicpy.runs.run import Run

__all__ = ["RunWriter"]

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 22


@dataclass
class RunWriter:
    """A run held open for writing by this process alone.

    Use :meth:`eicpy.runs.RunArchive.create` or :meth:`~eicpy.runs.RunArchive.reopen`.

    Parameters
    ----------
    run
        The run; its raw file exists.
    """

    run: Run
    size: int = field(init=False)
    """Bytes in the raw file."""

    def __post_init__(self) -> None:
        try:
            self._descriptor = os.open(self.run.raw_file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise FailedError(f"{self.run.raw_file}: could not be opened: {error.strerror}") from error
        if not try_lock(self._descriptor, timeout=0.5):  # others hold it for an instant to look at it
            os.close(self._descriptor)
            raise InUseError(
                f"{self.run.raw_file}: run {self.run.number} is being written by another process"
            )
        self.size = os.fstat(self._descriptor).st_size
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = threading.Lock()
        self._path = os.fspath(self.run.raw_file)

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes and hand them to the operating system, all or none.

        When this returns, the bytes survive the death of the process (not a power failure: see
        :meth:`sync`).

        Parameters
        ----------
        data
            Bytes as received.

        Returns
        -------
        int
            Offset of the first of them in the raw file.

        Raises
        ------
        FailedError
            If they could not all be written, for example on a full disk. The raw file is as it was
            before the call, which can be repeated once there is space.
        GoneError
            If the run was removed, moved or replaced meanwhile: these bytes are in no run.
        """
        self.check()
        start = self.size
        view = memoryview(data).cast("B")
        written = 0
        try:
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
        except OSError as error:
            self._cut(start)
            self.check()
            raise FailedError(
                f"{self.run.raw_file}: could not append {len(view)} bytes at byte {start}: {error.strerror}; "
                f"the {start} bytes before are intact, none of the new ones was kept"
            ) from error
        try:
            self.check()
        except GoneError:
            self._cut(
                start
            )  # a reader that still has the file open is given these bytes by the next run alone
            raise
        self.size += written
        return start

    def check(self) -> None:
        """Look whether the raw file still is the one in the archive.

        Raises
        ------
        GoneError
            If it was deleted, moved away or replaced: what is appended would be lost with it.
        """
        mine = os.fstat(self._descriptor)
        try:
            if mine.st_nlink and os.path.samestat(os.stat(self._path), mine):  # noqa: PTH116, at each append
                return
            event = "was replaced by another file"
        except (FileNotFoundError, NotADirectoryError):
            event = "was moved away, or its disk was"
        except OSError as error:  # no permission, or no answer: the file may still be there, and it is open
            _log.debug("%s: not looked at: %s", self._path, error)
            return
        if mine.st_nlink and self._is_renamed(mine):
            return
        if not mine.st_nlink:
            event = "was deleted"
        lost = "nothing was in it" if not self.size else f"its {self.size} bytes are no longer there"
        raise GoneError(f"{self.run.raw_file}: run {self.run.number} {event} while it was written; {lost}")

    def _is_renamed(self, mine: os.stat_result) -> bool:
        """Whether the folder of the run was only given another suffix; it is followed there."""
        archive = self.run.folder.parent
        for name in listing(os.fspath(archive.absolute())).now().names.get(self.run.number, ()):
            run = Run(archive / name)
            try:
                same = os.path.samestat(run.raw_file.stat(), mine)
            except OSError:
                continue
            if same:
                _log.warning("%s is called %s now", self.run.folder, name)
                self.run, self._path = run, os.fspath(run.raw_file)
                return True
        return False

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise FailedError(
                f"{self.run.raw_file}: what was appended in part could not be taken back to byte {size}: "
                f"{error.strerror}"
            ) from error

    def sync(self) -> None:
        """Force what was appended to the disk, so that it survives a power failure.

        Raises
        ------
        FailedError
            If the disk refuses.
        """
        descriptor = self._descriptor
        if descriptor < 0:
            return  # released meanwhile, by a thread that closed the run and so forced it to the disk
        try:
            os.fsync(descriptor)
        except OSError as error:
            if self._descriptor >= 0:
                raise FailedError(
                    f"{self.run.raw_file}: could not be forced to the disk: {error.strerror}"
                ) from error

    def describe(self, **changes: Any) -> RunMetadata:
        """Change fields of the description.

        Parameters
        ----------
        **changes
            Fields of :class:`RunMetadata`, for example ``comment``.

        Returns
        -------
        RunMetadata
            As it is on the disk now.
        """
        with locked_folder(self.run.folder):
            return rewrite(self.run, changes)

    def seal(self, **changes: Any) -> RunMetadata:
        """Close the run for readers at once; its hash follows with :meth:`complete`.

        Parameters
        ----------
        **changes
            Fields of :class:`RunMetadata` to set, for example ``comment``.

        Returns
        -------
        RunMetadata
            As it is on the disk now.

        Raises
        ------
        FailedError
            If the description could not be written; the run is still open.
        GoneError
            If the run was removed, moved or replaced meanwhile.
        """
        self.check()
        return self.describe(closed=datetime.now(tz=UTC), size=self.size, **changes)

    def complete(self, **changes: Any) -> Run:
        """Force a sealed run to the disk, write its hash into its description, and release it.

        Parameters
        ----------
        **changes
            Fields of :class:`RunMetadata` to set, for example ``simulated``.

        Returns
        -------
        Run
            The closed run.

        Raises
        ------
        BadDataError
            If the raw file has not the size any more that it had when the run was closed.
        FailedError
            If the description could not be written; the run can be completed later.
        GoneError
            If the run was removed, moved or replaced meanwhile.
        """
        try:
            self.sync()
            self.check()
            stated = self.run.metadata.size
            if stated != self.size:
                raise BadDataError(
                    f"got {self.size} bytes, expected the {stated} that were there when the run was closed",
                    file=self.run.raw_file,
                )
            self.describe(sha256=self.sha256, **changes)
        finally:
            self.release()
        return self.run

    def close(self, **changes: Any) -> Run:
        """Force everything to the disk and close the run with its size and hash.

        Parameters
        ----------
        **changes
            Fields of :class:`RunMetadata` to set, for example ``simulated``.

        Returns
        -------
        Run
            The closed run.

        Raises
        ------
        FailedError
            If the description could not be written; the run remains open and can be reopened.
        """
        try:
            self.sync()
            self.check()
            self.seal(sha256=self.sha256, **changes)
        finally:
            self.release()
        return self.run

    def release(self) -> None:
        """Let go of the run and leave it open, as a crash would."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def sha256(self) -> str:
        """Hash of the bytes written so far; computed from the file, since appending has no time for it."""
        self.hash_some(self.size)
        return self._digest.hexdigest()

    def hash_some(self, most: int) -> None:
        """Bring the hash forward by at most so many bytes, so that less is left to do at the close."""
        try:
            with self._hashing, self.run.raw_file.open("rb", buffering=0) as stream:
                self._hash(stream, min(self.size, self._hashed + most))
        except OSError as error:
            raise FailedError(f"{self.run.raw_file}: could not be read: {error.strerror}") from error

    def _hash(self, stream: RawIOBase, end: int) -> None:
        stream.seek(self._hashed)
        while self._hashed < end:
            chunk = stream.read(min(_READ_BYTES, end - self._hashed))
            if not chunk:
                raise FailedError(f"{self.run.raw_file}: ends before byte {end}; somebody cut it")
            self._digest.update(chunk)
            self._hashed += len(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close the run, or leave it open (as a crash would) when the block failed."""
        if kind is None and self._descriptor >= 0:
            self.close()
        self.release()
