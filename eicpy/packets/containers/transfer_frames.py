"""Packets out of a stream of TM or AOS transfer frames.

Each frame is cut out (:mod:`.frame_sync`), read (:mod:`.frame_layout`) and given to its virtual channel
(:mod:`.virtual_channel`); packets come in the order in which they are completed. A count that jumps is judged
by the frames of the same channel that follow: if they go on from the count before, the header of the one
between was damaged; if they go on from a count that went back, the counter began again.

A damaged frame is counted once, as damaged: it is put where the frames behind it show that one is missing.
One that cannot be placed is left out, and the gap that it explains is not missing as well.
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
        self._damaged = 0
        """Damaged frames since the last sound one: what they explain is not missing."""
        self._unplaced: deque[Frame] = deque(maxlen=_AHEAD)

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
        if not frame.sound:
            yield from self._take_damaged(frame, ahead)
            return
        channel = self._channel(frame.channel)
        copy, restart, explained = channel.is_copy(frame), False, 0
        if channel.step(frame) and not copy:
            following = [
                other
                for other in ahead
                if other.channel == frame.channel and other.sound and other.content != frame.content
            ]
            if following and not self._layout.has_check and channel.step(following[0]) == 1:
                yield from self._damage(frame._replace(number=channel.expected, sound=False))
                return
            restart = _begins_again(frame, channel, following)
            if not restart and channel.step(frame) < frame.modulus // 2:
                explained = self._explained(frame, channel)
        if not copy:
            if frame.master >= 0:
                self._count_master(frame, restart=restart)
            self._damaged = 0
        yield from channel.take(frame, restart=restart, damaged=explained)

    def _channel(self, name: Channel) -> VirtualChannel:
        """A channel, made when it is first met."""
        if name not in self.channels:
            own = self._report.channel(name)
            self.channels[name] = VirtualChannel(self._report, own, checked=self._layout.has_check)
        return self.channels[name]

    def _take_damaged(self, frame: Frame, ahead: deque[Frame]) -> Iterator[bytes]:
        """A damaged frame: where it belongs, or kept aside as what explains the next gap."""
        placed = self._placed(frame, ahead)
        if placed is not None:
            yield from self._damage(placed)
            return
        self._count_damaged()
        self._unplaced.append(frame)

    def _damage(self, frame: Frame) -> Iterator[bytes]:
        self._count_damaged()
        yield from self._channel(frame.channel).take(frame)

    def _count_damaged(self) -> None:
        self._report.damaged += 1
        self._damaged += 1

    def _placed(self, frame: Frame, ahead: deque[Frame]) -> Frame | None:
        """A damaged frame as the one that is missing here; None where it is not known which that is.

        Its channel and its count may be what is damaged. The frames behind it say in which channel one is
        missing; its own header decides only between several, and where nothing follows.
        """
        behind: dict[Channel, Frame] = {}
        others = 1
        for other in ahead:
            if other.sound:
                behind.setdefault(other.channel, other)
            elif not behind:
                others += 1
        own = frame.channel
        if own not in self.channels:
            after = behind.get(own)
            if after is not None and (after.number - frame.number) % frame.modulus == 1:
                return frame
        gaps = {
            name: one.step(behind[name])
            for name, one in self.channels.items()
            if name in behind and 0 < one.step(behind[name]) < one.modulus // 2
        }
        name = own
        if own not in gaps and (gaps or own in behind or own not in self.channels):
            last = list(self.channels) if not behind else []
            possible = list(gaps) or last
            if len(possible) != 1:
                return None
            name = possible[0]
        channel = self.channels[name]
        ahead_by = (frame.number - channel.expected) % channel.modulus
        keeps = name == own and frame.modulus == channel.modulus and others < gaps.get(name, 0) > ahead_by
        number = frame.number if keeps else channel.expected
        return frame._replace(channel=name, number=number, modulus=channel.modulus)

    def _explained(self, frame: Frame, channel: VirtualChannel) -> int:
        """How many of the frames missing before this one are damaged ones that could not be placed."""
        since = [one for one in self._unplaced if one.position > channel.position]
        mine = sorted(since, key=lambda one: one.channel != frame.channel)[: channel.step(frame)]
        for one in mine:
            self._unplaced.remove(one)
        return len(mine)

    def _count_master(self, frame: Frame, *, restart: bool) -> None:
        """Frames missing by the count over all channels of a spacecraft; damaged ones are not missing."""
        spacecraft = frame.channel[0]
        expected = self._master.get(spacecraft, frame.master)
        step = (frame.master - expected) % TM_COUNTS
        if step >= TM_COUNTS // 2 and not restart:
            # A late frame closes its gap.
            self._report.missing_by_master = max(self._report.missing_by_master - 1, 0)
            return
        if not restart:
            self._report.missing_by_master += max(step - self._damaged, 0)
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
