"""Attitude and orbit files that are dropped: kept once, refused with a reason, found by their time."""

import numpy as np
import pytest

from eicpy.errors import ExitCode
from eicpy.ingestion import ingest, satellite_copy, satellite_folder
from eicpy.instruments import load
from eicpy.operations import (
    FileState,
    dropped_files,
    files,
    newest_photon_file,
    open_database,
    products_of_card,
)
from eicpy.orbit import Attitude, CircularOrbit, Pointing, Track, read_attitude, write_attitude, write_orbit
from eicpy.products import Provenance
from eicpy.settings import Settings

START = 3.1e8


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def attitude_file(tmp_path):
    attitude = Attitude.steady(Pointing(1.0, 0.3, 0.2), START + np.arange(100.0))
    return write_attitude(
        tmp_path / "SVO-ATT-CNV-20261027T01.fits",
        attitude,
        issuer=load("eclairs"),
        provenance=Provenance.begin("test"),
    )


@pytest.fixture
def orbit_file(tmp_path):
    track = Track.of_orbit(CircularOrbit.of(START), START + np.arange(0.0, 100.0, 10.0))
    return write_orbit(
        tmp_path / "SVO-ORB-CNV-20261027T01.fits",
        track,
        issuer=load("eclairs"),
        provenance=Provenance.begin("test"),
    )


def test_each_content_is_kept_once_and_found_by_its_time(settings, attitude_file, orbit_file):
    outcomes = ingest([attitude_file, orbit_file, attitude_file], "eclairs", settings)
    assert [o.exit_code for o in outcomes] == [ExitCode.CLEAN] * 3
    assert [o.summary for o in outcomes] == [
        "SVO-ATT-CNV-20261027T01.fits: stored: attitude of 99.0 s, 100 entries",
        "SVO-ORB-CNV-20261027T01.fits: stored: orbit of 90.0 s, 10 entries",
        "SVO-ATT-CNV-20261027T01.fits: known: attitude of 99.0 s, 100 entries",
    ]
    with open_database(settings) as database:
        found = products_of_card(database, "eclairs", "SVO-ATT-CNV", START + 50.0, START + 500.0)
        assert [(r.name, r.data_start, r.data_stop) for r in found] == [
            ("SVO-ATT-CNV-20261027T01.fits", START, START + 99.0)
        ]
        assert products_of_card(database, "eclairs", "SVO-ATT-CNV", START + 100.0, START + 500.0) == []
        assert products_of_card(database, "meddea", "SVO-ATT-CNV", START, START + 500.0) == []
        assert newest_photon_file(database, "eclairs") is None, "they are no photons"
        assert dropped_files(database, "eclairs") == []
        kept = satellite_copy(satellite_folder(settings, "eclairs"), found[0].sha256)
    assert kept.read_bytes() == attitude_file.read_bytes()
    assert len(read_attitude(kept)) == 100


def test_a_lost_copy_is_made_again(settings, attitude_file):
    ingest([attitude_file], "eclairs", settings)
    kept = next(satellite_folder(settings, "eclairs").iterdir())
    kept.unlink()
    ingest([attitude_file], "eclairs", settings)
    assert kept.read_bytes() == attitude_file.read_bytes()


def test_a_damaged_file_is_refused_with_its_reason(settings, attitude_file):
    data = bytearray(attitude_file.read_bytes())
    at = data.index(np.array([START + 50.0], ">f8").tobytes())
    data[at + 8 : at + 16] = np.array([2.0], ">f8").tobytes()
    attitude_file.write_bytes(bytes(data))
    (outcome,) = ingest([attitude_file], "eclairs", settings)
    assert outcome.exit_code is ExitCode.BAD_DATA
    assert "refused" in outcome.summary
    with open_database(settings) as database:
        (row,) = files(database)
    assert row.state is FileState.REFUSED
    assert row.card == ""
    assert not satellite_folder(settings, "eclairs").exists()
