"""Is the chain well? One word, and the reasons, the worst first.

A reason is a code with values, so that each screen words it in its own language. A part that died is an
alarm even where all it said before was good; a loss is named for ten minutes after it happened, and stays
in the table of packets for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eicpy.acquisition.status.overview_parts import (
    ApidView,
    DiskView,
    LinkView,
    PartView,
    ProcessorView,
    ReceiverView,
)
from eicpy.housekeeping import Severity
from eicpy.packets.primary_header import IDLE_APID

__all__ = ["BEHIND", "LEVELS", "REASONS", "Reason", "Verdict", "judge"]

RECENT = 600.0
"""How long after it happened a loss makes the verdict, s."""
SILENCE = 10.0
"""Without a byte on an open connection before this is said, s."""
BEHIND = 60.0
"""How far a processor that owes every packet may be behind before this is said, s."""
DISK_ALARM, DISK_ATTENTION = 3600.0, 86400.0
"""Time to a full disk, s."""
LITTLE_SPACE = 1 << 30
"""Free bytes below which this is reported at any rate."""
LOSSES = ("lost", "damaged", "duplicated", "out_of_order", "out_of_step", "restarted")
_CODES = {"restarted": "counter_restarted"}
"""Codes of reasons that are not the name of a count: a part is restarted as well."""
NO_SPACE, NO_ARCHIVE, GIVEN_UP = "no space", "no archive", "given up"
"""States that are bad news in themselves."""


LEVELS = {Severity.NOMINAL: "WELL", Severity.WARNING: "ATTENTION", Severity.ALARM: "ALARM"}
"""How bad it is in the words of a chain."""
REASONS: dict[str, Severity] = {
    "part-dead": Severity.ALARM,
    "no-space": Severity.ALARM,
    "no-archive": Severity.ALARM,
    "run-gone": Severity.ALARM,
    "part-failed": Severity.ALARM,
    "given-up": Severity.ALARM,
    "receiver-error": Severity.ALARM,
    "disk-alarm": Severity.ALARM,
    "part-silent": Severity.ALARM,
    "starting": Severity.WARNING,
    "no-receiver": Severity.WARNING,
    "receiver-ended": Severity.WARNING,
    "lost": Severity.WARNING,
    "damaged": Severity.WARNING,
    "udp-dropped": Severity.WARNING,
    "duplicated": Severity.WARNING,
    "out_of_order": Severity.WARNING,
    "out_of_step": Severity.WARNING,
    "counter_restarted": Severity.WARNING,
    "foreign-bytes": Severity.WARNING,
    "part-error": Severity.WARNING,
    "behind": Severity.WARNING,
    "restarted": Severity.WARNING,
    "disk-attention": Severity.WARNING,
    "little-space": Severity.WARNING,
    "connections-closed": Severity.WARNING,
    "link-refused": Severity.WARNING,
    "nobody-sends": Severity.WARNING,
    "link-silent": Severity.WARNING,
    "unknown-apid": Severity.WARNING,
    "unreadable": Severity.WARNING,
}
"""Every code, in the order in which reasons of one level are given, with its level.

======================  ==========================================================================
code                    values
======================  ==========================================================================
``part-dead``           ``part``, ``role``, ``state``, ``age`` (s since its last word)
``no-space``            ``free`` (bytes)
``no-archive``          none: it cannot be written, ``receiver-error`` says why
``run-gone``            ``text``, ``runs``, ``age`` (s since the last run was taken away while it was written)
``part-failed``         ``part``, ``role``, ``text``
``given-up``            ``part``, ``restarts``
``receiver-error``      ``text``
``disk-alarm``          ``seconds`` (to full), ``free``; also ``disk-attention``
``part-silent``         ``part``, ``role``, ``age``
``starting``            ``age`` (s since the chain was started; its receiver has reported nothing yet)
``no-receiver``         none: there has never been one
``receiver-ended``      ``age`` (s since then)
``lost`` and the        ``apid``, ``name``, ``command``, ``packets``, ``age`` (s since the last); also
like                    ``damaged``, ``duplicated``, ``out_of_order``, ``out_of_step``, and
                        ``counter_restarted``, whose ``packets`` are restarts of the counter
``udp-dropped``         ``datagrams``, ``age``
``foreign-bytes``       ``bytes``, ``age``
``part-error``          ``part``, ``text``
``behind``              ``part``, ``bytes``, ``seconds``
``restarted``           ``part``, ``restarts``, ``age``
``little-space``        ``free``
``connections-closed``  ``connections`` (closed because there were too many), ``open``, ``age``
``link-refused``        ``address``
``nobody-sends``        none: no connection is open
``link-silent``         ``address``, ``age``
``unknown-apid``        ``apid``, ``packets``
``unreadable``          ``what``, ``text``
======================  ==========================================================================
"""
_RANK = {code: rank for rank, code in enumerate(REASONS)}


@dataclass(frozen=True)
class Reason:
    """Something that is not as it should be.

    Parameters
    ----------
    code
        One of :data:`REASONS`, for which each screen has words.
    values
        What goes into the words; times in s, sizes in bytes.
    """

    code: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def level(self) -> Severity:
        """How bad it is."""
        return REASONS[self.code]


@dataclass(frozen=True)
class Verdict:
    """Whether the chain is well, and why not.

    Parameters
    ----------
    reasons
        The worst first.
    """

    reasons: tuple[Reason, ...] = ()

    @property
    def level(self) -> Severity:
        """The worst of the reasons."""
        return max((reason.level for reason in self.reasons), default=Severity.NOMINAL)


def judge(
    *,
    moment: datetime,
    parts: Sequence[PartView],
    links: Sequence[LinkView],
    apids: Sequence[ApidView],
    disk: DiskView | None,
    risen: Mapping[tuple[object, ...], datetime],
    unreadable: Mapping[str, str],
) -> Verdict:
    """Judge a chain.

    Parameters
    ----------
    moment
        Now, UTC.
    parts, links, apids, disk
        What is known of each.
    risen
        When a count last rose, by ``("apid", command, apid, count)``, ``("udp-dropped",)``,
        ``("foreign-bytes",)``, ``("run-gone",)``, ``("connections-closed",)``, ``("restarted", part)`` and
        ``("link-refused", address)``.
    unreadable
        Why something could not be read, by what it is.

    Returns
    -------
    Verdict
        With the reasons, the worst first.
    """
    ages = {key: max((moment - when).total_seconds(), 0.0) for key, when in risen.items()}
    recent = {key: age for key, age in ages.items() if age <= RECENT}
    receiver = next((part for part in parts if isinstance(part, ReceiverView)), None)
    reasons = [
        *(reason for part in parts for reason in _of_part(part, recent)),
        *(_of_no_receiver(parts, moment) if receiver is None else _of_receiver(receiver, disk, recent)),
        *_of_links(receiver, links, recent),
        *(reason for apid in apids for reason in _of_packets(apid, recent)),
        *_of_disk(disk),
        *(Reason("unreadable", {"what": what, "text": text}) for what, text in unreadable.items()),
    ]
    return Verdict(tuple(sorted(reasons, key=lambda reason: (-reason.level, _RANK[reason.code]))))


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
    if ("foreign-bytes",) in recent:
        yield Reason("foreign-bytes", {"bytes": receiver.foreign_bytes or 0, "age": recent["foreign-bytes",]})


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


def _of_packets(apid: ApidView, recent: Mapping[tuple[object, ...], float]) -> Iterator[Reason]:
    for count in LOSSES:
        key = ("apid", apid.command, apid.apid, count)
        if key in recent:
            yield Reason(
                _CODES.get(count, count),
                {
                    "apid": apid.apid, "name": apid.name, "command": int(apid.command),
                    "packets": getattr(apid, count), "age": recent[key],
                },
            )  # fmt: skip
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
