"""A run: the raw bytes of a measurement exactly as they were received, and what is known about them.

The raw file is the log of the house: bytes are appended and handed to the operating system before
anything else sees them, and never altered. Everything else in the folder of a run can be made again
from it, except ``run.json``, which says where the bytes came from.

::

    000001/raw.ccsds    the bytes
           run.json     instrument, source, opened, closed, comment, simulated, size and hash at close
           index.npz    the packet index: derived, rebuilt when it is missing or does not fit
"""

import hashlib
import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eicpy.acquisition.disk import try_lock
from eicpy.acquisition.sidecar import load_or_build
from eicpy.errors import BadDataError, FailedError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.products.atomic import atomic_file

__all__ = ["Run", "RunMetadata", "RunWriter"]

_log = logging.getLogger(__name__)

RAW_NAME = "raw.ccsds"
METADATA_NAME = "run.json"
_READ_BYTES = 1 << 22


class RunMetadata(BaseModel):
    """What is known about a run besides its bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """Progressive number in the archive of the instrument; never used twice."""
    instrument: str
    source: str
    """Where the bytes came from: a file, a connection."""
    opened: datetime
    """UTC."""
    closed: datetime | None = None
    """UTC; None while the run is open."""
    comment: str = ""
    simulated: bool | None = None
    """Whether any packet says that it is simulated; None where packets cannot tell."""
    expected_sha256: str | None = None
    """Hash of the file this run is a copy of, known before the first byte was copied."""
    size: int | None = None
    """Bytes at close."""
    sha256: str | None = None
    """Hash of the raw bytes at close."""

    def write(self, folder: Path) -> None:
        """Write ``run.json`` in the folder of the run, whole or not at all."""
        with atomic_file(folder / METADATA_NAME) as stream:
            stream.write(self.model_dump_json(indent=2).encode())


@dataclass(frozen=True)
class Run:
    """A run in the archive, for reading.

    Parameters
    ----------
    folder
        Its folder, named by the run's number.
    """

    folder: Path

    @property
    def number(self) -> int:
        """Progressive number of the run."""
        return int(self.folder.name)

    @property
    def raw_file(self) -> Path:
        """The bytes as received."""
        return self.folder / RAW_NAME

    @property
    def metadata(self) -> RunMetadata:
        """What ``run.json`` says now.

        Raises
        ------
        BadDataError
            If it cannot be read.
        """
        file = self.folder / METADATA_NAME
        try:
            return RunMetadata.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            raise BadDataError(f"got no readable description of a run: {error}", file=file) from error

    @property
    def is_open(self) -> bool:
        """Whether bytes may still come: the run was not closed, by its writer or after a crash."""
        return self.metadata.closed is None

    @property
    def is_written(self) -> bool:
        """Whether a living process holds the run open for writing."""
        with self.raw_file.open("rb") as stream:
            return not try_lock(stream.fileno())

    @property
    def size(self) -> int:
        """Bytes in the raw file now."""
        return self.raw_file.stat().st_size

    def index(self, instrument: Instrument) -> PacketIndex:
        """Index of the packets received so far.

        Read from the sidecar file if that fits the raw file and the instrument's header rules, else
        built from the raw bytes; kept beside a closed run.

        Parameters
        ----------
        instrument
            Whose header rules say where times and checksums stand.

        Returns
        -------
        PacketIndex
            One row for each packet, damaged ones included.
        """
        try:
            keep = not self.is_open
        except BadDataError as error:
            _log.warning("the bytes of the run are used all the same: %s", error)
            keep = False
        return load_or_build(self.raw_file, instrument.headers, keep=keep)

    @property
    def stated_sha256(self) -> str:
        """Hash at close; where there is none, words that say why."""
        try:
            return self.metadata.sha256 or "run still open"
        except BadDataError:
            return f"unknown, {METADATA_NAME} does not read"

    def sha256(self, length: int | None = None) -> str:
        """Hash of the raw bytes, or of the first `length` of them."""
        return hash_file(self.raw_file, length).hexdigest()

    def _repr_html_(self) -> str:
        metadata = self.metadata
        rows: dict[str, Any] = {
            "instrument": metadata.instrument,
            "source": metadata.source,
            "opened": f"{metadata.opened:%Y-%m-%d %H:%M:%S} UTC",
            "closed": f"{metadata.closed:%Y-%m-%d %H:%M:%S} UTC" if metadata.closed else "still open",
            "size": f"{self.size / 1e6:.3f} MB",
            "simulated": {True: "yes", False: "no", None: "not known"}[metadata.simulated],
            "comment": metadata.comment,
        }
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Run {self.number}</caption>{cells}</table>"


def hash_file(file: Path, length: int | None = None) -> "hashlib._Hash":
    """SHA-256 of a file, or of its first `length` bytes, in bounded memory."""
    digest = hashlib.sha256()
    left = length
    with file.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES if left is None else min(_READ_BYTES, left)):
            digest.update(chunk)
            left = None if left is None else left - len(chunk)
    return digest


@dataclass
class RunWriter:
    """A run held open for writing by this process alone.

    Use :meth:`eicpy.acquisition.RunArchive.create` or :meth:`~eicpy.acquisition.RunArchive.reopen`.

    Parameters
    ----------
    run
        The run; its raw file exists.
    """

    run: Run
    size: int = field(init=False)
    """Bytes in the raw file."""

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.run.raw_file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        if not try_lock(self._descriptor, patience=0.5):  # others hold it for an instant to look at it
            os.close(self._descriptor)
            raise FailedError(
                f"{self.run.raw_file}: run {self.run.number} is being written by another process"
            )
        self.size = os.fstat(self._descriptor).st_size
        self._digest = hash_file(self.run.raw_file, self.size)

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
            os.ftruncate(self._descriptor, start)
            raise FailedError(
                f"{self.run.raw_file}: could not append {len(view)} bytes at byte {start}: {error.strerror}; "
                f"the {start} bytes before are intact, none of the new ones was kept"
            ) from error
        self._digest.update(view)
        self.size += written
        return start

    def sync(self) -> None:
        """Force what was appended to the disk, so that it survives a power failure."""
        os.fsync(self._descriptor)

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
        metadata = RunMetadata(**(self.run.metadata.model_dump() | changes))
        metadata.write(self.run.folder)
        return metadata

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
            If the description could not be written; the run stays open and can be reopened.
        """
        try:
            self.sync()
            self.describe(
                closed=datetime.now(tz=UTC), size=self.size, sha256=self._digest.hexdigest(), **changes
            )
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
        """Hash of the bytes written so far."""
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close the run, or leave it open (as a crash would) when the block failed."""
        if kind is None and self._descriptor >= 0:
            self.close()
        self.release()
