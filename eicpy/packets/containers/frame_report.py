"""What a file of transfer frames holds by virtual channel, and what of it is missing."""

from dataclasses import asdict, dataclass, field
from typing import Any

from eicpy.text import counted

__all__ = ["ChannelReport", "CutFrame", "CutPacket", "FrameReport"]

MOST_CUT = 200
"""Cut packets, and cut frames, that are named one by one."""


@dataclass(frozen=True)
class CutFrame:
    """A frame of which only the beginning was received; nothing is read from it.

    Attributes
    ----------
    position
        Its first byte, the marker included.
    received, length
        Bytes of it that were received, and how many a frame has, with marker and check symbols.
    reason
        Why.
    """

    position: int
    received: int
    length: int
    reason: str

    @property
    def words(self) -> str:
        """In a line."""
        return f"frame cut at byte {self.position}: {self.received} of {self.length} bytes: {self.reason}"


@dataclass(frozen=True)
class CutPacket:
    """A packet of which only a part was in the frames, or in a damaged one; it is not among the packets.

    Attributes
    ----------
    position
        First byte of the frame in which it was cut, of the damaged one where one is the cause.
    spacecraft, channel
        Spacecraft and virtual channel.
    apid, sequence_count
        Of its header; −1 where that is cut too.
    received, length
        Bytes of it that were received, and its length; 0 where that is not known.
    reason
        Why.
    """

    position: int
    spacecraft: int
    channel: int
    apid: int
    sequence_count: int
    received: int
    length: int
    reason: str

    @property
    def words(self) -> str:
        """In a line."""
        name = f"APID {self.apid}, count {self.sequence_count}" if self.apid >= 0 else "header cut"
        if 0 < self.length <= self.received:
            return f"packet left out at byte {self.position}: {name}, {self.length} bytes: {self.reason}"
        whole = f" of {self.length}" if self.length else ""
        return f"packet cut at byte {self.position}: {name}, {self.received}{whole} bytes: {self.reason}"


@dataclass
class ChannelReport:
    """A virtual channel.

    Attributes
    ----------
    spacecraft, channel
        Its ids.
    frames
        Frames that were received, damaged ones included.
    damaged
        Damaged frames among them, as far as they can be placed: they are not missing as well.
    missing
        Frames that its frame count says are missing.
    duplicated
        Frames that came again, byte by byte; their packets were taken once.
    late
        Frames that came after one with a higher count.
    restarts
        How often its frame count began again; a gap of 128 TM frames and more cannot be told from it.
    idle
        Frames with idle data only.
    packets
        Packets taken from it.
    cut
        Packets of which only a part was received.
    doubtful
        Packets with bytes of a damaged frame, which no checksum of their own proves: left out.
    headless
        Bytes of packets whose beginning was not received.
    other
        Data that are no space packets: encapsulation packets, bytes that begin no packet.
    holds_packets
        Whether its data fields hold packets.
    """

    spacecraft: int
    channel: int
    frames: int = 0
    damaged: int = 0
    missing: int = 0
    duplicated: int = 0
    late: int = 0
    restarts: int = 0
    idle: int = 0
    packets: int = 0
    cut: int = 0
    doubtful: int = 0
    headless: int = 0
    other: int = 0
    holds_packets: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, damaged, doubled or cut."""
        return self.holds_packets and not (
            self.damaged or self.missing or self.duplicated or self.late or self.restarts or self.cut
            or self.doubtful or self.headless or self.other
        )  # fmt: skip

    @property
    def words(self) -> str:
        """In a line."""
        text = f"virtual channel {self.channel}: {counted(self.frames, 'frame')}"
        if not self.holds_packets:
            return f"{text}, no packets in its data fields: left out"
        parts = [
            (self.idle, f"{self.idle} idle"),
            (self.damaged, f"{self.damaged} damaged"),
            (self.missing, f"{self.missing} missing"),
            (self.duplicated, f"{self.duplicated} duplicated"),
            (self.late, f"{self.late} out of order"),
            (
                self.restarts,
                f"{counted(self.restarts, 'restart')} of the frame count (or very many frames missing)",
            ),
            (self.cut, f"{counted(self.cut, 'packet')} cut"),
            (self.doubtful, f"{counted(self.doubtful, 'packet')} of damaged frames left out"),
            (self.headless, f"{counted(self.headless, 'byte')} of packets without their beginning"),
            (self.other, f"{counted(self.other, 'piece')} of other data"),
        ]
        return ", ".join(
            [text, counted(self.packets, "packet"), *(words for number, words in parts if number)]
        )


@dataclass
class FrameReport:
    """The frames of a file.

    Attributes
    ----------
    layout
        What they have in common, in words.
    frames
        Frames in the file.
    damaged
        Frames with a wrong checksum or a damaged header; of their packets only those were taken that their
        own checksum proves. They are not missing as well.
    missing_by_master
        Frames missing by the master channel frame count (TM), which also counts channels that never came.
    foreign_bytes
        Bytes between frames.
    cut_frames
        Frames that were cut: the last one of a file, one with the beginning of the next inside.
    channels
        By spacecraft and virtual channel.
    cut
        Packets that were cut or left out, the first `MOST_CUT`.
    which_cut
        The cut frames, the first `MOST_CUT`.
    """

    layout: str
    frames: int = 0
    damaged: int = 0
    missing_by_master: int = 0
    foreign_bytes: int = 0
    cut_frames: int = 0
    channels: dict[tuple[int, int], ChannelReport] = field(default_factory=dict)
    cut: list[CutPacket] = field(default_factory=list)
    which_cut: list[CutFrame] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Frames missing: by the master channel's count or those of the virtual channels, what says more."""
        return max(self.missing_by_master, sum(channel.missing for channel in self.channels.values()))

    @property
    def is_clean(self) -> bool:
        """Whether no frame and no packet is missing, damaged or cut."""
        whole = not (self.damaged or self.missing or self.foreign_bytes or self.cut_frames)
        return whole and all(channel.is_clean for channel in self.channels.values())

    def cut_frame(self, position: int, received: int, length: int, reason: str) -> None:
        """Take a frame that was cut."""
        self.cut_frames += 1
        if len(self.which_cut) < MOST_CUT:
            self.which_cut.append(CutFrame(position, received, length, reason))

    def channel(self, key: tuple[int, int]) -> ChannelReport:
        """Report of a channel, made when it is first met."""
        if key not in self.channels:
            self.channels[key] = ChannelReport(*key)
        return self.channels[key]

    def lines(self) -> list[str]:
        """A line about the frames, one a channel, one a cut frame, one a packet cut or left out."""
        parts = [counted(self.frames, "frame"), counted(len(self.channels), "virtual channel")]
        numbers = ((self.damaged, "damaged"), (self.cut_frames, "cut"), (self.missing, "missing"))
        for number, words in numbers:
            if number:
                parts.append(f"{number} {words}")
        if self.foreign_bytes:
            parts.append(f"{counted(self.foreign_bytes, 'byte')} outside frames")
        channels = [self.channels[key].words for key in sorted(self.channels)]
        cut = sum(channel.cut + channel.doubtful for channel in self.channels.values())
        return [
            ", ".join(parts),
            *channels,
            *(frame.words for frame in self.which_cut),
            *_more(self.cut_frames - len(self.which_cut), "cut frame"),
            *(packet.words for packet in self.cut),
            *_more(cut - len(self.cut), "packet", " cut or left out"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            "layout": self.layout,
            "frames": self.frames,
            "damaged": self.damaged,
            "missing": self.missing,
            "foreign_bytes": self.foreign_bytes,
            "cut_frames": [asdict(frame) for frame in self.which_cut],
            "channels": [asdict(self.channels[key]) for key in sorted(self.channels)],
            "cut": [asdict(packet) for packet in self.cut],
        }


def _more(number: int, what: str, rest: str = "") -> list[str]:
    return [f"{counted(number, f'more {what}')}{rest}"] if number > 0 else []
