"""The process from which the kernels of the pages are forked, with everything imported beforehand.

Most of the time until a page is there went into imports: numba, Bokeh, the widgets. This process runs
each notebook once for nobody, so that all is imported and compiled code is loaded, and then waits. For each
visitor it forks: the child has all of it at once, in memory that it shares with the others, and becomes an
ordinary Jupyter kernel. Nothing here knows the server's token, and no thread may run here when it forks.

The server asks over a socket, a line of JSON for each child, and gets the process id back. When the socket
closes, the server has gone, and the kernels end with it. A child may also only tell what is known before a
page has a kernel (:mod:`eicpy.dashboard.server.known`).
"""

import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["Nursery", "main", "prepare"]

_log = logging.getLogger(__name__)


def prepare(notebooks: Sequence[Path]) -> Iterator[str]:
    """Run what will be shown once for nobody; yields between two steps, when a kernel may be asked for.

    Parameters
    ----------
    notebooks
        Those that the server shows. Their first cells, the imports, run before the first step is over.
    """
    import ipykernel.kernelapp  # noqa: F401, PLC0415 - the purpose of this function
    import ipywidgets  # noqa: F401, PLC0415
    import jupyter_bokeh  # noqa: F401, PLC0415

    import eicpy.dashboard.server.known  # noqa: F401, PLC0415

    pages: list[tuple[list[str], dict[str, Any]]] = [(_code(path), {}) for path in notebooks]
    with _nobody():
        for cells, names in pages:
            exec("".join(cells[:1]), names)  # noqa: S102 - the notebook that a visitor's kernel will run
    yield "imports"
    for path, (cells, names) in zip(notebooks, pages, strict=True):
        with _nobody():
            for cell in cells[1:]:
                exec(cell, names)  # noqa: S102 - the same
        names.clear()
        gc.collect()
        yield path.stem


def _code(notebook: Path) -> list[str]:
    """Code cells of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@contextmanager
def _nobody() -> Iterator[None]:
    """A page that is opened for nobody leaves no widget and no open file behind."""
    from ipywidgets.widgets import widget  # noqa: PLC0415 - with the imports above

    try:
        yield
    except Exception:  # noqa: BLE001 - a visitor gets the error in words; here it is only slower
        _log.warning("got an error while a page was opened beforehand", exc_info=True)
    # What holds them all. Each is closed as it goes; closed twice, as by close_all, a figure fails.
    widget._instances.clear()  # noqa: SLF001 - there is no other way
    gc.collect()


class Nursery:
    """Forks kernels.

    Parameters
    ----------
    server
        Connection to the server.
    """

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._received = b""
        self._children: set[int] = set()

    def run(self, steps: Iterator[str], serve: Callable[[Mapping[str, Any]], None]) -> None:
        """Prepare, then fork whenever the server asks, until it has gone.

        Parameters
        ----------
        steps
            Preparation. Before its first step is over nobody is answered, between two others whoever asks.
        serve
            What a child does with what was asked of it; where it returns, the child ends.
        """
        next(steps, None)
        while self._answer(0.0, serve):
            if next(steps, None) is None:
                break
        gc.collect()
        gc.freeze()  # shared pages stay shared: no collection writes into them
        if threading.active_count() > 1:
            _log.warning("threads run where kernels are forked: %s", threading.enumerate())
        while self._answer(1.0, serve):
            pass
        self._end()

    def _answer(self, timeout: float, serve: Callable[[Mapping[str, Any]], None]) -> bool:
        """Answer what was asked; False when the server has gone."""
        self._reap()
        ready, _, _ = select.select([self._server], [], [], timeout)
        if ready:
            data = self._server.recv(1 << 20)
            if not data:
                return False
            self._received += data
        while b"\n" in self._received:
            line, _newline, self._received = self._received.partition(b"\n")
            child = self._fork(json.loads(line), serve)
            self._server.sendall(f"{child}\n".encode())
        return True

    def _fork(self, asked: dict[str, Any], serve: Callable[[Mapping[str, Any]], None]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            self._children.add(child)
            return child
        try:
            os.setsid()  # signals reach the kernel and what it starts, not us
            self._server.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.environ.clear()
            os.environ.update(asked["environment"])
            os.chdir(asked["folder"])
            serve(asked)
        except BaseException:
            logging.getLogger(__name__).exception("a child of the nursery failed")
            os._exit(1)
        os._exit(0)

    def _reap(self) -> None:
        """Let go of kernels that have ended."""
        for child in tuple(self._children):
            with suppress(ChildProcessError):
                if os.waitpid(child, os.WNOHANG)[0] == 0:
                    continue
            self._children.discard(child)

    def _end(self) -> None:
        """End the kernels: nobody else would."""
        self._reap()
        for child in self._children:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def _become_kernel(arguments: list[str]) -> NoReturn:
    """Be a Jupyter kernel until it is told to end."""
    import ipywidgets  # noqa: PLC0415 - imported before
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415

    kernel: Any = IPKernelApp.instance(parent_handle=os.getppid())
    kernel.initialize(arguments)
    ipywidgets.register_comm_target()  # done at its import where there is a kernel already
    kernel.start()
    os._exit(0)


def _serve(asked: Mapping[str, Any]) -> None:
    """Be what was asked for: a kernel, or one that tells what is known."""
    if "tell" in asked:
        from eicpy.dashboard.server.known import tell  # noqa: PLC0415 - imported before

        tell(asked["tell"])
    else:
        _become_kernel(asked["arguments"])


def main() -> None:
    """Serve the server at the other end of the standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the server
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as server:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, sys.stdin.fileno())
        os.close(nothing)
        Nursery(server).run(prepare([Path(name) for name in sys.argv[1:]]), _serve)


if __name__ == "__main__":
    main()
