"""Output files that agree with the cursor: appended to, and cut back to the last checkpoint at a restart."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError, GoneError
from eicpy.files import sync_folder

__all__ = ["Output", "Outputs"]

_BUFFER = 1 << 16


@dataclass
class Output:
    """A file to which a processor appends. Use :meth:`Context.output`.

    Parameters
    ----------
    path
        The file.
    size
        Bytes in it that count.
    """

    path: Path
    size: int = 0
    _waiting: bytearray = field(default_factory=bytearray, init=False, repr=False)
    _dirty: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._descriptor, self.size)

    def write(self, data: bytes | bytearray | memoryview | str | npt.NDArray[np.generic]) -> None:
        """Append bytes, a text, or the bytes of an array.

        They count from the next checkpoint on: a processor that dies before it will be given the same
        packets again, and the file is cut back to what it was.
        """
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, np.ndarray):
            data = data.tobytes()
        view = memoryview(data).cast("B")
        self.size += view.nbytes
        self._waiting += view
        if len(self._waiting) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Pass buffered bytes to the operating system."""
        done = 0
        view = bytes(self._waiting)
        self._waiting.clear()
        while done < len(view):
            self._dirty = True
            done += os.write(self._descriptor, view[done:])

    def sync(self) -> None:
        """Force written bytes to the disk."""
        self.flush()
        if self._dirty:
            os.fsync(self._descriptor)
            self._dirty = False

    def check(self) -> None:
        """Look whether the file still is the one under its name.

        Raises
        ------
        GoneError
            If it was deleted, moved or replaced: what is written would be lost.
        """
        try:
            if os.path.samestat(self.path.stat(), os.fstat(self._descriptor)):
                return
            event = "was replaced"
        except (FileNotFoundError, NotADirectoryError):
            event = "was removed"
        except OSError:
            return  # the disk does not answer: nothing is known
        raise _gone(self.path, event, self.size)

    def close(self) -> None:
        """Close the file; buffered bytes are lost."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _gone(path: Path, event: str, size: int) -> GoneError:
    return GoneError(
        f"{path}: {event} while the processor was writing it; its {size} bytes are no longer there "
        "(start the processor over with --again: it is given all packets again)"
    )


def is_output_name(name: str) -> bool:
    """Whether a name is that of a file in the folder of the outputs itself."""
    return bool(name) and name == Path(name).name and not name.startswith(".") and name.isprintable()


class Outputs:
    """The output files of a processor.

    Parameters
    ----------
    folder
        Where they lie; anything in it that no checkpoint knows is removed.
    sizes
        Bytes of each at the checkpoint.

    Raises
    ------
    BadDataError
        If a file is shorter than it was at the checkpoint.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self.folder = folder
        self._closed = dict(sizes)
        self._open: dict[str, Output] = {}
        self._discarded: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if file.name not in sizes:
                file.unlink()
        for name, size in sizes.items():
            file = folder / name
            actual = file.stat().st_size if file.is_file() else 0
            if actual < size:
                raise BadDataError(
                    f"got {actual} bytes, expected the {size} of the last checkpoint",
                    file=file,
                    advice="was it changed? start over with --again",
                )
            if actual > size:
                os.truncate(file, size)

    def open(self, name: str) -> Output:
        """The output of a name, at its end."""
        if not is_output_name(name):
            raise BadArgumentError(f"got output {name!r}, expected the name of a file, without a folder")
        if name not in self._open:
            self._open[name] = Output(self.folder / name, self._closed.pop(name, 0))
            sync_folder(self.folder)
        return self._open[name]

    def close(self, name: str) -> None:
        """Close an output that is complete for now; it can be opened again."""
        output = self._open.pop(name, None)
        if output is not None:
            output.sync()
            output.close()
            self._closed[name] = output.size

    def discard(self, name: str) -> None:
        """Remove an output with the next checkpoint."""
        self.close(name)
        self._discarded.add(name)

    def check(self) -> None:
        """Look whether all outputs still are in their folder.

        Raises
        ------
        GoneError
            If one was deleted, moved, replaced or cut.
        """
        for output in self._open.values():
            output.check()
        for name, size in self._closed.items():
            file = self.folder / name
            if size and name not in self._discarded and (not file.exists() or file.stat().st_size < size):
                raise _gone(file, "was removed or cut", size)

    def settle(self) -> dict[str, int]:
        """Force all to the disk; gives their sizes for the checkpoint."""
        self.check()
        for output in self._open.values():
            output.sync()
        sizes = self._closed | {name: output.size for name, output in self._open.items()}
        return {name: size for name, size in sizes.items() if name not in self._discarded}

    def settled(self) -> None:
        """Remove what was discarded: the checkpoint that does not know it any more is on the disk."""
        for name in self._discarded:
            self._closed.pop(name, None)
            (self.folder / name).unlink(missing_ok=True)
        self._discarded.clear()

    def release(self) -> None:
        """Close all without saving, as a crash would."""
        for output in self._open.values():
            output.close()
        self._open.clear()
