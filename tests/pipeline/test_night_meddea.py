"""A real night: photons, spectra and housekeeping of PADRE/MeDDEA, through the same code as ECLAIRs."""

import re

import numpy as np
import pytest

from eicpy.ingestion import ingest
from eicpy.pipeline import NightProducts, run_nights
from eicpy.settings import Settings


@pytest.fixture(scope="module")
def meddea(shared_data, tmp_path_factory):
    settings = Settings.at(tmp_path_factory.mktemp("meddea"))
    files = sorted((shared_data / "packets" / "padre_meddea").glob("padreMD*.dat"))
    assert len(files) == 3
    ingest(files, "meddea", settings)
    (outcome,) = run_nights("meddea", None, None, settings)
    return settings, outcome


def test_the_real_night_holds_its_767_photons_its_spectra_and_its_housekeeping(meddea):
    _, outcome = meddea
    night = NightProducts.open(outcome.folder)
    assert outcome.record.photons == 767
    assert night.spectra.sum() == 767
    assert outcome.record.received == 12
    assert outcome.record.damaged == outcome.record.lost == 0
    bins, onboard = night.onboard_spectra()
    assert len(bins) == 512
    assert "24 pixels" in night.onboard_headline
    assert sum(s.sum() for s in onboard.values()) == np.nansum(night.onboard_image()) > 0
    assert outcome.record.parameters > 20
    assert len(night.state_table) > 0
    assert night.table("gain").new is None
    assert outcome.record.tables["AUX-ECL-PIX-CAL"].status == ""


def test_its_channels_are_no_plane_whose_pixels_could_be_judged_by_their_neighbours(meddea):
    _, outcome = meddea
    night = NightProducts.open(outcome.folder)
    assert night.instrument.health is None
    assert night.product("AUX-ECL-PIX-STA") is None
    assert night.table("pixels").new is None
    assert "not judged" in night.table("pixels").status_table._repr_html_()
    assert list(outcome.record.good_time) == ["TLM", "ALL"]
    assert outcome.record.unknown_criteria == []


def test_its_report_tells_them_and_needs_no_network(meddea):
    settings, outcome = meddea
    (report,) = outcome.record.reports
    assert report.status == "complete"
    page = (settings.reports / report.page).read_text()
    assert "767 photons" in page
    assert "96 spectra of 24 pixels, 512 bins each" in page
    own = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)  # BokehJS, which is in the page
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", own)
    assert report.page in (settings.reports / "index.html").read_text()
    for of_another in ("coded mask", "heat pipe", "Earth", "Pixels that stand out", "fluorescence", "alerts"):
        assert of_another not in own, "nothing is meant for another detector"
    links = re.findall(r'href="#(section-\d+)">([^<]+)', page)
    assert [words for _, words in links] == [
        "Rates", "Spectrum", "Detector images", "Spectra accumulated on board", "Packets", "Excursions",
        "Housekeeping",
    ]  # fmt: skip
    assert all(page.count(f'id="{address}"') == 1 for address, _ in links)
    assert page.index("eic-verdict") < page.index("767 photons"), "the verdict comes first"


def test_a_second_call_does_nothing(meddea):
    settings, _ = meddea
    (again,) = run_nights("meddea", None, None, settings)
    assert not again.new
