"""What is known about the packets of an APID before they are read, as arrays for the kernels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.primary_header import APIDS
from eicpy.times import CDS_TICKS, check_day_segments

__all__ = ["ApidDecision", "ApidTables", "HeaderRule", "PacketHeaderRule"]

UNKNOWN = -1
SECONDARY = {"none": 0, "pus-a": 1, "pus-c": 2, "own": 3}
DEFAULT_TIME_BYTE = {"pus-a": 10, "pus-c": 13}
"""Byte of the coarse time from the start of the packet: PUS-A with a destination id (ECSS-E-70-41A),
PUS-C (ECSS-E-ST-70-41C, figure 7-2)."""
COMMAND_HEADER_END = {"pus-a": 10, "pus-c": 11}
"""Byte after the secondary header of a telecommand, from the start of the packet: version and acknowledgement
flags, type, subtype, source id of 1 byte (ECSS-E-70-41A) or 2 bytes (ECSS-E-ST-70-41C, figure 7-4)."""


@runtime_checkable
class HeaderRule(Protocol):
    """Headers of an APID; ``eicpy.instruments.PacketHeader`` is one."""

    @property
    def apid(self) -> int:
        """Application process id, 0 to 2047."""

    @property
    def checksum(self) -> str:
        """none, crc16, xor16 or iso16."""

    @property
    def secondary(self) -> str:
        """none, pus-a, pus-c or own."""

    @property
    def coarse_bits(self) -> int:
        """Width of the coarse time, bits; 0 where there is none."""

    @property
    def fine_bits(self) -> int:
        """Width of the fine time, bits."""

    @property
    def fine_tick(self) -> float:
        """Length of a unit of fine time, s."""

    @property
    def time_offset(self) -> int | None:
        """Byte of the coarse time from the start of the packet; None where PUS defines it."""

    @property
    def day_epoch(self) -> str:
        """Date (UTC) of day 0 where the time is day segmented; empty where it counts seconds."""


@dataclass(frozen=True, slots=True)
class PacketHeaderRule:
    """A plain `HeaderRule`, for use without an instrument.

    With a `day_epoch` the time is day segmented (CDS): `coarse_bits` are those of the day (16 or 24),
    `fine_bits` those of the millisecond of the day (32) and, where there is one, of what is below it (16:
    microseconds, 32: picoseconds). The index holds seconds of it all the same: 86400 times the day and the
    second of the day, and `fine_tick` is the smallest unit. Days are those of UTC: in a leap second the fine
    time goes on above one second.

    See Also
    --------
    index_packets : takes the rules of all APIDs.
    encode : takes the rule of one.

    References
    ----------
    ECSS-E-ST-70-41C, section 7.4 (secondary headers); CCSDS 301.0-B-4, section 3.3 (day segmented time).
    """

    apid: int
    checksum: str = "none"
    secondary: str = "none"
    coarse_bits: int = 32
    fine_bits: int = 16
    fine_tick: float = 2.0**-16
    time_offset: int | None = None
    day_epoch: str = ""

    def __post_init__(self) -> None:
        if self.day_epoch:
            check_day_segments(self.day_epoch, self.coarse_bits, self.fine_bits)
            object.__setattr__(self, "fine_tick", CDS_TICKS[self.fine_bits])


@dataclass(frozen=True, slots=True)
class ApidDecision:
    """How the packets of an APID are read, and why."""

    apid: int
    checksum: ChecksumKind
    secondary: str
    reason: str
    fine_bits: int = 16
    fine_tick: float = 2.0**-16
    day_epoch: str = ""


class ApidTables:
    """Header rules as arrays indexed by APID.

    Attributes
    ----------
    checksum
        Shape (2048,), int8: `ChecksumKind`, or −1 for an APID that is not known.
    header
        Shape (2048, 4), int64: secondary header, bit of the coarse time from the start of the packet (−1
        for none), bits of coarse and of fine time. Bits of coarse time below 0 are those of a day.
    """

    def __init__(self, decisions: Iterable[ApidDecision] = ()) -> None:
        self.checksum: npt.NDArray[np.int8] = np.full(APIDS, UNKNOWN, dtype=np.int8)
        self.header: npt.NDArray[np.int64] = np.zeros((APIDS, 4), dtype=np.int64)
        self.header[:, 1] = -1
        self.decisions: dict[int, ApidDecision] = {}
        for decision in decisions:
            self.decide(decision)

    def decide(
        self,
        decision: ApidDecision,
        *,
        time_byte: int | None = None,
        coarse_bits: int = 0,
        fine_bits: int = 0,
    ) -> None:
        """Enter a decision for an APID."""
        apid = decision.apid
        self.decisions[apid] = decision
        self.checksum[apid] = int(decision.checksum)
        bit = -1 if time_byte is None or coarse_bits == 0 else 8 * time_byte
        wide = -coarse_bits if decision.day_epoch else coarse_bits
        self.header[apid] = (SECONDARY[decision.secondary], bit, wide, fine_bits)

    def rule(self, rule: HeaderRule, checksum: str) -> None:
        """Enter a header rule; `checksum` other than auto overrides the rule's."""
        if not 0 <= rule.apid < APIDS:
            raise BadArgumentError(f"got APID {rule.apid}, expected 0 to {APIDS - 1}")
        if rule.secondary not in SECONDARY:
            raise BadArgumentError(
                f"got secondary header {rule.secondary!r} for APID {rule.apid}, "
                f"expected one of {', '.join(SECONDARY)}"
            )
        if rule.day_epoch:
            check_day_segments(rule.day_epoch, rule.coarse_bits, rule.fine_bits)
        elif not (0 <= rule.coarse_bits <= 63 and 0 <= rule.fine_bits <= 63):
            raise BadArgumentError(
                f"got {rule.coarse_bits} + {rule.fine_bits} bits of time for APID {rule.apid}, "
                "expected 0 to 63 each"
            )
        kind = ChecksumKind.of(rule.checksum if checksum == "auto" else checksum)
        why = "definition" if checksum == "auto" else "asked for"
        time_byte = (
            rule.time_offset if rule.time_offset is not None else DEFAULT_TIME_BYTE.get(rule.secondary)
        )
        self.decide(
            ApidDecision(
                rule.apid, kind, rule.secondary, why, rule.fine_bits, rule.fine_tick, rule.day_epoch
            ),
            time_byte=time_byte,
            coarse_bits=rule.coarse_bits,
            fine_bits=rule.fine_bits,
        )

    @classmethod
    def of_rules(cls, rules: Sequence[HeaderRule], checksum: str = "auto") -> "ApidTables":
        """Tables of a definition.

        Raises
        ------
        BadArgumentError
            For an APID, a checksum or a secondary header that does not exist.
        """
        tables = cls()
        for rule in rules:
            tables.rule(rule, checksum)
        return tables
