"""What of a file becomes the raw bytes of a run: the packets in it, and halves of packets at its ends."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eicpy.errors import BadDataError, EicpyError, unreadable
from eicpy.files import sha256_of
from eicpy.ingestion.open_ends import claim_beginning, piece_bytes
from eicpy.instruments import Instrument
from eicpy.operations.file_rows import FileIdentity
from eicpy.packets import index_packets
from eicpy.packets.containers.blocks import first_bytes
from eicpy.packets.containers.source import PacketSource, open_source
from eicpy.packets.joining import CONTEXT
from eicpy.runs import Run, RunArchive, RunPiece, RunWriter

__all__ = ["FileContents"]

_READ_BYTES = 1 << 22


@dataclass(frozen=True)
class FileContents:
    """A file that is ingested.

    Parameters
    ----------
    source
        What it is, and its packets.
    """

    source: PacketSource

    @classmethod
    def of(cls, path: Path, progress: Callable[[int], None] | None = None) -> "FileContents":
        """Contents of a file; `progress` is called with the bytes of it that were read.

        Raises
        ------
        BadDataError
            If it cannot be read.
        """
        try:
            return cls(open_source(path, progress))
        except BadDataError:
            raise
        except EicpyError as error:
            raise BadDataError(str(error), file=path) from error

    @property
    def words(self) -> str:
        """What is in it, found without any packet definition, in words."""
        source = self.source
        start = first_bytes(source.blocks, _READ_BYTES)[0]
        if source.is_strange:
            return "; ".join([source.words, *source.findings.lines()])
        index = index_packets(start)
        found = np.unique(index.apid[index.good]).tolist()
        text = f"packets of APID {', '.join(map(str, found[:20]))}" if found else "no packet at all"
        return ", ".join([*([source.words] if source.words else []), text])

    @property
    def advice(self) -> str:
        """What can be done about it."""
        return self.source.advice

    def begins_in(
        self, identity: FileIdentity, instrument: Instrument, archive: RunArchive
    ) -> RunPiece | None:
        """The end of another run that this file completes."""
        if self.source.is_strange:
            return None
        first = first_bytes(self.source.blocks, CONTEXT)[0]
        return claim_beginning(first, instrument, archive, identity.sha256 or "")

    def blocks(self, run: Run, archive: RunArchive, start: int = 0) -> Iterator[bytes]:
        """The bytes of its run from `start` on: the end of another run, its packets, another beginning."""
        for block in self._all(run, archive):
            if start < len(block):
                yield block[start:]
            start = max(start - len(block), 0)

    def end(self, run: Run, archive: RunArchive) -> bytes:
        """What stands behind its packets: the beginning of another run, or nothing."""
        return piece_bytes(archive, run.metadata.ends_in, "beginning")

    def _all(self, run: Run, archive: RunArchive) -> Iterator[bytes]:
        yield piece_bytes(archive, run.metadata.begins_in, "end")
        try:
            yield from self.source.blocks()
        except OSError as error:
            raise unreadable(error)(
                f"could not be read to the end: {error.strerror}", file=self.source.path
            ) from error
        yield self.end(run, archive)

    def begins_with(self, writer: RunWriter, archive: RunArchive) -> bool:
        """Whether what a run holds already is the beginning of what it must hold."""
        digest, left = hashlib.sha256(), writer.size
        for block in self._all(writer.run, archive):
            digest.update(block[:left])
            left -= min(left, len(block))
            if not left:
                break
        return not left and digest.hexdigest() == writer.sha256

    def is_unchanged(self, run: Run, sha256: str) -> bool:
        """Whether what was read for a run is what the file was when it was identified."""
        if not self.source.is_plain:
            return sha256_of(self.source.path) == sha256
        metadata, digest = run.metadata, hashlib.sha256()
        start, behind = (0 if p is None else p.size for p in (metadata.begins_in, metadata.ends_in))
        left = run.size - start - behind
        with run.raw_file.open("rb") as stream:
            stream.seek(start)
            while left > 0 and (chunk := stream.read(min(_READ_BYTES, left))):
                digest.update(chunk)
                left -= len(chunk)
        return digest.hexdigest() == sha256
