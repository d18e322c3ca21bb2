"""The bands through the nights: proposed where the scale moved, accepted, applied to the counts."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from eicpy.calibration.bands import BandLimits
from eicpy.calibration.table import Treatment
from eicpy.events import PixelScale
from eicpy.instruments import load
from eicpy.operations import ReleaseState, decide_release, open_database, propose_release, releases
from eicpy.pipeline import NightProducts, decide, run_nights
from eicpy.products import Provenance, product_file_name, read_product, write_product

CARD = "AUX-ECL-BND-CAL"
OTHER = ((5.0, 9.0), (9.0, 30.0))


@pytest.fixture
def released(filled, no_reports):
    """Two nights to run, and a table with bands of its own that was accepted the day before."""
    camera = load("eclairs")
    folder = filled.products("eclairs") / "20261119"
    path = folder / product_file_name(CARD, date(2026, 11, 19), "T", 1)
    table = BandLimits.of(OTHER, Treatment.nominal(camera).scale)
    write_product(
        path,
        CARD,
        {CARD: table.to_columns()},
        issuer=camera,
        provenance=Provenance.begin("test", simulated=True),
        header={"PHASCALE": ("nominal", "energy scale")},
    )
    with open_database(filled) as database:
        release = propose_release(database, instrument="eclairs", card=CARD, file=path, night="20261119")
        decide_release(database, release.id, ReleaseState.ACCEPTED, actor="somebody")
    return filled, path, run_nights("eclairs", None, None, filled)


def test_an_accepted_table_decides_the_bands_of_the_counts(released):
    _, path, outcomes = released
    for outcome in outcomes:
        assert outcome.record.tables[CARD].used.endswith(path.name)
        curve = read_product(next(outcome.folder.glob("ECL-QLK-LCV-*.fits")))
        assert curve.header["CALSTAT"] == f"gain nominal,bands {path.name},dead time"
        bands = curve.tables["BANDS"]
        assert list(zip(bands["E_MIN"].tolist(), bands["E_MAX"].tolist(), strict=True)) == list(OTHER)
        events = read_product(next(outcome.folder.glob("ECL-EVT-CAL-*.fits"))).main
        scale = Treatment.nominal(load("eclairs")).scale
        energy = scale.gain[0] * (events["PHA"] + 0.5) + scale.offset[0]
        image = read_product(next(outcome.folder.glob("ECL-QLK-DPI-*.fits"))).main
        expected = [np.count_nonzero((energy >= low) & (energy < high)) for low, high in OTHER]
        found = [int(image[f"COUNTS_{n}"].sum()) for n in (1, 2)]
        assert found[0] <= expected[0]
        assert found == pytest.approx(expected, rel=0.02)  # the file holds photons outside good time, too


def test_limits_that_no_longer_hold_are_proposed_and_decided(released):
    settings, path, outcomes = released
    entry = outcomes[0].record.tables[CARD]
    assert entry.product == "AUX-ECL-BND-CAL-20261120T01.fits"
    night = NightProducts.open(outcomes[0].folder).table("bands")
    assert night.new.bands == load("eclairs").energy.bands
    assert night.in_use.bands == OTHER
    assert night.verdict.accept is True
    assert "accepted" in decide(
        Path(entry.product), settings, accepted=True, actor="me", comment="ours again"
    )
    first, second = run_nights("eclairs", None, None, settings)
    assert not first.new
    assert second.record.tables[CARD].used.endswith(entry.product)
    with open_database(settings) as database:
        states = {Path(r.file).name: r.state for r in releases(database)}
    assert states[path.name] == states[entry.product] == ReleaseState.ACCEPTED


def test_the_nominal_table_is_proposed_to_nobody(filled, no_reports):
    (outcome, *_) = run_nights("eclairs", None, None, filled)
    assert outcome.record.tables[CARD].product == ""
    assert "hold" in outcome.record.tables[CARD].message
    scale = PixelScale.uniform(1, 0.145, 3.0)
    assert BandLimits.of(load("eclairs").energy.bands, scale).channels[0].tolist() == [7, 34]
