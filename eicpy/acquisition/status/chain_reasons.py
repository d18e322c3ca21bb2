"""What is wrong in a chain now, by the clock on the wall: parts, links, disk.

Reasons for the one verdict (:func:`eicpy.health.judge`), which adds what the data say. A part that died is an
alarm even where all it said before was good; what happened once is named for ten minutes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from eicpy.acquisition.status.overview_parts import (
    ApidView,
    DiskView,
    LinkView,
    PartView,
    ProcessorView,
    ReceiverView,
)
from eicpy.health.reasons import Reason
from eicpy.packets.primary_header import IDLE_APID

__all__ = ["BEHIND", "chain_reasons"]

RECENT = 600.0
"""How long after it happened something is named, s."""
SILENCE = 10.0
"""Without a byte on an open connection before this is said, s."""
BEHIND = 60.0
"""How far a processor that owes every packet may be behind before this is said, s."""
DISK_ALARM, DISK_ATTENTION = 3600.0, 86400.0
"""Time to a full disk, s."""
LITTLE_SPACE = 1 << 30
"""Free bytes below which this is reported at any rate."""
NO_SPACE, NO_ARCHIVE, GIVEN_UP = "no space", "no archive", "given up"
"""States that are bad news in themselves."""


def chain_reasons(
    *,
    moment: datetime,
    parts: Sequence[PartView],
    links: Sequence[LinkView],
    apids: Sequence[ApidView],
    disk: DiskView | None,
    risen: Mapping[tuple[object, ...], datetime],
    unreadable: Mapping[str, str],
    has_run: bool = False,
) -> tuple[Reason, ...]:
    """Reasons why a chain is not well now.

    Parameters
    ----------
    moment
        Now, UTC.
    parts, links, apids, disk
        What is known of each.
    risen
        When a count last rose, by ``("udp-dropped",)``, ``("run-gone",)``, ``("connections-closed",)``,
        ``("restarted", part)`` and ``("link-refused", address)``.
    unreadable
        Why something could not be read, by what it is.
    has_run
        Whether there is a run: a set-up of files alone needs no receiver.

    Returns
    -------
    tuple of Reason
        In no order.
    """
    ages = {key: max((moment - when).total_seconds(), 0.0) for key, when in risen.items()}
    recent = {key: age for key, age in ages.items() if age <= RECENT}
    receiver = next((part for part in parts if isinstance(part, ReceiverView)), None)
    if receiver is None:
        of_receiver = [] if has_run and not parts else list(_of_no_receiver(parts, moment))
    else:
        of_receiver = list(_of_receiver(receiver, disk, recent))
    return (
        *(reason for part in parts for reason in _of_part(part, recent)),
        *of_receiver,
        *_of_links(receiver, links, recent),
        *(reason for apid in apids for reason in _of_packets(apid)),
        *_of_disk(disk),
        *(Reason("unreadable", {"what": what, "text": text}) for what, text in unreadable.items()),
    )


def _of_part(part: PartView, recent: Mapping[tuple[object, ...], float]) -> Iterator[Reason]:
    who: dict[str, float | str] = {"part": part.name, "role": part.role}
    if part.health == "dead":
        yield Reason("part-dead", {**who, "state": part.state, "age": part.age or 0.0})
    elif part.health == "failed":
        yield Reason("part-failed", {**who, "text": part.error or ""})
    elif part.health == "silent":
        yield Reason("part-silent", {**who, "age": part.age or 0.0})
    if part.state == GIVEN_UP:
        yield Reason("given-up", {**who, "restarts": part.restarts})
    elif ("restarted", part.name) in recent:
        yield Reason("restarted", {**who, "restarts": part.restarts, "age": recent["restarted", part.name]})
    if part.error and part.health in {"alive", "silent"}:
        code = "receiver-error" if isinstance(part, ReceiverView) else "part-error"
        yield Reason(code, {**who, "text": part.error})
    if (
        isinstance(part, ProcessorView)
        and part.mode != "last"
        and part.health != "ended"
        and (part.behind_seconds or 0.0) > BEHIND
    ):
        yield Reason("behind", {**who, "bytes": part.behind or 0, "seconds": part.behind_seconds or 0.0})


def _of_no_receiver(parts: Sequence[PartView], moment: datetime) -> Iterator[Reason]:
    """A chain that has just been started has none yet; otherwise nothing would ever receive."""
    failed = any(part.name == "receiver" and part.health in {"dead", "failed"} for part in parts)
    begun = [part.started for part in parts if part.role == "chain" and part.health == "alive"]
    if begun and begun[0] is not None and not failed:
        yield Reason("starting", {"age": max((moment - begun[0]).total_seconds(), 0.0)})
    else:
        yield Reason("no-receiver")


def _of_receiver(
    receiver: ReceiverView, disk: DiskView | None, recent: Mapping[tuple[object, ...], float]
) -> Iterator[Reason]:
    if receiver.health == "ended":
        yield Reason("receiver-ended", {"age": receiver.age or 0.0})
    if receiver.health == "alive" and receiver.state == NO_SPACE:
        yield Reason("no-space", {"free": disk.free if disk else 0})
    if receiver.health == "alive" and receiver.state == NO_ARCHIVE:
        yield Reason("no-archive")
    if ("run-gone",) in recent:
        gone: dict[str, float | str] = {"text": receiver.run_gone, "runs": receiver.runs_gone or 0}
        yield Reason("run-gone", {**gone, "age": recent["run-gone",]})
    if ("connections-closed",) in recent:
        closed = {"connections": receiver.gave_way or 0, "open": receiver.connections or 0}
        yield Reason("connections-closed", {**closed, "age": recent["connections-closed",]})
    if ("udp-dropped",) in recent:
        yield Reason("udp-dropped", {"datagrams": receiver.udp_dropped or 0, "age": recent["udp-dropped",]})


def _of_links(
    receiver: ReceiverView | None, links: Sequence[LinkView], recent: Mapping[tuple[object, ...], float]
) -> Iterator[Reason]:
    if receiver is None or receiver.health != "alive":
        return
    for link in links:
        if link.state == "refused" and ("link-refused", link.address) in recent:
            yield Reason("link-refused", {"address": link.address})
    connected = [link for link in links if link.state == "connected"]
    if not connected:
        yield Reason("nobody-sends")
    ages: dict[str, float] = {}  # of the byte that came last by any connection of an address
    for link in connected:
        if link.age is not None:
            ages[link.address] = min(link.age, ages.get(link.address, link.age))
    for address, age in ages.items():
        if age > SILENCE:
            yield Reason("link-silent", {"address": address, "age": age})


def _of_packets(apid: ApidView) -> Iterator[Reason]:
    if not apid.name and apid.apid != IDLE_APID:
        yield Reason("unknown-apid", {"apid": apid.apid, "packets": apid.received})


def _of_disk(disk: DiskView | None) -> Iterator[Reason]:
    if disk is None:
        return
    left = disk.seconds_to_full
    if left is not None and left < DISK_ATTENTION:
        code = "disk-alarm" if left < DISK_ALARM else "disk-attention"
        yield Reason(code, {"seconds": left, "free": disk.free})
    elif disk.free < LITTLE_SPACE:
        yield Reason("little-space", {"free": disk.free})
