"""A log of bounded size: the output of a child, in two files that alternate."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BoundedLog"]


@dataclass
class BoundedLog:
    """The output of a process, in a file and the one before it.

    On a full disk what cannot be written is left out, so that the process never waits for its own log;
    how much was left out stands in the log once there is room again.

    Parameters
    ----------
    file
        The newest; the one before it is called the same with ``.1`` behind.
    most
        Bytes of each of the two.
    """

    file: Path
    most: int = 1 << 20
    last_line: str = field(default="", init=False)
    """The last line that was written and is not blank."""

    def __post_init__(self) -> None:
        self._descriptor = -1
        self._left_out = 0
        self._lock = threading.Lock()

    def write(self, text: bytes) -> None:
        """Append output."""
        lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
        self.last_line = lines[-1].strip() if lines else self.last_line
        with self._lock:
            try:
                if self._left_out:
                    self._append(b"... %d bytes were left out: no room ...\n" % self._left_out)
                self._append(text[-self.most :])
            except OSError:
                self._left_out += len(text)
            else:
                self._left_out = 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _append(self, text: bytes) -> None:
        if self._descriptor < 0:
            self._open()
        if os.fstat(self._descriptor).st_size + len(text) > self.most:
            os.close(self._descriptor)
            self._descriptor = -1
            self.file.replace(self.file.with_name(f"{self.file.name}.1"))
            self._open()
        os.write(self._descriptor, text)

    def _open(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
