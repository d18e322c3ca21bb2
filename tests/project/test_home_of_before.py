"""A home made by version 0.1.0 opens as before: runs, housekeeping, products, the database and its decisions.

The archive beside this file was made by that version: two simulated measurements of six seconds, ingested and
run as nights, the second with an accepted gain table 1 % above the nominal one. Photons and spectra of the
first night were taken out again, for size. It stood at /srv/eic.
"""

import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import pytest

from eicpy.events import EventFile, treat_multiples
from eicpy.housekeeping import HousekeepingArchive
from eicpy.instruments import load
from eicpy.operations import ReleaseState, files, open_database, releases
from eicpy.packets import continuity
from eicpy.pipeline import NightProducts, night_records, run_nights
from eicpy.products import read_product
from eicpy.runs import RunArchive
from eicpy.settings import Settings

HOME = Path(__file__).with_name("data") / "home-0.1.0.tar.xz"
NIGHT = "20261118"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with tarfile.open(HOME) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "eic"
    with sqlite3.connect(home / "eic.sqlite") as database:  # the home has moved since
        database.execute("UPDATE calibration_release SET file = replace(file, '/srv/eic', ?)", (str(home),))
        database.execute("UPDATE product SET file = replace(file, '/srv/eic', ?)", (str(home),))
    database.close()
    monkeypatch.setenv("EIC_HOME", str(home))
    return Settings.at(home)


def test_runs_are_read(settings):
    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    assert [run.number for run in archive.runs()] == [1, 2]
    index = archive.run(2).index(load("eclairs"))
    counted = continuity(index)
    assert {apid: (one.received, one.lost) for apid, one in counted.items()} == {
        801: (6, 0),
        802: (3, 0),
        810: (129, 1),
    }


def test_decisions_and_files_are_known(settings):
    with open_database(settings) as database:
        (release,) = releases(database, instrument="eclairs")
        assert (release.state, release.decided_by) == (ReleaseState.ACCEPTED, "monitor on duty")
        assert [file.name for file in files(database)] == ["first.ccsds", "second.ccsds"]


def test_housekeeping_is_read(settings):
    series = HousekeepingArchive(settings.housekeeping("eclairs")).read("DPIX_HVON")
    assert len(series.time) >= 2
    assert np.all(np.diff(series.time) > 0)


def test_products_are_read(settings):
    folder = settings.products("eclairs") / NIGHT
    spectra = read_product(folder / f"ECL-QLK-SPC-{NIGHT}T01.fits").main.columns["SPECTRUM"]
    record = next(r for r in night_records(settings) if r.night == NIGHT)
    assert spectra.sum() == record.photons - record.left_out - record.outside
    assert len(EventFile(folder / f"ECL-EVT-CAL-{NIGHT}T01.fits")) == record.photons


def test_a_night_of_before_opens_with_the_table_it_was_made_with(settings):
    night = NightProducts.open(settings.products("eclairs") / NIGHT)
    assert night.record.photons == 15694
    gain = night.table("gain").in_use
    assert np.allclose(gain.gain, 1.01 * load("eclairs").energy.gain)


def test_a_night_is_run_again_with_the_accepted_table(settings, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
    before = read_product(settings.products("eclairs") / NIGHT / f"ECL-QLK-LCV-{NIGHT}T01.fits").main.columns
    (first, second) = run_nights("eclairs", None, None, settings)
    assert (first.record.status, second.record.status) == ("complete", "complete")
    folder = settings.products("eclairs") / NIGHT
    after = read_product(folder / f"ECL-QLK-LCV-{NIGHT}T01.fits").main.columns
    eclairs, gain = load("eclairs"), NightProducts.open(folder).table("gain").in_use
    events = EventFile(folder / f"ECL-EVT-CAL-{NIGHT}T01.fits").read()
    whole = treat_multiples(events, "combine", scale=gain, grid=eclairs.pixels, tick=2e-5)
    assert len(whole) < len(events)
    # A photon in several pixels counted as several then, and is one photon of the summed energy now.
    for number, (low, high) in enumerate(eclairs.energy.bands, start=1):
        for photons, columns in ((events, before), (whole, after)):
            energy = photons.energy(gain)
            within = (energy >= low) & (energy < high)
            assert columns[f"COUNTS_{number}"].sum() == np.count_nonzero(within)
    for name in ("TIME", "EXPOSURE"):
        np.testing.assert_allclose(after[name], before[name], atol=1e-9)
