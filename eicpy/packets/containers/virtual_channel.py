"""Packets of a virtual channel: taken out of the data fields of its frames, across their boundaries.

The rules of CCSDS 132.0-B-3, 4.2.2 and 732.0-B-4, 4.2.2:

- Packets follow one another without a gap over the data fields of successive frames of a virtual channel.
- The first header pointer of a frame is where the first packet begins in it. As long as no frame is missing
  it equals what is left of the packet before: a second witness of its length.
- Behind a missing frame the packet that was begun is cut, and the next one begins at the pointer. Two halves
  that are not of one packet are never put together.

What a frame that is not sound contributes is doubtful: a packet with bytes of it is taken only if its own
CRC-16 is right; else it is left out, by name. Its pointer is doubtful too: of a packet that a sound frame
began, the length is believed.
"""

from collections.abc import Iterator

from eicpy.packets.containers.frame_layout import IDLE_DATA, NO_START, Frame, check_is_right
from eicpy.packets.containers.frame_report import MOST_CUT, ChannelReport, CutPacket, FrameReport
from eicpy.packets.primary_header import APID_MASK, COUNT_MASK, HEADER_BYTES, IDLE_APID, LENGTH_EXCESS
from eicpy.text import counted

__all__ = ["VirtualChannel", "data_length"]

FILL_ONES = 0xFF
_RECENT = 64
"""Frames of a channel among which one that comes again is known."""
_ENCAPSULATION = 7
"""Version of an encapsulation packet (CCSDS 133.1-B-3, 4.1.2): the idle fill of some links."""


def data_length(head: bytes | bytearray) -> int | None:
    """Length of the packet that begins with these bytes; 0 if none begins, None if they are too few."""
    version = head[0] >> 5 if head else 0
    if version == 0:
        return (head[4] << 8 | head[5]) + LENGTH_EXCESS if len(head) >= HEADER_BYTES else None
    if version != _ENCAPSULATION:
        return 0
    header = (1, 2, 4, 8)[head[0] & 3]
    if len(head) < header:
        return None
    return max(int.from_bytes(head[header // 2 : header], "big"), header) if header > 1 else 1


def _is_fill(data: bytes, at: int) -> bool:
    """Whether the rest of a data field is one byte again and again, and no header begins in it."""
    rest = data[at:]
    return rest.count(rest[0]) == len(rest) and (rest[0] != 0 or len(rest) >= HEADER_BYTES)


class VirtualChannel:
    """One virtual channel while its frames come.

    Parameters
    ----------
    report
        Takes what is missing and cut.
    channel
        Its part of the report.
    checked
        Whether frames have a checksum of their own.

    Attributes
    ----------
    agreed, disagreed
        How often the first header pointer equalled what the packet before had left, or a packet began where
        none does: the evidence that the layout of the frames is understood.
    modulus
        Of the frame count.
    position
        Of the last frame.
    """

    def __init__(self, report: FrameReport, channel: ChannelReport, *, checked: bool) -> None:
        self._report = report
        self._own = channel
        self._checked = checked
        self._pending = bytearray()
        self._doubtful = -1
        """Position of the damaged frame that the packet under way has bytes of; −1 of none."""
        self._next: int | None = None
        self.modulus = 1
        self.position = -1
        self._recent: dict[tuple[int, int], None] = {}
        self._apids: set[int] = set()
        self.agreed = 0
        self.disagreed = 0

    @property
    def expected(self) -> int:
        """Count that the next frame should have; −1 before the first."""
        return -1 if self._next is None else self._next

    def step(self, frame: Frame) -> int:
        """How far the frame's count is ahead of the one expected; 0 for the first frame of all."""
        return 0 if self._next is None else (frame.number - self._next) % frame.modulus

    def is_copy(self, frame: Frame) -> bool:
        """Whether the same frame was received a moment ago."""
        return (frame.number, frame.content) in self._recent

    def take(self, frame: Frame, *, restart: bool = False, damaged: int = 0) -> Iterator[bytes]:
        """Packets that the next frame completes.

        Parameters
        ----------
        frame
            A frame of this channel.
        restart
            Whether the frame count begins again with it.
        damaged
            How many of the frames missing before it came damaged.
        """
        own = self._own
        own.frames += 1 + damaged
        own.damaged += damaged + (not frame.sound)
        step = self.step(frame)
        if self.is_copy(frame):
            own.duplicated += 1
            return
        self._recent[frame.number, frame.content] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        if restart:
            own.restarts += 1
            self._cut(frame, "the frame count begins again")
        elif step >= frame.modulus // 2:
            own.late += 1
            own.missing = max(own.missing - 1, 0)
            yield from self._take_alone(frame)
            return
        elif step:
            own.missing += step - damaged
            gap = [f"{counted(step - damaged, 'frame')} missing"] * (step > damaged)
            self._cut(frame, " and ".join([*gap, *[f"{counted(damaged, 'frame')} damaged"] * bool(damaged)]))
        self._next = (frame.number + 1) % frame.modulus
        self.modulus, self.position = frame.modulus, frame.position
        yield from self._data(frame)

    def end(self, position: int) -> None:
        """The stream ends here: what was begun is cut."""
        self._cut_at(position, "the file ends")

    def _take_alone(self, frame: Frame) -> Iterator[bytes]:
        """Packets that lie whole in a frame that came late; the packet under way is not touched."""
        pending, doubtful = self._pending, self._doubtful
        self._pending, self._doubtful = bytearray(), -1
        yield from self._data(frame)
        self._cut(frame, "its frame came out of order")
        self._pending, self._doubtful = pending, doubtful

    def _data(self, frame: Frame) -> Iterator[bytes]:
        own, data, pointer = self._own, frame.data, frame.pointer
        holds = 0 <= pointer != IDLE_DATA
        if frame.sound and not holds:
            own.idle += pointer == IDLE_DATA
            own.holds_packets = own.holds_packets and pointer == IDLE_DATA
            return
        start = pointer if holds else len(data)
        if self._pending:
            left = self._left(data)
            matches = pointer == (NO_START if left >= len(data) else left)
            if matches or self._is_better(data, left, frame):
                self.agreed += matches and frame.sound
                self.disagreed += frame.sound and not matches
                self._doubt(frame)
                yield from self._continue(data[:left], frame)
                start = left
            else:
                self.disagreed += any(self._pending) and self._doubtful < 0 and frame.sound
                own.headless += min(start, len(data)) if self._doubtful < 0 else 0
                self._cut(frame, "the next packet does not begin where it ends")
        elif holds:
            own.headless += min(pointer, len(data))
        yield from self._walk(data, start, frame)

    def _doubt(self, frame: Frame) -> None:
        """The packet under way has bytes of this frame."""
        if not frame.sound and self._doubtful < 0:
            self._doubtful = frame.position

    def _left(self, data: bytes) -> int:
        """Bytes that the packet under way still needs; of an unknown length as its header here says."""
        length = data_length(self._pending)
        if length is None:
            length = data_length(self._pending + data[: 2 * HEADER_BYTES])
        return len(data) if length is None else max(length - len(self._pending), 0)

    def _is_better(self, data: bytes, left: int, frame: Frame) -> bool:
        """Whether the packet's length is to be believed rather than the pointer of an unsound frame."""
        if self._checked and frame.sound:
            return False
        if not frame.sound and self._doubtful < 0:
            return True
        if left >= len(data):
            return False
        return self._is_known(data, left) and not self._is_known(data, frame.pointer)

    def _is_known(self, data: bytes, at: int) -> bool:
        head = data[at : at + 2]
        known = len(head) == 2 and head[0] >> 5 == 0
        return known and ((head[0] << 8 | head[1]) & APID_MASK) in self._apids

    def _continue(self, data: bytes, frame: Frame) -> Iterator[bytes]:
        """Add bytes to the packet under way; itself, if it is complete."""
        self._pending += data
        length = data_length(self._pending)
        if length is not None and len(self._pending) >= length:
            packet = bytes(self._pending)
            self._pending = bytearray()
            yield from self._give(packet, frame)

    def _walk(self, data: bytes, at: int, frame: Frame) -> Iterator[bytes]:
        """Packets from a position of the data field on."""
        size = len(data)
        while at < size:
            head = data[at : at + 2 * HEADER_BYTES]
            length = data_length(head)
            if (length == 0 or head[0] == FILL_ONES or not any(head)) and _is_fill(data, at):
                return
            if length == 0:
                self.disagreed += frame.sound
                self._own.other += frame.sound
                return
            self._doubtful = -1
            self._doubt(frame)
            if length is None or at + length > size:
                self._pending = bytearray(data[at:])
                return
            yield from self._give(data[at : at + length], frame)
            at += length

    def _give(self, packet: bytes, frame: Frame) -> Iterator[bytes]:
        """A complete packet, unless it is doubtful and does not prove itself."""
        if packet[0] >> 5:
            self._own.other += packet[0] & 0x1C != 0 and frame.sound  # protocol 0 is idle fill
        elif self._doubtful >= 0 and not check_is_right(packet):
            self._name(frame.position, packet, len(packet), "")
        else:
            self._own.packets += 1
            if len(self._apids) < 256 and self._doubtful < 0:
                self._apids.add((packet[0] << 8 | packet[1]) & APID_MASK)
            yield packet
        self._doubtful = -1

    def _cut(self, frame: Frame, reason: str) -> None:
        self._cut_at(frame.position, reason)

    def _cut_at(self, position: int, reason: str) -> None:
        """Give up the packet under way, by name; a few zeros are fill."""
        if any(self._pending) and self._pending[0] >> 5 == 0:
            self._name(position, bytes(self._pending), data_length(self._pending) or 0, reason)
        self._pending = bytearray()
        self._doubtful = -1

    def _name(self, position: int, packet: bytes, length: int, reason: str) -> None:
        """Name a packet that is left out; one of idle data is no loss."""
        word = packet[0] << 8 | packet[1] if len(packet) >= 2 else -1
        count = (packet[2] << 8 | packet[3]) & COUNT_MASK if len(packet) >= 4 else -1
        apid = word & APID_MASK if word >= 0 and count >= 0 else -1
        if apid == IDLE_APID:
            return
        own = self._own
        if self._doubtful >= 0:
            own.doubtful += 1
            position, reason = self._doubtful, "in a damaged frame"
        else:
            own.cut += 1
        if len(self._report.cut) < MOST_CUT:
            self._report.cut.append(
                CutPacket(position, own.spacecraft, own.channel, apid, count, len(packet), length, reason)
            )
