"""Gain and offset of all pixels from the fluorescence lines in their background spectra.

Physics: lines of known energy show up in every pixel's spectrum; their positions in channels give
the pixel's energy scale. The predecessor fitted line positions by least squares weighted with 1/√N and
then a straight line through the positions. With a few counts per channel such weights prefer low
channels and bias the result; here the Poisson likelihood of the counts themselves is maximised, with
gain and offset as parameters, so that every line contributes what it knows and the covariance of gain
and offset comes out of the Fisher information.

The way of a table:

1. search of the energy scale by template correlation (:mod:`eicpy.calibration.gain.start`);
2. spectra laid on one scale and fitted once (:mod:`eicpy.calibration.gain.camera_spectrum`), twice over,
   the second time with the gains of a short first fit, so that the lines are sharp;
3. Poisson fit of each pixel (:mod:`eicpy.calibration.gain.kernel`), from several positions where the
   search found more than one;
4. gates (:mod:`eicpy.calibration.gain.quality`); pixels that fail keep their last value and say so.

See ``docs/gain-calibration.md`` for the equations and the measured behaviour.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eicpy.calibration.gain.camera_fit import fit_camera
from eicpy.calibration.gain.camera_spectrum import CameraSpectrum, align, block_windows, counts_in_windows
from eicpy.calibration.gain.knowledge import (
    beyond_a_line,
    elsewhere,
    errors_at,
    held_by_the_plane,
    held_by_the_search,
    no_news,
    shift_since,
    spread_of,
)
from eicpy.calibration.gain.lines import LineArrays, LineModel
from eicpy.calibration.gain.model import predict
from eicpy.calibration.gain.pixel_batch import (
    PixelFits,
    Setting,
    average_scales,
    chosen_tolerance,
    fit_batch,
    goodness_of_fit,
    measured_tolerance,
    try_candidate,
    unlike_the_camera,
)
from eicpy.calibration.gain.plane import PlaneShift
from eicpy.calibration.gain.quality import gated_table
from eicpy.calibration.gain.settings import GainFitSettings
from eicpy.calibration.gain.start import StartingScales, starting_scales
from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.errors import BadArgumentError
from eicpy.moved import former_detector
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["GainFit", "fit_gain"]

ROUNDS = 3  # of the camera's spectrum and quick fits, at most
SHARP = 0.12  # keV; errors of a pixel's lines below which one round is enough
QUICK = 3  # steps of the first fit
SAMPLE = 2000  # pixels that say how all scales moved
AVERAGED = 0.3  # of what a line bears (knowledge.beyond_a_line): longer errors are those of the posterior
BLURRED = 0.25  # of the same: longer errors may hide another scale
BORDER = 0.04  # share of a posterior at the border of what is summed, above which it is not held


@dataclass(frozen=True, slots=True)
class GainFit:
    """Result of :func:`fit_gain`.

    Parameters
    ----------
    table
        The new gain table: fitted where the gates agreed, the last good value elsewhere.
    fitted
        Values of the fit itself for every pixel, before the gates; NaN errors where it failed.
    previous
        The table that the fit started from.
    lines
        The model.
    parameters
        All parameters, shape (n_pixels, n_parameters), named by ``lines.parameter_names``.
    camera
        Fit of the camera's spectrum; None where no pixel could be fitted.
    windows
        Channels of each block, shape (n_pixels, n_blocks, 2).
    goodness
        Deviance in standard deviations of a right model's, shape (n_pixels,); NaN without fit.
    significance
        Of the lines, σ, shape (n_pixels,).
    iterations
        Shape (n_pixels,).
    shift
        How all scales moved since `previous`; None where too few pixels say so.
    n_channels
        Channels of the spectra.
    """

    table: GainTable
    fitted: GainTable
    previous: GainTable
    lines: LineModel
    parameters: FloatArray
    camera: CameraSpectrum | None
    windows: IntArray
    goodness: FloatArray
    significance: FloatArray
    iterations: IntArray
    shift: PlaneShift | None
    n_channels: int = field(repr=False)

    def expected(self, detnum: int) -> FloatArray:
        """Fitted counts of a pixel per channel, NaN outside the blocks, shape (n_channels,)."""
        if self.camera is None or not np.isfinite(self.parameters[detnum]).all():
            return np.full(self.n_channels, np.nan)
        arrays = self.camera.arrays()
        result: FloatArray = predict(self.parameters[detnum], self.windows[detnum], arrays, self.n_channels)
        return result

    def _repr_html_(self) -> str:
        body = "" if self.camera is None else self.camera.table_rows()
        good = self.table.good
        goodness = f"{np.median(self.goodness[good]):.2f}" if good.any() else "–"
        return (
            f"{self.table._repr_html_()}"
            f"<p>Deviance of the good fits: median {goodness} σ from a right model's.</p>"
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
        Those of the detector, :meth:`LineModel.of`.
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

    See Also
    --------
    GainTable : The energy scale of all pixels, with its errors.
    pass_fraction : Share of pixels within the requirement on the energy.
    compare : Changes since another table.

    References
    ----------
    W. Cash 1979, ApJ 228, 939: the likelihood of Poisson counts that is maximised.
    J. S. Kaastra 2017, A&A 605, A51: the deviance expected of a right model, by which fits are judged.
    W. T. Elam, B. D. Ravel & J. R. Sieber 2002, Radiat. Phys. Chem. 63, 121: energies of the lines.
    """
    if lines is None:
        new = "fit_gain(…, lines=LineModel.of(instrument))"
        lines = LineModel.of(former_detector("fit_gain(…) without lines", new))
    settings = settings or GainFitSettings()
    report = progress or (lambda _: None)
    counts, bad = _checked(spectra, start, lines)
    state = _fit_usable(counts, bad, start, lines, settings, report)
    fitted = state.table(start, reference_time)
    table = gated_table(
        fitted,
        start,
        state.goodness,
        deviance_gate=settings.deviance_gate,
        outlier_gate=settings.outlier_gate,
        shift=state.shift,
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
        shift=state.shift,
        n_channels=counts.shape[1],
    )


def _fit_usable(
    counts: FloatArray,
    bad: BoolArray,
    start: GainTable,
    lines: LineModel,
    settings: GainFitSettings,
    report: Callable[[float], None],
) -> "_State":
    """Fit the pixels that have counts; the others get a status."""
    windows = block_windows(lines, start.gain, start.offset, counts.shape[1])
    few = ~bad & (counts_in_windows(counts, windows).sum(axis=1) < settings.min_counts)
    state = _State.empty(counts, start, lines.arrays(), windows)
    state.status[bad] |= np.uint8(GainStatus.BAD_DATA)
    state.status[few] |= np.uint8(GainStatus.TOO_FEW_COUNTS)
    usable = np.flatnonzero(~bad & ~few)
    if not usable.size:
        return state
    selected = counts if usable.size == len(counts) else counts[usable]
    scales = starting_scales(selected, _subset(start, usable), lines, reach=settings.reach)
    report(0.1)
    state.significance[usable] = scales.significance
    not_seen = usable[scales.significance < settings.min_significance]
    state.status[not_seen] |= np.uint8(GainStatus.AMBIGUOUS)
    _fit_all(selected, usable, _subset(start, usable), scales, lines, settings, state, report)
    return state


@dataclass(slots=True)
class _State:
    """What is known about all pixels while the fit goes on."""

    parameters: FloatArray
    variance: FloatArray
    covariance: FloatArray
    deviance: FloatArray
    goodness: FloatArray
    significance: FloatArray
    iterations: IntArray
    status: npt.NDArray[np.uint8]
    windows: IntArray
    camera: CameraSpectrum | None
    shift: PlaneShift | None

    @classmethod
    def empty(cls, counts: FloatArray, start: GainTable, arrays: LineArrays, windows: IntArray) -> "_State":
        n = len(counts)
        parameters = np.full((n, arrays.n_parameters), np.nan)
        parameters[:, 0], parameters[:, 1] = start.gain, start.offset
        return cls(
            parameters=parameters,
            variance=np.full_like(parameters, np.nan),
            covariance=np.full(n, np.nan),
            deviance=np.full(n, np.nan),
            goodness=np.full(n, np.nan),
            significance=np.zeros(n),
            iterations=np.zeros(n, np.int64),
            status=np.zeros(n, np.uint8),
            windows=windows,
            camera=None,
            shift=None,
        )

    def table(self, start: GainTable, reference_time: float) -> GainTable:
        """The fit's own values as a table."""
        channels = (self.windows[:, :, 1] - self.windows[:, :, 0]).sum(axis=1)
        known = np.isfinite(self.deviance)
        return GainTable(
            gain=np.where(known, self.parameters[:, 0], start.gain),
            offset=np.where(known, self.parameters[:, 1], start.offset),
            gain_error=np.sqrt(self.variance[:, 0]),
            offset_error=np.sqrt(self.variance[:, 1]),
            covariance=self.covariance,
            status=self.status,
            deviance=self.deviance,
            dof=np.where(known, channels - self.parameters.shape[1], 0).astype(np.int32),
            goodness=self.goodness,
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
                f"got {counts.shape[1]} channels; block {block.name!r} ({block.low}–{block.high} keV) finds "
                f"{last - first} of the {wanted:.0f} it needs: on the table's scale they do not reach it"
            )
    bad: BoolArray = np.logical_not(np.isfinite(counts).all(axis=1) & np.all(counts >= 0.0, axis=1))
    if bad.any():
        counts = np.where(bad[:, np.newaxis], 0.0, counts)
    return counts, bad


def _subset(table: GainTable, pixels: IntArray) -> GainTable:
    return GainTable(
        gain=table.gain[pixels],
        offset=table.offset[pixels],
        gain_error=table.gain_error[pixels],
        offset_error=table.offset_error[pixels],
        covariance=table.covariance[pixels],
        status=table.status[pixels],
        time=table.time[pixels],
        reference_time=table.reference_time,
    )


def _fit_all(
    counts: FloatArray,
    pixels: IntArray,
    start: GainTable,
    scales: StartingScales,
    lines: LineModel,
    settings: GainFitSettings,
    state: _State,
    report: Callable[[float], None],
) -> None:
    """Fit the usable pixels and write the results to `state`."""
    chosen = chosen_tolerance(lines, settings)
    work = _setting(counts, scales.gain[0], scales.offset[0], lines, settings, chosen)
    scales = starting_scales(counts, start, lines, reach=settings.reach, camera=work.camera)
    gain, offset = scales.gain[0].copy(), scales.offset[0].copy()
    work = held_by_the_search(_setting(counts, gain, offset, lines, settings, chosen), start, scales)
    quick = fit_batch(work, gain, offset, max_iterations=QUICK)
    for _ in range(ROUNDS):
        tolerance = measured_tolerance(work, quick, gain, offset)
        settled = np.isfinite(quick.deviance)
        gain[settled], offset[settled] = quick.parameters[settled, 0], quick.parameters[settled, 1]
        work = held_by_the_search(
            _setting(counts, gain, offset, lines, settings, tolerance, spread_of(quick)), start, scales
        )
        errors = errors_at(quick, scales.pivots)
        known = np.isfinite(errors).all(axis=0)
        if not known.any() or np.median(errors[:, known], axis=1).max() < SHARP:
            break
        quick = fit_batch(work, gain, offset, start=quick.parameters, max_iterations=QUICK)
    else:  # the search again, with a camera's spectrum that is sharper than that of its first time
        scales = starting_scales(counts, start, lines, reach=settings.reach, camera=work.camera)
    shift = _measured_shift(work, quick, start, scales)
    work = held_by_the_plane(work, start, shift)
    report(0.4)
    best = fit_batch(work, gain, offset, start=np.where(settled[:, np.newaxis], quick.parameters, np.nan))
    report(0.8)
    rival = np.full(len(counts), np.inf)
    for candidate in range(1, len(scales.gain)):
        try_candidate(work, scales, candidate, best, rival)
    state.status[pixels[~best.converged]] |= np.uint8(GainStatus.NOT_CONVERGED)
    state.status[pixels[unlike_the_camera(work, best)]] |= np.uint8(GainStatus.BAD_FIT)
    unclear = _unclear(work, best, rival, scales, settings)
    state.status[pixels[unclear]] |= np.uint8(GainStatus.AMBIGUOUS)
    state.parameters[pixels], state.variance[pixels] = best.parameters, best.variance
    state.covariance[pixels] = best.covariance
    state.deviance[pixels] = np.where(np.isfinite(best.deviance), best.deviance, np.nan)
    state.goodness[pixels] = goodness_of_fit(work, best)
    state.iterations[pixels] = best.iterations + quick.iterations
    state.windows[pixels] = work.windows
    state.camera, state.shift = work.camera, shift


def _measured_shift(
    work: Setting, quick: PixelFits, start: GainTable, scales: StartingScales
) -> PlaneShift | None:
    """How all scales moved since the last table, from a sample of pixels; changes their `quick` fits."""
    some = np.unique(np.linspace(0, len(work.counts) - 1, min(len(work.counts), SAMPLE)).astype(np.int64))
    blurred = beyond_a_line(quick, work, scales.pivots, share=AVERAGED)
    average_scales(work, quick, some[blurred[some]])
    return shift_since(quick, work, start, scales, some)


def _unclear(
    work: Setting, best: PixelFits, rival: FloatArray, scales: StartingScales, settings: GainFitSettings
) -> BoolArray:
    """Pixels whose scale is in doubt, or known no better than beforehand; averages blurred ones of `best`.

    A scale is in doubt where another one explains the spectrum nearly as well, where the search gives another
    one some probability, or where what is known reaches further than could be summed. Of sharp fits the
    likelihood itself was tried from the other places, and the search's grid is coarse for them.
    """
    unclear = rival < best.objective + settings.ambiguity
    hidden = beyond_a_line(best, work, scales.pivots, share=BLURRED)
    unclear |= hidden & (elsewhere(best, scales) > settings.false_scale)
    blurred = beyond_a_line(best, work, scales.pivots, share=AVERAGED)
    border = average_scales(work, best, np.flatnonzero(blurred))
    unclear |= ~(border < BORDER) | no_news(best, work, scales.pivots)
    return unclear


def _setting(
    counts: FloatArray,
    gain: FloatArray,
    offset: FloatArray,
    lines: LineModel,
    settings: GainFitSettings,
    tolerance: FloatArray,
    spread: FloatArray | None = None,
) -> Setting:
    """Windows and camera spectrum for given energy scales, of which nothing is known beforehand.

    Tails are looked for once the scales are those of fits, and how far off they may be (`spread`) is known.
    """
    total = counts.sum(axis=1)
    typical = total < 3.0 * np.median(total)
    common_gain, common_offset = float(np.median(gain)), float(np.median(offset))
    aligned_gain, aligned_offset = np.stack([gain, offset]) + (0.0 if spread is None else spread)
    summed = align(
        counts[typical], aligned_gain[typical], aligned_offset[typical], common_gain, common_offset
    )
    camera = fit_camera(summed, lines, common_gain, common_offset, tails=spread is not None)
    windows = block_windows(lines, gain, offset, counts.shape[1])
    nothing = np.zeros((len(counts), 2))
    return Setting(counts, windows, camera, settings, tolerance, nothing, nothing)
