"""Whether a gain table should be accepted: the rule and its reasons.

A person decides. The recommendation is the rule that person would apply to every night: nearly all pixels
fitted, few bad fits, and the requirement on the energy met by nearly all. It names what is missing.
"""

from operator import itemgetter

import numpy as np
from scipy.special import ndtri

from eicpy.calibration.gain.lines import LineModel
from eicpy.calibration.gain.quality import PassFraction, compare, pass_fraction
from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.calibration.table import Recommendation
from eicpy.instruments import EnergyRequirement
from eicpy.text import Texts, setup_texts
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
    texts, fitted = setup_texts(), table.good
    bad = int(np.count_nonzero(table.status & np.uint8(GainStatus.BAD_FIT | GainStatus.OUTLIER)))
    passed = pass_fraction(table, requirement, pixels=fitted)
    right = (
        fitted.mean() >= SHARE_FITTED,
        bad <= SHARE_BAD_FITS * len(table),
        passed.all_energies >= SHARE_PASSED,
    )
    reasons = [
        texts(
            "gain_fitted",
            fitted=texts.number(int(fitted.sum())),
            pixels=texts("gain_pixels", len(table), count=texts.number(len(table))),
            share=_percent(fitted.mean(), texts),
            asked=_percent(SHARE_FITTED, texts),
            kept=texts.number(int((~fitted).sum())),
        ),
        texts(
            "gain_bad",
            bad,
            count=texts.number(bad),
            share=_percent(bad / len(table), texts),
            most=_percent(SHARE_BAD_FITS, texts),
        ),
        _about_the_requirement(passed, fitted, lines, texts),
    ]
    reasons = [text for _, text in sorted(zip(right, reasons, strict=True), key=itemgetter(0))]
    if not all(right) and bool(np.all(used.status & np.uint8(GainStatus.NOMINAL))):
        change = compare(table, used, energies=requirement.energies)
        scatter = np.median(np.abs(change.energy[-1][fitted] - np.median(change.energy[-1][fitted])))
        energy = texts.figures(change.energies[-1])
        reasons.append(texts("gain_nominal_worse", energy=energy, scatter=texts.figures(float(scatter), 2)))
    return Recommendation(all(right), tuple(reasons))


def _about_the_requirement(passed: PassFraction, fitted: BoolArray, lines: LineModel, texts: Texts) -> str:
    """Return the energy at which the requirement is met worst, and what would help."""
    worst = int(np.argmin(passed.fraction))
    energy, required = passed.energies[worst], passed.required[worst]
    share, asked = _percent(passed.all_energies, texts), _percent(SHARE_PASSED, texts)
    values = {
        "known": texts("gain_known", share=share, asked=asked),
        "energy": texts.figures(energy),
        "share": _percent(passed.fraction[worst], texts),
        "required": texts.figures(required),
    }
    if passed.all_energies >= SHARE_PASSED:
        return texts("gain_passed", **values)
    last = max(line.energy for block in lines.blocks for line in block.lines)
    beyond = texts("gain_beyond", last=texts.number(last)) if energy > last else ""
    said = texts("gain_statistics", beyond=beyond, **values)
    errors = passed.error[worst][fitted]
    known = errors[np.isfinite(errors)]
    # of a normal distribution 95 % lies within 1.96 σ
    longer = (
        float(np.mean(known**2)) * (ndtri(0.5 + 0.5 * SHARE_PASSED) / required) ** 2 if known.size else np.inf
    )
    return f"{said} {texts('gain_longer', times=texts.figures(longer, 2))}" if np.isfinite(longer) else said


def _percent(share: float, texts: Texts) -> str:
    """Share in percent, never rounded up to a whole."""
    percent = 100.0 * float(share)
    text = texts.number(np.floor(10 * percent) / 10, 1) if percent > 99 else texts.figures(percent, 3)
    return f"{text} %"
