"""Frames cut out of a stream: one after the other as long as each begins where the last one ended.

Where one does not, the next beginning is searched that is confirmed by another one a frame later, or by the
end of the stream. A frame between two others whose own marker or header is damaged is taken, and is not
sound. So is a frame whose successor does not begin at its end: bytes were lost or added inside it.
"""

from collections.abc import Iterator

from eicpy.packets.containers.blocks import Blocks
from eicpy.packets.containers.frame_layout import MARKER, FrameLayout
from eicpy.packets.containers.frame_report import FrameReport

__all__ = ["cut_frames"]


class _Window:
    """The part of a stream that is looked at; positions count from its start."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks()
        self.held = b""
        self.base = 0
        self.ended = False

    def reach(self, at: int, size: int) -> int:
        """Have `size` bytes from position `at` on, dropping what is before; the index of `at`."""
        index = at - self.base
        while not self.ended and len(self.held) - index < size:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                self.held = self.held[index:] + block
                self.base += index
                index = 0
        return index


def cut_frames(blocks: Blocks, layout: FrameLayout, report: FrameReport) -> Iterator[tuple[int, bytes, bool]]:
    """Frames of a stream, without markers and check symbols.

    Parameters
    ----------
    blocks
        The stream.
    layout
        What its frames have in common.
    report
        Takes the bytes outside frames.

    Yields
    ------
    tuple
        Position of the frame, its bytes, and whether it stands where it should.
    """
    window = _Window(blocks)
    period, skip = layout.period, len(MARKER) * layout.marker
    look = 2 * period + len(MARKER)
    at = 0
    while True:
        index = window.reach(at, look)
        held = window.held
        left = len(held) - index
        if left <= 0:
            return
        if left < period - layout.check_bytes:
            report.foreign_bytes += left
            return
        here = layout.begins(held, index)
        follows = left < period + len(MARKER) or layout.begins(held, index + period)
        if here and not follows and (short := _short_frame(window, layout, index, look)):
            report.foreign_bytes += short
            at += short
        elif here or (follows and left > period):
            start = index + skip
            placed = here and (follows or layout.begins(held, index + 2 * period))
            yield at, held[start : start + layout.length], placed
            at += min(period, left)
        else:
            skipped = _next_frame(window, layout, at, look) - at
            report.foreign_bytes += skipped
            at += skipped


def _confirmed(window: _Window, layout: FrameLayout, index: int) -> bool:
    """Whether a frame begins here, and another one, or the end of the stream, where it ends."""
    held, after = window.held, index + layout.period
    if not layout.begins(held, index):
        return False
    return layout.begins(held, after) or (window.ended and len(held) - len(MARKER) < after <= len(held))


def _short_frame(window: _Window, layout: FrameLayout, index: int, look: int) -> int:
    """Length of a frame that the beginning of the next one cuts short; 0 if none does."""
    if not layout.marker:
        return 0
    found = window.held.find(MARKER, index + 1, index + look - layout.period)
    while found >= 0:
        if _confirmed(window, layout, found):
            return found - index if found - index < layout.period else 0
        found = window.held.find(MARKER, found + 1, index + look - layout.period)
    return 0


def _next_frame(window: _Window, layout: FrameLayout, at: int, look: int) -> int:
    """Position of the next confirmed frame after `at`; the end of the stream if there is none."""
    while True:
        index = window.reach(at, look)
        held = window.held
        last = len(held) if window.ended else len(held) - layout.period - len(MARKER)
        for candidate in _candidates(held, layout, index + 1, last):
            if _confirmed(window, layout, candidate):
                return at - index + candidate
        if window.ended:
            return window.base + len(held)
        at += max(last - index - 1, 1)


def _candidates(held: bytes, layout: FrameLayout, start: int, stop: int) -> Iterator[int]:
    """Positions at which a frame may begin."""
    if not layout.marker:
        yield from (at for at in range(start, stop) if layout.begins(held, at))
        return
    found = held.find(MARKER, start)
    while 0 <= found < stop:
        yield found
        found = held.find(MARKER, found + 1)
