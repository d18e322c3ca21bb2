"""Escape and charge collection against a photon-by-photon oracle of their own."""

import numpy as np
import pytest
import xraydb

from eicpy.instruments import load
from eicpy.simulation import DetectorConfig, draw_detector
from eicpy.simulation.camera.background import SpectrumTable
from eicpy.simulation.camera.escape import escape_table
from eicpy.simulation.camera.response import collected, single_deposits

SIDE, THICKNESS, GAP = 4.0, 1.0, 0.5


def transported(energy: float, line: float, size: int = 200_000) -> tuple[float, float]:
    """Shares of K photons that leave a crystal for good, and that enter a neighbour; by rays."""
    rng = np.random.default_rng(1)
    mu, mu_line = (xraydb.material_mu("CdTe", e * 1e3, density=5.85) / 10 for e in (energy, line))  # per mm
    z = -np.log1p(rng.random(size) * np.expm1(-mu * THICKNESS)) / mu
    start = np.stack([rng.uniform(0, SIDE, size), rng.uniform(0, SIDE, size), z])
    direction = rng.standard_normal((3, size))
    direction /= np.linalg.norm(direction, axis=0)
    size_of_box = np.array([SIDE, SIDE, THICKNESS])[:, None]
    to_wall = np.where(direction > 0, (size_of_box - start) / direction, -start / direction)
    wall = to_wall.argmin(axis=0)
    length = to_wall.min(axis=0)
    out = rng.exponential(1 / mu_line, size) > length
    lateral = np.abs(np.take_along_axis(direction, np.minimum(wall, 1)[None], axis=0)[0])
    height = start[2] + direction[2] * (length + GAP / lateral)
    enters = out & (wall < 2) & (height > 0) & (height < THICKNESS)
    return float((out & ~enters).mean()), float(enters.mean())


@pytest.mark.parametrize(("energy", "line"), [(27.0, 0), (35.0, 2), (60.0, 0), (60.0, 3), (100.0, 2)])
def test_escape_agrees_with_rays_in_three_dimensions(energy, line):
    table = escape_table()
    lost, neighbour = (chance[0, line] for chance in table.at(np.array([energy])))
    share = (lost + neighbour) / sum(transported(energy, table.line[line]))  # vacancies and yields
    true_lost, true_neighbour = transported(energy, table.line[line])
    assert lost == pytest.approx(share * true_lost, rel=0.05)
    assert neighbour == pytest.approx(share * true_neighbour, rel=0.25)
    element = table.names[line][:2]
    vacancy = xraydb.xray_edge(element, "K").fyield * (1 - 1 / xraydb.xray_edge(element, "K").jump_ratio)
    family = 0.82 if line % 2 == 0 else 0.18
    cd, te = (xraydb.mu_elam(x, energy * 1e3, kind="photo") for x in ("Cd", "Te"))
    mass = {"Cd": 0.468 * cd, "Te": 0.532 * te}
    absorbed = mass[element] / (xraydb.material_mu("CdTe", energy * 1e3, density=5.85) / 5.85)
    assert share == pytest.approx(vacancy * family * absorbed, rel=0.06)


def test_nothing_escapes_below_the_edges():
    table = escape_table()
    below, between = (sum(table.at(np.array([energy])))[0] for energy in (26.6, 31.7))
    assert (below == 0).all()
    assert (between[:2] > 0).all()
    assert (between[2:] == 0).all()
    assert table.line == pytest.approx([23.11, 26.18, 27.38, 31.1], abs=0.1)


def test_light_above_the_edge_loses_a_tenth_where_it_is_stopped_near_the_surface():
    lost, _ = escape_table().at(np.array([27.0, 31.7, 60.0, 100.0]))
    assert (np.diff(lost.sum(axis=1)[[0, 1]]) < 0).all()
    assert 0.1 < lost[0].sum() < 0.16
    assert lost[2].sum() < 0.5 * lost[0].sum()


def test_deposits_keep_photons_and_energy():
    line = SpectrumTable(np.array([60.0]), np.array([0.0]), np.array([1.0]))
    plain = single_deposits(line, DetectorConfig(escape=False))
    assert plain.always.total == pytest.approx(1.0)
    assert plain.without_neighbour.total == 0.0
    deposits = single_deposits(line, DetectorConfig())
    neighbour = escape_table().at(np.array([60.0]))[1].sum()
    assert deposits.always.total == pytest.approx(1 - neighbour, abs=1e-9)
    assert deposits.without_neighbour.total == pytest.approx(neighbour, abs=1e-9)
    escaped = deposits.always.between(36.8, 37.0)
    assert escaped == pytest.approx(escape_table().at(np.array([60.0]))[0][0, 0], rel=1e-6)


def test_the_hole_tail_ends_at_what_the_far_side_collects():
    config = DetectorConfig(hole_length=3.0, escape=False)
    depth = np.linspace(0, 1, 11)
    charge = collected(depth, config)
    assert charge[0] == pytest.approx(1.0)
    assert (np.diff(charge) < 0).all()
    assert charge[-1] == pytest.approx(3 * (1 - np.exp(-1 / 3)) / (90 * (1 - np.exp(-1 / 90))), rel=1e-12)
    assert (collected(depth, DetectorConfig()) == 1).all()
    line = SpectrumTable(np.array([100.0]), np.array([0.0]), np.array([1.0]))
    tail = single_deposits(line, config).always
    assert tail.total == pytest.approx(1.0)
    middle = tail.low + tail.width / 2
    mean = (middle * tail.rate).sum()
    rng = np.random.default_rng(3)
    mu = xraydb.material_mu("CdTe", 100e3, density=5.85) / 10
    deep = -np.log1p(rng.random(400_000) * np.expm1(-mu)) / mu
    assert mean == pytest.approx(100 * collected(deep, config).mean(), abs=0.05)


def test_missing_neighbours_are_those_beyond_the_border_and_the_dead():
    detector = draw_detector(load("eclairs"), DetectorConfig(dead_fraction=0.1), np.random.default_rng(2))
    alive = (detector.efficiency > 0).reshape(80, 80)
    for i, j in ((0, 0), (0, 40), (79, 79), (40, 40), (17, 3)):
        around = [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
        there = [alive[a, b] for a, b in around if 0 <= a < 80 and 0 <= b < 80]
        assert detector.missing_neighbours[i * 80 + j] == 1 - sum(there) / 4
