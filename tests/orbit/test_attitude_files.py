"""SVO-ATT-CNV and SVO-ORB-CNV: what is written comes back, what cannot be used is refused by name."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from eicpy.errors import BadDataError, MissingDataError
from eicpy.instruments import load
from eicpy.orbit import (
    Attitude,
    CircularOrbit,
    Pointing,
    Track,
    read_attitude,
    read_orbit,
    write_attitude,
    write_orbit,
)
from eicpy.products import Provenance, canonical_card, card_for, product_file_name, read_product

ECLAIRS = load("eclairs")
RECORD = Provenance("test", simulated=True)
START = 3.12e8
ORBIT = CircularOrbit.of(START, node=40 * u.deg)


@pytest.fixture
def attitude_file(tmp_path):
    time = START + np.append(np.arange(0.0, 50.0, 0.5), np.arange(60.0, 100.0, 0.5))
    series = Attitude(time, np.stack([Pointing(1e-4 * n, 0.2, 0.3).quaternion for n in range(len(time))]))
    path = tmp_path / "SVO-ATT-CNV-20261120Q01.fits"
    return write_attitude(path, series, issuer=ECLAIRS, provenance=RECORD), series


def test_an_attitude_comes_back_with_its_gap(attitude_file):
    path, series = attitude_file
    back = read_attitude(path)
    assert np.array_equal(back.time, series.time)
    assert np.allclose(back.quaternion, series.quaternion, atol=1e-15)
    assert back.gaps == [(START + 49.5, START + 60.0)]
    assert read_attitude(path, longest=11.0).gaps == []
    header = fits.getheader(path)
    assert (header["CARD"], header["TELESCOP"], header["ORIGIN"]) == ("SVO-ATT-CNV", "SVOM", "ECL-IC")
    assert header["SIMULATE"] is True
    assert (header["TSTART"], header["TSTOP"]) == series.span


def test_an_orbit_has_the_real_layout_and_comes_back(tmp_path):
    time = START + np.arange(0.0, 7000.0)
    track = Track.of_orbit(ORBIT, time)
    path = write_orbit(tmp_path / "orbit.fits", track, issuer=ECLAIRS, provenance=RECORD, first_orbit=12)
    back = read_orbit(path)
    assert np.abs(back.position_at(time[:-1] + 0.5) - ORBIT.position(time[:-1] + 0.5)).max() < 1e-3
    table = fits.getdata(path, 1)
    assert table.columns.names == [
        "TIME", "ORBIT_ID", "POSITION", "POSITION_SPHERICAL", "VELOCITY", "FLAG_PVT", "ORIGIN",
    ]  # fmt: skip
    assert table.columns.formats == ["D", "I", "3E", "3E", "3E", "B", "B"]
    assert sorted(set(table["ORBIT_ID"].tolist())) == [12, 13]
    longitude, latitude = ORBIT.ground_track(time)
    assert table["POSITION_SPHERICAL"][:, 0] == pytest.approx(longitude, abs=1e-4)
    assert table["POSITION_SPHERICAL"][:, 1] == pytest.approx(latitude, abs=1e-4)
    assert table["POSITION_SPHERICAL"][:, 2] == pytest.approx(618e3, abs=2)
    assert np.linalg.norm(table["VELOCITY"], axis=1) == pytest.approx(7552, abs=12)


def changed(path, tmp_path, change):
    with fits.open(path) as hdus:
        change(hdus[1])
        for hdu in hdus:
            hdu.header.remove("CHECKSUM", ignore_missing=True)
            hdu.header.remove("DATASUM", ignore_missing=True)
        out = tmp_path / "changed.fits"
        hdus.writeto(out)
    return out


def test_entries_out_of_order_doubled_or_marked_bad(attitude_file, tmp_path):
    path, series = attitude_file

    def change(hdu):
        rows = hdu.data.copy()
        rows["QUALITY"][5] = 0
        rows[7] = rows[8]
        hdu.data = rows[::-1].copy()

    back = read_attitude(changed(path, tmp_path, change))
    kept = np.delete(np.arange(len(series)), [5, 7])
    assert np.array_equal(back.time, series.time[kept])
    assert np.allclose(np.abs(back.quaternion), np.abs(series.quaternion[kept]), atol=1e-15)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("MJDREFI", 51910, "got MJDREFI = 51910, expected 57754"),
        ("TIMESYS", "UTC", "got TIMESYS = 'UTC', expected 'TT'"),
        ("TIMEUNIT", "d", "got TIMEUNIT = 'd', expected 's'"),
        ("TIMEZERO", 100.0, "got TIMEZERO = 100.0, expected 0"),
    ],
)
def test_times_that_count_otherwise_are_refused(attitude_file, tmp_path, keyword, value, message):
    def change(hdu):
        hdu.header[keyword] = value

    with pytest.raises(BadDataError, match=message):
        read_attitude(changed(attitude_file[0], tmp_path, change))


def test_what_is_no_attitude_is_refused_by_the_name_of_the_file(attitude_file, tmp_path):
    path, _ = attitude_file

    def stretch(hdu):
        hdu.data["QUATERNION"][3] *= 2

    with pytest.raises(BadDataError, match=r"changed.fits: .* norm 2 at"):
        read_attitude(changed(path, tmp_path, stretch))

    def mark(hdu):
        hdu.data["QUALITY"][:] = 0

    (tmp_path / "changed.fits").unlink()
    with pytest.raises(BadDataError, match="no entry that may be used"):
        read_attitude(changed(path, tmp_path, mark))

    def unknown(hdu):
        hdu.data["TIME"][3] = np.nan

    (tmp_path / "changed.fits").unlink()
    with pytest.raises(BadDataError, match="got a TIME that is no number"):
        read_attitude(changed(path, tmp_path, unknown))
    with pytest.raises(BadDataError, match="got card SVO-ATT-CNV, expected SVO-ORB-CNV"):
        read_orbit(path)
    with pytest.raises(MissingDataError):
        read_attitude(tmp_path / "none.fits")


def test_cards_of_the_satellite_keep_their_prefix():
    from datetime import date

    assert card_for("SVO-ORB-CNV", "MDA") == canonical_card("SVO-ORB-CNV") == "SVO-ORB-CNV"
    assert product_file_name("SVO-ORB-CNV", date(2026, 11, 20), "Q", 1) == "SVO-ORB-CNV-20261120Q01.fits"


def test_any_reader_of_products_reads_it(attitude_file):
    product = read_product(attitude_file[0])
    assert product.definition.title == "attitude of the satellite"
    assert product["SVO-ATT-CNV"]["QUATERNION"].shape == (180, 4)
