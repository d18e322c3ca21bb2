"""Good time: what the housekeeping says against a plain sampling of it, and the night that uses it."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from eicpy_fixtures.multiples import photon_of_each
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st
from pydantic import ValidationError

from eicpy.events import EventFile, GoodTimeIntervals, read_criteria
from eicpy.ingestion import ingest
from eicpy.instruments import GoodTimeRule, load
from eicpy.packets import inspect_file
from eicpy.pipeline import NightProducts, run_night
from eicpy.pipeline.good_time import good_time, samples_of
from eicpy.products import read_product

ECLAIRS = load("eclairs")
RULE = {"description": "x", "parameter": "P", "longest_gap": 10.0}
HOUR = GoodTimeIntervals(0.0, 3600.0)


@dataclass
class Table:
    time: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)


def with_rules(**rules):
    return ECLAIRS.model_copy(update={"good_time": {n: GoodTimeRule(**RULE | r) for n, r in rules.items()}})


def test_a_condition_lists_values_or_gives_a_range():
    assert GoodTimeRule(**RULE, allowed=(0, 2)).holds([0, 1, 2, np.nan]).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert GoodTimeRule(**RULE, low=1).holds([0, 1, 2, np.nan]).tolist() == [False, True, True, False]
    assert GoodTimeRule(**RULE, high=1.0).holds([0, 1, 2]).tolist() == [True, True, False]
    for wrong in ({}, {"allowed": (1,), "low": 0.0}):
        with pytest.raises(ValidationError, match="either 'allowed'"):
            GoodTimeRule(**RULE, **wrong)


@options(deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=40), st.floats(0.0, 3.0), st.integers(1, 4))
def test_every_time_counts_that_lies_between_good_samples_and_away_from_bad_ones(flags, margin, step):
    detector = with_rules(A={"allowed": (1,), "margin": margin})
    time = 100.0 + step * np.arange(len(flags))
    tables = [Table(time, {"P": np.array(flags, float)}), Table(np.array([np.nan]), {"P": np.zeros(1)})]
    found = good_time(detector, HOUR, [samples_of(tables[:1], detector)])
    probe = np.linspace(100.0, time[-1] - 1e-6, 997)
    before = np.clip(np.searchsorted(time, probe, side="right") - 1, 0, len(flags) - 2)
    good = np.array(flags)[before] & np.array(flags)[before + 1]
    bad_times = time[~np.array(flags)]
    # the margin counts from the last good sample, a step from the bad one
    near = np.array([np.any(np.abs(bad_times - p) < step + margin) for p in probe])
    expected = good & ~near
    clear = np.array([not np.any(np.abs(np.abs(bad_times - p) - step - margin) < 1e-3) for p in probe])
    assert np.array_equal(found.allowed.mask(probe)[clear], expected[clear])
    assert samples_of(tables[1:], detector) == {}


def test_the_ends_of_the_housekeeping_cost_nothing():
    detector = with_rules(A={"allowed": (1,), "margin": 5.0})
    found = good_time(
        detector, HOUR, [samples_of([Table(np.arange(10.0, 60.0, 2.0), {"P": np.ones(25)})], detector)]
    )
    assert (found.allowed.start, found.allowed.stop) == ([8.0], [60.0])


def test_a_long_silence_of_the_housekeeping_is_not_good():
    detector = with_rules(A={"low": 0.5})
    time = np.r_[np.arange(0.0, 100.0), np.arange(200.0, 300.0)]
    found = good_time(detector, HOUR, [samples_of([Table(time, {"P": np.ones(200)})], detector)])
    assert found.allowed == GoodTimeIntervals([-1.0, 200.0], [99.0, 300.0])
    assert found.total == GoodTimeIntervals([0.0, 200.0], [99.0, 300.0])


def test_runs_add_up_and_criteria_intersect():
    detector = with_rules(A={"allowed": (1,)}, B={"parameter": "Q", "high": 3.0})
    runs = [
        samples_of(
            [Table(np.arange(a, a + 50.0), {"P": np.ones(50), "Q": np.arange(a, a + 50.0) // 30})], detector
        )
        for a in (50.0, 0.0, 100.0)
    ]
    found = good_time(detector, HOUR, runs)
    assert found.conditions["A"] == GoodTimeIntervals(-1.0, 150.0)
    assert found.conditions["B"] == GoodTimeIntervals(-1.0, 119.0)
    assert found.total == GoodTimeIntervals(0.0, 119.0)
    assert list(found.criteria) == ["TLM", "A", "B", "ALL"]


@pytest.mark.parametrize("samples", [[], [{}], [None]])
def test_a_criterion_without_housekeeping_is_unknown_and_gives_up_no_photon(samples):
    found = good_time(with_rules(A={"allowed": (1,)}), HOUR, samples)
    assert found.unknown == ("A",)
    assert found.total == HOUR
    assert found.allowed == GoodTimeIntervals.everything()


def test_a_detector_without_criteria_has_its_telemetry_alone():
    meddea = load("meddea")
    assert meddea.good_time == {}
    assert good_time(meddea, HOUR, [{}]).total == HOUR


def test_the_criteria_of_the_camera_are_parameters_it_sends():
    from eicpy.packets import PacketLayout

    sent = {n for p in ECLAIRS.housekeeping.packets for n in PacketLayout.read(ECLAIRS.layout_file(p)).names}
    assert set(ECLAIRS.good_time) == {"NSA", "HV"}
    assert {rule.parameter for rule in ECLAIRS.good_time.values()} <= sent


@pytest.fixture
def flagged(monkeypatch, settings, simulated):
    """The simulated minute, the flag of the anomaly up from 10 to 20 s before its end."""
    ingest([simulated.packets], "eclairs", settings)
    import eicpy.pipeline.telemetry_task as task

    plain = task.housekeeping

    def raised(*arguments):
        tables = plain(*arguments)
        time = tables["ecl"].time
        end = np.nanmax(time)
        flag = (time >= end - 20.0) & (time < end - 10.0)
        tables["ecl"].values["ECL_SAAFLAG"][flag] = 1.0
        return tables

    monkeypatch.setattr(task, "housekeeping", raised)
    return settings


def test_photons_outside_stay_in_the_file_and_out_of_the_sums(flagged, simulated, no_reports):
    outcome = run_night("eclairs", "2026-11-20T18:00:00", "2026-11-21T06:00:00", flagged)
    record, folder = outcome.record, outcome.folder
    criteria = read_criteria(read_product(next(folder.glob("ECL-GTI-CAL-*.fits"))))
    assert list(criteria) == ["TLM", "NSA", "HV", "ALL"]
    (hole,) = zip(criteria["NSA"].start[1:], criteria["NSA"].stop[:-1], strict=True)
    assert hole[0] - hole[1] == pytest.approx(13.0, abs=1.1)  # ten flagged, a step on one side, two margins
    assert criteria["ALL"] == criteria["TLM"] & criteria["NSA"] & criteria["HV"]
    file = EventFile(next(folder.glob("ECL-EVT-CAL-*.fits")))
    read = file.read()
    time = read.time
    assert len(time) == record.photons
    allowed = (criteria["NSA"] & criteria["HV"]).mask(time)
    assert record.outside == np.count_nonzero(~allowed) > 0
    night = NightProducts.open(folder)
    assert night.spectra.sum() == np.count_nonzero(allowed & (read.multiplicity == 1))
    assert np.allclose(file.gti.exposure, criteria["ALL"].exposure, atol=1.0)
    curve = night.product("ECL-QLK-LCV").main
    assert curve["EXPOSURE"].sum() == pytest.approx(record.exposure, abs=1e-6)
    dark = curve["EXPOSURE"] == 0.0
    assert curve["COUNTS_1"][dark].sum() == 0
    live = night.product("ECL-QLK-SPC").main["LIVETIME"]
    sector = ECLAIRS.pixels.sector(np.arange(6400))
    number = photon_of_each(np.rint(time / 2e-5), read.detnum, read.multiplicity)[allowed]
    once = np.unique(np.stack([number, sector[read.detnum[allowed]]]), axis=1)
    dead = 20e-6 * np.bincount(once[1], minlength=8)[sector]
    assert np.allclose(live, record.exposure - dead, rtol=0, atol=1e-9)
    assert np.all(live < record.exposure)
    bright = curve["EXPOSURE"] > 0.1
    assert np.all(curve["LIVETIME"][bright] < curve["EXPOSURE"][bright])
    assert curve["LIVETIME"].sum() == pytest.approx(live.mean(), rel=1e-3)
    assert record.good_time["ALL"] == pytest.approx(record.exposure)
    assert record.unknown_criteria == []


def test_a_night_without_housekeeping_says_what_it_does_not_know(settings, simulated, no_reports, tmp_path):
    index = inspect_file(simulated.packets, "auto", ECLAIRS).index
    raw = simulated.packets.read_bytes()
    chosen = index[index.good & (index.apid == 810)]
    alone = tmp_path / "photons.ccsds"
    alone.write_bytes(b"".join(raw[o : o + n] for o, n in zip(chosen.offset, chosen.length, strict=True)))
    ingest([alone], "eclairs", settings)
    outcome = run_night("eclairs", "2026-11-20T18:00:00", "2026-11-21T06:00:00", settings)
    assert outcome.record.unknown_criteria == ["NSA", "HV"]
    assert outcome.record.outside == 0
    night = NightProducts.open(outcome.folder)
    multiplicity = EventFile(night.photon_files[0]).read().multiplicity
    assert night.spectra.sum() == np.count_nonzero(multiplicity == 1) > 0
    product = night.product("ECL-GTI-CAL")
    assert list(read_criteria(product)) == ["TLM", "ALL"]
    assert product.header["UNKNOWN"] == "NSA,HV"
    assert "no housekeeping for NSA, HV" in night._repr_html_()
    assert ("HV", ECLAIRS.good_time["HV"].description, "unknown") in night.good_time_table.rows
