"""The search finds scales that moved, and without it fits end in false minima while they say converged."""

import numpy as np
import pytest

from eicpy.calibration import GainFitSettings, GainTable, LineModel
from eicpy.calibration.gain_fit import _setting
from eicpy.calibration.gain_start import starting_scales
from eicpy.calibration.pixel_batch import chosen_tolerance, fit_batch


def error_at(gain, offset, truth, energy):
    return gain * (energy - truth.offset) / truth.gain + offset - energy


@pytest.mark.parametrize("moved", [0.0, 0.015, 0.03])
def test_scales_that_moved_are_found(draw_truth, moved):
    truth = draw_truth(300, 100e3, np.random.default_rng(31), moved=moved)
    scales = starting_scales(truth.counts, truth.previous, LineModel.default(), reach=0.12)
    for energy in (25.0, 75.0):
        # within what the Poisson fit catches: half a line's width
        assert np.all(np.abs(error_at(scales.gain[0], scales.offset[0], truth.table, energy)) < 0.5)
    assert scales.significance.min() > 10.0


def test_spectra_without_lines_are_not_significant(draw_truth):
    truth = draw_truth(100, 30e3, np.random.default_rng(1))
    noise = np.random.default_rng(2).poisson(10.0, truth.counts.shape).astype(float)
    scales = starting_scales(noise, truth.previous, LineModel.default())
    found = starting_scales(truth.counts, truth.previous, LineModel.default())
    assert np.median(scales.significance) < 5.0 < np.median(found.significance)


def test_no_counts_at_all_are_no_reason_to_stop():
    start = GainTable.nominal(3, 0.145, 3.0)
    scales = starting_scales(np.zeros((3, 1024)), start, LineModel.default())
    assert np.all(scales.significance == 0.0)
    assert np.isfinite(scales.gain[0]).all()


def test_without_the_search_fits_end_in_false_minima_and_say_converged(short_exposure, short_fit):
    lines, settings = LineModel.default(), GainFitSettings()
    truth, start = short_exposure.table, short_exposure.previous
    work = _setting(
        short_exposure.counts, start.gain, start.offset, lines, settings, chosen_tolerance(lines, settings)
    )
    blind = fit_batch(work, start.gain, start.offset)

    def false(gain, offset):
        return np.abs(error_at(gain, offset, truth, 75.0)) > 0.8

    blind_false = false(blind.parameters[:, 0], blind.parameters[:, 1]) & blind.converged
    ours_false = false(short_fit.table.gain, short_fit.table.offset) & short_fit.table.good
    assert blind_false.mean() > 0.02
    assert ours_false.mean() < 0.1 * blind_false.mean()
