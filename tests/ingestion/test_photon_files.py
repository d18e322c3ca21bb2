"""Photon files dropped on a disk: taken once by content, in two layouts, refused with a reason."""

import threading

import numpy as np
import pytest
from astropy.io import fits
from waiting import wait_until

from eicpy.errors import BadDataError
from eicpy.events import EventList, EventWriter
from eicpy.ingestion import (
    IngestState,
    ingest_photon_file,
    photon_blocks,
    photon_copy,
    photon_folder,
    says_simulated,
    usable,
)
from eicpy.ingestion.inbox import WatchOptions, watch_folder
from eicpy.instruments import load
from eicpy.operations import FileState, dropped_files, files, newest_photon_file, open_database
from eicpy.products import Provenance
from eicpy.runs import RunArchive
from eicpy.settings import Settings

CAMERA = load("dpix-prototype")
START = 3.0e8


def photons(count=1000, seed=1):
    rng = np.random.default_rng(seed)
    return (
        START + np.sort(rng.uniform(0, 100.0, count)),
        rng.integers(0, CAMERA.pixels.count, count),
        rng.integers(0, CAMERA.energy.channels, count),
    )


def write_table(path, columns, **header):
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, array=values) for name, form, values in columns]
    )
    table.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return path


def plain(path, count=1000, seed=1, names=("TIME", "DETNUM", "PHA"), **header):
    time, pixel, channel = photons(count, seed)
    return write_table(
        path, [(names[0], "D", time), (names[1], "I", pixel), (names[2], "J", channel)], **header
    )


def one_row(path, time, channel, pixel, form="D"):
    return write_table(path, [("TIME", form, time), ("PHA", "I", channel), ("PIXEL", "I", pixel)])


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def database(settings):
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def folder(settings):
    return photon_folder(settings, CAMERA.name)


def test_our_own_layout_is_taken_and_read_back_from_the_copy(tmp_path, database, folder):
    path = tmp_path / "DPX-EVT-CAL-20261121F01.fits"
    time, pixel, channel = photons()
    with EventWriter(path, CAMERA, provenance=Provenance.begin("test", simulated=True)) as writer:
        writer.append(EventList(time, pixel, channel))
    outcome = ingest_photon_file(path, CAMERA, database, folder)
    assert (outcome.state, outcome.photons, outcome.left_out) == (IngestState.STORED, 1000, 0)
    path.unlink()
    copy = photon_copy(folder, outcome.sha256)
    assert says_simulated(copy)
    back = EventList.concatenate(photon_blocks(copy, CAMERA, 300))
    np.testing.assert_array_equal(back.detnum, pixel)
    np.testing.assert_array_equal(back.channel, channel)
    np.testing.assert_allclose(back.time, time, atol=1e-9)
    assert newest_photon_file(database, CAMERA.name).sha256 == outcome.sha256


@pytest.mark.parametrize("names", [("TIME", "DETNUM", "PHA"), ("time", "PIXEL", "Channel")])
def test_a_plain_table_is_taken_under_either_name(tmp_path, database, folder, names):
    path = plain(tmp_path / "plain.fits", names=names)
    outcome = ingest_photon_file(path, CAMERA, database, folder)
    assert outcome.photons == 1000
    assert outcome.first >= START
    assert not says_simulated(path)


def test_another_reference_time_is_taken_into_account(tmp_path, database, folder):
    path = plain(tmp_path / "late.fits", MJDREFI=57755, MJDREFF=0.00080074074074, TIMESYS="TT")
    outcome = ingest_photon_file(path, CAMERA, database, folder)
    assert outcome.first == pytest.approx(photons()[0][0] + 86400.0, abs=1e-3)


def test_the_same_content_is_taken_once(tmp_path, database, folder):
    first = ingest_photon_file(plain(tmp_path / "a.fits"), CAMERA, database, folder)
    again = ingest_photon_file(plain(tmp_path / "b.fits"), CAMERA, database, folder)
    assert (first.state, again.state) == (IngestState.STORED, IngestState.KNOWN)
    assert len(list(folder.glob("*.fits"))) == len(files(database)) == 1
    photon_copy(folder, first.sha256).unlink()
    assert ingest_photon_file(tmp_path / "a.fits", CAMERA, database, folder).state is not IngestState.KNOWN
    assert photon_copy(folder, first.sha256).is_file()


def test_photons_that_cannot_be_are_left_out_and_counted(tmp_path, database, folder):
    time, pixel, channel = photons()
    time[0], pixel[1], pixel[2], channel[3], channel[4] = np.nan, -1, 800, 1024, -5
    path = write_table(
        tmp_path / "odd.fits", [("TIME", "D", time), ("PIXEL", "J", pixel), ("PHA", "J", channel)]
    )
    outcome = ingest_photon_file(path, CAMERA, database, folder)
    assert (outcome.photons, outcome.left_out) == (995, 5)
    assert "5 left out" in newest_photon_file(database, CAMERA.name).message
    blocks = [usable(b, CAMERA) for b in photon_blocks(photon_copy(folder, outcome.sha256), CAMERA)]
    assert sum(map(len, blocks)) == 995


def _cut(path):
    path.write_bytes(path.read_bytes()[:-3000])


def _flip(path):
    """Damage the data of a file that carries checksums."""
    with fits.open(path) as units:
        units.writeto(path, overwrite=True, checksum=True)
    data = bytearray(path.read_bytes())
    data[-4000] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.write_bytes(b"SIMPLE  = nothing"), "."),
        (lambda p: fits.PrimaryHDU(np.zeros(5)).writeto(p), "no table"),
        (lambda p: write_table(p, [("TIME", "D", [1.0]), ("ENERGY", "E", [3.0])]), "TIME, ENERGY"),
        (lambda p: one_row(p, [], [], []), "got 0 photons"),
        (lambda p: plain(p, TIMESYS="UTC"), "TIMESYS UTC"),
        (lambda p: plain(p, MJDREFI="soon"), "MJDREFI = 'soon'"),
        (lambda p: one_row(p, [1.0], [5], [900]), "none with"),
        (lambda p: one_row(p, [[1, 2]], [5], [9], form="2D"), "one number"),
        (lambda p: one_row(p, [[1.0]], [5], [9], form="PD()"), "format"),
        (lambda p: _cut(plain(p)), "."),
        (lambda p: _flip(plain(p)), "."),
    ],
)  # fmt: skip
def test_what_holds_no_photons_is_refused_with_its_reason(tmp_path, database, folder, make, reason):
    path = tmp_path / "bad.fits"
    make(path)
    with pytest.raises(BadDataError, match=reason):
        ingest_photon_file(path, CAMERA, database, folder)
    (row,) = dropped_files(database, CAMERA.name)
    assert row.state is FileState.REFUSED
    assert len(row.message) > 20
    assert not list(folder.glob("*"))


def test_a_watched_folder_takes_packets_and_photons_each_once(tmp_path, settings, database, folder, clock):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    plain(inbox / "one.fits")
    (inbox / "bad.fits").write_bytes(b"SIMPLE  =" + b" " * 5000)
    archive = RunArchive(settings.archive(CAMERA.name), CAMERA.name)
    options = WatchOptions(folder, interval=0.02, settle=0.1, until_idle=0.5)
    report = watch_folder(inbox, CAMERA, database, archive, options=options)
    assert [o.photons for o in report.outcomes] == [1000]
    assert [p.name for p in report.refused] == ["bad.fits"]
    again = watch_folder(inbox, CAMERA, database, archive, options=options)
    assert (again.outcomes, again.refused) == ([], {}), "known from the ledger, not read again"
    assert archive.runs() == []


def test_a_newer_file_is_the_newest_while_the_folder_is_watched(tmp_path, settings, database, folder):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    stop = threading.Event()
    archive = RunArchive(settings.archive(CAMERA.name), CAMERA.name)
    options = {"options": WatchOptions(folder, interval=0.02, settle=0.1), "stop": stop}
    thread = threading.Thread(target=watch_folder, args=(inbox, CAMERA, database, archive), kwargs=options)
    thread.start()

    def newest():
        row = newest_photon_file(database, CAMERA.name)
        return None if row is None else row.name

    try:
        for seed in (1, 2):
            plain(inbox / f"{seed}.fits", seed=seed)
            wait_until(lambda name=f"{seed}.fits": newest() == name, f"the file {seed}")
    finally:
        stop.set()
        thread.join()
