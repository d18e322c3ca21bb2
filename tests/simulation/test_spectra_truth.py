"""Spectra straight from their expectation, and the camera's levels."""

import numpy as np
import pytest
import xraydb
from scipy.special import erf

from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.simulation import DetectorConfig, PixelKind, draw_detector, fluorescence_lines, simulate_spectra
from eicpy.simulation.camera import background as b
from eicpy.simulation.spectra import _fold, expected_spectra, fold

GOOD = DetectorConfig(
    dead_fraction=0, noisy_fraction=0, low_efficiency_fraction=0, high_threshold_fraction=0, heat_pipe_rate=0
)


@pytest.fixture(scope="module")
def night():
    return simulate_spectra(30_000.0, np.random.default_rng(3))


def energy_grid():
    return 0.145 * (np.arange(1024) + 0.5) + 3.0


def test_background_has_the_published_level():
    perfect = GOOD.model_copy(update={"gain_scatter": 0.0, "offset_scatter": 0.0, "efficiency_scatter": 0.0})
    detector = draw_detector(load("eclairs"), perfect, np.random.default_rng(1))
    spectrum = expected_spectra(detector, load("eclairs")).sum(axis=0)
    E = energy_grid()
    assert spectrum[(E >= 4) & (E < 120)].sum() == pytest.approx(3100, rel=0.03)


def test_a_crab_gives_the_expected_counts():
    table = b.source_table(9.7 * b.energy_grid() ** -2.1)
    assert table.between(4, 120) * 409.6 == pytest.approx(577, rel=0.02)


def test_lines_stand_where_xraydb_says():
    lines = {(line.element, line.line): line.energy for line in fluorescence_lines("bright")}
    assert lines["Pb", "Ka1"] == pytest.approx(74.97, abs=0.005)
    assert lines["Ta", "Ka1"] == pytest.approx(57.535, abs=0.005)
    assert lines["Te", "Ka1"] == pytest.approx(27.473, abs=0.005)
    assert {element for element, _ in lines} >= {"Pb", "Ta", "Cd", "Te"}
    lines |= {(line.element, line.line): line.energy for line in fluorescence_lines()}
    for (element, name), energy in lines.items():
        assert energy == xraydb.xray_lines(element)[name].energy / 1000


def test_a_line_shows_at_its_energy_in_the_folded_spectrum():
    detector = draw_detector(load("eclairs"), GOOD, np.random.default_rng(1))
    line = b.SpectrumTable(np.array([57.535]), np.array([0.0]), np.array([10.0]))
    density = np.diff(fold(line, detector))
    grid = (np.arange(len(density)) + 0.5) * 0.02
    mean = (density * grid).sum() / density.sum()
    width = np.sqrt((density * (grid - mean) ** 2).sum() / density.sum())
    assert density.sum() == pytest.approx(10.0, rel=1e-6)
    assert mean == pytest.approx(57.535, abs=1e-4)
    assert width * 2.3548 == pytest.approx(np.sqrt(1.1**2 + 0.0341 * 57.535), rel=1e-3)


def test_fold_agrees_with_numpy():
    middle, sigma, rate = np.array([5.0, 20.0, 21.0]), np.array([0.5, 0.6, 0.6]), np.array([2.0, 1.0, 0.5])
    grid = np.arange(1500) * 0.02
    z = (grid[:, None] - middle) / sigma
    expected = (rate * 0.5 * (1 + erf(z / np.sqrt(2)))).sum(axis=1)
    assert np.allclose(_fold(middle, sigma, rate, 0.02, 1500), expected, atol=1e-8)
    assert (_fold(middle, sigma, rate, 0.02, 1500) == _fold.py_func(middle, sigma, rate, 0.02, 1500)).all()


def test_counts_are_poisson_around_the_expectation(night):
    assert night.counts.shape == (6400, 1024)
    enough = night.expected > 20
    pull = (night.counts[enough] - night.expected[enough]) / np.sqrt(night.expected[enough])
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert pull.std() == pytest.approx(1.0, abs=0.01)


def test_bad_pixels_are_bad(night):
    kind, total = night.detector.kind, night.counts.sum(axis=1)
    low = night.counts[:, 7:34].sum(axis=1)
    good = np.median(total[kind == PixelKind.GOOD])
    assert (total[kind == PixelKind.DEAD] == 0).all()
    assert (kind == PixelKind.DEAD).sum() == round(0.004 * 6400)
    assert np.median(total[kind == PixelKind.NOISY]) > 2 * good
    usual = np.median(low[kind == PixelKind.GOOD])
    assert np.median(low[kind == PixelKind.LOW_EFFICIENCY]) < 0.7 * usual
    assert np.median(low[kind == PixelKind.HIGH_THRESHOLD]) < 0.05 * usual


def test_gains_scatter_and_move_as_asked():
    config = DetectorConfig(gain_scatter=0.01, offset_scatter=0.1, gain_shift=0.015, gain_shift_scatter=0.001)
    d = draw_detector(load("eclairs"), config, np.random.default_rng(1))
    assert d.table_gain.mean() == pytest.approx(0.145, rel=1e-3)
    assert d.table_gain.std() / 0.145 == pytest.approx(0.01, rel=0.05)
    assert d.table_offset.std() == pytest.approx(0.1, rel=0.05)
    assert (d.gain / d.table_gain).mean() == pytest.approx(1.015, abs=1e-4)
    assert (d.gain / d.table_gain).std() == pytest.approx(0.001, rel=0.05)


def test_a_second_night_of_the_same_camera(night):
    again = simulate_spectra(100.0, np.random.default_rng(4), detector=night.detector, n_pixels=10)
    assert (again.detector.gain == night.detector.gain[:10]).all()
    assert np.allclose(again.expected * 300, night.expected[:10])


def test_too_many_bad_pixels_are_refused():
    config = DetectorConfig(dead_fraction=0.7, noisy_fraction=0.7)
    with pytest.raises(BadArgumentError, match=r"add up to 1\.4"):
        draw_detector(load("eclairs"), config, np.random.default_rng(1))
