"""Photons of a run become one FITS file that holds each of them once, for any detector."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from eicpy.decoding import photons
from eicpy.events import EventFile
from eicpy.instruments import load
from eicpy.processors import Job, find_processor, run_processor
from eicpy.processors.photon_files import PhotonFiles
from eicpy.runs import RunArchive


def process(settings, instrument, **options):
    return run_processor(Job(find_processor("photons"), instrument, once=True, **options), settings)


def files(settings, instrument):
    return sorted(settings.products(instrument).rglob("*.fits"))


def make_run(settings, name, data):
    archive = RunArchive(settings.archive(name), name)
    with archive.create(source="test") as writer:
        writer.append(data)
        return writer.close()


def test_a_run_becomes_one_file_with_every_photon(settings, bench):
    run = make_run(settings, bench.name, bench.seconds(0, [-20.0] * 50))
    process(settings, bench.name)
    (file,) = files(settings, bench.name)
    assert file.parent == settings.products(bench.name) / "runs" / "000001"
    expected = photons(run.raw_file.read_bytes(), run.index(bench.instrument), bench.instrument)
    assert len(expected) == 1000
    found = EventFile(file).read()
    for column in ("time", "detnum", "channel", "multiplicity"):
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))
    with fits.open(file, checksum=True) as units:
        header = units[1].header
        assert (header["RUN"], header["RUNENDED"], header["NAXIS2"]) == (1, True, 1000)
        assert units[0].header["SIMULATE"] is True
    assert file.stem.endswith("T01")


def test_it_is_there_and_readable_while_the_run_goes_on(settings, bench, monkeypatch):
    monkeypatch.setattr("eicpy.processors.photon_files.SHORTEST", 0.0)
    archive = RunArchive(settings.archive(bench.name), bench.name)
    with archive.create(source="test") as writer:
        writer.append(bench.seconds(0, [-20.0] * 10))
        process(settings, bench.name)
        (file,) = files(settings, bench.name)
        with fits.open(file, checksum=True) as units:
            assert (units[1].header["NAXIS2"], units[1].header["RUNENDED"]) == (200, False)
        writer.append(bench.seconds(10, [-20.0] * 10))
        process(settings, bench.name)
    process(settings, bench.name)
    (file,) = files(settings, bench.name)
    with fits.open(file, checksum=True) as units:
        assert (units[1].header["NAXIS2"], units[1].header["RUNENDED"]) == (400, True)


def test_each_run_has_its_file_and_nothing_is_left_beside(settings, bench):
    make_run(settings, bench.name, bench.seconds(0, [-20.0] * 10))
    make_run(settings, bench.name, bench.seconds(10, [-20.0] * 5))
    process(settings, bench.name, first_run=1)
    assert [file.parent.name for file in files(settings, bench.name)] == ["000001", "000002"]
    rows = [fits.getheader(file, 1)["NAXIS2"] for file in files(settings, bench.name)]
    assert rows == [200, 100]
    assert list((settings.home / "processors" / bench.name / "photons" / "outputs").iterdir()) == []


def test_a_packet_that_came_twice_gives_its_photons_once_also_after_a_restart(settings, bench):
    packets = bench.photons(0, 30)
    archive = RunArchive(settings.archive(bench.name), bench.name)
    with archive.create(source="test") as writer:
        writer.append(b"".join(packets[:20] + packets[5:8]))
        process(settings, bench.name)
        writer.append(b"".join(packets[10:]))
    process(settings, bench.name)
    (file,) = files(settings, bench.name)
    found = EventFile(file).read()
    assert np.bincount(found.channel).tolist() == [20] * 30


def test_damaged_packets_give_no_photons_and_harm_no_others(settings, bench):
    packets = bench.photons(0, 10)
    damaged = bytearray(packets[4])
    damaged[-20] ^= 0xFF
    make_run(settings, bench.name, b"".join([*packets[:4], bytes(damaged), b"foreign bytes", *packets[5:]]))
    process(settings, bench.name)
    (file,) = files(settings, bench.name)
    assert fits.getheader(file, 1)["NAXIS2"] == 180


def test_a_run_without_photons_leaves_no_file(settings, bench):
    make_run(settings, bench.name, b"".join(bench.housekeeping(0, [-20.0] * 5)))
    process(settings, bench.name)
    assert files(settings, bench.name) == []


def test_the_real_photons_of_meddea(settings, shared_data):
    packets = shared_data / "packets" / "padre_meddea"
    archive = RunArchive(settings.archive("meddea"), "meddea")
    with archive.create(source="PADRE") as writer:
        for file in sorted(packets.glob("padreMD*.dat")):
            writer.append(file.read_bytes())
    process(settings, "meddea")
    (file,) = files(settings, "meddea")
    run, instrument = archive.run(1), load("meddea")
    expected = photons(run.raw_file.read_bytes(), run.index(instrument), instrument)
    found = EventFile(file).read()
    assert len(found) == 767
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_array_equal(found.detnum, expected.detnum)
    assert file.stem.endswith("F01")
    assert file.name.startswith("MDA-EVT-CAL")


def test_a_lost_place_is_made_up_for_by_starting_over(settings, bench):
    make_run(settings, bench.name, bench.seconds(0, [-20.0] * 10))
    process(settings, bench.name)
    shutil.rmtree(settings.home / "processors")
    process(settings, bench.name)
    (file,) = files(settings, bench.name)
    assert fits.getheader(file, 1)["NAXIS2"] == 200


def test_it_is_known_by_its_name():
    assert find_processor("photons").target is PhotonFiles


def test_a_detector_without_photons_is_no_trouble(settings, closed_run, monkeypatch):
    closed_run(3)
    detector = load("eclairs").model_copy(update={"photons": None})
    monkeypatch.setattr("eicpy.processors.runner.load", lambda _name: detector)
    assert process(settings, "eclairs").packets == 3
    assert files(settings, "eclairs") == []


@pytest.mark.parametrize("unfinished", ["true", "false"])
def test_files_of_unfinished_runs_can_be_left_out(settings, bench, monkeypatch, unfinished):
    monkeypatch.setattr("eicpy.processors.photon_files.SHORTEST", 0.0)
    with RunArchive(settings.archive(bench.name), bench.name).create(source="test") as writer:
        writer.append(bench.seconds(0, [-20.0] * 10))
        process(settings, bench.name, parameters={"unfinished": unfinished})
        assert len(files(settings, bench.name)) == (unfinished == "true")
