"""A bright source of the catalogue in a night: blind without an attitude, seen through with one."""

import pytest
from astropy.io import fits

from eicpy.ingestion import ingest
from eicpy.pipeline import NightProducts, run_night
from eicpy.settings import Settings
from eicpy.simulation import PointingConfig, SimulationConfig, SourceConfig, write_simulation

START, STOP = "2026-11-20T18:00:00", "2026-11-20T19:00:00"


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    """Five times the Crab, off axis, for 100 s."""
    config = SimulationConfig(
        name="bright",
        start=START,
        duration=100.0,
        seed=8,
        saa=False,
        earth=False,
        pointing=PointingConfig(ra=80.0, dec=20.0, roll=15.0),
        sources=(SourceConfig(name="Crab", ra=83.6331, dec=22.0145, norm=48.5, index=2.1),),
    )
    return write_simulation(config, tmp_path_factory.mktemp("bright"))


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.mark.usefixtures("no_reports")
def test_the_attitude_opens_the_eyes_of_the_pixel_status(bright, settings):
    ingest([bright.packets], "eclairs", settings)
    without = run_night("eclairs", START, STOP, settings, workers=0)
    assert without.new
    pixels = NightProducts.open(without.folder).table("pixels")
    assert all(band.blind for band in pixels.new.bands)
    assert pixels.new.sources == ()
    assert "no attitude" in pixels.sources_table.empty
    header = fits.getheader(without.folder / "ECL-EVT-CAL-20261120T01.fits", "EVENTS")
    assert header["DSTREAM"] == "XBand"
    assert "RA_PNT" not in header
    assert "OBS_ID" not in header

    ingest(sorted(bright.packets.parent.glob("SVO-*.fits")), "eclairs", settings)
    again = run_night("eclairs", START, STOP, settings, workers=0)
    assert again.new, "an attitude that came later makes the night again"
    pixels = NightProducts.open(again.folder).table("pixels")
    assert max(band.scatter for band in pixels.new.bands) < 0.12
    crab = pixels.new.sources[0]
    assert crab.name == "Crab"
    assert "Crab" in str(pixels.sources_table)
    recorded = next(n for name, n in bright.summary["photons_by_origin"].items() if name.endswith("Crab"))
    assert crab.counts == pytest.approx(recorded, abs=5 * crab.error, rel=0.03), "beyond 120 keV are few"
    for name in ("ECL-EVT-CAL", "ECL-QLK-DPI", "AUX-ECL-PIX-STA"):
        header = fits.getheader(again.folder / f"{name}-20261120T01.fits", 1)
        found = [header[k] for k in ("RA_PNT", "DEC_PNT", "PA_PNT")]
        assert found == pytest.approx([80.0, 20.0, 15.0], abs=1e-6), name
    assert not run_night("eclairs", START, STOP, settings, workers=0).new
