"""What is known of a camera and its chain: the one state that the verdict is made from.

Whoever asks for a verdict gets it from this, a page as well as a report: nobody keeps a count of their own.
"""

from dataclasses import dataclass

from eicpy.health.reasons import Reading, Reason, Tense
from eicpy.housekeeping.limits import Severity

__all__ = ["RECENT", "SILENT_AFTER", "HealthState", "KnownExcursion", "Loss"]

RECENT = 600.0
"""How far back from the newest data, in their own time, losses and ended excursions count, s."""
SILENT_AFTER = 15.0
"""Without a byte after which data are no longer called those of now, s."""


@dataclass(frozen=True)
class KnownExcursion:
    """A time that a parameter spent beyond its limits, and who acknowledged it.

    Parameters
    ----------
    parameter
        Its name.
    level
        The level now, while it lasts; the worst where it is over.
    start, stop
        First and last time beyond the limit, s TT since 2017-01-01.
    value, limit
        The worst value, and the limit that was passed, in `unit`; None where it is not known.
    unit
        Of both.
    ongoing
        Whether it still lasts at the newest data.
    longer
        Whether it had begun before `start`, where the look back ends.
    by, comment
        Who acknowledged it, and what was found; empty where nobody did.
    """

    parameter: str
    level: Severity
    start: float
    stop: float
    value: float
    limit: float | None = None
    unit: str = ""
    ongoing: bool = False
    longer: bool = False
    by: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Loss:
    """Packets of one counter that were lost, or are not as they should be.

    Parameters
    ----------
    kind
        ``lost``, ``damaged``, ``duplicated``, ``out_of_order``, ``out_of_step`` or ``restarted``.
    apid, command
        Whose packets, telemetry or telecommands.
    packets
        How many.
    first, last
        Time of the data at the first and the last of them, s TT since 2017-01-01.
    """

    kind: str
    apid: int
    command: bool
    packets: int
    first: float
    last: float


@dataclass(frozen=True, kw_only=True)
class HealthState:
    """All that the verdict is made from.

    Parameters
    ----------
    tense, run, newest, age, checked, reading, simulated
        As in :class:`~eicpy.health.Verdict`.
    window
        How far back losses and ended excursions count, s.
    excursions
        Of parameters that are beyond their limits, or were within the window.
    losses
        Within the window.
    foreign
        Bytes of no packet within the window, and when the first and the last of them came, s.
    names
        What the detector calls the packets of an APID, by direction (True: telecommands) and APID.
    others
        What is wrong besides: in the chain, by the clock on the wall, or with the making of a night.
    """

    tense: Tense = Tense.NONE
    run: int | None = None
    newest: float = float("nan")
    age: float | None = None
    window: float = RECENT
    excursions: tuple[KnownExcursion, ...] = ()
    losses: tuple[Loss, ...] = ()
    foreign: tuple[int, float, float] = (0, 0.0, 0.0)
    checked: int = 0
    names: "dict[tuple[bool, int], str] | None" = None
    reading: Reading | None = None
    simulated: bool | None = None
    others: tuple[Reason, ...] = ()
