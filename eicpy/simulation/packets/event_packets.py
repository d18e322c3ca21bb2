"""Packets that come now and then: each is a time, a kind and raw values.

Each entry to and exit from the anomaly is a telecommand (high voltage down, up), and so is each change of
thresholds: accepted, started and completed. What the trigger on board sends is in
:mod:`eicpy.simulation.packets.trigger_packets`.
"""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder, PacketBatch
from eicpy.simulation.scene import Scene

__all__ = ["EventPacket", "encode_messages", "verifications"]


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet to come.

    Parameters
    ----------
    time
        s after the start of the simulation.
    kind
        Kind of packet.
    columns
        Raw values.
    repeated
        Raw values of the fields that repeat, each of the same length.
    """

    time: float
    kind: str
    columns: dict[str, Any] = field(default_factory=dict)
    repeated: dict[str, Any] | None = None


def verifications(scene: Scene) -> list[EventPacket]:
    """Verification of the telecommands of high voltage and thresholds."""
    messages = []
    borders = sorted({t for passage in scene.saa for t in passage if 0 < t < scene.config.duration})
    borders = sorted([*borders, *scene.history.commands])
    for number, time in enumerate(borders):
        columns = {
            "TC_TYPE": 1,
            "TC_SECONDARY": 1,
            "TC_APID": scene.instrument.packets["accepted"].apid,
            "TC_GROUPING": 3,
            "TC_SEQUENCE": number % COUNT_MODULUS,
        }
        for delay, kind in ((0.1, "accepted"), (0.3, "started"), (0.9, "completed")):
            messages.append(EventPacket(time + delay, kind, columns))
    return messages


def encode_messages(encoder: Encoder, start: int, messages: list[EventPacket]) -> list[PacketBatch]:
    """Packets of messages in the order of time, one batch for those of a kind that follow each other."""
    batches = []
    for kind, run in groupby(sorted(messages, key=lambda m: m.time), key=lambda m: m.kind):
        same = list(run)
        ticks = np.array([round((start + m.time) * TICKS_PER_SECOND) for m in same])
        columns = {name: np.array([m.columns[name] for m in same]) for name in same[0].columns}
        repeated = [m.repeated for m in same if m.repeated is not None]
        if not repeated:
            batches.append(encoder.packets(kind, ticks, ticks, columns))
            continue
        fields = {name: np.concatenate([r[name] for r in repeated]) for name in repeated[0]}
        counts = np.array([len(next(iter(r.values()))) for r in repeated])
        batches.append(encoder.packets(kind, ticks, ticks, columns, fields, counts))
    return batches
