"""The night against the truth of the simulator, and against everything that may go wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eicpy_fixtures.multiples import joined
from waiting import wait_until

from eicpy.decoding import photons
from eicpy.errors import ExitCode, FailedError
from eicpy.events import EventFile
from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.operations import StepState, open_database, steps
from eicpy.packets import inspect_file
from eicpy.pipeline import NightProducts, decide, run_night, run_nights
from eicpy.pipeline.plan import days_with_data, plan_night
from eicpy.products import read_product
from eicpy.times import to_seconds

START, STOP = "2026-11-20T18:00:00", "2026-11-21T06:00:00"
RECORD = 8
"""Bytes of a photon in a packet of the reference layout."""


def truth(simulated):
    """Photons that arrived: all that were recorded, without those in lost packets."""
    lost = [f for f in simulated.faults if f.kind == "lost" and f.apid == 810]
    per_packet = (max(f.size for f in lost) - 26) // RECORD
    assert all(f.size == 26 + per_packet * RECORD for f in lost)
    return simulated.photons - per_packet * len(lost)


def files(settings):
    return {p.name: p for p in (settings.products("eclairs") / "20261120").glob("*.fits")}


def comparable(settings):
    """Everything in the products that is data, in one form for comparison."""
    found = {}
    for name, path in files(settings).items():
        for table in read_product(path).tables.values():
            found |= {(name, table.name, c): v for c, v in table.columns.items()}
    return found


def test_a_night_keeps_every_photon_that_arrived(filled, simulated, no_reports):
    outcome = run_night("eclairs", START, STOP, filled)
    record = outcome.record
    faults = [f.kind for f in simulated.faults]
    assert outcome.new
    assert outcome.exit_code is ExitCode.BAD_DATA  # something was lost, and the rest is kept
    assert record.photons == truth(simulated)
    assert record.lost == faults.count("lost")
    assert sum(p.duplicated for p in record.packets.values()) == faults.count("duplicated")
    assert record.simulated is True
    assert record.left_out == 0
    assert record.failures == []


def test_products_agree_with_a_plain_decoding(filled, simulated, no_reports):
    run_night("eclairs", START, STOP, filled)
    eclairs = load("eclairs")
    index = inspect_file(simulated.packets, "auto", eclairs).index
    columns = photons(np.memmap(simulated.packets, np.uint8, "r"), index, eclairs)
    read = [columns.time, columns.detnum, columns.channel, columns.multiplicity]
    key = np.unique(np.stack(read), axis=1)  # no duplicates
    time, detnum, channel, multiplicity = key[0], *key[1:].astype(int)
    spectra = np.zeros((6400, 1024), int)
    alone = multiplicity == 1
    np.add.at(spectra, (detnum[alone], channel[alone]), 1)
    chosen, energy = joined(np.rint(time / 2e-5), detnum, multiplicity, 0.145 * (channel + 0.5) + 3.0)
    assert 0 < alone.sum() < len(chosen) < len(time)
    night = NightProducts.open(filled.products("eclairs") / "20261120")
    assert np.array_equal(night.spectra, spectra)
    written = EventFile(files(filled)["ECL-EVT-CAL-20261120T01.fits"])
    assert len(written) == key.shape[1]
    _, counts = night.energy_spectrum(join=1)
    assert counts.sum() == spectra.sum()
    images = np.stack(list(night.images().values()))
    energy = 0.145 * np.floor((energy - 3.0) / 0.145) + 3.0725  # on the scale of the pixel
    for (low, high), image in zip(eclairs.energy.bands, images, strict=True):
        inside = (energy >= low) & (energy < high)
        counts = np.bincount(detnum[chosen][inside], minlength=6400)
        assert np.array_equal(image, eclairs.pixels.image(counts))
    curve = read_product(files(filled)["ECL-QLK-LCV-20261120T01.fits"]).main
    for n, (low, high) in enumerate(eclairs.energy.bands, start=1):
        inside = (energy >= low) & (energy < high)
        assert curve[f"COUNTS_{n}"].sum() == np.count_nonzero(inside)


def test_every_product_tells_where_it_came_from(filled, simulated, no_reports):
    run_night("eclairs", START, STOP, filled)
    for path in files(filled).values():
        provenance = read_product(path).provenance
        assert provenance is not None
        assert (
            provenance.inputs[0].sha256
            == json.loads((filled.archive("eclairs") / "000001/run.json").read_text())["sha256"]
        )
        assert provenance.simulated is True


def test_a_second_call_with_nothing_new_does_nothing_and_says_so(filled, no_reports):
    run_night("eclairs", START, STOP, filled)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files(filled).values()}
    again = run_night("eclairs", START, STOP, filled)
    assert not again.new
    assert "nothing new" in again.summary
    assert again.exit_code is ExitCode.CLEAN
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files(filled).values()} == before
    redone = run_night("eclairs", START, STOP, filled, redo=True)
    assert redone.new
    assert all(p.stat().st_mtime_ns > before[p][0] for p in files(filled).values())


def test_a_product_that_vanished_is_made_again(filled, no_reports):
    run_night("eclairs", START, STOP, filled)
    files(filled)["ECL-QLK-SPC-20261120T01.fits"].unlink()
    assert run_night("eclairs", START, STOP, filled).new
    assert "ECL-QLK-SPC-20261120T01.fits" in files(filled)


def test_packets_belong_to_exactly_one_night(filled, simulated, no_reports):
    eclairs = load("eclairs")
    nights = days_with_data(eclairs, filled, None, None)
    assert nights == [tuple(to_seconds(f"2026-11-{d}") for d in days) for days in ((20, 21), (21, 22))]
    plans = [plan_night(eclairs, filled, *night) for night in nights]
    whole = plan_night(eclairs, filled, nights[0][0], nights[1][1])
    assert sum(len(p.stretches[0].index) for p in plans) == len(whole.stretches[0].index)
    outcomes = run_nights("eclairs", None, None, filled)
    assert [o.record.night for o in outcomes] == ["20261120", "20261121"]
    assert sum(o.record.photons for o in outcomes) == truth(simulated)


def test_segments_cut_the_work_and_not_the_result(filled, no_reports, monkeypatch, tmp_path, simulated):
    run_night("eclairs", START, STOP, filled)
    other = type(filled).at(tmp_path / "other")
    ingest([simulated.packets], "eclairs", other)
    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 300_000)
    cut = run_night("eclairs", START, STOP, other)
    events = [n for n in files(other) if "EVT-CAL" in n]
    assert len(events) > 3
    assert cut.record.photons == truth(simulated)
    assert sum(len(EventFile(files(other)[n])) for n in events) == cut.record.photons
    whole, parts = comparable(filled), comparable(other)
    for key, values in whole.items():
        if "EVT-CAL" not in key[0]:
            assert np.array_equal(values, parts[key], equal_nan=values.dtype.kind == "f"), key


@pytest.mark.parametrize("where", ["processes", "scheduler"])
def test_other_processes_give_the_same_results(filled, no_reports, monkeypatch, tmp_path, simulated, where):
    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 600_000)
    run_night("eclairs", START, STOP, filled, workers=0)
    other = type(filled).at(tmp_path / "other")
    ingest([simulated.packets], "eclairs", other)
    if where == "processes":
        run_night("eclairs", START, STOP, other, workers=2)
    else:
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
        ) as cluster:
            run_night("eclairs", START, STOP, other, scheduler=cluster.scheduler_address)
    expected = comparable(filled)
    assert expected.keys() == (found := comparable(other)).keys()
    for key, values in expected.items():
        assert np.array_equal(values, found[key], equal_nan=values.dtype.kind == "f"), key


def test_a_scheduler_that_does_not_answer_is_a_clear_error(filled, no_reports, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.tasks.CONNECT_SECONDS", 1)
    with pytest.raises(FailedError, match="scheduler"):
        run_night("eclairs", START, STOP, filled, scheduler="tcp://127.0.0.1:9")


def test_a_failing_task_does_not_lose_the_others_and_is_tried_again(
    filled, no_reports, monkeypatch, simulated
):
    from eicpy.pipeline import night_run, photon_task

    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 600_000)

    def fails(task):
        if task.segment.number == 2:
            raise RuntimeError("a cosmic ray")
        return photon_task.process_photons(task)

    monkeypatch.setattr(night_run, "process_photons", fails)
    outcome = run_night("eclairs", START, STOP, filled, workers=0)
    assert outcome.exit_code is ExitCode.FAILED
    assert outcome.record.status == "incomplete"
    assert any("segment 2" in f and "a cosmic ray" in f for f in outcome.record.failures)
    assert 0 < outcome.record.photons < truth(simulated)
    with open_database(filled) as database:
        assert [s.state for s in steps(database) if s.name == "night"] == [StepState.FAILED]
    kept = {n: p.stat().st_mtime_ns for n, p in files(filled).items() if "EVT-CAL" in n}
    monkeypatch.setattr(night_run, "process_photons", photon_task.process_photons)
    again = run_night("eclairs", START, STOP, filled, workers=0)
    assert again.record.photons == truth(simulated)
    assert again.record.status == "complete"
    assert all(files(filled)[n].stat().st_mtime_ns == t for n, t in kept.items())


def test_housekeeping_that_fails_does_not_stop_the_photons(filled, no_reports, monkeypatch, simulated):
    def fails(_task):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eicpy.pipeline.night_run.process_telemetry", fails)
    outcome = run_night("eclairs", START, STOP, filled)
    assert outcome.record.photons == truth(simulated)
    assert "No space left" in outcome.record.failures[0]
    assert outcome.exit_code is ExitCode.FAILED


def test_a_full_disk_is_told_in_ledger_record_and_index(filled, no_reports, monkeypatch):
    def full(*_a, **_k):
        raise FailedError("no space left on the device")

    monkeypatch.setattr("eicpy.pipeline.assemble.write_product", full)
    with pytest.raises(FailedError, match="no space"):
        run_night("eclairs", START, STOP, filled)
    record = json.loads((filled.products("eclairs") / "20261120/night.json").read_text())
    assert record["status"] == "failed"
    assert "no space" in record["message"]
    assert "no space" in (filled.reports / "index.html").read_text()
    with open_database(filled) as database:
        assert [s.state for s in steps(database)] == [StepState.FAILED]
    monkeypatch.undo()
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
    assert run_night("eclairs", START, STOP, filled).record.status == "complete"


def test_a_killed_night_goes_on_where_it_was(filled, monkeypatch, simulated, no_reports):
    code = (
        "import signal\n"
        "from eicpy.pipeline import night_run as run, photon_task as p, plan\n"
        "plan.SEGMENT_BYTES = 600_000\n"
        "def slow(task):\n"
        "    done = p.process_photons(task)\n"
        "    if task.segment.number > 1:\n"
        "        signal.pause()  # until it is killed\n"
        "    return done\n"
        "run.process_photons = slow\n"
        "from eicpy.settings import Settings\n"
        "from eicpy.pipeline import run_night\n"
        f"run_night('eclairs', {START!r}, {STOP!r}, Settings.at({str(filled.home)!r}), workers=0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    work = filled.products("eclairs") / "20261120" / ".work"
    wait_until(
        lambda: len(list(work.glob("segment-*.npz"))) > 1 or process.poll() is not None, "two segments"
    )
    assert process.poll() is None
    process.kill()
    process.wait()
    first = next(work.glob("segment-01-*.npz"))
    stamp = first.stat().st_mtime_ns
    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 600_000)
    outcome = run_night("eclairs", START, STOP, filled, workers=0)
    assert outcome.record.photons == truth(simulated)
    assert outcome.record.status == "complete"
    assert first.stat().st_mtime_ns == stamp


def test_a_night_without_data_says_so(settings, no_reports):
    assert run_nights("eclairs", None, None, settings) == []
    assert run_nights("eclairs", "2020-01-01", "2020-01-02", settings) == []


def test_the_inbox_is_taken_by_the_night_itself(settings, simulated, no_reports):
    folder = settings.home / "inbox" / "eclairs"
    folder.mkdir(parents=True)
    shutil.copy(simulated.packets, folder / "pass-1.ccsds")
    os.utime(folder / "pass-1.ccsds", (1, 1))
    (outcome,) = run_nights("eclairs", START, STOP, settings)
    assert outcome.record.photons == truth(simulated)
    assert (folder / "pass-1.ccsds").is_file()


def test_deciding_about_a_table_that_nobody_proposed_lists_those_that_were(settings):
    with pytest.raises(ValueError, match="none yet"):
        decide(Path("AUX-ECL-PIX-CAL-20261120T01.fits"), settings, accepted=True, actor="me")


def test_what_an_earlier_run_left_does_not_stay_beside_the_new(filled, no_reports, monkeypatch, simulated):
    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 300_000)
    run_night("eclairs", START, STOP, filled)
    assert "ECL-EVT-CAL-20261120T02.fits" in files(filled)
    monkeypatch.setattr("eicpy.pipeline.plan.SEGMENT_BYTES", 48 << 20)
    outcome = run_night("eclairs", START, STOP, filled, redo=True)
    assert outcome.record.photons == truth(simulated)
    assert sorted(files(filled)) == sorted(outcome.record.products)
    assert len(list((outcome.folder / ".work").iterdir())) == 1


def test_sums_that_cannot_be_read_are_told_and_made_again(filled, no_reports, simulated):
    outcome = run_night("eclairs", START, STOP, filled)
    (sums,) = (outcome.folder / ".work").iterdir()
    sums.write_bytes(sums.read_bytes()[:1000])
    (outcome.folder / "ECL-QLK-SPC-20261120T01.fits").unlink()
    assert run_night("eclairs", START, STOP, filled).exit_code is ExitCode.FAILED
    assert run_night("eclairs", START, STOP, filled).record.photons == truth(simulated)
