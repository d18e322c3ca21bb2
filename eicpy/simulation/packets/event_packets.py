"""Packets that come now and then: each is a time, a kind and raw values.

Each entry to and exit from the anomaly is a telecommand (high voltage down, up), and so is each change of
thresholds: accepted, started and completed. What the trigger on board sends is in
:mod:`eicpy.simulation.packets.trigger_packets`.
"""

from dataclasses import dataclass, field
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
    """Packets of messages, one batch each, in the order of time."""
    batches = []
    for message in sorted(messages, key=lambda m: m.time):
        ticks = np.array([round((start + message.time) * TICKS_PER_SECOND)])
        columns = {name: np.array([value]) for name, value in message.columns.items()}
        counts = None
        if message.repeated is not None:
            counts = np.array([len(next(iter(message.repeated.values())))])
        batches.append(encoder.packets(message.kind, ticks, ticks, columns, message.repeated, counts))
    return batches
