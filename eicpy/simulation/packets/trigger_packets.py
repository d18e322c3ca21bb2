"""What the trigger on board sends, as raw values of packets.

The alert has the fields of the public message in their order; classes and order of all packets of a sequence
were shown publicly too. Layouts of the others, and what stands in fields whose contents nobody showed, are
ours; the tables of the description say which.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.imaging import Mask
from eicpy.orbit import CircularOrbit, sky_pixels, theta_phi
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND
from eicpy.simulation.packets.event_packets import EventPacket
from eicpy.trigger import Alert, TriggerConfiguration
from eicpy.trigger.alert import Excess
from eicpy.typing import FloatArray

__all__ = ["alert_columns", "descriptor_columns", "light_curve", "on_board_time", "recurrent", "sub_images"]

_FINE = 24
_PIXELS_PER_PACKET = 400
_IMAGE = 1 << 15
_NO_ZONE = 15
_MOST = 65535


def on_board_time(seconds: float) -> int:
    """4 bytes of seconds and 3 of their fraction, of seconds since the epoch."""
    coarse, rest = divmod(round(seconds * TICKS_PER_SECOND), TICKS_PER_SECOND)
    return (coarse << _FINE) | ((rest << _FINE) // TICKS_PER_SECOND)


def criterion(excess: Excess) -> int:
    """Search, scale, zone and band of an excess in one number, as the table of the alert says."""
    zone = excess.zone if 0 <= excess.zone < _NO_ZONE else _NO_ZONE
    kind = _IMAGE if excess.kind == "image" else 0
    return kind | (excess.scale & 15) << 8 | zone << 4 | (excess.band & 15)


def _count(value: float, bits: int) -> int:
    return int(np.clip(round(value), 0, 2**bits - 1)) if np.isfinite(value) else 0


def alert_columns(
    alert: Alert, observation: int, mask: Mask, orbit: CircularOrbit, quaternion: FloatArray
) -> dict[str, Any]:
    """Raw values of an alert.

    Parameters
    ----------
    alert
        The alert.
    observation
        Number of the observation.
    mask
        For the pixels of the sky image.
    orbit
        Where the satellite is.
    quaternion
        How it is turned, as known on board, shape (4,).
    """
    excess = alert.excess
    position = orbit.position(np.array([alert.time]))[0]
    quaternion = quaternion if quaternion[0] >= 0 else -quaternion
    y, z = sky_pixels(mask.geometry, mask.pixels, alert.ty, alert.tz)
    theta, phi = np.degrees(theta_phi(alert.ty, alert.tz))
    likely = alert.fitted if np.isfinite(alert.fitted) else alert.flux
    columns: dict[str, Any] = {
        "OBSERVATION_ID": observation,
        "ALERT_MSGCOUNT": alert.number,
        "ALERT_TIMETBABS": on_board_time(excess.start),
        "ALERT_TIMETB": round(excess.start * TICKS_PER_SECOND) & 0xFFFFFFFF,
        "ALERT_SLEWREQUEST": int(alert.slew_request),
        "ALERT_SKYTHETA": round(theta / 1e-5),
        "ALERT_SKYPHI": round(phi / 3e-5),
        "ALERT_CATSRCNUM": alert.source,
        "ALERT_SKYYPIX": _count(alert.peak[0], 8),
        "ALERT_SKYZPIX": _count(alert.peak[1], 8),
        "ALERT_SKYYFIT": _count(y * 256, 16),
        "ALERT_SKYZFIT": _count(z * 256, 16),
        "ALERT_SKYCNT": _count(alert.flux, 32),
        "ALERT_SKYCNTFIT": _count(likely, 32),
        "ALERT_SKYVAR": _count(alert.variance, 32),
        "ALERT_QUALITY": 1,
        "ALERT_TRIGGERCRITERIUM": criterion(excess),
        "ALERT_DETCOUNTS": _count(excess.counts, 24),
        "ALERT_DETBKG": _count(excess.background, 24),
        "SAT_ATTQUALITY": 1,
        "SAT_ATTREF": 1,
    }
    columns |= {f"SAT_POSITION{axis}": float(position[n]) for n, axis in enumerate("XYZ")}
    return columns | {f"SAT_ATTITUDEQ{n}": float(q) for n, q in enumerate(quaternion)}


def descriptor_columns(
    alert: Alert, first: float, messages: int, observation: int, configuration: TriggerConfiguration
) -> dict[str, Any]:
    """Raw values of the descriptor of a sequence.

    Parameters
    ----------
    alert
        The best alert so far.
    first
        Time of the first, s since the epoch.
    messages
        How many there are so far.
    observation
        Number of the observation.
    configuration
        Of the trigger.
    """
    excess = alert.excess
    (yy, yz), (_, zz) = alert.covariance
    return {
        "OBSERVATION_ID": observation,
        "DESC_SEQUENCE": alert.sequence & 0xFFFF,
        "DESC_T0": on_board_time(first),
        "DESC_MESSAGES": messages,
        "DESC_CONFIG": short_hash(configuration),
        "DESC_ALERTTHRESHOLD": _count(configuration.alert_threshold * 100, 16),
        "DESC_SLEWTHRESHOLD": _count(configuration.slew_threshold * 100, 16),
        "DESC_KIND": int(excess.kind == "image"),
        "DESC_SCALE": excess.scale,
        "DESC_BAND": excess.band,
        "DESC_ZONE": excess.zone & 255,
        "DESC_EXCESS": _count(excess.significance * 100, 16),
        "DESC_SNR": _count(alert.significance * 100, 16),
        "DESC_COVYY": yy,
        "DESC_COVYZ": yz,
        "DESC_COVZZ": zz,
    }


def short_hash(configuration: TriggerConfiguration) -> int:
    """The first 32 bits of the hash of a configuration."""
    return int(configuration.digest[:8], 16)


def light_curve(
    time: float, kind: str, observation: int, sequence: int, number: int, start: float, width: float,
    counts: npt.NDArray[np.int64],
) -> EventPacket:  # fmt: skip
    """A packet of a light curve.

    Parameters
    ----------
    time
        When it is sent, s after the start of the simulation.
    kind
        ``light-curve-high`` or ``light-curve-low``.
    observation, sequence, number
        Numbers of the observation, of the sequence, and of the packet in it.
    start
        Begin of the first bin, s since the epoch.
    width
        Of a bin, s.
    counts
        Shape (bins, bands); those of more than four bands are left out.
    """
    bands = np.zeros((len(counts), 4), np.int64)
    bands[:, : counts.shape[1]] = np.minimum(counts[:, :4], _MOST)
    columns = {
        "OBSERVATION_ID": observation,
        "LC_SEQUENCE": sequence & 0xFFFF,
        "LC_NUMBER": number,
        "LC_START": on_board_time(start),
        "LC_BIN": round(width * 1000),
    }
    return EventPacket(time, kind, columns, {f"LC_BAND{n + 1}": bands[:, n] for n in range(4)})


def sub_images(
    time: float, observation: int, alert: Alert, counts: npt.NDArray[np.int64]
) -> list[EventPacket]:
    """The detector image of an alert, one packet a second.

    Parameters
    ----------
    time
        When the first is sent, s after the start of the simulation.
    observation
        Number of the observation.
    alert
        The alert.
    counts
        Counts of each pixel in the order of ``detnum``.
    """
    packets = []
    for number, first in enumerate(range(0, len(counts), _PIXELS_PER_PACKET)):
        columns = {
            "OBSERVATION_ID": observation,
            "SUB_SEQUENCE": alert.sequence & 0xFFFF,
            "SUB_MSGCOUNT": alert.number,
            "SUB_BAND": alert.excess.band,
            "SUB_FIRST": first,
        }
        part = np.minimum(counts[first : first + _PIXELS_PER_PACKET], _MOST)
        packets.append(EventPacket(time + number, "sub-image", columns, {"SUB_COUNTS": part}))
    return packets


def recurrent(
    time: float, observation: int, mode: int, sequences: int, messages: int, counts: int, short: int
) -> EventPacket:
    """The message of every second.

    Parameters
    ----------
    time
        s after the start of the simulation.
    observation
        Number of the observation.
    mode
        As in its table.
    sequences
        How many have begun.
    messages
        Of the last one so far.
    counts
        Photons in a second.
    short
        Hash of the configuration.
    """
    columns = {
        "OBSERVATION_ID": observation,
        "RECUR_MODE": mode,
        "RECUR_SEQUENCES": sequences & 0xFFFF,
        "RECUR_MSGCOUNT": messages,
        "RECUR_COUNTS": min(counts, 2**24 - 1),
        "RECUR_CONFIG": short,
    }
    return EventPacket(time, "recurrent", columns)
