"""Whether a gain table should be accepted: the rule and its reasons.

A person decides. The recommendation is the rule that person would apply to every night: nearly all pixels
fitted, few bad fits, and the requirement on the energy met by nearly all. It names what is missing.
"""

from operator import itemgetter

import numpy as np

from eicpy.calibration.gain.lines import LineModel
from eicpy.calibration.gain.quality import PassFraction, compare, pass_fraction
from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.calibration.table import Recommendation
from eicpy.instruments import EnergyRequirement
from eicpy.text import counted
from eicpy.typing import BoolArray

__all__ = ["SHARE_BAD_FITS", "SHARE_FITTED", "SHARE_PASSED", "recommend"]

SHARE_FITTED = 0.95
"""Pixels with a fit of this night, at least."""
SHARE_PASSED = 0.95
"""Of these, pixels within the requirement at all energies, at least."""
SHARE_BAD_FITS = 0.02
"""Pixels with a bad fit or an outlying change, at most."""


def recommend(
    table: GainTable, used: GainTable, *, requirement: EnergyRequirement, lines: LineModel
) -> Recommendation:
    """Recommend to accept or not to accept a new table, with the reasons, what is wrong first.

    Parameters
    ----------
    table
        The new table.
    used
        The table in use.
    requirement
        Largest error of the energy.
    lines
        The lines on which the table stands.
    """
    fitted = table.good
    bad = np.count_nonzero(table.status & np.uint8(GainStatus.BAD_FIT | GainStatus.OUTLIER))
    passed = pass_fraction(table, requirement, pixels=fitted)
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
        _about_the_requirement(passed, fitted, lines),
    ]
    reasons = [text for _, text in sorted(zip(right, reasons, strict=True), key=itemgetter(0))]
    if not all(right) and bool(np.all(used.status & np.uint8(GainStatus.NOMINAL))):
        change = compare(table, used, energies=requirement.energies)
        scatter = np.median(np.abs(change.energy[-1][fitted] - np.median(change.energy[-1][fitted])))
        reasons.append(
            f"The scale in use is the nominal one, though, and worse: at {change.energies[-1]:g} keV half of "
            f"the pixels lie more than {scatter:.2g} keV from the middle of the plane."
        )
    return Recommendation(all(right), tuple(reasons))


def _about_the_requirement(passed: PassFraction, fitted: BoolArray, lines: LineModel) -> str:
    """Return the energy at which the requirement is met worst, and what would help."""
    worst = int(np.argmin(passed.fraction))
    energy, required = passed.energies[worst], passed.required[worst]
    text = (
        f"{_percent(passed.all_energies)} of the fitted pixels know their energy well enough "
        f"(asked {_percent(SHARE_PASSED)})"
    )
    if passed.all_energies >= SHARE_PASSED:
        return f"{text}; at {energy:g} keV {_percent(passed.fraction[worst])} do so to {required:g} keV."
    last = max(line.energy for block in lines.blocks for line in block.lines)
    beyond = f", extrapolated beyond the last line at {last:.0f} keV" if energy > last else ""
    errors = passed.error[worst][fitted]
    known = errors[np.isfinite(errors)]
    longer = (np.quantile(known, SHARE_PASSED) / required) ** 2 if known.size else np.inf
    help_ = f" About {longer:.2g} times the exposure would do." if np.isfinite(longer) else ""
    return (
        f"Statistics too small: {text}; at {energy:g} keV{beyond}, {_percent(passed.fraction[worst])} do so "
        f"to {required:g} keV.{help_}"
    )


def _percent(share: float) -> str:
    """Share in percent, never rounded up to a whole."""
    percent = 100.0 * float(share)
    return f"{np.floor(10 * percent) / 10:.1f} %" if percent > 99 else f"{percent:.3g} %"
