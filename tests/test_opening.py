"""What a notebook begins with: each function opens its kind of data, which shows itself."""

import os

import numpy as np
import pytest

import eicpy
from eicpy.errors import BadDataError
from eicpy.events import EventWriter
from eicpy.ingestion import ingest
from eicpy.products import Provenance
from eicpy.settings import Settings


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return eicpy.simulate("quiet", str(tmp_path_factory.mktemp("made")), duration=3.0, seed=1)


def test_they_are_found_by_tab():
    names = "load_instrument open_housekeeping open_night open_packets open_photons open_product open_run"
    assert set(names.split()) < set(dir(eicpy))


def test_packets_and_photons_of_a_file(night):
    report = eicpy.open_packets(str(night.packets))
    photons = eicpy.open_photons(night.packets)
    truth = eicpy.open_photons(str(night.packets), "eclairs")
    assert report.packets > 0
    assert len(photons) > 1000
    assert np.array_equal(photons.time, truth.time)
    assert all(hasattr(each, "_repr_html_") for each in (night, report, photons))


def test_runs_and_housekeeping_of_a_set_up(night, tmp_path):
    home = tmp_path / "home"
    with pytest.raises(BadDataError, match="eic ingest"):
        eicpy.open_run(home=home)
    with pytest.raises(BadDataError, match="eic night"):
        eicpy.open_night(home=home)
    setup = eicpy.open_setup(os.fspath(home))
    assert setup == Settings.at(home) == eicpy.open_setup(setup)
    ingest([night.packets], "eclairs", setup)
    newest = eicpy.open_run(home=home)
    assert newest.number == eicpy.open_run(1, home=setup).number == 1
    assert "eclairs" in setup._repr_html_()
    archive = eicpy.open_housekeeping(home=home)
    assert archive.folder == setup.housekeeping("eclairs")
    assert all(hasattr(each, "_repr_html_") for each in (newest, archive))


def test_a_photon_file_is_recognised_by_its_content(night, tmp_path):
    file = tmp_path / "photons.bin"
    block = eicpy.open_photons(night.packets)
    provenance = Provenance.begin("test", inputs=[], configuration={}, simulated=True)
    with EventWriter(file, eicpy.load_instrument("eclairs"), provenance=provenance) as writer:
        writer.append(block)
    assert len(eicpy.open_photons(file)) == len(block)
    assert eicpy.open_product(str(file)).header["CARD"] == "ECL-EVT-CAL"


def test_a_detector_shows_itself_as_a_table():
    detector = eicpy.load_instrument("eclairs")
    assert "6400 (80 rows of 80)" in str(detector)
    assert "<td>6400 (80 rows of 80)" in detector._repr_html_()
    assert len(repr(detector)) < 80
