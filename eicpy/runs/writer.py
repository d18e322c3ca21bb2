"""Writing a run: bytes are appended whole or not at all, and the run is closed with its size and hash."""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from eicpy.errors import BadDataError, FailedError, InUseError
from eicpy.files import locked_folder, try_lock
from eicpy.runs.edit import rewrite
from eicpy.runs.metadata import RunMetadata
from eicpy.runs.run import Run

__all__ = ["RunWriter"]

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
        """
        start = self.size
        view = memoryview(data).cast("B")
        written = 0
        try:
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
        except OSError as error:
            self._cut(start)
            raise FailedError(
                f"{self.run.raw_file}: could not append {len(view)} bytes at byte {start}: {error.strerror}; "
                f"the {start} bytes before are intact, none of the new ones was kept"
            ) from error
        self.size += written
        return start

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
        """
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
        """
        try:
            self.sync()
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
        with self._hashing, self.run.raw_file.open("rb", buffering=0) as stream:
            stream.seek(self._hashed)
            end = min(self.size, self._hashed + most)
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
