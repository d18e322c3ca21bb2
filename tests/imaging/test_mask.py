import numpy as np
import pytest
import xraydb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from eicpy.errors import BadArgumentError
from eicpy.imaging import Mask, random_mask, transmission
from eicpy.instruments import load

CAMERA = load("eclairs")
G = CAMERA.mask
PIXELS = CAMERA.pixels.rows
mask = random_mask(G, PIXELS, 1)
tangents = st.floats(-1.1, 1.1)


def trace(mask, ty, tz, z, y, optical_depth=np.inf, n=60, levels=30):
    """What reaches one pixel, by following n × n rays level by level through cells, bars and frame."""
    g = mask.geometry
    cells, pitch = mask.pattern.shape[0], g.plane_side / mask.pixels
    inside = g.pixel_side * ((np.arange(n) + 0.5) / n - 0.5)
    height = g.distance + g.thickness * ((np.arange(levels) + 0.5) / levels - 0.5)
    closed, blocked = np.zeros((n, n)), np.zeros((n, n), bool)
    axes = [((k + 0.5) * pitch - g.plane_side / 2 + inside, t) for k, t in ((z, tz), (y, ty))]
    for h in height:
        rows, columns = (np.floor((at + h * t + g.side / 2) / (g.side / cells)).astype(int) for at, t in axes)
        out = ((rows < 0) | (rows >= cells))[:, None] | (columns < 0) | (columns >= cells)
        seen = mask.pattern[np.ix_(np.clip(rows, 0, cells - 1), np.clip(columns, 0, cells - 1))]
        closed += ~seen / levels
        blocked |= out
    for number in range(g.bars):
        bar = g.side * ((number + 1) / (g.bars + 1) - 0.5)
        for h in g.distance + g.thickness / 2 + g.bar_height * np.linspace(0, 1, 40):
            rows, columns = (np.abs(at + h * t - bar) < g.bar_width / 2 for at, t in axes)
            blocked |= rows[:, None] | columns
    light = (closed == 0) if np.isinf(optical_depth) else np.exp(-optical_depth * closed)
    return float((light * ~blocked).mean())


OTHERS = {
    "of the description": mask,
    "without depth": random_mask(G.model_copy(update={"thickness": 0.0}), PIXELS, 1),
    "another, thick, with bars": random_mask(
        G.model_copy(update={"thickness": 0.2, "bars": 3, "bar_width": 0.3, "bar_height": 0.5}), PIXELS, 7
    ),
    "all open": Mask(np.ones((46, 46), bool), "blank", G, PIXELS),
    "of few large cells": random_mask(G.model_copy(update={"cells": 11, "thickness": 0.5}), PIXELS, 3),
}


@pytest.mark.parametrize("which", OTHERS)
@settings(max_examples=10)
@given(tangents, tangents, st.integers(0, 79), st.integers(0, 79))
def test_shadow_is_the_share_of_rays_that_pass(which, ty, tz, z, y):
    one = OTHERS[which]
    assert one.shadow(ty, tz)[z, y] == pytest.approx(trace(one, ty, tz, z, y), abs=0.02)


@pytest.mark.parametrize("which", OTHERS)
def test_the_mean_over_pixels_has_no_bias(which):
    one = OTHERS[which]
    rng = np.random.default_rng(4)
    ty, tz = 0.25, -0.4
    lit = one.shadow(ty, tz)
    off = [lit[z, y] - trace(one, ty, tz, z, y) for z, y in rng.integers(0, 80, (40, 2))]
    assert abs(np.mean(off)) < 2e-3


@pytest.mark.parametrize("which", ["of the description", "another, thick, with bars"])
@pytest.mark.parametrize("energy", [70.0, 140.0])
def test_closed_cells_let_hard_photons_pass(which, energy):
    """Per pixel and in the mean, edges included, against the rays of the same tantalum."""
    one, (ty, tz) = OTHERS[which], (0.2, 0.35)
    mu = float(xraydb.material_mu("Ta", energy * 1e3, density=16.65))
    depth = mu * 0.11 * np.sqrt(1 + ty**2 + tz**2)
    lit = one.shadow(ty, tz, energy)
    place = np.random.default_rng(5).integers(0, 80, (25, 2))
    off = np.array([lit[z, y] - trace(one, ty, tz, z, y, depth) for z, y in place])
    assert np.abs(off).max() < 0.015
    assert abs(off.mean()) < 2e-3
    dark = one.covered(ty, tz) - one.shadow(ty, tz)
    behind = (lit - one.shadow(ty, tz)).sum() / dark.sum()
    assert np.exp(-depth) < behind < np.exp(-depth) + 0.03  # the edges are thinner than the cells


def test_walls_between_cells_vignet():
    """A random mask loses (1 − open share)·d·t/cell along each axis; one of open cells nothing."""
    flat = OTHERS["without depth"]
    light = [
        random_mask(G, PIXELS, s).shadow(0.1, 0.05).sum()
        / random_mask(flat.geometry, PIXELS, s).shadow(0.1, 0.05).sum()
        for s in range(15)
    ]
    loss = 0.6 * 0.06 * 0.15 / (G.side / 46)
    assert 1 - np.mean(light) == pytest.approx(loss, rel=0.15)
    blank = OTHERS["all open"]
    assert blank.shadow(0.1, 0.05).min() == pytest.approx(1.0)
    with pytest.raises(BadArgumentError, match="expected less than a cell"):
        random_mask(G.model_copy(update={"thickness": 2.0}), PIXELS, 1).shadow(0.7, 0.0)


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
    light = np.mean([random_mask(G, PIXELS, seed).shadow(ty, tz).mean() for seed in range(25)]) / 0.4
    cosine = 1 / np.sqrt(1 + ty**2 + tz**2)
    walls = 1 - 0.6 * G.thickness * (ty - tz) / (G.side / 46)
    assert light * cosine == pytest.approx(transmission(G, ty, tz) * walls, rel=0.02)


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
