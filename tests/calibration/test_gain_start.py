"""The search finds scales that moved, and without it fits fail, some of them saying converged."""

import numpy as np
import pytest

from eicpy.calibration import GainFitSettings, GainTable, LineModel, fit_gain
from eicpy.calibration.gain.fit import _setting
from eicpy.calibration.gain.pixel_batch import chosen_tolerance, fit_batch
from eicpy.calibration.gain.start import _vertex, starting_scales
from eicpy.instruments import load

LINES = LineModel.of(load("eclairs"))


def error_at(gain, offset, truth, energy):
    return gain * (energy - truth.offset) / truth.gain + offset - energy


def test_a_maximum_is_refined_where_a_parabola_has_one_and_else_left():
    step = np.arange(7)
    parabola = 5.0 - (step - 3.3) ** 2
    border = np.arange(7.0)[::-1]
    flat = np.ones(7)
    blanked = np.where(step == 2, -np.inf, parabola)
    rise = np.stack([parabola, border, flat, blanked])[:, :, np.newaxis]
    place = (np.array([3, 0, 3, 3]), np.zeros(4, np.int64))
    assert _vertex(rise, np.arange(4), place, 0) == pytest.approx([0.3, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("moved", [0.0, 0.015, 0.03])
def test_scales_that_moved_are_found(draw_truth, moved):
    truth = draw_truth(300, 100e3, np.random.default_rng(31), moved=moved)
    scales = starting_scales(truth.counts, truth.previous, LINES, reach=0.12)
    for energy in (25.0, 75.0):
        # within what the Poisson fit catches: a line's σ
        error = np.abs(error_at(scales.gain[0], scales.offset[0], truth.table, energy))
        assert np.mean(error < 0.6) > 0.985
        assert np.median(error) < 0.15
    assert scales.significance.min() > 10.0


def test_spectra_without_lines_are_not_significant(draw_truth):
    truth = draw_truth(100, 30e3, np.random.default_rng(1))
    noise = np.random.default_rng(2).poisson(10.0, truth.counts.shape).astype(float)
    scales = starting_scales(noise, truth.previous, LINES)
    found = starting_scales(truth.counts, truth.previous, LINES)
    assert np.median(scales.significance) < 5.0 < np.median(found.significance)


def test_no_counts_at_all_are_no_reason_to_stop():
    start = GainTable.nominal(3, 0.145, 3.0)
    scales = starting_scales(np.zeros((3, 1024)), start, LINES)
    assert np.all(scales.significance == 0.0)
    assert np.isfinite(scales.gain[0]).all()


def test_without_the_search_fits_fail_and_some_say_converged(draw_truth):
    # gains moved by 3 %: 2.2 keV at the line of Pb
    truth = draw_truth(800, 30e3, np.random.default_rng(1), moved=0.03, offset_moved=0.0)
    lines, settings = LINES, GainFitSettings(reach=0.12)
    start = truth.previous
    work = _setting(
        truth.counts, start.gain, start.offset, lines, settings, chosen_tolerance(lines, settings)
    )
    blind = fit_batch(work, start.gain, start.offset)
    ours = fit_gain(truth.counts, start=start, lines=lines, settings=settings).table

    def false(gain, offset):
        errors = [np.abs(error_at(gain, offset, truth.table, energy)) for energy in (25.0, 75.0)]
        return np.max(errors, axis=0) > 0.9

    blind_false = false(blind.parameters[:, 0], blind.parameters[:, 1])
    assert (~blind.converged | blind_false).mean() > 0.015
    assert (blind.converged & blind_false).mean() > 0.005
    assert (ours.good & ~false(ours.gain, ours.offset)).mean() > 0.99
    assert (ours.good & false(ours.gain, ours.offset)).mean() < 0.002
