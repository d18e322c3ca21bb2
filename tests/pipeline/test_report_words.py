"""The words of the reports: a recommendation with its reasons, states by name, singular and plural."""

from dataclasses import replace

import numpy as np
import pytest

from eicpy.calibration import GainStatus, GainTable
from eicpy.calibration.gain import gain_states, goodness_marks
from eicpy.calibration.table import PixelStates, calibration_table
from eicpy.instruments import PixelGrid, load
from eicpy.nights.record import PacketRecord, TableRecord
from eicpy.pipeline import NightRecord
from eicpy.pipeline.decisions import TableInUse
from eicpy.pipeline.night_table import NightTable, status_table
from eicpy.reports import Table
from eicpy.text import counted

GRID = PixelGrid(rows=20, columns=20, module_rows=10, module_columns=10, sectors=1)
CARD = "AUX-ECL-PIX-CAL"
NAME = f"{CARD}-20261120T01.fits"


def table(sigma, status=0):
    """Every pixel fitted with an error of the energy that hardly depends on the energy, keV."""
    n = GRID.count
    return GainTable(
        gain=np.full(n, 0.145), offset=np.full(n, 3.0), gain_error=np.full(n, 1e-7),
        offset_error=np.full(n, sigma), covariance=np.zeros(n), status=np.full(n, status, np.uint8),
        goodness=np.random.default_rng(1).normal(0, 1, n),
    )  # fmt: skip


@pytest.fixture
def record():
    return NightRecord(
        instrument="eclairs", title="E", night="20261120", start="", stop="", status="complete",
        tables={CARD: TableRecord(status="proposed", product=NAME)},
    )  # fmt: skip


@pytest.fixture
def verdict(settings, record, monkeypatch, tmp_path):
    """The verdict about a table as a report shows it; the table comes from a file, or from a stand-in."""
    kind = calibration_table("gain", load("eclairs"))

    def judge(new, old=None):
        old = old or GainTable.nominal(GRID.count, 0.145, 3.0)
        monkeypatch.setattr(NightTable, "new", new)
        monkeypatch.setattr(NightTable, "used", TableInUse(kind, old, None))
        return NightTable(kind, tmp_path, record, settings).verdict

    return judge


def test_a_good_table_is_recommended_with_the_command_to_type(verdict):
    judged = verdict(table(0.1))
    assert judged.accept is True
    assert judged.commands[0] == f"eic accept {NAME}"
    assert f"eic accept {NAME}" in judged._repr_html_()


def test_too_little_statistics_are_told_with_the_energy_and_the_exposure_that_would_do(verdict):
    judged = verdict(table(0.6))
    assert judged.accept is False
    # errors of 0.6 keV: 2·Φ(0.3/0.6) − 1 are within 0.3 keV; for 95 % of them 1.96 σ must be
    assert judged.reasons[0].startswith("Statistics too small: 38.3 % of the fitted pixels")
    assert "About 15 times the exposure" in judged.reasons[0]
    assert any("nominal" in reason for reason in judged.reasons)


def test_too_many_bad_fits_speak_against_a_table(verdict):
    bad = table(0.1)
    bad.status[:40] = GainStatus.BAD_FIT | GainStatus.KEPT_PREVIOUS
    judged = verdict(bad, table(0.1))
    assert judged.accept is False
    assert "360 of 400 pixels fitted (90 %" in str(judged)
    assert "40 bad fits or outliers (10 %" in str(judged)


def test_without_a_table_there_is_no_command(verdict, record):
    record.tables[CARD] = TableRecord(status="none", message="40 counts, 300 are needed")
    judged = verdict(None)
    assert (judged.accept, judged.commands) == (None, ())
    assert "300 are needed" in str(judged)


def test_the_gate_stands_where_the_fit_puts_it():
    marks = goodness_marks(table(0.1))
    assert marks["right model"] == 0
    assert 5.5 < marks["bad beyond"] < 7.5
    assert np.isfinite(goodness_marks(replace(table(0.1), goodness=np.full(400, np.nan)))["bad beyond"])


def test_each_pixel_has_one_reason_and_a_place():
    new = table(0.1)
    new.status[7] = GainStatus.NOT_CONVERGED | GainStatus.AMBIGUOUS | GainStatus.KEPT_PREVIOUS
    new.status[21] = GainStatus.KEPT_PREVIOUS | GainStatus.NOMINAL | GainStatus.BAD_FIT
    states = gain_states(new)
    assert [states.labels[int(c)] for c in states.codes[[0, 7, 21]]] == ["fitted", "ambiguous", "bad fit"]
    rows = status_table(states, GRID).rows
    assert sum(int(row[1]) for row in rows) == GRID.count
    assert rows[-1][-1] == "21 (1, 1)"


def test_pixels_that_stand_out_are_named_and_the_others_are_not():
    codes, labels = np.zeros(GRID.count, np.uint8), {0: "good", 1: "dead", 3: "noisy"}
    assert "No pixel stands out" in status_table(PixelStates(codes, labels, ordinary=0), GRID)._repr_html_()
    codes[41] = 3
    assert status_table(PixelStates(codes, labels, ordinary=0), GRID).rows == [("noisy", 1, "41 (2, 1)")]


def test_a_detector_whose_pixels_are_not_judged_says_so(settings, record, tmp_path):
    kind = calibration_table("pixels", load("meddea"))
    assert "not judged" in NightTable(kind, tmp_path, record, settings).status_table._repr_html_()


def test_singular_and_plural():
    assert [counted(n, "alarm") for n in (0, 1, 2)] == ["0 alarms", "1 alarm", "2 alarms"]
    assert counted(6400, "match", "matches") == "6\u202f400 matches"
    record = NightRecord(
        instrument="e", title="E", night="1", start="", stop="", status="complete", photons=1, alarms=1,
        warnings=2, parameters=104, packets={"1": PacketRecord(received=1)},
    )  # fmt: skip
    assert record.headline == (
        "1 photon; 0 packets lost of 1; 0 damaged; 1 alarm and 2 warnings in 104 parameters."
    )


def test_a_long_table_is_folded_under_its_caption():
    html = Table(("a", "b"), [("x", 1)], caption="Much", folded=True)._repr_html_()
    assert html.startswith("<details><summary>Much</summary><table")
    assert html.count("Much") == 1
    assert '<td style="text-align: right">1</td>' in html
