"""The simulator at the level of the public pre-launch response, over the whole range."""

import numpy as np
import pytest

from eicpy.errors import BadDataError
from eicpy.simulation import public_level as level
from eicpy.simulation.camera.background import FULL_ETENDUE, area, camera_table, cosmic_table, source_table
from eicpy.simulation.camera.detector import efficiency
from eicpy.simulation.camera.lines import FACTORS, estimates, fluorescence_lines
from eicpy.simulation.camera.structure import fluorescence_flux, mask_transparency, passing, scattered_energy


@pytest.fixture(scope="module")
def public(shared_data):
    return level.PublicResponse.read(shared_data / "response")


def density(strength="public"):
    energy = np.arange(4.0, 150.0, 0.25) + 0.125
    edges = np.append(energy - 0.125, energy[-1] + 0.125)
    return energy, level.spectrum(edges, strength) / 0.25


def test_background_in_bins_of_2_kev(public):
    edges = np.arange(4.0, 150.1, 2.0)
    theirs = level.binned(edges, public.energy, public.background)
    ratio = level.spectrum(edges) / theirs
    assert np.abs(ratio - 1).max() < 0.15, dict(zip(edges[:-1], ratio.round(3), strict=True))
    assert level.spectrum(np.array([4.0, 120.0]))[0] == pytest.approx(3100, rel=0.01)


def test_lines(public):
    energy, ours = density()
    theirs = level.line_rates(energy, np.interp(energy, public.energy, public.background))
    rates = level.line_rates(energy, ours)
    ratio = {name: rates[name] / rate for name, rate in theirs.items()}
    assert all(abs(r - 1) < 0.3 for r in ratio.values()), ratio
    bright = level.line_rates(*density("bright"))
    assert bright["Pb Kα"] > 3 * rates["Pb Kα"]
    assert bright["Ta Kα"] > 3 * rates["Ta Kα"]


def test_area(public):
    ratio = level.area_of_singles(public.energy) / public.area
    inside = (public.energy >= 4) & (public.energy <= 150)
    assert np.abs(ratio[inside] - 1).max() < 0.1, dict(
        zip(public.energy[inside], ratio[inside].round(3), strict=True)
    )


def test_off_axis_map(public):
    difference = level.off_axis_map() - public.off_axis
    assert difference.std() < 1e-3
    etendue = (public.off_axis * public.solid_angle).sum()
    assert pytest.approx(409.6 * etendue, rel=1e-3) == FULL_ETENDUE


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(BadDataError, match="ECLAIRs_rf_bkg"):
        level.PublicResponse.read(tmp_path)


def test_a_line_is_measured_as_bright_as_it_is():
    energy, plain = density()
    rates = level.line_rates(energy, plain)
    known = {}
    for line in fluorescence_lines():
        key = (line.element, line.line[:2])
        known[key] = known.get(key, 0.0) + line.rate
    scale = camera_table(3100.0).between(4, 120) / (3100 - cosmic_table().between(4, 120) * FULL_ETENDUE)
    assert scale == pytest.approx(1.0, abs=1e-9)
    single = 0.94  # the rest escapes
    assert rates["Pb Kα"] == pytest.approx(known["Pb", "Ka"] * single, rel=0.1)
    assert rates["Ta Kα"] == pytest.approx(known["Ta", "Ka"] * single, rel=0.15)


def test_the_estimate_explains_lead_and_copper_within_a_factor_of_about_two():
    assert set(estimates()) == set(FACTORS)
    assert all(0.4 < FACTORS[element] < 2.5 for element in ("Pb", "Cu"))
    total = {}
    for line in fluorescence_lines():
        total[line.element] = total.get(line.element, 0.0) + line.rate
    for element, rate in total.items():
        assert rate == pytest.approx(estimates()[element] * FACTORS[element])


def test_bright_lines_are_those_guessed_before():
    bright = {}
    for line in fluorescence_lines("bright"):
        bright[line.element] = bright.get(line.element, 0.0) + line.rate
    assert bright == pytest.approx({"Cu": 16, "Ta": 38, "Pb": 56, "Cd": 26, "Te": 18})


def test_a_slab_shines_as_photon_by_photon():
    """Monte Carlo of lead before the sky: isotropic light in, K photon made, isotropic light out."""
    import xraydb

    from eicpy.simulation import spectral_laws

    thickness, line = 0.03, 76.0
    rng = np.random.default_rng(4)
    size = 100_000
    energy = 88.01 * (500 / 88.01) ** rng.random(size)
    weight = spectral_laws.cosmic_background(energy) * energy * np.log(500 / 88.01) * np.pi
    cosine = np.sqrt(rng.random(size))  # of light that crosses a surface
    edge = xraydb.xray_edge("Pb", "K")
    mu = xraydb.material_mu("Pb", energy * 1e3, density=11.35)
    photo = xraydb.material_mu("Pb", energy * 1e3, density=11.35, kind="photo")
    depth = rng.exponential(1, size) / mu * cosine
    made = (depth < thickness) * photo / mu * (1 - 1 / edge.jump_ratio) * edge.fyield
    up = rng.uniform(-1, 1, size)
    mu_line = float(xraydb.material_mu("Pb", line * 1e3, density=11.35))
    for far in (True, False):
        way = thickness - depth if far else depth
        towards = up > 0 if far else up < 0
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            out = np.where(towards & (depth < thickness), np.exp(-mu_line * way / np.abs(up)), 0.0)
        assert fluorescence_flux("Pb", line, thickness, far=far) == pytest.approx(
            (weight * made * out).mean(), rel=0.04
        )


def test_what_passes():
    energy = np.array([60.0, 67.0, 68.0, 87.9, 88.2, 150.0])
    lead = passing("Pb", 0.03, energy)
    assert lead[3] > 5 * lead[4]
    mask = mask_transparency(energy)
    assert mask[1] < 0.01
    assert mask[1] > 50 * mask[2]
    assert scattered_energy(np.array([100.0]))[0] == pytest.approx(100 / (1 + 1.6 * 100 / 511), rel=1e-4)


def test_area_is_what_a_flat_source_counts():
    """A source table holds each photon once, whether stopped at once or after scattering."""
    energy = np.array([10.0, 50.0])
    assert area(energy) == pytest.approx(409.6 * efficiency(energy), rel=0.02)
    assert area(np.array([120.0]))[0] > 1.3 * 409.6 * efficiency(np.array([120.0]))[0]
    from eicpy.simulation.camera.background import energy_grid

    E = energy_grid()
    flux = np.where((E > 100) & (E < 150), 1e-3, 0.0)
    width = np.where(E < 40, 0.05, 0.1)
    assert source_table(flux).total * 409.6 == pytest.approx((flux * area(E) * width).sum(), rel=1e-3)
