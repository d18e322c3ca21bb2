"""A light curve whose span moves along, and the good time that photons alone tell."""

import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.events import Coverage, EventList, LightCurveAccumulator, PixelScale


def test_a_light_curve_that_advances_counts_as_one_that_began_there():
    rng = np.random.default_rng(3)
    photons = EventList(np.sort(rng.uniform(0, 30, 500)), rng.integers(0, 4, 500), rng.integers(0, 1024, 500))
    scale = PixelScale.uniform(4, 0.145, 3.0)
    moved = LightCurveAccumulator(0.0, 10.0, 0.5, [(4, 50), (50, 150)])
    moved.add(photons[photons.time < 12.0], scale)
    moved.advance(3)
    moved.advance(100)  # everything that was counted is dropped
    moved.advance(0)
    assert (moved.start, moved.result().counts.sum()) == (51.5, 0)
    moved = LightCurveAccumulator(0.0, 10.0, 0.5, [(4, 50), (50, 150)])
    direct = LightCurveAccumulator(1.5, 11.5, 0.5, [(4, 50), (50, 150)])
    early = photons.time < 8.0
    moved.add(photons[early], scale)
    moved.advance(3)
    moved.add(photons[~early], scale)
    direct.add(photons, scale)
    np.testing.assert_array_equal(moved.result().counts, direct.result().counts)
    np.testing.assert_array_equal(moved.edges, direct.edges)
    with pytest.raises(BadArgumentError, match="got -1 bins"):
        moved.advance(-1)


def test_good_time_from_photons_holds_every_photon_and_no_gap():
    time = np.r_[np.arange(0.0, 10.0, 0.01), np.arange(70.0, 80.0, 0.01)]
    coverage = Coverage()
    assert len(coverage.gti) == 0
    for part in np.array_split(time, 7):
        coverage.add(part)
    gti = coverage.gti
    assert gti.mask(time).all()
    assert not gti.mask(np.array([10.0, 40.0, 69.9])).any()
    assert (len(gti), gti.exposure) == (2, pytest.approx(19.98))
