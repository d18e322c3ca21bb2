"""The energy scale through the nights: proposed by one, accepted by a person, used by those that follow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eicpy.calibration import GainTable
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.operations import ReleaseState, open_database, releases
from eicpy.pipeline import NightProducts, decide, run_nights, tables_in_use
from eicpy.products import read_product
from eicpy.times import to_seconds

CARD = "AUX-ECL-PIX-CAL"


@pytest.fixture
def proposed(filled, monkeypatch, no_reports):
    """Two nights; the first proposes a table (shifted by 1 %, standing for a fit of more counts)."""
    eclairs = load("eclairs")
    low = eclairs.model_copy(update={"gain": eclairs.gain.model_copy(update={"median_counts": 1.0})})
    monkeypatch.setattr("eicpy.pipeline.night.load", lambda _name: low)

    class Fit:
        table = replace(
            GainTable.nominal(6400, 0.145 * 1.01, 3.0),
            status=np.zeros(6400, np.uint8),
            dof=np.ones(6400, int),
        )

    monkeypatch.setattr("eicpy.calibration.gain.calibration.fit_gain", lambda *_a, **_k: Fit)
    return filled, run_nights("eclairs", None, None, filled)


def test_a_night_proposes_its_table_and_uses_none_that_nobody_accepted(proposed):
    settings, outcomes = proposed
    assert outcomes[0].record.tables[CARD].product == "AUX-ECL-PIX-CAL-20261120T01.fits"
    assert [o.record.tables[CARD].used for o in outcomes] == ["", ""]
    table = read_product(outcomes[0].folder / outcomes[0].record.tables[CARD].product).main
    assert np.allclose(table["GAIN"], 0.145 * 1.01)
    with open_database(settings) as database:
        assert {r.state for r in releases(database)} == {ReleaseState.PROPOSED}


def test_an_accepted_table_serves_the_nights_after_it_and_no_other(proposed):
    settings, outcomes = proposed
    said = decide(
        Path(outcomes[0].record.tables[CARD].product),
        settings,
        accepted=True,
        actor="me",
        comment="looks right",
    )
    assert "accepted" in said
    first, second = run_nights("eclairs", None, None, settings)
    assert not first.new  # its own table does not change it
    assert second.new
    assert second.record.tables[CARD].used.endswith("20261120/AUX-ECL-PIX-CAL-20261120T01.fits")
    night = NightProducts.open(second.folder)
    assert np.allclose(night.table("gain").in_use.gain, 0.145 * 1.01)
    event_file = next(second.folder.glob("ECL-EVT-CAL-*.fits"))
    product = read_product(event_file)
    assert product.header["CALSTAT"] == "gain AUX-ECL-PIX-CAL-20261120T01.fits"
    status = {p.name[:11]: read_product(p).header["CALSTAT"] for p in second.folder.glob("*.fits")}
    assert status["ECL-QLK-LCV"] == status["ECL-QLK-DPI"] == f"{product.header['CALSTAT']},dead time"
    assert status["ECL-QLK-SPC"] == "dead time"  # channels as measured, live time
    assert status["ECL-GTI-CAL"] == "NONE"
    expected = np.floor((0.145 * 1.01 * (product.main["PHA"] + 0.5)) / 0.145)
    expected = np.where((expected >= 0) & (expected < 1024), expected, -1)
    assert np.mean(product.main["PI"] == expected) > 0.999  # float32 gain in the file


def test_a_table_that_was_decided_about_is_never_overwritten(proposed):
    settings, outcomes = proposed
    decide(Path(outcomes[0].record.tables[CARD].product), settings, accepted=False, actor="me")
    (first, _) = run_nights("eclairs", None, None, settings, redo=True)
    assert first.record.tables[CARD].product == "AUX-ECL-PIX-CAL-20261120T02.fits"
    with open_database(settings) as database:
        used = tables_in_use(database, load("eclairs"), to_seconds("2026-11-22"))
    assert used[CARD].file is None


def test_a_table_that_is_not_there_is_named(proposed):
    settings, _ = proposed
    with pytest.raises(BadArgumentError, match=r"AUX-ECL-PIX-CAL-20261120T01\.fits \(proposed\)"):
        decide(Path("other.fits"), settings, accepted=True, actor="me")


def test_too_few_counts_are_told_instead_of_fitted(filled, no_reports):
    outcome = run_nights("eclairs", None, None, filled)[0]
    assert outcome.record.tables[CARD].product == ""
    assert "are needed" in outcome.record.tables[CARD].message
    gain = NightProducts.open(outcome.folder).table("gain")
    assert gain.verdict.accept is None
    assert "are needed" in str(gain.verdict)
    assert gain.decision == "There is nothing to decide."
