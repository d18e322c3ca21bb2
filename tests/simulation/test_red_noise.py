"""Sources that flicker: slope, mean and rms of truth, and the photons that follow it."""

import numpy as np
import pytest
from stingray import AveragedPowerspectrum, Lightcurve

from eicpy.simulation import (
    PhotonStream,
    SourceConfig,
    VariabilityConfig,
    build_scene,
    preset,
)
from eicpy.simulation.night_truth import night_tables
from eicpy.simulation.sky.red_noise import flicker, red_noise, together

DARK = preset("quiet").model_copy(update={"background_rate": 0.0, "duration": 400.0})
FLICKERING = SourceConfig(
    name="X", ra=83.6, dec=22.0, norm=9.7, index=2.1,
    variability=VariabilityConfig(rms=0.4, index=1.3, step=5.0), light_curve=((203.0, 2.0),),
)  # fmt: skip


@pytest.mark.parametrize("index", [0.0, 1.0, 1.6])
def test_the_slope_comes_back(index):
    """Asked of stingray, with 32 segments."""
    factor = red_noise(32_768, 0.2, index, np.random.default_rng(3))
    curve = Lightcurve(np.arange(len(factor)) + 0.5, factor, dt=1.0, skip_checks=True)
    power = AveragedPowerspectrum(curve, segment_size=1024, norm="frac", silent=True)
    chosen = (power.freq > 4e-3) & (power.freq < 0.2)
    slope = np.polyfit(np.log(power.freq[chosen]), np.log(power.power[chosen]), 1)[0]
    assert -slope == pytest.approx(index, abs=0.1)


def test_mean_and_scatter_are_those_asked_for():
    for rms in (0.05, 0.3, 0.8):
        factor = red_noise(20_000, rms, 1.0, np.random.default_rng(5))
        assert factor.mean() == pytest.approx(1.0, abs=1e-12)
        assert factor.std() == pytest.approx(rms, rel=0.2)
        assert factor.min() > 0
    assert red_noise(1, 0.5, 1.0, np.random.default_rng(1)).tolist() == [1.0]


def test_a_source_flickers_by_its_name_and_seed_alone():
    one = flicker(VariabilityConfig(rms=0.3), "A", 500.0, 7)
    assert np.array_equal(one, flicker(VariabilityConfig(rms=0.3), "A", 500.0, 7))
    assert not np.array_equal(one, flicker(VariabilityConfig(rms=0.3), "B", 500.0, 7))
    assert not np.array_equal(one, flicker(VariabilityConfig(rms=0.3), "A", 500.0, 8))


def test_light_curves_multiply():
    steps, noise = np.array([[3.0, 2.0]]), np.array([[0.0, 0.5], [5.0, 1.5]])
    assert together(steps, noise).tolist() == [[0.0, 0.5], [3.0, 1.0], [5.0, 3.0]]
    assert together(np.zeros((0, 2)), noise).tolist() == noise.tolist()


def test_photons_follow_the_light_curve_of_the_truth():
    config = DARK.model_copy(update={"sources": (FLICKERING,)})
    stream = PhotonStream(build_scene(config))
    time = np.concatenate([b.tick for b in stream.blocks(10)]) * 2e-5 - stream.scene.start
    truth = next(table for table in night_tables(stream.scene) if table.name == "LIGHTCURVES").data
    assert set(truth["NAME"]) == {"X"}
    edges = np.append(truth["TIME"] - stream.scene.start, 400.0)
    factor = truth["FACTOR"].astype(float)
    assert factor[edges[:-1] >= 203].mean() > 1.3 * factor[edges[:-1] < 203].mean()
    counts = np.histogram(time, edges)[0]
    expected = factor * np.diff(edges)
    expected *= counts.sum() / expected.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 130  # 81 steps


def test_binaries_of_the_catalogue_flicker_where_asked():
    night = preset("burst").model_copy(update={"duration": 60.0})
    by_name = {s.name: s for s in build_scene(night).sources}
    assert len(by_name["1A 0535+262"].factors) == 6
    assert len(by_name["Crab"].factors) == 0
    still = build_scene(night.model_copy(update={"flicker": False}))
    assert all(len(s.factors) == 0 for s in still.sources)
