"""Frames cut out of a stream: one after the other as long as each begins where the last one ended.

Where one does not, the next beginning is searched that is confirmed by another one a frame later, or by the
end of the stream. Up to `MOST_DAMAGED` frames between two others whose own markers or headers are damaged are
taken, and are not sound; so is the last one of the stream. A frame whose successor begins before its end, or
that the stream ends in, is cut: named, and not read. One whose successor begins behind its end is not sound:
bytes were added inside it.
"""

from collections.abc import Iterator

from eicpy.packets.containers.blocks import Blocks
from eicpy.packets.containers.frame_layout import MARKER, FrameLayout
from eicpy.packets.containers.frame_report import FrameReport

__all__ = ["cut_frames"]

MOST_DAMAGED = 4
"""Frames one after the other that are taken by their position alone."""


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
        Takes the bytes outside frames, and the frames that were cut.

    Yields
    ------
    tuple
        Position of the frame, its bytes, and whether it stands where it should.
    """
    window = _Window(blocks)
    period, skip = layout.period, len(MARKER) * layout.marker
    look = (MOST_DAMAGED + 1) * period + len(MARKER)
    at = 0
    while True:
        index = window.reach(at, look)
        held = window.held
        left = len(held) - index
        if left <= 0:
            return
        if left < period - layout.check_bytes:
            if _begins_to(layout, held[index:]):
                report.cut_frame(at, left, period, "the file ends")
            else:
                report.foreign_bytes += left
            return
        here = layout.begins(held, index)
        follows = left < period + len(MARKER) or layout.begins(held, index + period)
        if here and not follows and (short := _short_frame(window, layout, index)):
            report.cut_frame(at, short, period, "the next frame begins before its end")
            at += short
        elif here or (follows and left >= period) or _others_follow(window, layout, index):
            start = index + skip
            placed = here and (follows or layout.begins(held, index + 2 * period))
            yield at, held[start : start + layout.length], placed
            at += min(period, left)
        else:
            skipped = _next_frame(window, layout, at, look) - at
            report.foreign_bytes += skipped
            at += skipped


def _begins_to(layout: FrameLayout, rest: bytes) -> bool:
    """Whether a frame begins here, as far as few bytes can say it."""
    if layout.marker and len(rest) < len(MARKER):
        return MARKER.startswith(rest)
    return layout.begins(rest, 0) or len(rest) < 2


def _others_follow(window: _Window, layout: FrameLayout, index: int) -> bool:
    """Whether frames, or the end, are where they should be behind a few whose own beginnings are damaged."""
    held, period = window.held, layout.period
    frames, rest = divmod(len(held) - index, period)
    if window.ended and not rest and 0 < frames <= MOST_DAMAGED:
        return True
    last = MOST_DAMAGED if layout.marker else MOST_DAMAGED - 1
    beginnings = (index + number * period for number in range(2, last + 1))
    return any(
        layout.begins(held, at) and (layout.marker or layout.begins(held, at + period)) for at in beginnings
    )


def _confirmed(window: _Window, layout: FrameLayout, index: int) -> bool:
    """Whether a frame begins here, and another one, or the end of the stream, where it ends."""
    held, after = window.held, index + layout.period
    if not layout.begins(held, index):
        return False
    return layout.begins(held, after) or (window.ended and len(held) - len(MARKER) < after <= len(held))


def _short_frame(window: _Window, layout: FrameLayout, index: int) -> int:
    """Length of a frame that the beginning of the next one cuts short; 0 if none does."""
    if not layout.marker:
        return 0
    end = index + layout.period + len(MARKER)
    found = window.held.find(MARKER, index + 1, end)
    while found >= 0:
        if _confirmed(window, layout, found):
            return found - index if found - index < layout.period else 0
        found = window.held.find(MARKER, found + 1, end)
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
