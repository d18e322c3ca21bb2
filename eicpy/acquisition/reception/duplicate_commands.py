"""Duplicate commands: the second copy, which came by another ground station, and not a new command.

A command that comes by two streams must switch the runs once. It is recognised by all its bytes, the sequence
count included. But a bench that is started again counts from 0 again, and sends the very bytes of its first
command: that is a new one. So each stream counts how often it had each command, and a command is a copy if
another stream, which was open at the same time, had it as often before. Packet identity alone
(:class:`~eicpy.runs.Deduplicator`) would drop the command of the restarted bench.
"""

import math
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import chain, count

__all__ = ["CommandCopies"]


@dataclass
class _Heard:
    """Commands of a stream."""

    born: int
    died: float = math.inf
    commands: Counter[bytes] = field(default_factory=Counter)
    last: bytes = b""


class CommandCopies:
    """Recognises commands that are copies of one that came before, by another stream.

    See Also
    --------
    eicpy.runs.Deduplicator : packets of any kind by their identity, where streams play no part.

    Examples
    --------
    >>> copies = CommandCopies()
    >>> heard = [("A", b"start"), ("A", b"stop"), ("B", b"start"), ("B", b"stop"), ("B", b"start")]
    >>> [copies.is_copy(station, command) for station, command in heard]
    [False, False, True, True, False]
    """

    def __init__(self) -> None:
        self._clock = count()
        self._living: dict[Hashable, _Heard] = {}
        self._gone: deque[_Heard] = deque()

    def is_copy(self, stream: Hashable, command: bytes) -> bool:
        """Whether a command came before, by this stream just now or by another; remembers it.

        Parameters
        ----------
        stream
            By which stream it came.
        command
            The whole packet.
        """
        self.begin(stream)
        me = self._living[stream]
        if command == me.last:
            return True
        me.last = command
        me.commands[command] += 1
        return me.commands[command] <= max(
            (
                other.commands[command]
                for other in chain(self._living.values(), self._gone)
                if other is not me and other.died > me.born
            ),
            default=0,
        )

    def begin(self, stream: Hashable) -> None:
        """Register a stream; does nothing for a known one."""
        if stream not in self._living:
            self._living[stream] = _Heard(next(self._clock))

    def end(self, stream: Hashable) -> None:
        """Remove a stream; its commands are forgotten when no stream that overlapped with it is left."""
        gone = self._living.pop(stream, None)
        if gone is not None and gone.commands:
            gone.died = next(self._clock)
            self._gone.append(gone)
        oldest = next(iter(self._living.values()), None)  # they stand in the order of their births
        while self._gone and (oldest is None or self._gone[0].died < oldest.born):
            self._gone.popleft()
