"""Live time: rates come out as they were before the readout lost photons."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eicpy import instruments
from eicpy.errors import BadArgumentError
from eicpy.events import DeadTime, EventList, LightCurve, LightCurveAccumulator, PixelScale
from eicpy.simulation import preset
from eicpy.simulation.camera.photons import PhotonStream
from eicpy.simulation.scene import build_scene

ECLAIRS = instruments.load("eclairs")
TAU = 20e-6


def recorded(rate: float, span: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the photons that a non-paralysable counter takes, one photon after the other."""
    taken, dead_until = [], -1.0
    for time in np.sort(rng.uniform(0, span, rng.poisson(rate * span))):
        if time >= dead_until:
            taken.append(time)
            dead_until = time + TAU
    return np.array(taken)


def test_a_sector_s_rate_is_right_however_it_changes() -> None:
    """5 kc/s, then 200 c/s: the sum of the photons is all that the dead time needs."""
    rng = np.random.default_rng(1)
    counts = recorded(5000, 40, rng).size + recorded(200, 40, rng).size
    dead = DeadTime(TAU, np.zeros(1, int))
    (live,) = dead.live_times(80.0, np.array([counts]))
    lost = 5000 * 40 * 5000 * TAU / (1 + 5000 * TAU)
    assert 80.0 - live == pytest.approx(counts * TAU)
    assert counts / 80 < 0.93 * 2600
    bright = recorded(5000, 40, rng).size
    assert bright / dead.live_times(40.0, np.array([bright]))[0] == pytest.approx(5000, rel=5e-3)
    assert lost > 0


def test_a_dead_time_longer_than_the_time_leaves_none() -> None:
    dead = DeadTime(1.0, np.array([0, 0, 1]))
    assert dead.live_times(5.0, np.array([3, 4, 1])).tolist() == [0.0, 0.0, 4.0]
    assert dead.load(np.zeros(3, int)) == 0.0
    with pytest.raises(BadArgumentError, match="one for each pixel"):
        dead.live_times(5.0, np.array([3, 4]))


def test_a_detector_without_a_figure_has_no_dead_time() -> None:
    assert DeadTime.of(instruments.load("meddea")) is None
    known = DeadTime.of(ECLAIRS)
    assert known is not None
    assert known.length == TAU


def test_rates_of_a_bright_simulation_are_right_to_half_a_percent() -> None:
    """20 kc/s: a twentieth is lost. The same photons with and without dead time, by pixel and by bin."""
    config = preset("demo").model_copy(update={"duration": 10.0, "background_rate": 20_000.0, "seed": 2})
    photons = {}
    for tau in (0.0, TAU):
        detector = config.detector.model_copy(update={"dead_time": tau})
        blocks = list(PhotonStream(build_scene(config.model_copy(update={"detector": detector}))).blocks(6))
        columns = (np.concatenate([getattr(b, n) for b in blocks]) for n in ("tick", "detnum", "channel"))
        tick, detnum, channel = columns
        photons[tau] = EventList((tick - tick.min() // 50_000 * 50_000) * 20e-6, detnum, channel)
    truth, seen = photons[0.0], photons[TAU]
    start, stop = 0.0, np.ceil(truth.time.max())
    counts = np.bincount(seen.detnum, minlength=6400)
    assert len(seen) < 0.97 * len(truth)
    dead = DeadTime.of(ECLAIRS)
    assert dead is not None
    live = dead.live_times(stop - start, counts)
    assert (counts / live).sum() == pytest.approx(len(truth) / (stop - start), rel=5e-3)
    curve = LightCurveAccumulator(start, stop, 1.0, [(4, 200)], tick=TAU)
    curve.add(seen, PixelScale.uniform(6400, 0.145, 3.0))
    found = curve.result()
    in_bins = dead.live_in_bins(found.exposure, curve.recorded, dead.load(counts))
    assert_allclose(
        curve.recorded / in_bins, np.histogram(truth.time, found.exposure.size, (start, stop))[0], rtol=5e-3
    )


def test_a_light_curve_divides_by_its_live_time() -> None:
    curve = LightCurve(0.0, 1.0, ((4, 8),), np.array([[90, 80]]), np.ones(2), None, np.array([0.9, 0.8]))
    assert_allclose(curve.rate, [[100.0, 100.0]])
    assert_allclose(curve.rebin(2).rate, [[100.0]])
    header = {key: value for key, (value, _) in curve.to_header().items()}
    assert header["DEADAPP"] is True
    assert header["ONTIME"] == 2.0
    assert header["LIVETIME"] == header["EXPOSURE"] == pytest.approx(1.7)
    assert header["DEADC"] == pytest.approx(0.85)
    assert_allclose(curve.to_tables()["ECL-QLK-LCV"]["LIVETIME"], [0.9, 0.8])
