"""Transfer frames recognised from the bytes, and what their headers do not say learnt from them.

1. The *period*: the usual distance of the sync markers; without markers, the distance at which version,
   spacecraft and frame counts continue.
2. The *checksum*: at least half of the frames end with their CRC-16, with or without check symbols behind it.
3. The rest (length of the trailer, of an insert zone) by trial: a sample of the frames is read, and that
   layout stands by which first header pointers equal what the packets before have left.

Nothing is believed because of a header alone: packets of constant length look like frames as well.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import numpy as np

from eicpy.packets.containers.frame_layout import (
    AOS_IDLE_CHANNEL,
    HEADER_BYTES,
    IDLE_DATA,
    MARKER,
    NO_START,
    SERVICES,
    TM_COUNTS,
    Channel,
    FrameLayout,
    check_is_right,
    derandomised,
)
from eicpy.packets.containers.frame_report import FrameReport
from eicpy.packets.containers.frame_sync import cut_frames
from eicpy.packets.containers.transfer_frames import FrameReader
from eicpy.packets.containers.virtual_channel import data_length
from eicpy.packets.memory import ByteArray

__all__ = ["Unread", "recognise_frames"]

MOST_FRAMES = 64
"""Frames of the sample that are read on trial."""
LONGEST_FRAME = 2048 + 8 * 32
"""Longest frame that is looked for without markers: TM, with its check symbols (132.0-B-3, 4.1.1)."""
SHORTEST_FRAME = 32
MOST_TRIED = 16
"""Periods without markers that are tried."""
CHAIN_STARTS = 4096
LONGEST_ZONE = 64
DEPTHS = (1, 2, 3, 4, 5, 8)
"""Interleaving depths of the Reed–Solomon code (CCSDS 131.0-B-4, section 4.3.5)."""
USLP_VERSION = 0b1100


@dataclass(frozen=True)
class Unread:
    """Frames that are recognised and not read.

    Attributes
    ----------
    words
        What they are.
    advice
        What can be done.
    """

    words: str
    advice: str


def recognise_frames(sample: bytes, *, whole: bool) -> FrameLayout | Unread | None:
    """Layout of the transfer frames in the first bytes of a stream; None where there are none.

    Parameters
    ----------
    sample
        The first bytes.
    whole
        Whether these are all.
    """
    starts, period = _marked(sample, whole=whole)
    if period:
        frames = [sample[at + 4 : at + period] for at in starts if at + period <= len(sample)]
        return _marked_layout(frames[:MOST_FRAMES], period - len(MARKER))
    for start, period in _unmarked(sample):
        frames = _frames_like(sample, start, period)
        found = _layout(frames, period, marker=False)
        if found is not None and found.evidence >= 2:
            return found.layout
    return None


def _holds_chain(sample: bytes) -> bool:
    """Whether packets follow one another, from one of the first bytes on, over more than a frame."""
    return any(_is_chain(sample, at) for at in range(min(len(sample), CHAIN_STARTS)) if not sample[at] >> 5)


def _is_chain(sample: bytes, at: int) -> bool:
    """Whether packets from here on reach further than a frame, or the end, and a sequence count goes on."""
    end = min(at + 2 * LONGEST_FRAME, len(sample))
    counts: dict[int, int] = {}
    goes_on = known = False
    while at < end:
        head = sample[at : at + 6]
        if len(head) < 6 or head[0] >> 5 or not any(head):
            return False
        name, count = head[0] << 8 | head[1], (head[2] << 8 | head[3]) & 0x3FFF
        known = name in counts
        goes_on = goes_on or (count - counts.get(name, count)) % 0x4000 == 1
        counts[name] = count
        at += data_length(head) or 1
    return goes_on and known and at <= len(sample)


def _marked(sample: bytes, *, whole: bool) -> tuple[list[int], int]:
    """Positions of sync markers and their usual distance; 0 where there is none."""
    starts: list[int] = []
    at = sample.find(MARKER)
    while at >= 0 and len(starts) < 8 * MOST_FRAMES:
        starts.append(at)
        at = sample.find(MARKER, at + len(MARKER))
    if len(starts) == 1 and whole and starts[0] == 0:
        return starts, len(sample) if len(sample) <= LONGEST_FRAME + len(MARKER) else 0
    steps = Counter(b - a for a, b in pairwise(starts))
    if not steps:
        return starts, 0
    period, often = steps.most_common(1)[0]
    even = sum(n for step, n in steps.items() if step % period == 0)
    fits = period > len(MARKER) + HEADER_BYTES and (often > 1 or len(starts) <= 3)
    return starts, period if fits and 2 * even >= len(starts) - 1 else 0


def _marked_layout(frames: list[bytes], length: int) -> FrameLayout | Unread | None:
    """Layout of frames behind sync markers; what they are where they cannot be read."""
    if not frames:
        return None
    found = _layout(frames, length, marker=True)
    if found is not None:
        return found.layout
    return None if _hold_packets(frames, length) else _unread(frames, length)


def _unread(frames: list[bytes], length: int) -> Unread:
    """What blocks behind sync markers are that cannot be read as frames."""
    plain = [derandomised(frame) for frame in frames[:64]]
    hidden = _layout(plain, length, marker=True)
    size = f"{length + len(MARKER)} bytes each after a sync marker (1ACFFC1D)"
    if hidden is not None:
        return Unread(
            f"pseudo-randomised {hidden.layout.service} transfer frames, {size}",
            "undo the pseudo-randomiser (CCSDS 131.0-B, section 10) first",
        )
    if sum(frame[0] >> 4 == USLP_VERSION for frame in frames) * 2 > len(frames):
        return Unread(f"USLP transfer frames (CCSDS 732.1-B), {size}", "only TM and AOS frames are read")
    service = _service(frames)
    if service and _continues(frames, service):
        return Unread(
            f"{service} transfer frames, {size}, whose first header pointers lead to no packets",
            "do their virtual channels hold packets?",
        )
    return Unread(
        f"blocks of {size} that are no TM or AOS transfer frames",
        "are they encoded, randomised or encrypted? Decode them first",
    )


def _hold_packets(frames: list[bytes], length: int) -> bool:
    """Whether a packet follows each marker: a marker of its own kind, not of frames."""
    return sum(int.from_bytes(f[4:6], "big") + 7 == length and f[0] < 32 for f in frames) * 2 > len(frames)


def _service(frames: list[bytes]) -> str:
    versions = Counter(frame[0] >> 6 for frame in frames)
    version, often = versions.most_common(1)[0]
    return SERVICES[version] if version < len(SERVICES) and often * 2 > len(frames) else ""


def _continues(frames: list[bytes], service: str, least: float = 0.5) -> bool:
    """Whether frame counts go on from frame to frame, mostly."""
    layout = FrameLayout(service, len(frames[0]))
    last: dict[Channel, int] = {}
    steps = right = 0
    for frame in frames:
        channel = layout.channel_of(frame) if service == "AOS" else (layout.channel_of(frame)[0], 0)
        count = int.from_bytes(frame[2:5], "big") if service == "AOS" else frame[2]
        if channel in last:
            steps += 1
            right += (count - last[channel]) % (1 << 24 if service == "AOS" else TM_COUNTS) == 1
        last[channel] = count
    return steps > 0 and right >= least * steps


@dataclass(frozen=True)
class _Found:
    layout: FrameLayout
    evidence: int


def _layout(frames: list[bytes], length: int, *, marker: bool) -> _Found | None:
    """The layout by which a sample of frames is read best; None if by none."""
    service = _service(frames)
    if not service or length <= HEADER_BYTES + 2:
        return None
    check_bytes, checked = _checksum(frames, length)
    if not checked and not _continues(frames, service) and len(frames) > 1:
        return None
    base = FrameLayout(service, length - check_bytes, marker, check_bytes, has_check=checked)
    known = Counter(base.channel_of(f)[0] for f in frames if not checked or check_is_right(f[: base.length]))
    often = {name for name, number in known.items() if checked or number * 20 >= len(frames)}
    base = replace(base, spacecraft=frozenset(often))
    best: _Found | None = None
    for layout in _trials(base, frames, length):
        found = _judge(layout, frames)
        if found is not None and (best is None or found.evidence > best.evidence):
            best = found
    if best is None or (best.evidence <= 0 and not (checked or marker)):
        return None
    return best


def _checksum(frames: list[bytes], length: int) -> tuple[int, bool]:
    """Check symbols behind the frames, and whether these end with a CRC-16 before them."""
    for check_bytes in (0, *_check_symbols(length)):
        right = sum(check_is_right(frame[: length - check_bytes]) for frame in frames)
        if right * 2 > len(frames) or (right > 1 and right * 2 == len(frames)):
            return check_bytes, True
    return 0, False


def _check_symbols(length: int) -> list[int]:
    """Numbers of check symbols that a Reed–Solomon codeblock of this length may have, the usual first."""
    sizes = [size * depth for size in (32, 16) for depth in DEPTHS if length <= 255 * depth]
    return sorted(
        {size for size in sizes if length - size > SHORTEST_FRAME},
        key=lambda size: (length % 255 != 0 or size * 255 != length * 32, size),
    )


def _trials(base: FrameLayout, frames: list[bytes], length: int) -> Iterator[FrameLayout]:
    """Layouts that are worth a trial."""
    symbols = [base.check_bytes] if base.has_check else [0, *_check_symbols(length)]
    if base.service == "TM":
        for size in symbols:
            yield replace(base, length=length - size, check_bytes=size)
        return
    for zone in _zones(frames, base):
        for size in symbols:
            for control in (False, True):
                trial = replace(base, length=length - size, check_bytes=size)
                yield replace(trial, zone=zone, has_control=control)


def _zones(frames: list[bytes], layout: FrameLayout) -> list[int]:
    """Lengths of the insert zone of AOS frames at which all M_PDU headers can be such."""
    busy = [f for f in frames if layout.channel_of(f)[1] != AOS_IDLE_CHANNEL]
    longest = min(LONGEST_ZONE, layout.length - HEADER_BYTES - 4)
    if not busy:
        return [0]
    zones = []
    for zone in range(longest + 1):
        at = HEADER_BYTES + zone
        words = [f[at] << 8 | f[at + 1] for f in busy]
        fitting = sum(w in {NO_START, IDLE_DATA} or w < layout.length - at for w in words)
        if fitting * 10 >= 9 * len(words):
            zones.append(zone)
    return zones


def _judge(layout: FrameLayout, frames: list[bytes]) -> _Found | None:
    """How well a layout reads a sample; channels without packets are found by it as well."""
    report = FrameReport("")
    reader = FrameReader(layout, report)
    gap = MARKER if layout.marker else b""
    list(reader.packets(lambda: iter([b"".join(gap + frame for frame in frames)])))
    without = {key for key, one in reader.channels.items() if one.disagreed > one.agreed}
    others = [one for key, one in reader.channels.items() if key not in without]
    agreed = sum(one.agreed for one in others)
    wrong = sum(one.disagreed for one in others)
    idle = all(channel.idle == channel.frames for channel in report.channels.values())
    if not others or (agreed == 0 and not idle and not _reads_alone(report)):
        return None
    return _Found(replace(layout, without_packets=frozenset(without)), agreed - 2 * wrong)


def _reads_alone(report: FrameReport) -> bool:
    """Whether frames without a packet over a boundary hold packets and nothing else."""
    return any(channel.packets for channel in report.channels.values()) and not any(
        channel.other for channel in report.channels.values()
    )


def _frames_like(sample: bytes, start: int, period: int) -> list[bytes]:
    """Frames of a sample, as the header at `start` lets expect them."""
    service = SERVICES[sample[start] >> 6]
    layout = FrameLayout(service, period, marker=False)
    layout = replace(layout, spacecraft=frozenset({layout.channel_of(sample[start : start + 2])[0]}))
    cut = cut_frames(lambda: iter([sample[start:]]), layout, FrameReport(""))
    return [whole for _, whole, _ in islice(cut, MOST_FRAMES) if len(whole) == period]


def _unmarked(sample: bytes) -> Iterator[tuple[int, int]]:
    """Positions and periods at which headers of frames without markers may stand.

    First those that begin with the first byte; then, unless packets begin there, any.
    """
    data = np.frombuffer(sample[: 1 << 15], dtype=np.uint8)
    for period in _periods(data)[:MOST_TRIED]:
        if _fits(data, 0, period):
            yield 0, period
    if _holds_chain(sample):
        return
    tried = 0
    for period in range(SHORTEST_FRAME, min(LONGEST_FRAME, len(data) // 5) + 1):
        for start in _alike(data, period):
            if tried < MOST_TRIED and _fits(data, start, period):
                tried += 1
                yield start, period


def _periods(data: ByteArray) -> list[int]:
    """Periods at which the first header comes again three times, its counts gone on, as far as data reach."""
    if len(data) < 2 * SHORTEST_FRAME or data[0] >> 6 >= len(SERVICES):
        return []
    mask = 0xF0 if data[0] >> 6 == 0 else 0xC0
    periods = np.arange(SHORTEST_FRAME, min(LONGEST_FRAME, len(data) // 2) + 1)
    good = np.ones(len(periods), dtype=np.bool_)
    for times in (1, 2, 3):
        at = times * periods
        inside = at + 2 < len(data)
        here = np.where(inside, at, 0)
        same = (data[here] == data[0]) & ((data[here + 1] ^ data[1]) & mask == 0)
        if mask == 0xF0:
            same &= data[here + 2] - data[2] == times
        good &= same | ~inside
    found: list[int] = periods[good].tolist()
    return found


def _alike(data: ByteArray, period: int) -> list[int]:
    """The first positions at which four headers at this period look like those of one spacecraft."""
    first, second = data[:-period], data[period:]
    same = first[:-2] == second[:-2]
    tm = (first[:-2] < 0x40) & ((first[1:-1] ^ second[1:-1]) & 0xF0 == 0)
    tm &= second[2:] - first[2:] == 1
    aos = (first[:-2] >> 6 == 1) & ((first[1:-1] ^ second[1:-1]) & 0xC0 == 0)
    pairs = same & (tm | aos)
    thrice = pairs[: -2 * period] & pairs[period:-period] & pairs[2 * period :]
    found: list[int] = np.flatnonzero(thrice)[:4].tolist()
    return found


def _fits(data: ByteArray, start: int, period: int) -> bool:
    """Whether headers at this period have one version and spacecraft, and counts that go on."""
    count = min((len(data) - start) // period, 6)
    at = start + period * np.arange(count)
    first = data[at]
    if count < 2 or first[0] >> 6 > 1 or np.count_nonzero(first == first[0]) < 0.8 * count:
        return False
    heads = [data[i : i + HEADER_BYTES].tobytes() for i in at.tolist()]
    service = SERVICES[int(first[0] >> 6)]
    return _continues(heads, service, 0.7)
