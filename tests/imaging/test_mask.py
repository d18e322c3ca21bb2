import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from eicpy.errors import BadArgumentError
from eicpy.imaging import random_mask, transmission
from eicpy.instruments import load

CAMERA = load("eclairs")
G = CAMERA.mask
PIXELS = CAMERA.pixels.rows
mask = random_mask(G, PIXELS, 1)
tangents = st.floats(-1.1, 1.1)


def brute_force(ty, tz, z, y, n=400):
    """Share of one pixel that is lit, by looking up through n × n points of it."""
    pitch = G.plane_side / 80
    inside = G.pixel_side * ((np.arange(n) + 0.5) / n - 0.5)
    cell = G.side / 46
    at = [
        np.floor(((k + 0.5) * pitch - G.plane_side / 2 + inside + G.distance * t + G.side / 2) / cell)
        for k, t in ((z, tz), (y, ty))
    ]
    rows, columns = (np.where((a >= 0) & (a < 46), a, -1).astype(int) for a in at)
    seen = mask.pattern[np.ix_(rows, columns)]
    return (seen & (rows >= 0)[:, None] & (columns >= 0)).mean()


@settings(max_examples=25)
@given(tangents, tangents, st.integers(0, 79), st.integers(0, 79))
def test_shadow_is_the_exact_share_of_a_pixel(ty, tz, z, y):
    assert mask.shadow(ty, tz)[z, y] == pytest.approx(brute_force(ty, tz, z, y), abs=6e-3)


def test_four_tenths_are_open_and_the_plate_hangs_together():
    assert mask.pattern.sum() == 846
    assert mask.open_fraction == pytest.approx(0.4, abs=5e-4)
    frame = np.pad(~mask.pattern, 1, constant_values=True)
    assert ndimage.label(frame)[1] == 1
    assert "not the flight mask" in mask.name


def test_a_seed_is_a_mask():
    assert (random_mask(G, PIXELS, 1).pattern == mask.pattern).all()
    assert (random_mask(G, PIXELS, 2).pattern != mask.pattern).any()
    with pytest.raises(BadArgumentError, match="no self-supporting mask"):
        random_mask(G, PIXELS, 1, open_fraction=0.9)


def test_the_pattern_does_not_repeat_itself():
    centred = mask.pattern - mask.pattern.mean()
    correlation = np.fft.ifft2(np.abs(np.fft.fft2(centred)) ** 2).real / (centred**2).sum()
    assert np.abs(correlation.ravel()[1:]).max() < 0.12


def test_the_shadow_averaged_over_masks_is_the_smooth_transmission():
    ty, tz = 0.31, -0.52
    light = np.mean([random_mask(G, PIXELS, seed).shadow(ty, tz).mean() for seed in range(40)]) / 0.4
    cosine = 1 / np.sqrt(1 + ty**2 + tz**2)
    assert light * cosine == pytest.approx(transmission(G, ty, tz), rel=0.02)


def test_nothing_is_lit_outside_the_field_or_from_behind():
    edge = (G.side + G.plane_side) / 2 / G.distance
    assert mask.shadow(edge, 0.0).sum() == 0
    assert mask.shadow(np.nan, np.nan).sum() == 0
    assert transmission(G, edge, 0.0) == 0


def test_transmission_agrees_with_the_public_off_axis_map(shared_data):
    table = np.loadtxt(shared_data / "response" / "ECLAIRs_rf_offaxis.txt")
    step = 0.98184 / 44.5
    t = step * (np.arange(89) - 44)
    ty, tz = np.meshgrid(t, t)
    rms = np.sqrt(np.mean((transmission(G, ty, tz) - table) ** 2))
    assert rms < 1e-3
