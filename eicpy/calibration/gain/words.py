"""A gain table in words: why a pixel has no value of its night, and where a fit counts as bad.

The same words stand in the legend of a map and in the table below it.
"""

import numpy as np

from eicpy.calibration.gain.quality import goodness_gate
from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.calibration.table import PixelStates

__all__ = ["gain_states", "goodness_marks"]

_REASONS = (
    (GainStatus.BAD_DATA, "bad data", "the spectrum holds impossible values"),
    (GainStatus.TOO_FEW_COUNTS, "too few counts", "nothing to fit: dead, off, or too short an exposure"),
    (GainStatus.AMBIGUOUS, "ambiguous", "lines not seen, or two energy scales fit equally well"),
    (GainStatus.NOT_CONVERGED, "not converged", "the fit did not settle"),
    (GainStatus.BAD_FIT, "bad fit", "deviance beyond the gate"),
    (GainStatus.OUTLIER, "outlier", "moved quite differently from the other pixels"),
    (GainStatus.NOMINAL, "never fitted", "still on the nominal scale"),
)
"""Why a pixel has no value of this night, the first that holds counts; short, and in a sentence."""

LABELS = {0: "fitted"} | {int(flag): label for flag, label, _ in _REASONS}
_MEANINGS = {0: "a value of this night"} | {int(flag): text for flag, _, text in _REASONS}


def gain_states(table: GainTable) -> PixelStates:
    """Return the first reason why each pixel has no value of its night; 0 where it has one.

    Returns
    -------
    PixelStates
        Codes are single bits of :class:`~eicpy.calibration.GainStatus`.
    """
    conditions = [(table.status & np.uint8(flag)) != 0 for flag, _, _ in _REASONS]
    choices = [np.uint8(flag) for flag, _, _ in _REASONS]
    codes = np.select(conditions, choices, np.uint8(0)).astype(np.uint8)
    return PixelStates(codes, LABELS, _MEANINGS)


def goodness_marks(table: GainTable) -> dict[str, float]:
    """Where a right model stands in the distribution of the deviances, σ, and where a fit counts as bad."""
    others = GainStatus.NOT_CONVERGED | GainStatus.TOO_FEW_COUNTS | GainStatus.AMBIGUOUS | GainStatus.BAD_DATA
    judged = (table.status & np.uint8(others)) == 0
    return {"right model": 0.0, "bad beyond": goodness_gate(table.goodness[judged])}
