"""Waiting in tests: for a condition, never for a time.

What a quiet machine does in a second may take minutes on a busy one. So a test waits for what it needs to
see, and the limit is there only to fail in the end.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

__all__ = ["LIMIT", "wait_until"]

LIMIT = 600.0
"""s: how long anything may take before a test fails; also of sockets, threads, processes and browsers."""
_PAUSE = 0.005

Seen = TypeVar("Seen")


def wait_until(condition: Callable[[], Seen], what: str = "the condition") -> Seen:
    """What a condition gives as soon as it is true; fails the test after `LIMIT`."""
    end = time.monotonic() + LIMIT
    while not (seen := condition()):
        if time.monotonic() > end:
            pytest.fail(f"waited {LIMIT:.0f} s in vain for {what}")
        time.sleep(_PAUSE)
    return seen
