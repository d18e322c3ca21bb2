"""The background in time: rigidity, wings and activation, the Earth's light, flares and showers."""

import numpy as np
import pytest
from astropy.io import fits

from eicpy.orbit import CircularOrbit, cutoff_rigidity, geomagnetic_latitude
from eicpy.simulation import (
    EnvironmentConfig,
    FlareConfig,
    PhotonStream,
    ShowerConfig,
    build_scene,
    preset,
    write_simulation,
)
from eicpy.simulation import spectral_laws as laws
from eicpy.times import to_seconds

QUIET = preset("quiet").model_copy(update={"environment": EnvironmentConfig()})
SAA = QUIET.model_copy(update={"saa": True})
ORBIT = CircularOrbit.of(0.0)


def with_environment(config, **fields):
    changes = {n: fields.pop(n) for n in list(fields) if n in type(config).model_fields}
    return config.model_copy(update=changes | {"environment": EnvironmentConfig(**fields)})


def rates(scene, time):
    """Counts per second of each component at a time, by its name."""
    shining = scene.shining(time)
    found: dict[str, float] = {}
    for rate, number in zip(shining.rate, shining.spectrum, strict=True):
        name = scene.components[scene.owner[number]].name
        found[name] = found.get(name, 0.0) + float(rate)
    return found


def test_the_cutoff_is_that_of_the_shell():
    """14.5/L² with L the distance in which the dipole's line of force crosses the equator."""
    time = np.arange(0.0, 20_000.0, 500.0)
    place = ORBIT.position(time)
    latitude = geomagnetic_latitude(place, time)
    shell = ORBIT.radius / 6371.2 / np.cos(latitude) ** 2
    assert cutoff_rigidity(place, time) == pytest.approx(14.5 / shell**2, rel=1e-12)
    assert np.degrees(np.abs(latitude)).max() == pytest.approx(29 + 9.35, abs=3.0)


def test_particles_follow_the_rigidity_and_nothing_else_does():
    scene = build_scene(QUIET)
    plain = build_scene(QUIET.model_copy(update={"environment": None}))
    time = np.arange(7.0, 3600.0, 240.0)
    cutoff = scene.environment.cutoff(time)
    found = [rates(scene, t) for t in time]
    particles = np.array([one["particles"] for one in found])
    assert cutoff.max() > 1.3 * cutoff.min()
    assert np.polyfit(np.log(cutoff), np.log(particles), 1)[0] == pytest.approx(-1.0, abs=1e-4)
    for name in ("cosmic background", "camera"):
        assert np.ptp([one[name] for one in found]) == 0
    assert scene.environment.cosmic_rays(np.arange(0.0, 86400.0, 60.0)).mean() == pytest.approx(1.0, rel=1e-9)
    whole = sum(c.rate for c in plain.components)
    mean = sum(found[0].values()) - particles[0] + scene.components[5].rate
    assert mean == pytest.approx(whole, rel=1e-6), "at the mean rigidity the level is that of before"
    off = build_scene(with_environment(QUIET, rigidity=False))
    assert rates(off, 7.0)["particles"] == rates(off, 3000.0)["particles"]


def test_what_the_anomaly_leaves_decays_as_told():
    """Counts after a passage, photon by photon: the half-life and the rate of truth come back."""
    whole = with_environment(
        SAA, duration=6 * 3600.0, background_rate=0.0, wings=0.0, activation=((8.0, 600.0),)
    )
    begin, end = next(p for p in build_scene(whole).saa if p[1] - p[0] > 600)
    assert end < 4 * 3600
    stream = PhotonStream(build_scene(whole.model_copy(update={"duration": end + 1200.0})))
    time = np.concatenate([b.tick for b in stream.blocks(60)]) * 2e-5 - stream.scene.start
    truth = stream.scene.environment
    edges = end + np.arange(0.0, 1201.0, 100.0)
    middle = edges[:-1] + 50
    counts = np.histogram(time, edges)[0]
    slope = np.polyfit(middle, np.log(counts), 1, w=np.sqrt(counts))[0]
    assert np.log(2) / -slope / 60 == pytest.approx(8.0, rel=0.05)
    expected = 100 * truth.activation(middle)
    share = counts.sum() / expected.sum()
    assert 0.8 < share < 1.0, "thresholds, dead pixels and dead time take some"
    assert ((counts - share * expected) ** 2 / (share * expected)).sum() < 30  # 11 degrees of freedom
    assert not len(time[(time > begin) & (time < end)])
    decay = np.log(2) / 480
    alone = 600 * (1 - np.exp(-decay * (end - begin)))
    assert truth.activation(np.array([end]))[0] == pytest.approx(alone, rel=0.05)
    assert truth.activation(np.array([end]))[0] > alone, "an orbit earlier there was a passage, too"


def test_counts_rise_before_and_after_a_passage():
    scene = build_scene(with_environment(SAA, duration=6 * 3600.0, wings=500.0, wing_time=30.0))
    begin, end = next(p for p in scene.saa if p[0] > 300)
    for away in (1.0, 31.0, 91.0):
        for edge in (begin - away, end + away):
            trapped = scene.environment.trapped(np.array([edge]))[0]
            assert trapped == pytest.approx(500 * np.exp(-away / 30), rel=1e-6)
    assert not any(s.live.size for s in scene.segments(int((begin + end) / 20)))
    lengths = [s.live[0, 1] - s.live[0, 0] for s in scene.segments(int((begin - 40) // 10))]
    assert max(lengths) <= 2.0, "followed every two seconds"
    off = build_scene(with_environment(SAA, duration=600.0, wings=0.0, activation=()))
    assert rates(off, 10.0).keys() == {"cosmic background", "camera", "particles"}


EARTH = QUIET.model_copy(update={"earth": True, "duration": 5900.0})


def crossing(scene):
    """A time at which the Earth's edge is in the field, and moves."""
    light = scene._diffuse_light
    return next(t for t in np.arange(5.0, 5900.0, 10.0) if light.changes(t - 5, t + 5))


@pytest.mark.parametrize("environment", [None, EnvironmentConfig()])
def test_the_earth_moves_evenly_within_a_step(environment):
    """Rate and shape over the plane are those of the moment, not of the middle of a step."""
    scene = build_scene(EARTH.model_copy(update={"environment": environment}))
    first = crossing(scene) + 120
    sky, orbit, efficiency = scene._sky, scene.orbit, scene.detector.efficiency
    cosmic = scene.components[0].table.total
    for time in (first + 0.01, first + 2.7, first + 9.9):
        now = scene.start + time
        rotation = scene.attitude.camera.rotation_at(now)
        nadir = rotation @ (-orbit.position(np.array([now]))[0] / orbit.radius)
        open_sky, _ = sky.split(nadir, orbit.limb_angle)
        exact = cosmic * float((open_sky[:, ::-1].ravel() * efficiency).sum())
        assert rates(scene, time)["cosmic background"] == pytest.approx(exact, rel=2e-3)
    knot = np.ceil(first / 10) * 10
    early, late = (sum(rates(scene, t).values()) for t in (knot - 1e-6, knot + 1e-6))
    assert early == pytest.approx(late, rel=1e-6)
    parts = [s.live[0] for s in scene.segments(int(first // 10))]
    assert len(parts) == 5
    assert [b - a for a, b in parts] == pytest.approx([2.0] * 5)


def test_the_light_of_the_earth_by_its_causes_is_the_one_measured():
    energy = np.array([44.0, 60.0, 80.0, 100.0, 140.0])
    level = laws.atmosphere_level(8.0, 0.6) * 0.8  # seen on average 37° from upright
    sum_ = laws.reflected_share(energy) * laws.cosmic_background(energy) + laws.atmosphere(energy) * level
    assert sum_ / laws.albedo(energy) == pytest.approx(1.0, abs=0.33)
    soft, hard = laws.reflected_share(np.array([5.0, 60.0]))
    assert soft < 0.01
    assert hard > 0.25
    assert laws.atmosphere_level(4.0, 0.6) > 1.5 * laws.atmosphere_level(12.0, 0.6)
    assert laws.atmosphere_level(8.0, 0.4) > laws.atmosphere_level(8.0, 1.0)


@pytest.mark.parametrize("phase", [0.0, 70.0, 130.0, 180.0])
def test_the_sunlit_side_by_rays_through_the_field(phase):
    """One pixel of the middle looks at the Earth: a Monte Carlo of its rays finds ground, upright, noon."""
    scene = build_scene(QUIET)
    sky = scene._sky
    limb = ORBIT.limb_angle
    nadir = np.array([np.cos(0.5), np.sin(0.5) * 0.6, np.sin(0.5) * 0.8])
    aside = np.cross(nadir, [0.0, 0.0, 1.0])
    aside /= np.linalg.norm(aside)
    away = np.radians(phase)
    sun = -nadir * np.cos(away) + aside * np.sin(away)
    upright, noon = sky.earth_maps(nadir, limb, sun)
    rng = np.random.default_rng(3)
    g = scene.instrument.mask
    y = (40 + 0.5) * 0.45 - 18.0
    t = rng.uniform(-g.side / 2, g.side / 2, (2, 400_000)) - y
    ty, tz = t / g.distance
    ray = np.stack([np.ones_like(ty), ty, tz], axis=-1) / np.sqrt(1 + ty**2 + tz**2)[:, None]
    weight = ray[:, 0] ** 4
    along = ray @ nadir  # a sphere of radius sin(limb) at a distance of 1
    inside = np.sin(limb) ** 2 - (1 - along**2)
    hits = (inside > 0) & (along > 0)
    ground = (ray * (along - np.sqrt(np.maximum(inside, 0)))[:, None] - nadir) / np.sin(limb)
    mu = np.clip(-(ray * ground).sum(axis=1), 0, 1) * hits
    sunny = np.clip(ground @ sun, 0, 1) * hits
    full = sky.full[40, 40]
    assert upright[40, 40] / full == pytest.approx(
        (weight * mu * (1 + mu) / 2).sum() / weight.sum(), rel=0.02
    )
    expected = (weight * sunny).sum() / weight.sum()
    assert noon[40, 40] / full == pytest.approx(expected, rel=0.03, abs=1e-3)
    assert (noon.sum() > 0) == (phase < 100)


def test_a_flare_shines_off_the_sunlit_earth_only():
    flare = FlareConfig(start=0.0, goes="C3.0", rise=10.0, decay=5000.0)
    scene = build_scene(with_environment(EARTH, flares=(flare,)))
    assert flare.flux == pytest.approx(3e-6)
    assert FlareConfig(start=0, goes="X1.5").flux == pytest.approx(1.5e-4)
    times = np.arange(5.0, 5900.0, 120.0)
    found = np.array([rates(scene, t).get("solar flare", 0.0) for t in times])
    reflected = np.array([rates(scene, t).get("sky reflected by the Earth", 0.0) for t in times])
    assert found.max() > 500
    assert (found[reflected == 0] == 0).all()
    with pytest.raises(ValueError, match="goes"):
        FlareConfig(start=0, goes="Z9")


def test_showers_lie_where_they_are_said_to(tmp_path):
    showers = (
        ShowerConfig(name="all over", start=3.0, peak=5000.0, rise=0.05, decay=0.5),
        ShowerConfig(name="track", start=11.0, peak=1e5, rise=1e-3, decay=1e-3, where="track", number=4),
        ShowerConfig(name="module", start=14.0, peak=200.0, rise=1.0, decay=3.0, where="module", number=77),
    )
    dark = with_environment(QUIET, background_rate=0.0, duration=40.0, showers=showers)
    stream = PhotonStream(build_scene(dark))
    (block,) = stream.blocks(4)
    time = block.tick * 2e-5 - stream.scene.start
    grid = stream.scene.instrument.pixels
    for incident, low in zip(stream.scene.incidents, (500, 20, 150), strict=True):
        mine = block.origin == incident.component
        shower = incident.config
        t = np.linspace(1e-6, shower.end, 20_000)
        light = np.exp((2 * shower.rise - shower.rise**2 / t - t) / shower.decay)
        expected = shower.peak * np.trapezoid(light, t)
        assert low < mine.sum() < 1.1 * expected  # thresholds and dead time take some
        assert (time[mine] >= shower.start).all()
        assert (time[mine] <= shower.start + shower.end).all()
        if shower.where == "module":
            assert set(grid.module(block.detnum[mine]).tolist()) == {77}
        if shower.where == "track":
            i, j = (np.asarray(a, float) for a in grid.ij(block.detnum[mine]))
            spread = np.linalg.svd(np.stack([i - i.mean(), j - j.mean()]), compute_uv=False)
            long, wide = spread / np.sqrt(mine.sum())
            assert long > 5
            assert wide < 1
    night = write_simulation(dark, tmp_path)
    assert [one["name"] for one in night.summary["incidents"]] == ["all over", "track", "module"]
    assert night.summary["incidents"][1]["start"] == float(to_seconds(dark.start)) + 11.0
    track = stream.scene.incidents[1].component
    assert night.summary["photons_by_origin"][f"{track} track"] == int((block.origin == track).sum()) > 0
    with fits.open(night.tables) as hdus:
        table = hdus["ENVIRONMENT"].data
        assert np.allclose(
            table["CUTOFF"], stream.scene.environment.cutoff(table["TIME"] - stream.scene.start)
        )
