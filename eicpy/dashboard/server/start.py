"""First module of the server's process: it starts the nursery first, so that both import at once.

Started by :class:`eicpy.dashboard.server.Server`, never by hand. The set-up comes as one JSON object on the
standard input, which the parent then keeps open: when it closes, the parent has gone and this process ends
with its kernels. The token comes the same way, so that no kernel and no list of processes has it.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["main", "start_nursery"]

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Libraries that would make threads when they are imported: a process with threads cannot be forked well."""


def start_nursery(notebooks: "list[str]") -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start the process from which kernels are forked; returns it, and the connection to it.

    Parameters
    ----------
    notebooks
        What will be shown.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "eicpy.dashboard.server.nursery", *notebooks],
            stdin=theirs.fileno(),
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        )
    return process, ours


def main() -> None:
    """Read the set-up from the standard input and serve until stopped."""
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as parent:
        setup = json.loads(parent.readline())
    nursery = None
    if setup["prepared"] and hasattr(os, "pidfd_open"):
        first = Path(setup["notebook"])
        pages = [first, *(first.with_name(f"{name}.ipynb") for name in setup["pages"])]
        nursery = start_nursery([str(page) for page in pages])
    # The grammar of internationalised addresses, which takes two seconds to build, for a check of JSON
    # schemas that no schema of ours wants; jsonschema does without where it is not installed.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    from eicpy.dashboard.server.voila_server import serve  # noqa: PLC0415 - after the nursery was started

    serve(setup, nursery)


if __name__ == "__main__":
    main()
