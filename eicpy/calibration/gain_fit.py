"""Gain and offset of all pixels from the fluorescence lines in their background spectra.

Physics: lines of known energy show up in every pixel's spectrum; where they stand in channels tells
the pixel's energy scale. The predecessor fitted line positions by least squares weighted with 1/√N and
then a straight line through the positions. With a few counts per channel such weights prefer low
channels and bias the result; here the Poisson likelihood of the counts themselves is maximised, with
gain and offset as parameters, so that every line contributes what it knows and the covariance of gain
and offset comes out of the Fisher information.

The way of a table:

1. search of the energy scale by template correlation (:mod:`eicpy.calibration.gain_start`);
2. spectra laid on one scale and fitted once (:mod:`eicpy.calibration.camera_spectrum`), twice over,
   the second time with the gains of a short first fit, so that the lines are sharp;
3. Poisson fit of each pixel (:mod:`eicpy.calibration.gain_kernel`), from several places where the
   search found more than one;
4. gates (:mod:`eicpy.calibration.gain_quality`); pixels that fail keep their last value and say so.

See ``docs/gain-calibration.md`` for the equations and the measured behaviour.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from eicpy.calibration.camera_spectrum import (
    align,
    block_windows,
    fit_camera,
    parameter_bounds,
    pixel_guess,
)
from eicpy.calibration.gain_kernel import deviance_sums, fit_pixels, predict
from eicpy.calibration.gain_quality import gated_table
from eicpy.calibration.gain_start import StartingScales, starting_scales
from eicpy.calibration.gain_table import GainStatus, GainTable
from eicpy.calibration.lines import LineArrays, LineModel
from eicpy.calibration.poisson import LOG_LOW, LOG_STEP, moment_table
from eicpy.errors import BadArgumentError

__all__ = ["GainFit", "GainFitSettings", "fit_gain"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class GainFitSettings(BaseModel):
    """What can be chosen about the fit; the defaults are for ECLAIRs background.

    Parameters
    ----------
    min_counts
        Counts around the lines below which a pixel is not fitted.
    min_significance
        Significance of all lines together below which the energy scale counts as not seen, σ.
    reach
        Largest relative change of a gain that the search looks for.
    strength_tolerance, width_tolerance
        How far, relative and 1 σ, a pixel's strengths and widths may lie from the camera's; None: any.
    ambiguity
        Two energy scales count as equally good when their 2·ln L differ by less than this.
    deviance_gate
        A fit is bad when its deviance lies more than this many σ above the plane's median (of the
        plane's own scatter and of a right model's).
    outlier_gate
        A change stands out when it lies more than this many σ (scatter of the plane) from the median.
    max_iterations, tolerance
        Of the Poisson fit; converged when the next step promises less than `tolerance` in 2·ln L.
    threads
        Threads that share the pixels; the result does not depend on their number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_counts: float = Field(default=300.0, ge=0)
    min_significance: float = Field(default=4.0, ge=0)
    reach: float = Field(default=0.05, gt=0, lt=0.3)
    strength_tolerance: float | None = Field(default=0.5, gt=0)
    width_tolerance: float | None = Field(default=0.2, gt=0)
    ambiguity: float = Field(default=2.0, ge=0)
    deviance_gate: float = Field(default=6.0, gt=0)
    outlier_gate: float = Field(default=6.0, gt=0)
    max_iterations: int = Field(default=60, gt=0)
    tolerance: float = Field(default=1e-4, gt=0)
    threads: int = Field(default=1, ge=1)


@dataclass(frozen=True, slots=True)
class GainFit:
    """Result of :func:`fit_gain`.

    Parameters
    ----------
    table
        The new gain table: fitted where the gates agreed, the last good value elsewhere.
    fitted
        What the fit itself said for every pixel, before the gates; NaN errors where it failed.
    previous
        The table that the fit started from.
    lines
        The model.
    parameters
        All parameters, shape (n_pixels, n_parameters), named by ``lines.parameter_names``.
    camera
        Parameters of the camera's spectrum, shape (n_parameters,).
    windows
        Channels of each block, shape (n_pixels, n_blocks, 2).
    goodness
        Deviance in standard deviations of what a right model has, shape (n_pixels,); NaN without fit.
    significance
        Of the lines, σ, shape (n_pixels,).
    iterations
        Shape (n_pixels,).
    n_channels
        Of the spectra.
    """

    table: GainTable
    fitted: GainTable
    previous: GainTable
    lines: LineModel
    parameters: FloatArray
    camera: FloatArray
    windows: IntArray
    goodness: FloatArray
    significance: FloatArray
    iterations: IntArray
    n_channels: int = field(repr=False)

    def expected(self, detnum: int) -> FloatArray:
        """Fitted counts of a pixel per channel, NaN outside the blocks, shape (n_channels,)."""
        result: FloatArray = predict(
            self.parameters[detnum], self.windows[detnum], *_kernel_arguments(self.lines.arrays()),
            self.n_channels,
        )  # fmt: skip
        return result

    def _repr_html_(self) -> str:
        rows = [
            (escape(name), f"{self.camera[k]:.4g}")
            for k, name in enumerate(self.lines.parameter_names)
            if k > 1 and "continuum" not in name
        ]
        body = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        good = self.table.good
        goodness = f"{np.median(self.goodness[good]):.2f}" if good.any() else "–"
        return (
            f"{self.table._repr_html_()}<p>Deviance of the good fits: median {goodness} σ from a right model's.</p>"
            f"<table><caption>Camera spectrum</caption>{body}</table>"
        )


def fit_gain(
    spectra: npt.ArrayLike,
    *,
    start: GainTable,
    lines: LineModel | None = None,
    settings: GainFitSettings | None = None,
    reference_time: float = float("nan"),
    progress: Callable[[float], None] | None = None,
) -> GainFit:
    """Fit gain and offset of all pixels at once.

    Parameters
    ----------
    spectra
        Counts per pixel and channel, shape (n_pixels, n_channels), from background.
    start
        The last table: the search looks around it, and failed pixels keep its values.
    lines
        Lines and blocks; ECLAIRs' by default.
    settings
        Gates and tolerances.
    reference_time
        Middle of the data, s TT since MJDREF; goes into the table.
    progress
        Called with the finished share, 0 to 1.

    Returns
    -------
    GainFit
        ``.table`` is the new :class:`GainTable`.

    Raises
    ------
    BadArgumentError
        For a shape that does not fit the table, or blocks outside the channels. Bad values in single
        pixels are not errors: these pixels keep their last value with the status BAD_DATA.
    """
    lines = lines or LineModel.default()
    settings = settings or GainFitSettings()
    report = progress or (lambda _: None)
    counts, bad = _checked(spectra, start, lines)
    arrays = lines.arrays()
    windows = block_windows(lines, start.gain, start.offset, counts.shape[1])
    few = ~bad & (_counts_in_blocks(counts, windows) < settings.min_counts)
    usable = np.flatnonzero(~bad & ~few)
    state = _State.empty(counts, start, arrays, windows)
    state.status[bad] |= np.uint8(GainStatus.BAD_DATA)
    state.status[few] |= np.uint8(GainStatus.TOO_FEW_COUNTS)
    if usable.size:
        selected = counts if usable.size == len(counts) else counts[usable]
        scales = starting_scales(selected, _subset(start, usable), lines, reach=settings.reach)
        report(0.1)
        state.significance[usable] = scales.significance
        state.status[usable[scales.significance < settings.min_significance]] |= np.uint8(
            GainStatus.AMBIGUOUS
        )
        _fit_all(selected, usable, scales, lines, settings, state, report)
    fitted = state.table(start, reference_time)
    table = gated_table(
        fitted,
        start,
        state.goodness,
        deviance_gate=settings.deviance_gate,
        outlier_gate=settings.outlier_gate,
    )
    report(1.0)
    return GainFit(
        table=table,
        fitted=fitted,
        previous=start,
        lines=lines,
        parameters=state.parameters,
        camera=state.camera,
        windows=state.windows,
        goodness=state.goodness,
        significance=state.significance,
        iterations=state.iterations,
        n_channels=counts.shape[1],
    )


@dataclass(slots=True)
class _State:
    """What is known about all pixels while the fit goes on."""

    parameters: FloatArray
    covariance: FloatArray
    deviance: FloatArray
    goodness: FloatArray
    significance: FloatArray
    iterations: IntArray
    status: npt.NDArray[np.uint8]
    windows: IntArray
    camera: FloatArray

    @classmethod
    def empty(cls, counts: FloatArray, start: GainTable, arrays: LineArrays, windows: IntArray) -> "_State":
        n = len(counts)
        parameters = np.full((n, arrays.n_parameters), np.nan)
        parameters[:, 0], parameters[:, 1] = start.gain, start.offset
        return cls(
            parameters=parameters,
            covariance=np.full((n, 2, 2), np.nan),
            deviance=np.full(n, np.nan),
            goodness=np.full(n, np.nan),
            significance=np.zeros(n),
            iterations=np.zeros(n, np.int64),
            status=np.zeros(n, np.uint8),
            windows=windows,
            camera=np.full(arrays.n_parameters, np.nan),
        )

    def table(self, start: GainTable, reference_time: float) -> GainTable:
        """The fit's own values as a table."""
        channels = (self.windows[:, :, 1] - self.windows[:, :, 0]).sum(axis=1)
        known = np.isfinite(self.deviance)
        return GainTable(
            gain=np.where(known, self.parameters[:, 0], start.gain),
            offset=np.where(known, self.parameters[:, 1], start.offset),
            gain_error=np.sqrt(self.covariance[:, 0, 0]),
            offset_error=np.sqrt(self.covariance[:, 1, 1]),
            covariance=self.covariance[:, 0, 1],
            status=self.status,
            deviance=self.deviance,
            dof=np.where(known, channels - self.parameters.shape[1], 0).astype(np.int32),
            reference_time=reference_time,
        )


def _checked(spectra: npt.ArrayLike, start: GainTable, lines: LineModel) -> tuple[FloatArray, BoolArray]:
    """Counts as float64 with bad pixels emptied, and which pixels those are."""
    counts = np.ascontiguousarray(spectra, dtype=np.float64)
    if counts.ndim != 2 or len(counts) != len(start):
        raise BadArgumentError(
            f"got spectra of shape {counts.shape}, expected ({len(start)}, n_channels): one row for each "
            "pixel of the gain table"
        )
    windows = block_windows(
        lines, np.atleast_1d(np.median(start.gain)), np.atleast_1d(np.median(start.offset)), counts.shape[1]
    )
    for block, (first, last) in zip(lines.blocks, windows[0], strict=True):
        wanted = (block.high - block.low) / float(np.median(start.gain))
        if last - first < 0.9 * wanted - 2.0:
            raise BadArgumentError(
                f"got {counts.shape[1]} channels, of which block {block.name!r} ({block.low}–{block.high} keV) "
                f"finds {last - first}, expected {wanted:.0f}: the channels do not reach it on the table's scale"
            )
    bad = ~(np.isfinite(counts).all(axis=1) & (counts >= 0.0).all(axis=1))
    if bad.any():
        counts = np.where(bad[:, np.newaxis], 0.0, counts)
    return counts, bad


def _counts_in_blocks(counts: FloatArray, windows: IntArray) -> FloatArray:
    cumulative = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=cumulative[:, 1:])
    pixel = np.arange(len(counts))[:, np.newaxis]
    total: FloatArray = (cumulative[pixel, windows[:, :, 1]] - cumulative[pixel, windows[:, :, 0]]).sum(
        axis=1
    )
    return total


def _subset(table: GainTable, pixels: IntArray) -> GainTable:
    return GainTable(
        gain=table.gain[pixels],
        offset=table.offset[pixels],
        gain_error=table.gain_error[pixels],
        offset_error=table.offset_error[pixels],
        covariance=table.covariance[pixels],
        status=table.status[pixels],
    )


def _kernel_arguments(arrays: LineArrays) -> tuple[npt.NDArray[np.float64] | IntArray, ...]:
    return (
        arrays.energy,
        arrays.fraction,
        arrays.group,
        arrays.first_line,
        arrays.first_parameter,
        arrays.n_groups,
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Outcome of the kernel for some pixels."""

    parameters: FloatArray
    covariance: FloatArray
    deviance: FloatArray
    objective: FloatArray
    iterations: IntArray
    converged: BoolArray


def _fit_all(
    counts: FloatArray,
    pixels: IntArray,
    scales: StartingScales,
    lines: LineModel,
    settings: GainFitSettings,
    state: _State,
    report: Callable[[float], None],
) -> None:
    """Fit the usable pixels and write what came out to `state`."""
    gain, offset = scales.gain[0].copy(), scales.offset[0].copy()
    camera = _camera(counts, gain, offset, lines)
    windows = block_windows(lines, gain, offset, counts.shape[1])
    quick = _fit_batch(counts, gain, offset, windows, camera, lines, settings, max_iterations=3)
    settled = np.isfinite(quick.deviance)
    gain[settled], offset[settled] = quick.parameters[settled, 0], quick.parameters[settled, 1]
    report(0.4)
    camera = _camera(counts[settled], gain[settled], offset[settled], lines) if settled.any() else camera
    theta = np.where(settled[:, np.newaxis], quick.parameters, np.nan)
    best = _fit_batch(counts, gain, offset, windows, camera, lines, settings, theta=theta)
    report(0.8)
    rival = np.full(len(counts), np.inf)
    for candidate in range(1, len(scales.gain)):
        _try_candidate(counts, scales, candidate, windows, camera, lines, settings, best, rival)
    margin = rival - best.objective
    status = state.status
    status[pixels[~best.converged]] |= np.uint8(GainStatus.NOT_CONVERGED)
    status[pixels[margin < settings.ambiguity]] |= np.uint8(GainStatus.AMBIGUOUS)
    sums = deviance_sums(
        best.parameters, windows, *_kernel_arguments(lines.arrays()), moment_table(), LOG_LOW, LOG_STEP,
        counts.shape[1],
    )  # fmt: skip
    free = best.parameters.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        state.goodness[pixels] = (best.deviance + free - sums[:, 0]) / np.sqrt(sums[:, 1])
    state.parameters[pixels], state.covariance[pixels] = best.parameters, best.covariance
    state.deviance[pixels] = np.where(np.isfinite(best.deviance), best.deviance, np.nan)
    state.iterations[pixels] = best.iterations + quick.iterations
    state.windows[pixels] = windows
    state.camera[:] = camera


def _camera(counts: FloatArray, gain: FloatArray, offset: FloatArray, lines: LineModel) -> FloatArray:
    """Fit of the aligned sum, scaled to one pixel."""
    total = counts.sum(axis=1)
    typical = total < 3.0 * np.median(total)
    common_gain, common_offset = float(np.median(gain)), float(np.median(offset))
    summed = align(counts[typical], gain[typical], offset[typical], common_gain, common_offset)
    camera, _ = fit_camera(summed, lines, common_gain, common_offset)
    return camera


def _fit_batch(
    counts: FloatArray,
    gain: FloatArray,
    offset: FloatArray,
    windows: IntArray,
    camera: FloatArray,
    lines: LineModel,
    settings: GainFitSettings,
    *,
    theta: FloatArray | None = None,
    max_iterations: int | None = None,
) -> _Batch:
    """Run the kernel over the pixels, in threads where asked."""
    arrays = lines.arrays()
    guess = pixel_guess(counts, windows, camera, gain, offset, lines)
    mean, precision = guess, np.zeros_like(guess)
    for start, n_groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        if settings.width_tolerance is not None:
            precision[:, start] = 1.0 / (settings.width_tolerance * guess[:, start]) ** 2
        if settings.strength_tolerance is not None:
            strengths = slice(start + 4, start + 4 + n_groups)
            precision[:, strengths] = 1.0 / (settings.strength_tolerance * guess[:, strengths]) ** 2
    lower, upper = parameter_bounds(guess, arrays)
    first = guess if theta is None else np.where(np.isfinite(theta), theta, guess)

    def run(part: slice) -> tuple[npt.NDArray[np.float64], ...]:
        result: tuple[npt.NDArray[np.float64], ...] = fit_pixels(
            counts[part], first[part], windows[part], *_kernel_arguments(arrays), mean[part], precision[part],
            lower[part], upper[part], max_iterations or settings.max_iterations, settings.tolerance,
        )  # fmt: skip
        return result

    if settings.threads == 1 or len(counts) < 2 * settings.threads:
        return _Batch(*run(slice(None)))  # type: ignore[arg-type]  # a kernel's tuple has mixed dtypes
    bounds = np.linspace(0, len(counts), 4 * settings.threads + 1).astype(int)
    with ThreadPoolExecutor(settings.threads) as pool:
        parts = list(pool.map(run, [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]))
    return _Batch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))  # type: ignore[arg-type]  # same


def _try_candidate(
    counts: FloatArray,
    scales: StartingScales,
    candidate: int,
    windows: IntArray,
    camera: FloatArray,
    lines: LineModel,
    settings: GainFitSettings,
    best: _Batch,
    rival: FloatArray,
) -> None:
    """Fit from another place; the better likelihood stays in `best`, the loser's goes to `rival`.

    The channels fitted are the same as before, so that the two likelihoods are comparable.
    """
    chosen = np.flatnonzero(np.isfinite(scales.gain[candidate]))
    if not chosen.size:
        return
    gain, offset = scales.gain[candidate, chosen], scales.offset[candidate, chosen]
    other = _fit_batch(counts[chosen], gain, offset, windows[chosen], camera, lines, settings)
    apart = _apart(best.parameters[chosen], other.parameters, best.covariance[chosen], lines)
    usable = other.converged & np.isfinite(other.objective)
    better = usable & (~best.converged[chosen] | (other.objective < best.objective[chosen] - 1e-6))
    loser = np.where(better, best.objective[chosen], np.where(usable, other.objective, np.inf))
    rival[chosen] = np.where(apart, np.minimum(rival[chosen], loser), rival[chosen])
    winners = chosen[better]
    best.parameters[winners] = other.parameters[better]
    best.covariance[winners] = other.covariance[better]
    best.deviance[winners] = other.deviance[better]
    best.objective[winners] = other.objective[better]
    best.converged[winners] = other.converged[better]
    best.iterations[chosen] += other.iterations


def _apart(one: FloatArray, two: FloatArray, covariance: FloatArray, lines: LineModel) -> BoolArray:
    """Whether two energy scales differ by more than their errors anywhere between the lines' ends."""
    apart = np.zeros(len(one), np.bool_)
    for E in (lines.blocks[0].low, lines.blocks[-1].high):
        channel = (E - one[:, 1]) / one[:, 0]
        moved = (two[:, 0] - one[:, 0]) * channel + two[:, 1] - one[:, 1]
        variance = (
            channel**2 * covariance[:, 0, 0] + 2.0 * channel * covariance[:, 0, 1] + covariance[:, 1, 1]
        )
        apart |= moved**2 > 4.0 * variance
    return apart
