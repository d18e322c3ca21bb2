"""Whether to believe a gain table: gates, pass fractions, changes.

A fit's own flag shows only that it stopped. What shows a false minimum is a deviance that is too high
for the counts, or a pixel that moved quite differently from all others. Both are judged against the
plane itself: if the line shapes are not quite Gaussian, every pixel's deviance grows with exposure, and
a fixed limit would in the end reject the whole camera.

The requirement of a camera is on the energy, not on gain and offset: the largest |E_reconstructed − E_true|
up to some energy and above it, checked at several energies. It stands in the description of the detector.
"""

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import erf

from eicpy.calibration.gain.plane import PlaneShift, widening
from eicpy.calibration.gain.settings import GainFitSettings
from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.errors import BadArgumentError
from eicpy.instruments import EnergyRequirement
from eicpy.moved import former_detector
from eicpy.quantities import in_unit
from eicpy.text import setup_texts
from eicpy.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.units import Quantity

__all__ = [
    "EnergyRequirement",
    "GainChange",
    "PassFraction",
    "compare",
    "gated_table",
    "goodness_gate",
    "pass_fraction",
]

PLANE_MINIMUM = 30  # pixels, below which the plane has no statistics of its own
SQRT_HALF = np.sqrt(0.5)
DIRECTIONS = 64  # of the error, over which the probability to pass is averaged
ROBUST_SIGMA = 1.4826  # standard deviation of a normal distribution in units of its MAD


class _Fit(Protocol):
    @property
    def table(self) -> GainTable:
        """The table, as of :class:`~eicpy.calibration.gain.GainFit`."""


@dataclass(frozen=True, slots=True)
class PassFraction:
    """Share of pixels within the requirement.

    Where the truth is known pixels are counted. Where it is not, a pixel of error σ lies within with the
    probability that a normal distribution gives (68 % where σ is just what is required), and the share is the
    mean of these probabilities: what counting would give.

    Parameters
    ----------
    energies
        keV.
    required
        Largest error at each energy, keV.
    fraction
        Share of pixels within it, at each energy.
    all_energies
        Share of pixels within it at all energies; errors at different energies belong together.
    error
        Error of each pixel, keV: actual where the truth is known, 1 σ otherwise; shape
        (n_energies, n_pixels).
    against
        ``truth`` or ``statistical error``.
    """

    energies: tuple[float, ...]
    required: tuple[float, ...]
    fraction: tuple[float, ...]
    all_energies: float
    error: FloatArray
    against: str

    def _repr_html_(self) -> str:
        texts = setup_texts()
        say = texts.translated
        rows = "".join(
            f"<tr><td>{texts.figures(E)}</td><td>{texts.figures(r)}</td>"
            f"<td>{texts.number(100 * f, 2)}</td></tr>"
            for E, r, f in zip(self.energies, self.required, self.fraction, strict=True)
        )
        caption = f"{say('Pixels within the requirement')} ({escape(say(self.against))})"
        return (
            f"<table><caption>{caption}</caption>"
            f"<tr><th>{say('energy')} (keV)</th><th>{say('allowed')} (keV)</th>"
            f"<th>{say('pixels')} (%)</th></tr>{rows}<tr><th colspan=2>{say('at all energies')}</th>"
            f"<td>{texts.number(100 * self.all_energies, 2)}</td></tr></table>"
        )


def pass_fraction(
    fit: GainTable | _Fit,
    requirement: EnergyRequirement | None = None,
    *,
    energies: "Sequence[float] | Quantity | None" = None,
    truth: GainTable | None = None,
    pixels: BoolArray | None = None,
) -> PassFraction:
    """Share of pixels that reconstruct energies within the requirement.

    Parameters
    ----------
    fit
        A fit or a table.
    requirement
        That of the detector, ``instrument.energy.requirement``.
    energies
        keV or a Quantity; those of the requirement by default.
    truth
        The true scale, where it is known (simulations): then the actual error counts. Without it the
        probability counts that follows from the statistical error; a pixel of unknown error does not pass.
    pixels
        Pixels to judge, shape (n_pixels,); all by default.

    Raises
    ------
    BadArgumentError
        For a truth or a selection of another number of pixels.

    See Also
    --------
    GainTable.sigma_energy : The statistical error of each pixel.
    compare : Changes from one table to the next.
    """
    table = fit if isinstance(fit, GainTable) else fit.table
    if requirement is None:
        new = "pass_fraction(table, instrument.energy.requirement)"
        requirement = former_detector("pass_fraction(table)", new).energy.requirement
    if truth is not None and len(truth) != len(table):
        raise BadArgumentError(f"got a truth of {len(truth)} pixels for a table of {len(table)}")
    chosen = np.ones(len(table), np.bool_) if pixels is None else np.asarray(pixels, np.bool_)
    if chosen.shape != (len(table),):
        raise BadArgumentError(f"got a selection of shape {chosen.shape}, expected ({len(table)},)")
    E: FloatArray = in_unit(requirement.energies if energies is None else energies, "keV")
    error = table.sigma_energy(E) if truth is None else np.abs(_moved(table, truth, E))
    required = np.array([requirement.at(float(e)) for e in E])
    if truth is None:
        passed, everywhere = _probabilities(table, E, required)
    else:
        passed = (error <= required[:, np.newaxis]).astype(float)
        everywhere = passed.all(axis=0).astype(float)
    n = max(int(np.count_nonzero(chosen)), 1)
    return PassFraction(
        energies=tuple(float(e) for e in E),
        required=tuple(float(r) for r in required),
        fraction=tuple(float(f) for f in passed[:, chosen].sum(axis=1) / n),
        all_energies=float(everywhere[chosen].sum() / n),
        error=error,
        against="statistical error" if truth is None else "truth",
    )


def _probabilities(
    table: GainTable, energies: FloatArray, required: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Probability that a pixel is within what is required, at each energy and at all together.

    The errors of all energies are linear in two numbers. In units in which these are independent and normal,
    u(φ) a direction among them and w_k the direction of energy k, the pixel is within up to the radius
    R(φ) = min_k r_k/|w_k·u(φ)|, and the probability is the mean of 1 − exp(−R²/2) over all directions.

    Returns
    -------
    tuple of numpy.ndarray
        Shapes (n_energies, n_pixels) and (n_pixels,); 0 for pixels without errors.
    """
    position = (energies[:, np.newaxis] - table.offset) / table.gain
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = table.covariance / table.gain_error
        rest = np.sqrt(np.maximum(table.offset_error**2 - slope**2, 0.0))
        first = position * table.gain_error + slope
        second = np.broadcast_to(rest, first.shape)
        at_each = erf(required[:, np.newaxis] / np.maximum(np.hypot(first, second), 1e-12) * SQRT_HALF)
        missed = np.zeros(len(table))
        for angle in np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS:
            along = np.abs(first * np.cos(angle) + second * np.sin(angle))
            radius = np.min(required[:, np.newaxis] / np.maximum(along, 1e-12), axis=0)
            missed += np.exp(-0.5 * radius**2) / DIRECTIONS
    return np.nan_to_num(at_each, nan=0.0), np.nan_to_num(1.0 - missed, nan=0.0)


def _moved(new: GainTable, old: GainTable, energies: FloatArray) -> FloatArray:
    """Energy by `new` minus energy by `old` of the channels that `old` puts at `energies`."""
    position = (energies[:, np.newaxis] - old.offset) / old.gain
    moved: FloatArray = new.gain * position + new.offset - energies[:, np.newaxis]
    return moved


@dataclass(frozen=True, slots=True)
class GainChange:
    """What changed between two tables; all arrays in the order of ``detnum``.

    Parameters
    ----------
    gain
        Relative change of the gain.
    offset
        Change of the offset, keV.
    energies
        keV.
    energy
        Change of the energy that a channel stands for, keV, shape (n_energies, n_pixels).
    pull
        `energy` in units of both tables' errors; NaN where one is unknown. Same shape.
    outlier
        Pixels that changed unlike the others, shape (n_pixels,).
    """

    gain: FloatArray
    offset: FloatArray
    energies: tuple[float, ...]
    energy: FloatArray
    pull: FloatArray
    outlier: BoolArray

    def _repr_html_(self) -> str:
        texts, found = setup_texts(), int(self.outlier.sum())
        say = texts.translated
        rows = "".join(
            f"<tr><td>{texts.figures(E)}</td><td>{texts.number(1e3 * float(np.median(c)), 1)}</td>"
            f"<td>{texts.number(1e3 * _robust_scatter(c), 1)}</td></tr>"
            for E, c in zip(self.energies, self.energy, strict=True)
        )
        outliers = texts("pixels_stand_out", found, count=texts.number(found))
        return (
            f"<table><caption>{say('Change of the energy scale')}</caption><tr><th>{say('energy')} (keV)</th>"
            f"<th>{say('median')} (eV)</th><th>{say('scatter')} (eV)</th></tr>{rows}</table><p>{outliers}</p>"
        )


def compare(
    new: GainTable,
    old: GainTable,
    *,
    energies: "Sequence[float] | Quantity | None" = None,
    outlier_gate: float = 6.0,
) -> GainChange:
    """Maps of the changes from one table to the next.

    Parameters
    ----------
    new, old
        Tables of the same pixels.
    energies
        Energies at which the change is given, keV or a Quantity, such as those of the detector's requirement.
    outlier_gate
        A pixel stands out when its change lies more than this many σ (scatter of the plane) from the median.

    Raises
    ------
    BadArgumentError
        For tables of different numbers of pixels.

    See Also
    --------
    pass_fraction : Errors against the requirement, or the truth.
    """
    if len(new) != len(old):
        raise BadArgumentError(f"got tables of {len(new)} and {len(old)} pixels, expected the same plane")
    if energies is None:
        former = former_detector("compare(new, old)", "compare(new, old, energies=…)")
        energies = former.energy.requirement.energies
    E: FloatArray = in_unit(energies, "keV")
    change = _moved(new, old, E)
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = change / np.hypot(new.sigma_energy(E), old.sigma_energy(E))
    return GainChange(
        gain=new.gain / old.gain - 1.0,
        offset=new.offset - old.offset,
        energies=tuple(float(e) for e in E),
        energy=change,
        pull=pull,
        outlier=_outliers(change, np.ones(len(new), np.bool_), outlier_gate),
    )


def goodness_gate(goodness: FloatArray, deviance_gate: float = GainFitSettings().deviance_gate) -> float:
    """Return the deviance, in σ of a right model's, beyond which a fit counts as bad.

    Parameters
    ----------
    goodness
        Of the pixels to judge, shape (n,); NaN without a fit.
    deviance_gate
        In σ: of a right model, or of the plane where that is wider.
    """
    known = goodness[np.isfinite(goodness)]
    centre, scatter = 0.0, 1.0
    if known.size >= PLANE_MINIMUM:
        centre = max(float(np.median(known)), 0.0)
        scatter = max(_robust_scatter(known), 1.0)
    return centre + deviance_gate * scatter


def gated_table(
    fitted: GainTable,
    previous: GainTable,
    goodness: FloatArray,
    *,
    deviance_gate: float,
    outlier_gate: float,
    shift: PlaneShift | None = None,
) -> GainTable:
    """Apply the gates; pixels that fail keep their last value, its errors, and the reasons.

    When the plane as a whole moved, the value kept by a pixel whose own spectrum says too little moves with
    it, and its error is what pixels scatter around that.

    Parameters
    ----------
    fitted
        Values of the fit, with its own flags in ``status``.
    previous
        The last table.
    goodness
        Deviance in σ of a right model's, shape (n_pixels,); NaN without a fit.
    deviance_gate, outlier_gate
        In σ.
    shift
        How all scales moved.

    Returns
    -------
    GainTable
        Status GOOD, or reasons | KEPT_PREVIOUS (| NOMINAL, where the last value was the nominal one).
    """
    status = fitted.status.copy()
    judged = (status == GainStatus.GOOD) & np.isfinite(goodness)
    if judged.any():
        limit = goodness_gate(goodness[judged], deviance_gate)
        status[judged & (goodness > limit)] |= np.uint8(GainStatus.BAD_FIT)
    judged &= status == GainStatus.GOOD
    change = _moved(fitted, previous, np.array([25.0, 75.0]))
    status[judged & _outliers(change, judged, outlier_gate)] |= np.uint8(GainStatus.OUTLIER)
    kept = status != GainStatus.GOOD
    if shift is not None:
        silent = (status & np.uint8(GainStatus.AMBIGUOUS | GainStatus.NOT_CONVERGED)) != 0
        previous = _moved_along(previous, shift, silent)
    status[kept] |= np.uint8(GainStatus.KEPT_PREVIOUS) | (
        previous.status[kept] & np.uint8(GainStatus.NOMINAL)
    )
    return replace(
        fitted,
        gain=np.where(kept, previous.gain, fitted.gain),
        offset=np.where(kept, previous.offset, fitted.offset),
        gain_error=np.where(kept, previous.gain_error, fitted.gain_error),
        offset_error=np.where(kept, previous.offset_error, fitted.offset_error),
        covariance=np.where(kept, previous.covariance, fitted.covariance),
        status=status,
        time=np.where(kept, previous.time, fitted.time),
    )


def _moved_along(previous: GainTable, shift: PlaneShift, pixels: BoolArray) -> GainTable:
    """The last table with some pixels moved as the plane did, where that is significant.

    Their errors are what pixels scatter around the last table: errors of the table are in that.
    """
    mean = shift.common
    gain, wider = previous.gain * (1.0 + mean[0]), widening(previous)
    error = np.sqrt(shift.held_variance)
    return replace(
        previous,
        gain=np.where(pixels, gain, previous.gain),
        offset=previous.offset + np.where(pixels, mean[1], 0.0),
        gain_error=np.where(pixels, gain * error[0] * wider, previous.gain_error),
        offset_error=np.where(pixels, error[1] * wider, previous.offset_error),
        covariance=np.where(pixels, 0.0, previous.covariance),
    )


def _robust_scatter(values: FloatArray) -> float:
    return ROBUST_SIGMA * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def _outliers(change: FloatArray, judged: BoolArray, gate: float) -> BoolArray:
    """Pixels that changed by more than `gate` σ from the median of the judged ones, at any energy."""
    outlier = np.zeros(change.shape[1], np.bool_)
    if np.count_nonzero(judged) < PLANE_MINIMUM:
        return outlier
    for row in change:
        scatter = max(_robust_scatter(row[judged]), 1e-6)
        outlier |= np.abs(row - np.median(row[judged])) > gate * scatter
    return outlier
