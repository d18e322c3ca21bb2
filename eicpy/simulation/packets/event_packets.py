"""Packets that come now and then: telecommand verification and the alerts of the on-board trigger.

Each entry to and exit from the anomaly is a telecommand (high voltage down, up), and so is each change of
thresholds, accepted, started and
completed. A burst that is not hidden sends seven alerts five seconds apart, the third with a slew request,
in the order of fields that the project has shown publicly; contents follow from the truth, without noise.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eicpy.orbit import sky_pixels, theta_phi
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.simulation.config import BurstConfig
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder, PacketBatch
from eicpy.simulation.scene import Scene

__all__ = ["EventPacket", "alert_packets", "encode_messages", "verifications"]

_ALERTS = 7


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
    """

    time: float
    kind: str
    columns: dict[str, Any] = field(default_factory=dict)


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


def _alert(scene: Scene, burst: BurstConfig, ty: float, tz: float, number: int) -> dict[str, Any]:
    source = next(s for s in scene.sources if s.name == burst.name)
    window = burst.all_pulses[0].rise + burst.all_pulses[0].decay
    counts = round(0.6 * source.rate * window * min(1.0, (number + 1) / 3))
    expected = round(scene.config.background_rate * window)
    total = counts + expected
    start = scene.start + burst.start
    ticks = round(start * TICKS_PER_SECOND)
    coarse, rest = divmod(ticks, TICKS_PER_SECOND)
    now = start + burst.all_pulses[0].rise + 2 + 5 * number
    position = scene.orbit.position(np.array([now]))[0]
    quaternion = scene.attitude.satellite.quaternion_at(now)
    quaternion = quaternion if quaternion[0] >= 0 else -quaternion
    mask = scene.mask
    y, z = sky_pixels(mask.geometry, mask.pixels, ty, tz)
    theta, phi = np.degrees(theta_phi(ty, tz))
    columns: dict[str, Any] = {
        "OBSERVATION_ID": scene.config.seed % 2**32,
        "ALERT_MSGCOUNT": number,
        "ALERT_TIMETBABS": (coarse << 24) | ((rest << 24) // TICKS_PER_SECOND),
        "ALERT_TIMETB": ticks & 0xFFFFFFFF,
        "ALERT_SLEWREQUEST": int(number >= 2),
        "ALERT_SKYTHETA": round(theta / 1e-5),
        "ALERT_SKYPHI": round(phi / 3e-5),
        "ALERT_CATSRCNUM": 0,
        "ALERT_SKYYPIX": round(np.clip(y, 0, 255)),
        "ALERT_SKYZPIX": round(np.clip(z, 0, 255)),
        "ALERT_SKYYFIT": round(np.clip(y * 256, 0, 65535)),
        "ALERT_SKYZFIT": round(np.clip(z * 256, 0, 65535)),
        "ALERT_SKYCNT": counts,
        "ALERT_SKYCNTFIT": counts,
        "ALERT_SKYVAR": total,
        "ALERT_QUALITY": 1,
        "ALERT_TRIGGERCRITERIUM": 1,
        "ALERT_DETCOUNTS": min(total, 2**24 - 1),
        "ALERT_DETBKG": min(expected, 2**24 - 1),
        "SAT_ATTQUALITY": 1,
        "SAT_ATTREF": 1,
    }
    columns |= {f"SAT_POSITION{axis}": float(position[n]) for n, axis in enumerate("XYZ")}
    columns |= {f"SAT_ATTITUDEQ{n}": float(q) for n, q in enumerate(quaternion)}
    return columns


def alert_packets(scene: Scene) -> list[EventPacket]:
    """Alerts of every burst that the camera can see."""
    messages = []
    for burst in scene.config.bursts:
        source = next(s for s in scene.sources if s.name == burst.name)
        if not burst.alert or source.rate == 0 or burst.start >= scene.config.duration:
            continue
        if source.is_hidden(burst.start) or any(a <= burst.start < b for a, b in scene.saa):
            continue
        for number in range(_ALERTS):
            time = burst.start + burst.all_pulses[0].rise + 2 + 5 * number
            if time >= scene.config.duration:
                break
            messages.append(EventPacket(time, "alert", _alert(scene, burst, source.ty, source.tz, number)))
    return messages


def encode_messages(encoder: Encoder, start: int, messages: list[EventPacket]) -> list[PacketBatch]:
    """Packets of messages, one batch each, in the order of time."""
    batches = []
    for message in sorted(messages, key=lambda m: m.time):
        ticks = np.array([round((start + message.time) * TICKS_PER_SECOND)])
        columns = {name: np.array([value]) for name, value in message.columns.items()}
        batches.append(encoder.packets(message.kind, ticks, ticks, columns))
    return batches
