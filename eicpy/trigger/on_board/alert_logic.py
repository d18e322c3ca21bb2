"""From excesses with a position to alerts: when one is sent, when another, when a slew is asked for.

Positions come in the order in which the camera knows them, and each gets a verdict at once. There is no clock
and no chance in it: the same positions give the same alerts, however they are handed over.

* A position whose significance reaches the alert threshold begins a sequence, unless it is a known source
  at its usual flux or the place was alerted before and its dead time lasts.
* While the sequence lasts, a position in the same place with a higher significance is a refined alert.
* From the slew threshold on an alert asks the satellite to turn; what was asked is not taken back.
* A stronger excess in another place ends the sequence and begins one of its own; a weaker one waits.
* After a sequence its place is dead for a while. What goes on there, or began before that ended, belongs to
  what was told already and prolongs it: a long exposure that still holds the burst is no second one.

That a sequence has at most seventeen messages is what public circulars count (15 to 17); all else is ours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.orbit import separation, tangent_vector
from eicpy.trigger.alert import Alert, Excess
from eicpy.trigger.configuration import TriggerConfiguration

__all__ = ["MOST_ALERTS", "AlertLogic", "Candidate", "Decision", "Verdict"]

MOST_ALERTS = 17
"""Messages of a sequence."""
_SPACING = 1.0
"""s between two messages: the camera sends one packet per second."""
_SAME_PLACE = float(np.radians(1.0))
"""Within this, or within their error circles, two positions are one place."""
_LONGEST = 2000.0
"""s: no exposure that began before the end of a dead time is known later than this after it."""

Verdict = Literal[
    "alert", "below threshold", "known source", "dead time", "not better", "elsewhere", "sequence is full"
]
"""What became of a position: an alert, or why not."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An excess with its position in the sky.

    Parameters
    ----------
    excess
        Window and band of the image.
    time
        When the camera knows it, s.
    ty, tz
        Tangents of its direction in the camera's frame.
    peak
        Highest pixel (y, z) of the sky image.
    flux, variance
        Counts of the source on the plane as the sky image gives them, and their variance.
    covariance
        Of (ty, tz), shape (2, 2).
    radius
        Of the circle that holds the truth in 90 % of all cases, radians.
    fitted
        Counts of the source on the plane by maximum likelihood; NaN where none was fitted.
    direction
        Unit vector (ICRS); None where the attitude is not known.
    source, source_name
        Number of the catalogue source that stands there, from 1, and its name; 0 and empty for none.
    outburst
        Whether it is much brighter than usual.
    """

    excess: Excess
    time: float
    ty: float
    tz: float
    peak: tuple[int, int]
    flux: float
    variance: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    radius: float = 0.0
    fitted: float = float("nan")
    direction: tuple[float, float, float] | None = None
    source: int = 0
    source_name: str = ""
    outburst: bool = False

    @property
    def significance(self) -> float:
        """Flux over its standard deviation."""
        return float(self.flux / np.sqrt(self.variance))

    def is_at(self, other: "Candidate") -> bool:
        """Whether two positions are one place: in the sky, or in the camera's frame without attitude."""
        if self.direction is not None and other.direction is not None:
            apart = separation(np.array(self.direction), np.array(other.direction))
        else:
            apart = separation(tangent_vector(self.ty, self.tz), tangent_vector(other.ty, other.tz))
        return bool(apart <= max(_SAME_PLACE, self.radius + other.radius))


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a position.

    Parameters
    ----------
    candidate
        The position.
    verdict
        An alert, or why not.
    alert
        The message; None where none is sent.
    """

    candidate: Candidate
    verdict: Verdict
    alert: Alert | None = None


@dataclass(slots=True)
class _Sequence:
    number: int
    first: Alert
    latest: Candidate
    best: float
    messages: int = 1
    slew: bool = False


@dataclass(slots=True)
class _Dead:
    place: Candidate
    until: float


class AlertLogic:
    """Decides on positions, one after the other.

    Parameters
    ----------
    configuration
        Thresholds, how long a sequence lasts, dead time.

    Examples
    --------
    >>> logic = AlertLogic(TriggerConfiguration())
    >>> excess = Excess("count rate", 100.0, 101.28, 7, 3, 0, 400, 250.0, 8.6)
    >>> seen = Candidate(excess, 103.0, 0.1, 0.2, (110, 120), 90.0, 100.0, ((1e-6, 0.0), (0.0, 1e-6)))
    >>> logic.add(seen).alert.number, logic.add(seen).verdict
    (0, 'not better')
    """

    def __init__(self, configuration: TriggerConfiguration) -> None:
        self._configuration = configuration
        self._sequence: _Sequence | None = None
        self._dead: list[_Dead] = []
        self._begun = 0
        self._now = self._sent = -np.inf

    @property
    def sequences(self) -> int:
        """How many sequences have begun."""
        return self._begun

    def add(self, candidate: Candidate) -> Decision:
        """Decide on a position.

        Parameters
        ----------
        candidate
            The position; not known earlier than the one before.

        Raises
        ------
        BadArgumentError
            If it was known before the last one, or its variance is not positive.
        """
        if candidate.time < self._now:
            raise BadArgumentError(
                f"got a position known at {candidate.time} s after one of {self._now} s; "
                "hand positions over in the order in which they are known"
            )
        if not (candidate.variance > 0 and np.isfinite(candidate.flux)):
            raise BadArgumentError(
                f"got a position with flux {candidate.flux} and variance {candidate.variance}; "
                "expected a finite flux and a variance above 0"
            )
        self._now = candidate.time
        self._end_sequence(candidate.time)
        if candidate.significance < self._configuration.alert_threshold:
            return Decision(candidate, "below threshold")
        if candidate.source and not candidate.outburst:
            return Decision(candidate, "known source")
        current = self._sequence
        if current is not None and candidate.is_at(current.latest):
            return self._refine(current, candidate)
        if self._is_dead(candidate):
            return Decision(candidate, "dead time")
        if current is not None:
            if candidate.significance <= current.best:
                return Decision(candidate, "elsewhere")
            self._close(current, candidate.time)
        return self._begin(candidate)

    def _begin(self, candidate: Candidate) -> Decision:
        alert = self._message(candidate, self._begun, 0, slew=False)
        self._sequence = _Sequence(
            self._begun,
            alert,
            candidate,
            candidate.significance,
            slew=alert.slew_request,
        )
        self._begun += 1
        return Decision(candidate, "alert", alert)

    def _refine(self, current: _Sequence, candidate: Candidate) -> Decision:
        if candidate.significance <= current.best:
            return Decision(candidate, "not better")
        if current.messages >= MOST_ALERTS:
            return Decision(candidate, "sequence is full")
        alert = self._message(candidate, current.number, current.messages, slew=current.slew)
        current.latest, current.best = candidate, candidate.significance
        current.messages += 1
        current.slew = alert.slew_request
        return Decision(candidate, "alert", alert)

    def _message(self, c: Candidate, sequence: int, number: int, *, slew: bool) -> Alert:
        self._sent = max(c.time, self._sent + _SPACING)
        return Alert(
            sequence=sequence,
            number=number,
            time=self._sent,
            excess=c.excess,
            ty=c.ty,
            tz=c.tz,
            peak=c.peak,
            flux=c.flux,
            variance=c.variance,
            covariance=c.covariance,
            source=c.source,
            source_name=c.source_name,
            outburst=c.outburst,
            slew_request=slew or c.significance >= self._configuration.slew_threshold,
            fitted=c.fitted,
        )

    def _end_sequence(self, time: float) -> None:
        if self._sequence is not None:
            end = self._sequence.first.time + self._configuration.sequence
            if time > end:
                self._close(self._sequence, end)

    def _close(self, sequence: _Sequence, end: float) -> None:
        self._dead.append(_Dead(sequence.latest, end + self._configuration.dead_time))
        self._sequence = None

    def _is_dead(self, candidate: Candidate) -> bool:
        """Whether the place was alerted before and is still dead, or this began while it was."""
        dead = False
        for one in self._dead:
            if candidate.excess.start < one.until and candidate.is_at(one.place):
                one.until = max(one.until, candidate.excess.stop + self._configuration.dead_time)
                dead = True
        self._dead = [one for one in self._dead if one.until > candidate.time - _LONGEST]
        return dead
