import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.imaging import SkyDecoder, random_mask
from eicpy.instruments import load
from eicpy.trigger import image_candidate, permuted_decoder


@pytest.fixture(scope="module")
def decoder():
    return SkyDecoder(random_mask(load("eclairs").mask, 80, 1))


def test_a_source_stands_at_its_place_and_a_wrong_mask_does_not_show_it(decoder):
    rng = np.random.default_rng(1)
    counts = rng.poisson(2.0 + 1.0 * decoder.mask.shadow(0.2, -0.1))
    null = tuple(permuted_decoder(decoder, rng) for _ in range(3))
    found = image_candidate(decoder, counts, null=null)
    assert (found.ty, found.tz) == pytest.approx((0.2, -0.1), abs=0.006)
    assert found.snr > 12
    assert 0 < found.radius < 0.5
    assert found.chance == 0
    assert "SNR" in found._repr_html_()


def test_without_a_source_there_is_no_position(decoder):
    found = image_candidate(decoder, np.random.default_rng(2).poisson(2.0, (80, 80)), least=6.0)
    assert found.snr < 6
    assert np.isnan([found.ty, found.tz, found.radius, found.chance]).all()


def test_an_empty_window_is_refused(decoder):
    with pytest.raises(BadArgumentError, match="nothing was counted"):
        image_candidate(decoder, np.zeros((80, 80)))
