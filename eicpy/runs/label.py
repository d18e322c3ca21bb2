"""What a run is called wherever it is shown: number, set-up, source, start, duration, packets, losses.

One function makes the label (:func:`run_label`); the pages, the reports, the index and ``eic runs`` write
it, each in the language of its reader and with as many of its parts as there is room for. The times are
those of the data, which for a file dropped a year later are not those at which it was taken in; where no
packet has a time, those of the reception.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from eicpy.errors import BadDataError, readable
from eicpy.instruments import Instrument
from eicpy.runs.metadata import RunMetadata
from eicpy.runs.run import Run
from eicpy.runs.summary import kept_summary, summary_of
from eicpy.text import UNKNOWN, Texts
from eicpy.times import to_time

__all__ = ["LABEL_HEADS", "RunLabel", "run_label"]

LABEL_HEADS = ("run", "setup", "origin", "run_start", "run_duration", "packets", "lost", "damaged")
"""Keys of the parts in the catalogue of words, in their order."""
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class RunLabel:
    """A run in a few words.

    Parameters
    ----------
    number
        Progressive number.
    suffix
        ``configuration`` for what came while the instrument was configured; empty for a measurement.
    setup, source
        What stood on the bench; where the bytes came from.
    start
        Begin of the data, UTC; None where nothing says so.
    duration
        From the first to the last data, s.
    packets, lost, damaged
        Intact packets, those missing, those damaged; None where nobody counted them yet.
    is_open
        Whether bytes may still come.
    comment
        What somebody wrote about it.
    """

    number: int
    suffix: str = ""
    setup: str = ""
    source: str = ""
    start: datetime | None = None
    duration: float | None = None
    packets: int | None = None
    lost: int | None = None
    damaged: int | None = None
    is_open: bool = False
    comment: str = ""

    def name(self, texts: Texts) -> str:
        """Write number and kind: ``7``, ``8 configuration``."""
        if not self.suffix:
            return str(self.number)
        key = f"suffix_{self.suffix}"
        kind = texts(key)
        return f"{self.number} {self.suffix if kind == key else kind}"

    def cells(self, texts: Texts) -> tuple[str, ...]:
        """Write the parts, in the order of :data:`LABEL_HEADS`; a dash where one is not known.

        Parameters
        ----------
        texts
            Language.
        """
        return (
            self.name(texts),
            _short(self.setup) or UNKNOWN,
            _short(self.source) or UNKNOWN,
            UNKNOWN if self.start is None else f"{self.start:%Y-%m-%d %H:%M:%S}",
            texts.duration(self.duration),
            texts.number(self.packets),
            texts.number(self.lost),
            texts.number(self.damaged),
        )

    def words(self, texts: Texts) -> str:
        """Write the label in a line; what is not known is left out.

        Parameters
        ----------
        texts
            Language.
        """
        parts = [self.name(texts), _short(self.setup), _short(self.source)]
        if self.start is not None:
            parts.append(f"{self.start:%Y-%m-%d %H:%M:%S} UTC")
        if self.duration is not None:
            parts.append(texts.duration(self.duration))
        if self.packets is not None:
            parts.append(texts("label_packets", self.packets, count=texts.number(self.packets)))
        if self.lost:
            parts.append(texts("label_lost", self.lost, count=texts.number(self.lost)))
        if self.damaged:
            parts.append(texts("label_damaged", self.damaged, count=texts.number(self.damaged)))
        return " · ".join(part for part in parts if part)

    def with_counts(self, packets: int, lost: int, damaged: int) -> "RunLabel":
        """Return the same with counts of who has them: a live page of the run that is being written."""
        return replace(self, packets=packets, lost=lost, damaged=damaged)


def run_label(run: Run, instrument: Instrument, *, count: bool = False) -> RunLabel:
    """Make the label of a run.

    Parameters
    ----------
    run
        The run.
    instrument
        The detector.
    count
        Count the packets where nobody has yet, which takes a look at each of them; else their numbers are
        then not known.

    Returns
    -------
    RunLabel
        Also of a run whose description does not read: its number, and what its bytes say.

    Examples
    --------
    >>> from eicpy.text import Texts
    >>> label = RunLabel(7, setup="241Am", start=datetime(2026, 11, 20, 18, tzinfo=UTC), duration=180.0)
    >>> label.words(Texts("en"))
    '7 · 241Am · 2026-11-20 18:00:00 UTC · 3 min'
    """
    known = None
    try:
        known = run.metadata
        found = summary_of(run, instrument) if count else kept_summary(run, instrument)
    except (BadDataError, OSError):
        found = None
    start, duration = _received(known)
    if found is not None and found.first is not None and found.last is not None:
        start = to_time(found.first).utc.to_datetime(timezone=UTC)
        duration = found.last - found.first
    return RunLabel(
        number=run.number,
        suffix=run.suffix,
        setup="" if known is None else known.setup,
        source="" if known is None else _source(known.source),
        start=start,
        duration=duration,
        packets=None if found is None else found.received,
        lost=None if found is None else found.lost,
        damaged=None if found is None else found.damaged,
        is_open=known is not None and known.closed is None,
        comment="" if known is None else known.comment,
    )


def _received(known: RunMetadata | None) -> tuple[datetime | None, float | None]:
    """When bytes were received, and for how long, s; of a copied file that says nothing of the data."""
    if known is None or known.expected_sha256 is not None:
        return None, None
    end = known.closed or datetime.now(UTC)
    return known.opened, max(0.0, (end - known.opened).total_seconds())


def _source(text: str) -> str:
    """Where the bytes came from; of a file its name."""
    return text if "://" in text else text.rpartition("/")[2]


def _short(text: str) -> str:
    words = readable(text.replace("\n", "; "))
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
