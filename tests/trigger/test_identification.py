"""Known sources: where they stand, how bright they usually are, and when they are brighter."""

import numpy as np
import pytest

from eicpy.catalogue import CatalogueSource, SourceCatalogue, load_catalogue
from eicpy.imaging import random_mask
from eicpy.instruments import load
from eicpy.orbit import Pointing, unit_vector
from eicpy.simulation.camera.background import energy_grid, source_tables
from eicpy.trigger import ImageTrigger, KnownSources, TriggerConfiguration
from eicpy.trigger.on_board.identification import SourceFluxes, detected_photons

CONFIGURATION = TriggerConfiguration()
SKY = load_catalogue("hard-x-ray")
MASK = random_mask(load("eclairs").mask, 80, 1)
CRAB = Pointing(*np.radians([80.0, 20.0, 0.0]))


@pytest.fixture(scope="module")
def known():
    return KnownSources(CONFIGURATION, SKY, MASK)


@pytest.mark.parametrize("name", ["Crab", "Sco X-1", "Cyg X-1", "1A 0535+262"])
def test_usual_rates_are_those_of_the_simulated_camera(name):
    source = SKY[name]
    table, _, _ = source_tables(source.spectrum.density(energy_grid()))
    for low, high in CONFIGURATION.bands:
        assert detected_photons(source, low, high) == pytest.approx(table.between(low, high), rel=0.05)


def test_the_crab_is_in_the_field_and_a_source_outside_is_not(known):
    visible = known.visible(CRAB)
    names = [one.source.name for one in visible]
    assert names[0] == "Crab"
    assert "Sco X-1" not in names
    assert all(one.source.flux > 50e-12 for one in visible)
    assert known.catalogue.sources[visible[0].number - 1].name == "Crab"
    backwards = KnownSources(CONFIGURATION, SourceCatalogue("backwards", list(SKY)[::-1]), MASK)
    again = backwards.visible(CRAB)  # the brightest first, however the catalogue is ordered
    assert [one.source.name for one in again] == names
    assert backwards.catalogue.sources[again[0].number - 1].name == "Crab"


@pytest.mark.parametrize(("factor", "outburst"), [(1.0, False), (2.5, False), (3.5, True)])
def test_a_known_source_is_told_from_its_outburst(known, factor, outburst):
    usual = known.usual(1, 1, 20.48, 0.9)
    direction = unit_vector(*np.radians([83.7, 22.1]))
    said = known.identify(direction, 0.0, factor * usual, 0.01, band=1, exposure=20.48, cosine=0.9)
    assert (said.name, said.outburst, said.is_usual) == ("Crab", outburst, not outburst)


def test_brighter_but_not_significantly_so_is_usual(known):
    usual = known.usual(60, 3, 2.56, 0.9)
    source = known.catalogue.sources[59]
    direction = unit_vector(*np.radians([source.ra, source.dec]))
    flux, variance = 10 * usual, (10 * usual / 3) ** 2
    said = known.identify(direction, 0.0, flux, variance, band=3, exposure=2.56, cosine=0.9)
    assert said.is_usual


def test_a_position_is_a_source_within_its_error_circle(known):
    away = unit_vector(*np.radians([83.6332, 23.0]))
    arguments = {"flux": 1.0, "variance": 0.01, "band": 1, "exposure": 1.0, "cosine": 1.0}
    assert known.identify(away, 0.0, **arguments).number == 0
    assert known.identify(away, np.radians(1.0), **arguments).name == "Crab"
    assert KnownSources(CONFIGURATION, None, MASK).identify(away, 1.0, **arguments).number == 0


def test_a_source_of_outbursts_only_is_always_in_outburst():
    stars = SourceCatalogue("stars", [CatalogueSource("Algol", "star", 47.04, 40.96, 0.0, np.nan, "x")])
    known = KnownSources(CONFIGURATION, stars, MASK)
    direction = unit_vector(*np.radians([47.04, 40.96]))
    said = known.identify(direction, 0.0, 1.0, 0.01, band=0, exposure=1.0, cosine=1.0)
    assert (said.name, said.outburst) == ("Algol", True)
    assert known.visible(Pointing(*np.radians([47.0, 41.0, 0.0]))) == []


def test_fluxes_of_sources_that_are_taken_out_come_from_the_fit(known):
    visible = known.visible(CRAB)[:3]
    rng = np.random.default_rng(5)
    efficiency = np.where(rng.random((80, 80)) < 0.02, 0.0, rng.normal(1, 0.05, (80, 80)))
    images = ImageTrigger(CONFIGURATION, MASK, efficiency, SKY)
    truth = np.array([8.0, 3.0, 0.0])
    mean = 20 + sum(f * MASK.shadow(one.ty, one.tz) for f, one in zip(truth, visible, strict=True))
    fluxes = SourceFluxes(images.decoder(CRAB, None), visible)
    assert [one.number for one in fluxes.sources] == [one.number for one in visible]
    pulls = []
    for _ in range(200):
        counts = rng.poisson(efficiency * mean)
        flux, variance = fluxes.of(counts)
        pulls.append((flux - truth) / np.sqrt(variance))
    assert np.abs(np.mean(pulls, axis=0)).max() < 0.3  # 4 σ of 200
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=0.2)
    without = mean - 8.0 * MASK.shadow(visible[0].ty, visible[0].tz)
    rest = fluxes.rest(counts, 0)
    assert abs((rest - without)[efficiency > 0].mean()) < 0.5
