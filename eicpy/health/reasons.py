"""What a verdict on the health of a camera and of its chain is made of: reasons with a code and values.

A reason is a code with values, so that every screen words it in its own language, from one place
(:mod:`eicpy.health.words`). How bad a reason is belongs to its code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from eicpy.housekeeping.limits import Severity

__all__ = ["LEVELS", "REASONS", "Reading", "Reason", "Tense", "Verdict"]

LEVELS = {
    Severity.UNKNOWN: "UNKNOWN",
    Severity.NOMINAL: "WELL",
    Severity.WARNING: "ATTENTION",
    Severity.ALARM: "ALARM",
}
"""How bad it is in one word, for programs: in small letters in JSON."""
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
    "night-failed": Severity.ALARM,
    "beyond-alarm": Severity.ALARM,
    "was-alarm": Severity.ALARM,
    "counted-alarms": Severity.ALARM,
    "starting": Severity.WARNING,
    "no-receiver": Severity.WARNING,
    "receiver-ended": Severity.WARNING,
    "silent-run": Severity.WARNING,
    "night-unfinished": Severity.WARNING,
    "task-failed": Severity.WARNING,
    "beyond-warning": Severity.WARNING,
    "was-warning": Severity.WARNING,
    "counted-warnings": Severity.WARNING,
    "back-inside": Severity.WARNING,
    "lost": Severity.WARNING,
    "damaged": Severity.WARNING,
    "udp-dropped": Severity.WARNING,
    "duplicated": Severity.WARNING,
    "out_of_order": Severity.WARNING,
    "out_of_step": Severity.WARNING,
    "counter_restarted": Severity.WARNING,
    "foreign-bytes": Severity.WARNING,
    "counted-losses": Severity.WARNING,
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
    "handled": Severity.NOMINAL,
}
"""Every code, in the order in which reasons of one level are given, with its level.

Of the chain, by the clock on the wall:

======================  ==========================================================================
code                    values
======================  ==========================================================================
``part-dead``           ``part``, ``role``, ``state``, ``age`` (s since its last status)
``no-space``            ``free`` (bytes)
``no-archive``          none: it cannot be written, ``receiver-error`` says why
``run-gone``            ``text``, ``runs``, ``age`` (s since the last run was taken away while it was written)
``part-failed``         ``part``, ``role``, ``text``
``given-up``            ``part``, ``restarts``
``receiver-error``      ``text``
``disk-alarm``          ``seconds`` (to full), ``free``; also ``disk-attention``
``part-silent``         ``part``, ``role``, ``age``
``starting``            ``age`` (s since the chain was started; its receiver has reported nothing yet)
``no-receiver``         none: there has never been one, and there is no run
``receiver-ended``      ``age`` (s since then)
``silent-run``          ``age`` (s since the last byte of a run that is open)
``udp-dropped``         ``datagrams``, ``age``
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

Of the data, by their own time, s TT since 2017-01-01:

======================  ==========================================================================
code                    values
======================  ==========================================================================
``beyond-alarm``        ``parameter``, ``value`` (the worst), ``limit``, ``unit``, ``since``, ``longer`` (1:
                        it began before what was looked at), ``by`` and ``comment`` (who acknowledged it);
                        also ``beyond-warning``
``was-alarm``           the same and ``until``: it ended within the span of a report, not acknowledged; also
                        ``was-warning``
``back-inside``         the same: it ended a short while ago, not acknowledged
``handled``             the same: it ended within the span of a report, acknowledged
``lost`` and the like   ``apid``, ``name``, ``command``, ``packets``, ``first``, ``last``; also ``damaged``,
                        ``duplicated``, ``out_of_order``, ``out_of_step``, and ``counter_restarted``, whose
                        ``packets`` are restarts of the counter
``foreign-bytes``       ``bytes``, ``first``, ``last``
======================  ==========================================================================

Of a night: ``night-failed`` (``text``), ``night-unfinished`` (none), ``task-failed`` (``text``); and of one
whose record is of an earlier version ``counted-alarms`` and ``counted-warnings`` (``excursions``) and
``counted-losses`` (``packets``, lost and damaged).
"""
_RANK = {code: rank for rank, code in enumerate(REASONS)}


class Tense(StrEnum):
    """Of when a verdict speaks."""

    NOW = "now"
    """Data come."""
    SILENT = "silent"
    """The run is open, but nothing has come for a while: of when data came last."""
    END = "end"
    """The run is over: of its end."""
    NIGHT = "night"
    """Of all of a night that is over."""
    NONE = "none"
    """There are no data."""


@dataclass(frozen=True)
class Reading:
    """How much of what a verdict needs was read: until all was, there is none of the data.

    Parameters
    ----------
    done, total
        Bytes.
    """

    done: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0


@dataclass(frozen=True)
class Reason:
    """Something that is not as it should be.

    Parameters
    ----------
    code
        One of :data:`REASONS`.
    values
        What goes into the words; durations in s, sizes in bytes, times in s TT since 2017-01-01.
    """

    code: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def level(self) -> Severity:
        """How bad it is."""
        return REASONS[self.code]

    @property
    def urgency(self) -> tuple[int, int]:
        """By which reasons are sorted, the worst first."""
        return -self.level, _RANK[self.code]


@dataclass(frozen=True)
class Verdict:
    """Whether camera and chain are well, and why not; made by :func:`eicpy.health.judge`.

    Parameters
    ----------
    reasons
        The worst first.
    tense
        Of when it speaks.
    run
        Number of the run that the newest data are of; None without one.
    newest
        Time of the newest data, s TT since 2017-01-01; NaN where it is not known.
    age
        Since bytes came last, s; None where that is not known.
    checked
        Parameters that have been compared with their limits.
    window
        How far back from the newest data losses and ended excursions count, s.
    reading
        How much was read, where that is not all yet: then nothing is said of the data.
    simulated
        Whether the data say that they are simulated; None where nothing says so.
    """

    reasons: tuple[Reason, ...] = ()
    tense: Tense = Tense.NOW
    run: int | None = None
    newest: float = float("nan")
    age: float | None = None
    checked: int = 0
    window: float = 0.0
    reading: Reading | None = None
    simulated: bool | None = None

    @property
    def level(self) -> Severity:
        """The worst of the reasons; ``UNKNOWN`` while the data are being read, or where there are none."""
        unknown = self.reading is not None or self.tense is Tense.NONE
        least = Severity.UNKNOWN if unknown else Severity.NOMINAL
        return max((reason.level for reason in self.reasons), default=least)
