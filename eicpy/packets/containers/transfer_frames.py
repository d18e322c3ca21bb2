"""Packets out of a stream of TM or AOS transfer frames.

Each frame is cut out (:mod:`.frame_sync`), read (:mod:`.frame_layout`) and given to its virtual channel
(:mod:`.virtual_channel`); packets come in the order in which they are completed. A count that jumps is judged
by the frames of the same channel that follow: if they go on from the count before, the header of the one
between was damaged; if they go on from a count that went back, the counter began again. A damaged frame that
cannot be placed is left out and counted.
"""

from collections import deque
from collections.abc import Iterator

from eicpy.packets.containers.blocks import BLOCK, Blocks
from eicpy.packets.containers.findings import Findings
from eicpy.packets.containers.frame_layout import TM_COUNTS, Channel, Frame, FrameLayout
from eicpy.packets.containers.frame_report import FrameReport
from eicpy.packets.containers.frame_sync import cut_frames
from eicpy.packets.containers.virtual_channel import VirtualChannel

__all__ = ["FrameReader", "framed_packets"]

_AHEAD = 64
"""Frames among which the next one of the same channel is looked for."""


def framed_packets(layout: FrameLayout, blocks: Blocks, findings: Findings) -> Blocks:
    """Packets of a stream of transfer frames, one after the other without gaps.

    Parameters
    ----------
    layout
        What the frames have in common.
    blocks
        The stream.
    findings
        Takes the report of the frames.
    """

    def read() -> Iterator[bytes]:
        findings.frames = FrameReport(layout.words)
        held, size = [], 0
        for packet in FrameReader(layout, findings.frames).packets(blocks):
            held.append(packet)
            size += len(packet)
            if size >= BLOCK:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    return read


class FrameReader:
    """Reads frames of one layout.

    Parameters
    ----------
    layout
        What they have in common.
    report
        Takes what is missing and cut.
    """

    def __init__(self, layout: FrameLayout, report: FrameReport) -> None:
        self._layout = layout
        self._report = report
        self.channels: dict[Channel, VirtualChannel] = {}
        self._master: dict[int, int] = {}
        self._dropped = 0
        """Damaged frames that were left out since the last sound one."""

    def packets(self, blocks: Blocks) -> Iterator[bytes]:
        """Packets of a stream, each as it is completed."""
        ahead: deque[Frame] = deque()
        end = 0
        for position, whole, placed in cut_frames(blocks, self._layout, self._report):
            end = position + self._layout.period
            ahead.append(self._layout.read(position, whole, sound=placed))
            if len(ahead) > _AHEAD:
                yield from self._take(ahead.popleft(), ahead)
        while ahead:
            yield from self._take(ahead.popleft(), ahead)
        for channel in self.channels.values():
            channel.end(end)

    def _take(self, frame: Frame, ahead: deque[Frame]) -> Iterator[bytes]:
        self._report.frames += 1
        channel = self.channels.get(frame.channel)
        if channel is None:
            if not frame.sound:
                self._drop()
                return
            report = self._report.channel(frame.channel)
            channel = VirtualChannel(self._report, report, checked=self._layout.has_check)
            self.channels[frame.channel] = channel
        copy, restart = channel.is_copy(frame), False
        if channel.step(frame) and not copy:
            following = [
                other
                for other in ahead
                if other.channel == frame.channel and other.sound and other.content != frame.content
            ]
            if following and not self._layout.has_check and channel.step(following[0]) == 1:
                frame = frame._replace(number=channel.expected, sound=False)
            elif not frame.sound:
                self._drop()
                return
            else:
                restart = _begins_again(frame, channel, following)
        if not frame.sound:
            self._report.damaged += 1
        if frame.master >= 0 and frame.sound and not copy:
            self._count_master(frame, restart=restart)
        yield from channel.take(frame, restart=restart)

    def _drop(self) -> None:
        """A damaged frame that cannot be placed: its count and its channel cannot be believed."""
        self._report.damaged += 1
        self._dropped += 1

    def _count_master(self, frame: Frame, *, restart: bool) -> None:
        """Frames missing by the count over all channels of a spacecraft; damaged ones are not missing."""
        spacecraft = frame.channel[0]
        expected = self._master.get(spacecraft, frame.master)
        step = (frame.master - expected) % TM_COUNTS
        if step >= TM_COUNTS // 2 and not restart:
            self._report.missing = max(self._report.missing - 1, 0)  # a late frame closes its gap
            return
        if not restart:
            self._report.missing += max(step - self._dropped, 0)
        self._dropped = 0
        self._master[spacecraft] = (frame.master + 1) % TM_COUNTS


def _begins_again(frame: Frame, channel: VirtualChannel, following: list[Frame]) -> bool:
    """Whether the count of a channel begins again here, rather than that a frame came late.

    Behind late frames the expected one comes sooner than by counting on from here.
    """
    if channel.step(frame) < frame.modulus // 2:
        return False
    if not following or (following[0].number - frame.number) % frame.modulus != 1:
        return False
    behind = (channel.expected - frame.number) % frame.modulus
    return channel.expected not in {other.number for other in following[: max(behind - 1, 0)]}
