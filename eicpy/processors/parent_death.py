"""Runs a command that ends when its parent does, however the parent dies.

Run as a script, by its path and without the package, so that it costs a few milliseconds: the kernel is
asked to send SIGTERM when the parent is gone (``PR_SET_PDEATHSIG``), and then the command takes the place
of this process, with the same process id.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the command: ``tether.py PARENT COMMAND…``."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # Linux alone has it; elsewhere a killed parent leaves its children
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(128 + signal.SIGTERM)
    try:
        os.execvp(command[0], command)  # noqa: S606, the command is the caller's
    except OSError as error:
        sys.stderr.write(f"{command[0]}: could not be started: {error.strerror}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
