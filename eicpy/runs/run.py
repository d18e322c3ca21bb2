"""A run: the raw bytes of a measurement exactly as they were received, and what is known about them.

The raw file is the log of the house: bytes are appended and handed to the operating system before
anything else sees them, and never altered. Everything else in the folder of a run can be made again
from it, except ``run.json``, which says where the bytes came from.

::

    000001/raw.ccsds      the bytes (of a file of frames or a compressed one: the packets in it)
           run.json       source, opened, closed, operator, set-up, comment …, at close the size and hash
           index.npz      the packet index: derived, rebuilt when it is missing or does not fit
           summary.json   packets, losses, first and last time: derived like the index
           tc-hk.ccsds    the commands and housekeeping alone: derived like the index

A run of what came while the instrument was configured has its suffix in the name: ``000002-configuration``.
"""

import logging
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eicpy.errors import BadDataError
from eicpy.files import hash_file, try_lock
from eicpy.inputs import open_regular, read_text
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.packets.joining import without_beginning, without_end
from eicpy.runs.commands import load_or_extract
from eicpy.runs.metadata import METADATA_NAME, RunMetadata
from eicpy.runs.sidecar import load_or_build

__all__ = ["METADATA_NAME", "RAW_NAME", "Run"]

_log = logging.getLogger(__name__)

RAW_NAME = "raw.ccsds"
_READ_BYTES = 1 << 22
CONTIGUOUS = 5.0
"""A run that was opened so soon, s, after the one before was closed goes on with its packets."""


@dataclass(frozen=True)
class Run:
    """A run in the archive, for reading.

    Parameters
    ----------
    folder
        Its folder, named by the run's number and suffix.

    See Also
    --------
    RunArchive : the runs of an instrument.
    follow : its packets as they come.
    blocks : its packets, block by block.
    """

    folder: Path

    @property
    def number(self) -> int:
        """Progressive number of the run."""
        return int(self.folder.name.partition("-")[0])

    @property
    def suffix(self) -> str:
        """``configuration`` for what came while the instrument was configured; empty for a measurement."""
        return self.folder.name.partition("-")[2]

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
            return RunMetadata.model_validate_json(read_text(file, "run.json"))
        except (OSError, ValidationError) as error:
            raise BadDataError(f"got no readable description of a run: {error}", file=file) from error

    @property
    def is_open(self) -> bool:
        """Whether bytes may still come: the run was not closed, by its writer or after a crash."""
        return self.metadata.closed is None

    @property
    def is_written(self) -> bool:
        """Whether a living process holds the run open for writing."""
        with open_regular(self.raw_file, "the bytes of a run") as stream:
            return not try_lock(stream.fileno())

    @property
    def size(self) -> int:
        """Bytes in the raw file now."""
        return self.raw_file.stat().st_size

    def goes_on_from(self, before: "Run") -> bool:
        """Whether it was opened where the reception of another went on, so that counts go on between them.

        Neither is then the copy of a file. What cannot be read goes on from nothing.
        """
        try:
            one, other = before.metadata, self.metadata
        except BadDataError:
            return False
        if one.closed is None or one.expected_sha256 or other.expected_sha256:
            return False
        return abs((other.opened - one.closed).total_seconds()) < CONTIGUOUS

    def index(self, instrument: Instrument) -> PacketIndex:
        """Index of the packets received so far.

        Read from the sidecar file if that fits the raw file and the instrument's header rules, else
        built from the raw bytes; kept beside a closed run.

        Parameters
        ----------
        instrument
            Its header rules say where times and checksums stand.

        Returns
        -------
        PacketIndex
            One row for each packet, damaged ones included; a half that is whole in another run is none.
        """
        try:
            metadata = self.metadata
            keep = metadata.closed is not None
        except BadDataError as error:
            _log.warning("the bytes of the run are used all the same: %s", error)
            return load_or_build(self.raw_file, instrument.headers, keep=False)
        index = load_or_build(self.raw_file, instrument.headers, keep=keep)
        begin, end = metadata.own_bytes(self.size)
        if begin:
            index = without_beginning(index, begin)
        return index if end == self.size else without_end(index, end)

    def commands_and_housekeeping(self, instrument: Instrument) -> Path:
        """File of the telecommands, their verification and the housekeeping alone, byte by byte as received.

        Kept beside the raw file; made again if it is missing, or was made of fewer bytes or by other rules.

        Parameters
        ----------
        instrument
            Its tables say which packets these are.

        Returns
        -------
        Path
            The file; intact packets only, in the order received.

        Raises
        ------
        FailedError
            If it cannot be written.
        """
        return load_or_extract(self.raw_file, self.index(instrument), instrument)

    @property
    def stated_sha256(self) -> str:
        """Hash at close; where there is none, words that say why."""
        try:
            metadata = self.metadata
        except BadDataError:
            return f"unknown, {METADATA_NAME} does not read"
        return metadata.sha256 or ("run still open" if metadata.closed is None else "not computed yet")

    def sha256(self, length: int | None = None) -> str:
        """Hash of the raw bytes, or of the first `length` of them."""
        return hash_file(self.raw_file, length).hexdigest()

    def _repr_html_(self) -> str:
        metadata = self.metadata
        rows: dict[str, Any] = {
            "instrument": metadata.instrument,
            "source": metadata.source,
            "operator": metadata.operator,
            "set-up": metadata.setup,
            "position": metadata.position,
            "opened": f"{metadata.opened:%Y-%m-%d %H:%M:%S} UTC",
            "closed": f"{metadata.closed:%Y-%m-%d %H:%M:%S} UTC" if metadata.closed else "still open",
            "size": f"{self.size / 1e6:.3f} MB",
            "simulated": {True: "yes", False: "no", None: "not known"}[metadata.simulated],
            "comment": metadata.comment,
            **({"taken out of": metadata.source_kind} if metadata.source_kind else {}),
            **({"remarks": "; ".join(metadata.remarks)} if metadata.remarks else {}),
        }
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Run {escape(self.folder.name)}</caption>{cells}</table>"
