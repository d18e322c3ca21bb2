"""What GRM, MXT and Fermi-GBM report of simulated bursts, against the truth that made it."""

import numpy as np
import pytest
from astropy.io import fits

from eicpy.errors import BadDataError
from eicpy.orbit import separation, unit_vector
from eicpy.simulation import build_scene, preset, read_partners, write_simulation
from eicpy.simulation import partners as p
from eicpy.simulation.partner_files import write_partners
from eicpy.simulation.sky.bursts import burst_flux

BURST = preset("burst").model_copy(update={"catalogue": None})


@pytest.fixture(scope="module")
def scene():
    return build_scene(BURST)


def test_the_grm_light_curve_is_the_burst_on_its_background(scene):
    (burst,) = scene.config.bursts
    curve = p.grm_light_curve(scene, burst)
    time = curve.time - scene.start + p.BIN / 2
    before = curve.counts[time < burst.start - 5]
    assert before.mean(axis=(0, 1)) / p.BIN == pytest.approx(p._BACKGROUND, rel=0.05)
    assert before.var(axis=(0, 1)) == pytest.approx(before.mean(axis=(0, 1)), rel=0.15), "Poisson"
    expected = p.grm_expected(scene, burst, time)
    excess = curve.counts - p._BACKGROUND * p.BIN
    for detector in range(3):
        got, truth = excess[:, detector].sum(axis=1), expected[:, detector].sum(axis=1) * p.BIN
        error = np.sqrt((curve.counts[:, detector].sum(axis=1)).sum())
        assert abs(got.sum() - truth.sum()) < 4 * error
    light = expected.sum(axis=(1, 2))
    flux = burst_flux(burst, time - burst.start)
    assert np.corrcoef(light, flux)[0, 1] > 0.9
    soft, hard = expected[:, :, 0].sum(axis=1), expected[:, :, 1].sum(axis=1)
    early, late = (abs(time - burst.start - t).argmin() for t in (6.5, 12.0))
    assert hard[early] / soft[early] > hard[late] / soft[late], "it softens within a pulse"


def test_each_detector_counts_with_the_cosine_of_its_own_axis(scene):
    (burst,) = scene.config.bursts
    still = scene.attitude.satellite.rotation_at(scene.start + 127.0) @ scene.sources[-1].direction
    counts = p.grm_expected(scene, burst, np.array([127.0]))[0]
    shares = counts[:, 1] / counts[:, 1].max()
    axes = [
        np.array([np.cos(np.pi / 6), 0.5 * np.cos(a), 0.5 * np.sin(a)])
        for a in np.radians([0.0, 120.0, 240.0])
    ]
    cosine = np.array([max(still @ axis, 0) for axis in axes])
    assert shares == pytest.approx(cosine / cosine.max(), rel=1e-9)


def test_positions_scatter_as_their_errors_say(scene):
    """90 and 68 % of the true positions lie within the radii of many nights."""
    (burst,) = scene.config.bursts
    true = unit_vector(np.radians(burst.ra), np.radians(burst.dec))
    inside, wide, seen = [], [], 0
    for seed in range(40):
        scene.config = BURST.model_copy(update={"seed": seed})
        mxt, gbm = p._mxt(scene, burst), p._gbm(scene, burst)
        off = separation(unit_vector(np.radians(mxt.ra), np.radians(mxt.dec)), true)
        inside.append(np.degrees(off) < mxt.radius)
        assert mxt.confidence == 0.9
        if gbm.status == "seen":
            seen += 1
            off = separation(unit_vector(np.radians(gbm.ra), np.radians(gbm.dec)), true)
            wide.append(np.degrees(off) < np.hypot(gbm.radius, p._GBM_SYSTEMATIC))
            assert gbm.time - (scene.start + burst.start) < 30
            assert 0 <= gbm.probability <= 1
    scene.config = BURST
    assert np.mean(inside) > 0.78
    assert 0.4 < np.mean(wide) < 0.95
    assert 0.3 < seen / 40 < 0.8, "the Earth hides a third of the sky, the anomaly a seventh of the time"


def test_a_place_is_off_by_a_gaussian_on_the_sphere():
    rng = np.random.default_rng(1)
    for true in (unit_vector(1.0, 0.3), unit_vector(2.0, np.pi / 2)):
        off = [separation(unit_vector(*np.radians(p._moved(true, 0.02, rng))), true) for _ in range(600)]
        for share, radius in ((0.68, p._R68), (0.9, p._R90)):
            assert np.mean(np.array(off) < 0.02 * radius) == pytest.approx(share, abs=0.06)


def test_who_sees_a_burst_and_who_does_not(scene):
    (burst,) = scene.config.bursts
    curve = p.grm_light_curve(scene, burst)
    grm, mxt, _ = p.sightings(scene, [curve])
    assert (grm.status, mxt.status) == ("seen", "seen")
    assert grm.significance > 5
    assert grm.detectors.count("1") >= 2
    assert abs(grm.time - scene.start - burst.start) < 30
    assert mxt.time - scene.start > 150 + 30, "after the slew"
    faint = burst.model_copy(update={"peak_flux": 0.01})
    assert p._grm(scene, faint, p.grm_light_curve(scene, faint)).status == "too faint"
    assert p._gbm(scene, faint).status in ("too faint", "hidden by the Earth", "in the anomaly")
    flare = burst.model_copy(update={"kind": "stellar flare"})
    assert p._mxt(scene, flare).status == "no slew to it"
    alone = BURST.model_copy(update={"pointing": BURST.pointing.model_copy(update={"slews": ()})})
    assert p._mxt(build_scene(alone), burst).status == "no slew to it"
    fermi = p.gbm_orbit(scene)
    assert fermi.period / 60 == pytest.approx(95.2, abs=0.5)


def test_partners_are_written_and_read(tmp_path):
    night = write_simulation(BURST.model_copy(update={"duration": 140.0, "environment": None}), tmp_path)
    found = night.partners
    assert {one.partner for one in found.sightings} == {"GRM", "MXT", "GBM"}
    assert found.of("simulated burst")["MXT"].status == "no slew to it"
    scene = build_scene(night.config)
    curve = p.grm_light_curve(scene, night.config.bursts[0])
    assert np.array_equal(found.light_curves["simulated burst"].counts, curve.counts)
    expected = p.sightings(scene, [curve])
    assert [repr(one) for one in found.sightings] == [repr(one) for one in expected]
    with fits.open(tmp_path / "partners.fits") as hdus:
        assert all(hdu.header["SIMULATE"] is True for hdu in hdus)
    assert "GRM" in found._repr_html_()
    (tmp_path / "partners.fits").write_bytes(b"nothing")
    with pytest.raises(BadDataError, match="no readable partners"):
        read_partners(tmp_path / "partners.fits")
    (tmp_path / "partners.fits").unlink()
    assert night.partners is None


def test_a_night_that_ends_before_its_burst_or_in_it(tmp_path):
    for duration, number in ((100.0, 0), (120.02, 1), (121.0, 1)):
        short = build_scene(BURST.model_copy(update={"duration": duration, "environment": None}))
        found = read_partners(write_partners(short, tmp_path))
        assert len(found.light_curves) == number
        assert len(found.sightings) == 3 * number


def test_a_night_without_bursts_has_partners_that_saw_none(scene, tmp_path):
    scene.config = BURST.model_copy(update={"bursts": ()})
    assert read_partners(write_partners(scene, tmp_path)).sightings == ()
    scene.config = BURST
