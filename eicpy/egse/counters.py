"""Sequence counts that continue from one session to the next, as those of a control room and a detector do.

Telecommands have no time in them: with counts that begin again in each session, the same telecommand sent
again would be the same bytes, and whoever leaves out repeats would take it for a copy.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadDataError, FailedError
from eicpy.files import atomic_file, locked
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = ["KeptCounts"]


@dataclass(frozen=True)
class KeptCounts:
    """The next sequence count of each APID, kept in a file; sessions at the same time share it.

    Parameters
    ----------
    file
        A JSON file; made with the first count.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "dpix-prototype.json"
    ...     [KeptCounts(file).next(900, command=True) for session in range(3)]
    [0, 1, 2]
    """

    file: Path

    def next(self, apid: int, *, command: bool) -> int:
        """The count of the next packet; it is not given again before the counter has wrapped.

        Parameters
        ----------
        apid
            Application process id.
        command
            Whether it is a telecommand: they have counts of their own.

        Raises
        ------
        BadDataError
            If the file was changed and does not read.
        FailedError
            If it cannot be written.
        """
        counter = f"{'command' if command else 'telemetry'} {apid}"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FailedError(f"{self.file.parent}: could not be made: {error.strerror}") from error
        with locked(self.file.with_name(f".{self.file.name}.lock")):
            counts = self._read()
            count = counts.get(counter, 0)
            with atomic_file(self.file) as stream:
                kept = counts | {counter: (count + 1) % COUNT_MODULUS}
                stream.write(f"{json.dumps(kept, indent=1, sort_keys=True)}\n".encode())
        return count

    def _read(self) -> dict[str, int]:
        try:
            counts = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        whole = isinstance(counts, dict) and all(
            type(n) is int and 0 <= n < COUNT_MODULUS for n in counts.values()
        )
        if not whole:
            raise self._unreadable("got no counts from 0 to 16383 by APID")
        return dict(counts)

    def _unreadable(self, why: object) -> BadDataError:
        return BadDataError(
            f"the sequence counts cannot be read: {why}", file=self.file, advice="remove it to begin at 0"
        )
