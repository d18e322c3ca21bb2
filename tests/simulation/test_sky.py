"""The simulated sky: sources under an attitude that moves, exact occultations, bursts and their truth."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.optimize import brentq

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.imaging.diffuse import flatten
from eicpy.imaging.mask import transmission
from eicpy.orbit import (
    Misalignment,
    Pointing,
    body_direction,
    read_attitude,
    read_orbit,
    separation,
    unit_vector,
)
from eicpy.simulation import (
    BURST_KINDS,
    BodyConfig,
    BurstConfig,
    PhotonStream,
    PointingConfig,
    PulseConfig,
    SimulationConfig,
    SlewConfig,
    SourceConfig,
    build_scene,
    burst_flux,
    burst_truth,
    draw_burst,
    preset,
    write_simulation,
)
from eicpy.simulation.camera.background import energy_grid, source_tables
from eicpy.simulation.configure import simulation_names
from eicpy.simulation.sky.bursts import pulse_slices
from eicpy.simulation.sky.points import ShadowMaker
from eicpy.simulation.sky_presets import WEEK

ARCSEC = np.radians(1 / 3600)
DARK = preset("quiet").model_copy(update={"background_rate": 0.0, "duration": 200.0})
CRAB = SourceConfig(name="Crab", ra=83.6331, dec=22.0145, norm=9.7 * 8, index=2.1)


def photons(config, steps=6):
    stream = PhotonStream(build_scene(config))
    blocks = list(stream.blocks(steps))
    tick, detnum, origin = (
        np.concatenate([getattr(b, n) for b in blocks]) for n in ("tick", "detnum", "origin")
    )
    return tick * 2e-5 - stream.scene.start, detnum, origin, stream.scene


def test_a_source_sets_and_rises_at_its_own_times():
    """Not in whole steps: where the limb's angle, followed by another root finder, is crossed."""
    faint = CRAB.model_copy(update={"norm": 9.7})
    config = DARK.model_copy(update={"earth": True, "sources": (faint,), "duration": 12_000.0})
    scene = build_scene(config)
    (crab,) = scene.sources
    assert len(crab.hidden) >= 2

    def above(time):
        return float(
            scene.orbit.earth_angle(np.array([scene.start + time]), crab.direction)[0]
            - scene.orbit.limb_angle
        )

    edges = [t for t in crab.hidden.ravel() if 0 < t < 12_000]
    for edge in edges:
        assert brentq(above, edge - 5, edge + 5, xtol=1e-9) == pytest.approx(edge, abs=1e-3)
        assert edge % 10 != 0
    ingress = float(edges[0])
    time, _, _, _ = photons(config.model_copy(update={"duration": float(int(ingress) + 15)}))
    assert ingress - 30 / crab.rate < time.max() < ingress


def test_a_slew_moves_the_shadow_and_the_rate_with_it():
    """Counts on the plane second by second follow the smooth transmission of the mask along the slew."""
    away = SlewConfig(start=20.0, ra=120.0, dec=22.0, roll=0.0)
    config = DARK.model_copy(
        update={"sources": (CRAB,), "pointing": PointingConfig(ra=83.6, dec=22.0, slews=(away,))}
    )
    time, detnum, _, scene = photons(config)
    camera = scene.attitude.camera
    second = np.arange(200) + 0.5
    direction = scene.sources[0].direction
    vector = camera.rotation_at(scene.start + second) @ direction
    ty, tz = vector[:, 1] / vector[:, 0], vector[:, 2] / vector[:, 0]
    expected = transmission(scene.mask.geometry, ty, tz)
    counts = np.bincount(time.astype(int), minlength=200)
    level = counts[:20].mean()
    assert counts[:20].mean() > 3000
    assert np.abs(counts / level - expected).max() < 0.08  # one mask is not the mean over masks
    assert counts[130:].mean() == pytest.approx(level * expected[-1], rel=0.1)
    late = np.bincount(detnum[time > 130], minlength=6400)
    shadow = flatten(scene.mask.shadow(float(ty[-1]), float(tz[-1]))) * scene.detector.efficiency
    assert np.corrcoef(late, shadow)[0, 1] > 0.8
    early = np.bincount(detnum[time < 20], minlength=6400)
    assert np.corrcoef(early, shadow)[0, 1] < 0.5


def test_hard_photons_of_a_source_pass_the_closed_cells():
    """Pixels in the dark below 60 keV are dim above 110 keV: tantalum is thin there, and light comes back."""
    hard = CRAB.model_copy(update={"norm": 3.0, "index": 1.0})
    stream = PhotonStream(build_scene(DARK.model_copy(update={"sources": (hard,), "duration": 40.0})))
    (block,) = stream.blocks(4)
    (source,) = stream.scene.sources
    d = stream.scene.detector
    energy = d.gain[block.detnum] * (block.channel + 0.5) + d.offset[block.detnum]
    lit = flatten(stream.scene.mask.shadow(source.ty, source.tz))
    behind = flatten(stream.scene.mask.covered(source.ty, source.tz)) - lit
    open_, closed, back = source_tables(3.0 / energy_grid())
    assert set(block.origin.tolist()) == {source.component}
    for low, high in ((35.0, 60.0), (110.0, 140.0)):
        counts = np.bincount(block.detnum[(energy > low) & (energy < high)], minlength=6400)
        light, dark = (counts[s > 0.99].sum() / d.efficiency[s > 0.99].sum() for s in (lit, behind))
        whole, thin, returned = (t.between(low, high) for t in (open_, closed, back))
        expected = (thin + returned * lit.mean()) / (whole + returned * lit.mean())
        assert dark / light == pytest.approx(expected, rel=0.2)
        assert (dark / light < 0.04) == (high == 60.0)
    cosine = 1 / np.sqrt(1 + source.ty**2 + source.tz**2)
    area = cosine * 0.16 * (d.efficiency * lit).sum(), cosine * 0.16 * (d.efficiency * behind).sum()
    total = (open_.total + back.total) * area[0] + closed.total * area[1]
    assert source.rate == pytest.approx(total, rel=1e-9)


def test_photons_do_not_depend_on_the_blocks():
    config = preset("burst").model_copy(update={"duration": 156.0})
    one, two = photons(config, steps=1), photons(config, steps=16)
    assert all(np.array_equal(a, b) for a, b in zip(one[:3], two[:3], strict=True))


def test_no_attitude_beyond_a_piece_is_off_by_more_than_is_stated():
    scene = build_scene(preset("burst"))
    pieces, camera = scene._pieces, scene.attitude.camera
    middle = camera.quaternion_at(scene.start + (pieces[1:] + pieces[:-1]) / 2)
    for edge in (pieces[:-1] + 1e-6, pieces[1:] - 1e-6):
        off = 2 * np.arccos(
            np.clip(np.abs((camera.quaternion_at(scene.start + edge) * middle).sum(axis=1)), 0, 1)
        )
        assert np.degrees(off).max() < 0.1
    still = np.diff(pieces) > 5
    assert np.degrees(off[still]).max() < 0.02


def test_the_camera_sits_askew_and_the_ground_errs():
    pointing = PointingConfig(
        jitter=3.0,
        drift=10.0,
        misalignment=(60.0, -40.0, 30.0),
        ground_bias=(3.0, -2.0, 4.0),
        ground_noise=2.0,
        cadence=4.0,
    )
    attitude = build_scene(DARK.model_copy(update={"sources": (CRAB,), "pointing": pointing})).attitude
    askew = Misalignment.of(*(np.array(pointing.misalignment) * ARCSEC))
    time = attitude.camera.time
    expected = askew.matrix @ attitude.satellite.rotation_at(time)
    assert np.allclose(attitude.camera.rotation_at(time), expected, atol=1e-12)
    assert np.diff(time) == pytest.approx(0.25)
    error = attitude.ground.rotation_at(time) @ np.swapaxes(attitude.satellite.rotation_at(time), 1, 2)
    vector = np.stack([error[:, 2, 1], error[:, 0, 2], error[:, 1, 0]], axis=-1) / ARCSEC
    assert vector.mean(axis=0) == pytest.approx(pointing.ground_bias, abs=0.3)
    assert vector.std(axis=0) == pytest.approx(2.0, rel=0.15)


def test_a_light_curve_in_steps():
    flaring = CRAB.model_copy(update={"light_curve": ((33.3, 3.0), (70.0, 0.0), (120.5, 1.0))})
    time, _, _, _ = photons(DARK.model_copy(update={"sources": (flaring,)}))
    edges = [0.0, 33.3, 70.0, 120.5, 200.0]
    rate = np.histogram(time, edges)[0] / np.diff(edges)
    assert rate[2] == 0
    dead = 1 - 20e-6 * rate[0] / 8 * 2  # triple the rate loses more
    assert rate[1] / rate[0] == pytest.approx(3 * dead, rel=0.02)
    assert rate[3] == pytest.approx(rate[0], rel=0.02)
    with pytest.raises(ValueError, match="expected increasing times"):
        SourceConfig(name="x", ra=1, dec=2, norm=1, index=2, light_curve=((5.0, 1.0), (5.0, 2.0)))


BURST = BurstConfig(
    name="b", start=20.0, ra=85, dec=15, peak_flux=8.0, shape="band", cutoff=200.0, softening=0.9,
    pulses=(PulseConfig(rise=1.0, decay=2.0), PulseConfig(start=9.0, rise=2.0, decay=4.0, share=0.5)),
)  # fmt: skip


def test_a_burst_of_two_pulses_arrives_as_its_truth_says():
    config = DARK.model_copy(update={"bursts": (BURST,), "duration": 110.0})
    time, _, origin, scene = photons(config)
    truth = burst_truth(BURST, float(scene.start))
    (source,) = scene.sources
    assert set(origin.tolist()) <= {number for _, _, number in source.components}
    share = np.sort(time)[(np.array([0.05, 0.25, 0.75, 0.95]) * len(time)).astype(int)]
    assert share[3] - share[0] == pytest.approx(truth["t90"], rel=0.1)
    assert share[2] - share[1] == pytest.approx(truth["t50"], rel=0.1)
    seconds = np.arange(0.0, 60.0, 1.0)
    light = np.histogram(time - 20.0, np.append(seconds, 60.0))[0]
    flux = burst_flux(BURST, seconds + 0.5)
    assert np.corrcoef(light, flux)[0, 1] > 0.99


def test_a_pulse_has_the_form_of_norris():
    burst = BurstConfig(name="b", start=0.0, ra=85, dec=15, peak_flux=2.0, rise=3.0, decay=4.0)
    t = np.linspace(1e-3, burst.end, 50_000)
    tau1, tau2 = 9.0 / 4.0, 4.0
    norris = 2.0 * np.exp(2 * np.sqrt(tau1 / tau2)) * np.exp(-tau1 / t - t / tau2)
    assert np.allclose(burst_flux(burst, t), norris, rtol=1e-12)
    assert t[np.argmax(norris)] == pytest.approx(3.0, abs=2e-3)
    truth = burst_truth(burst, 100.0)
    assert truth["photon_fluence"] == pytest.approx(np.trapezoid(norris, t), rel=1e-4)
    assert truth["peak_photon_flux"] == pytest.approx(2.0, rel=1e-4)
    assert truth["peak_time"] == pytest.approx(103.0, abs=0.01)
    assert (truth["start"], truth["stop"]) == (100.0, 100.0 + burst.end)


def test_a_pulse_softens_and_keeps_its_photons():
    slices = pulse_slices(BURST)
    energies = [part.spectrum.energy for part in slices if part.curve[0] == 20.0]
    assert (np.diff(energies) < 0).all()
    assert (np.array(energies[1:]) / energies[:-1] > 1 / 1.25).all()
    assert energies[0] == pytest.approx(200.0, rel=0.2)
    for part in slices:
        share = 1.0 if part.curve[0] == 20.0 else 0.5
        assert part.spectrum.photon_flux(4, 120) == pytest.approx(8.0 * share, rel=1e-6)
    first = [part for part in slices if part.curve[0] == 20.0]
    assert [a.end for a in first[:-1]] == pytest.approx([b.begin for b in first[1:]])
    steady = pulse_slices(BURST.model_copy(update={"softening": 0.0}))
    assert len(steady) == 2
    hard = burst_truth(BURST.model_copy(update={"softening": 0.0}), 0.0)["energy_fluence"]
    assert burst_truth(BURST, 0.0)["energy_fluence"] < hard


@pytest.mark.parametrize("kind", BURST_KINDS)
def test_bursts_of_a_population(kind):
    rng = np.random.default_rng(5)
    drawn = [draw_burst(kind, rng, name=f"b{n}", start=10.0, ra=1.0, dec=2.0) for n in range(60)]
    truth = [burst_truth(burst, 0.0) for burst in drawn[:25]]
    t90 = np.median([one["t90"] for one in truth])
    limits = {
        "long": (8, 60),
        "short": (0.1, 1.0),
        "x-ray flash": (6, 50),
        "magnetar": (0.05, 0.5),
        "x-ray burst": (10, 60),
        "stellar flare": (600, 4000),
    }
    assert limits[kind][0] < t90 < limits[kind][1]
    assert all(burst.kind == kind for burst in drawn)
    peak = np.array([burst.peak_flux for burst in drawn])
    assert peak.min() >= 1.0
    assert 1.2 < np.median(peak) < 2.2  # 2^(1/1.5) = 1.59
    again = draw_burst(kind, np.random.default_rng(5), name="b0", start=10.0, ra=1.0, dec=2.0)
    assert again == drawn[0]


def test_a_kind_that_is_not_known_is_refused():
    with pytest.raises(NotFoundError, match="got kind 'novel', expected one of long, short"):
        draw_burst("novel", np.random.default_rng(1), name="b", start=0.0, ra=1.0, dec=2.0)


def test_only_what_comes_into_the_field_shines():
    scene = build_scene(preset("burst"))
    names = {source.name for source in scene.sources}
    assert {"Crab", "1A 0535+262", "X Per"} <= names
    assert "Sco X-1" not in names
    for source in scene.sources:
        nearest = min(
            separation(camera[0], source.direction)
            for camera in scene.attitude.camera.rotation_at(scene.start + np.arange(0.0, 600.0, 20.0))
        )
        assert nearest < np.radians(60)
    mine = preset("burst").model_copy(update={"sources": (CRAB.model_copy(update={"norm": 1.0}),)})
    assert sum(s.name == "Crab" for s in build_scene(mine).sources) == 1


def test_more_components_than_a_photon_can_name_are_refused():
    bursts = tuple(
        BURST.model_copy(update={"name": f"b{n}", "start": 10.0 * n, "softening": 2.0}) for n in range(15)
    )
    with pytest.raises(BadArgumentError, match="expected 250 at most"):
        build_scene(DARK.model_copy(update={"bursts": bursts}))


def test_the_ground_gets_attitude_and_orbit_in_files(tmp_path):
    whole = preset("burst")
    burst = whole.bursts[0].model_copy(update={"start": 10.0})
    slew = whole.pointing.slews[0].model_copy(update={"start": 35.0})
    pointing = whole.pointing.model_copy(update={"slews": (slew,)})
    config = whole.model_copy(
        update={"duration": 45.0, "catalogue": None, "bursts": (burst,), "pointing": pointing}
    )
    night = write_simulation(config, tmp_path)
    scene = build_scene(config)
    attitude = read_attitude(next(tmp_path.glob("SVO-ATT-CNV-20261120T01.fits")))
    orbit = read_orbit(next(tmp_path.glob("SVO-ORB-CNV-20261120T01.fits")))
    time = scene.start + np.linspace(0.0, 44.0, 50)
    assert np.allclose(attitude.quaternion_at(time), scene.attitude.ground.quaternion_at(time), atol=1e-14)
    assert np.abs(orbit.position_at(time) - scene.orbit.position(time)).max() < 1e-3
    (true,) = night.summary["bursts"]
    assert true["t90"] > 5
    assert true["kind"] == "long"
    assert true["ty"] == pytest.approx(scene.sources[-1].ty)
    assert [round(o["ra"]) for o in night.summary["observations"]] == [80, 97]
    with fits.open(night.tables) as hdus:
        camera = hdus["ATTITUDE"].data
        assert np.array_equal(camera["QUATERNION"], scene.attitude.camera.quaternion)
        assert all(hdu.header["SIMULATE"] is True for hdu in hdus)
    assert set(night.summary["hidden_by_the_earth"]) == {"simulated burst"}


def test_several_observations_a_night():
    config = SimulationConfig(
        name="plan",
        duration=3600.0,
        background_rate=10.0,
        pointing=PointingConfig(plan="anti-solar", observation=1200.0),
    )
    scene = build_scene(config)
    plan = scene.attitude.observations
    assert len(plan) == 3
    for observation in plan:
        settled = observation.start + 400.0
        camera = scene.attitude.camera.pointing_at(settled)
        assert separation(camera.rotation[0], observation.pointing.rotation[0]) < 1e-9
    assert isinstance(scene.pointing, Pointing)
    apart = separation(plan[0].pointing.rotation[0], plan[1].pointing.rotation[0])
    assert apart > np.radians(20)
    assert unit_vector(0.0, 0.0)[0] == 1


def test_the_moon_goes_its_way_as_the_satellite_sees_it():
    night = preset("week-7").model_copy(update={"duration": 5000.0, "catalogue": None})
    scene = build_scene(night)
    (moon,) = scene.sources
    time = np.array([0.0, 1234.0, 3456.7, 4999.0])
    seen = body_direction("moon", scene.start + time, scene.orbit.position(scene.start + time))
    assert separation(moon.path.at(time), seen).max() < 1 * ARCSEC
    assert separation(seen[0], seen[2]) > np.radians(0.5), "half an orbit: the parallax"
    ingress, egress = moon.hidden[0]
    limb = scene.orbit.limb_angle
    for edge in (ingress, egress):
        place = scene.orbit.position(np.array([scene.start + edge]))
        assert separation(-place[0], moon.path.at(np.array([edge]))[0]) == pytest.approx(limb, abs=1e-5)
    assert moon.component in scene.shining(700.0).spectrum
    assert moon.component not in scene.shining((ingress + egress) / 2).spectrum


def test_a_week_is_of_one_camera_and_has_what_looks_like_a_burst():
    assert simulation_names("week") == WEEK
    assert simulation_names("demo") == ("demo",)
    nights = [preset(name).model_copy(update={"catalogue": None}) for name in WEEK]
    assert len({night.start for night in nights}) == len({night.seed for night in nights}) == 7
    scenes = [build_scene(night) for night in nights]
    assert all(np.array_equal(scene.detector.gain, scenes[0].detector.gain) for scene in scenes)
    kinds = {burst.kind for night in nights for burst in night.bursts}
    assert kinds == set(BURST_KINDS)
    for night, scene in zip(nights, scenes, strict=True):
        for burst in night.bursts:
            source = next(s for s in scene.sources if s.name == burst.name)
            assert source.lit > 0.1
            assert not source.is_hidden(burst.start)
            assert not any(a <= burst.start < b for a, b in scene.saa)
    assert [body.body for body in nights[6].bodies] == ["moon"]
    found = {}
    for scene in scenes:
        for incident in scene.incidents:
            peak = incident.config.start + incident.config.rise
            assert not any(a <= peak < b for a, b in scene.saa)
            shining = scene.shining(peak + 1e-4)
            mine = scene.owner[shining.spectrum] == incident.component
            found[incident.config.name] = float(shining.rate[mine].sum())
    assert set(found) == {"shower of particles", "track of a particle", "noisy module", "solar flare"}
    assert min(found.values()) > 100


def test_a_body_has_a_name_of_its_own_and_is_a_known_one():
    moon = BodyConfig(name="Crab", body="moon", norm=1.0, index=2.0)
    with pytest.raises(ValueError, match="expected each name once"):
        SimulationConfig(name="x", duration=1.0, sources=(CRAB,), bodies=(moon,))
    with pytest.raises(ValueError, match="body"):
        BodyConfig(name="V", body="vulcan", norm=1.0, index=2.0)


def test_a_source_that_grazes_the_plane_lights_nothing():
    """Seen at 87° at the start it comes into the field later; its ray cannot be followed through the mask."""
    scene = build_scene(DARK.model_copy(update={"bursts": (BURST,)}))
    shadows = ShadowMaker(scene.mask, scene.detector.efficiency)
    for at in ((19.0, 0.1), (np.nan, np.nan)):
        open_cells, closed_cells = shadows.weights(*at)
        assert open_cells.shape == (6400,)
        assert not open_cells.any()
        assert not closed_cells.any()
        assert shadows.lit(*at) == 0
    assert shadows.lit(0.1, 0.1) > 0.3
