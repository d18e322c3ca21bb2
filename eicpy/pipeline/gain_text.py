"""What the gain report says in words, computed from the tables and the database: first a recommendation.

A person decides. The recommendation is the rule that person would apply to every night: nearly all pixels
fitted, few bad fits, and the requirement on the energy met by nearly all. It names what is missing.
"""

from dataclasses import dataclass
from html import escape
from operator import itemgetter
from pathlib import Path

import numpy as np

from eicpy.calibration import (
    GainStatus,
    GainTable,
    LineModel,
    PassFraction,
    compare,
    goodness_gate,
    pass_fraction,
)
from eicpy.operations import Database, releases
from eicpy.pipeline.record import NightRecord
from eicpy.reports.tables import Sentence
from eicpy.text import counted

__all__ = ["GainVerdict", "gain_decision", "gain_verdict", "goodness_marks"]

SHARE_FITTED = 0.95
"""Pixels with a fit of this night, at least."""
SHARE_PASSED = 0.95
"""Of these, pixels within the requirement at all energies, at least."""
SHARE_BAD_FITS = 0.02
"""Pixels whose fit is bad or whose change stands out, at most."""


@dataclass(frozen=True)
class GainVerdict:
    """Whether to accept a new gain table, as a report shows it.

    Parameters
    ----------
    accept
        The recommendation; None where there is no table.
    reasons
        Each in a sentence.
    product
        File name of the table.
    decided
        What somebody has decided, in a sentence; empty where nobody has.
    """

    accept: bool | None
    reasons: tuple[str, ...]
    product: str = ""
    decided: str = ""

    @property
    def title(self) -> str:
        """The recommendation."""
        if self.accept is None:
            return "No new table"
        return "Recommendation: accept" if self.accept else "Recommendation: do not accept"

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type; nothing where there is nothing to decide."""
        if not self.product:
            return ()
        return (f"eic accept {self.product}", f'eic reject {self.product} --comment "why"')

    def __str__(self) -> str:
        lines = (f"{self.title}.", *self.reasons, *([self.decided] if self.decided else self.commands))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = {True: "#006B4F", False: "#A65E00", None: "#556270"}[self.accept]
        reasons = "".join(f"<li>{escape(r)}</li>" for r in self.reasons)
        commands = "".join(f"<pre><code>{escape(c)}</code></pre>" for c in self.commands)
        decided = f"<p><strong>{escape(self.decided)}</strong></p>" if self.decided else commands
        return (
            f'<div class="eic-verdict" style="border-left: 6px solid {colour}; padding: .1em 1em">'
            f'<p style="font-size: 1.25em; color: {colour}"><strong>{escape(self.title)}</strong></p>'
            f"<ul>{reasons}</ul>{decided}</div>"
        )


def gain_verdict(
    table: GainTable | None, used: GainTable, record: NightRecord, database: Database
) -> GainVerdict:
    """Recommend to accept or not to accept the new table of a night, and say why, what is wrong first.

    Parameters
    ----------
    table
        The new table; None where there is none.
    used
        The table in use.
    record
        The night.
    database
        Where decisions are kept.
    """
    if table is None or record.gain is None or not record.gain.product:
        reason = record.gain.message if record.gain and record.gain.message else "no fit was made"
        return GainVerdict(None, (f"{reason[:1].upper()}{reason[1:]}.",))
    fitted = table.good
    bad = np.count_nonzero(table.status & np.uint8(GainStatus.BAD_FIT | GainStatus.OUTLIER))
    passed = pass_fraction(table, pixels=fitted)
    right = (
        fitted.mean() >= SHARE_FITTED,
        bad <= SHARE_BAD_FITS * len(table),
        passed.all_energies >= SHARE_PASSED,
    )
    wrong = counted(int(bad), "bad fit or outlier", "bad fits or outliers")
    number = f"{int(fitted.sum())} of {counted(len(table), 'pixel')} fitted ({_percent(fitted.mean())}, "
    reasons = [
        number + f"asked {_percent(SHARE_FITTED)}); {int((~fitted).sum())} keep their last value.",
        f"{wrong} ({_percent(bad / len(table))}, at most {_percent(SHARE_BAD_FITS)}).",
        _requirement(passed, fitted),
    ]
    reasons = [text for _, text in sorted(zip(right, reasons, strict=True), key=itemgetter(0))]
    if not all(right) and bool(np.all(used.status & np.uint8(GainStatus.NOMINAL))):
        change = compare(table, used)
        scatter = np.median(np.abs(change.energy[-1][fitted] - np.median(change.energy[-1][fitted])))
        reasons.append(
            f"The scale in use is the nominal one, though, and worse: at {change.energies[-1]:g} keV half of "
            f"the pixels lie more than {scatter:.2g} keV from the middle of the plane."
        )
    name = Path(record.gain.product).name
    return GainVerdict(all(right), tuple(reasons), name, _decided(database, record, name))


def gain_decision(database: Database, record: NightRecord) -> Sentence:
    """Say what was decided about the table of a night, and how to decide it."""
    if record.gain is None or not record.gain.product:
        return Sentence("There is nothing to decide.")
    name = Path(record.gain.product).name
    return Sentence(_decided(database, record, name) or f"Nobody has decided about {name} yet.")


def goodness_marks(table: GainTable) -> dict[str, float]:
    """Where a right model stands in the distribution of the deviances, σ, and where a fit counts as bad."""
    others = GainStatus.NOT_CONVERGED | GainStatus.TOO_FEW_COUNTS | GainStatus.AMBIGUOUS | GainStatus.BAD_DATA
    judged = (table.status & np.uint8(others)) == 0
    return {"right model": 0.0, "bad beyond": goodness_gate(table.goodness[judged])}


def _requirement(passed: PassFraction, fitted: np.ndarray) -> str:
    """Say at which energy the requirement is met worst, and what would help."""
    worst = int(np.argmin(passed.fraction))
    energy, required = passed.energies[worst], passed.required[worst]
    text = (
        f"{_percent(passed.all_energies)} of the fitted pixels know their energy well enough "
        f"(asked {_percent(SHARE_PASSED)})"
    )
    if passed.all_energies >= SHARE_PASSED:
        return f"{text}; at {energy:g} keV {_percent(passed.fraction[worst])} do so to {required:g} keV."
    last = max(line.energy for block in LineModel.default().blocks for line in block.lines)
    beyond = f", extrapolated beyond the last line at {last:.0f} keV" if energy > last else ""
    errors = passed.error[worst][fitted]
    known = errors[np.isfinite(errors)]
    longer = (np.quantile(known, SHARE_PASSED) / required) ** 2 if known.size else np.inf
    help_ = f" About {longer:.2g} times the exposure would do." if np.isfinite(longer) else ""
    return (
        f"Statistics too small: {text}; at {energy:g} keV{beyond}, {_percent(passed.fraction[worst])} do so "
        f"to {required:g} keV.{help_}"
    )


def _decided(database: Database, record: NightRecord, name: str) -> str:
    for release in releases(database, instrument=record.instrument):
        if Path(release.file).name == name and release.night == record.night and release.decided_at:
            why = f" ({release.comment})" if release.comment else ""
            when = f"{release.decided_at:%Y-%m-%d %H:%M} UTC"
            return f"{name}: {release.state} by {release.decided_by} on {when}{why}."
    return ""


def _percent(share: float) -> str:
    """Share in percent, never rounded up to a whole."""
    percent = 100.0 * float(share)
    return f"{np.floor(10 * percent) / 10:.1f} %" if percent > 99 else f"{percent:.3g} %"
