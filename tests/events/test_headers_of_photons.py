"""What other people's software looks for in our files, and finds: keywords, flags, names, no warning."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from numpy.testing import assert_allclose, assert_array_equal

from eicpy import instruments
from eicpy.errors import BadArgumentError
from eicpy.events import (
    EventFile,
    EventList,
    EventWriter,
    GoodTimeIntervals,
    LightCurveAccumulator,
    PixelScale,
    tables_of_criteria,
)
from eicpy.products import Observation, Provenance, read_product, write_product

ECLAIRS = instruments.load("eclairs")
START = 3.0e8
OBSERVATION = Observation("0123456789", "B1Law", "XBand", (83.63, 22.01, 12.5))
GTI = GoodTimeIntervals([START, START + 60], [START + 50, START + 101])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photon file, a light curve and good times, and a photon file of nothing."""
    path = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(1)
    time = np.round((START + np.sort(rng.uniform(0, 100, 5000))) / 2e-5) * 2e-5
    photons = EventList(time, rng.integers(0, 6400, 5000), rng.integers(0, 1024, 5000))
    record = Provenance("test", simulated=True)
    with EventWriter(
        path / "photons.fits", ECLAIRS, provenance=record, gti=GTI, observation=OBSERVATION
    ) as writer:
        for block in photons.blocks(1000):
            writer.append(block, PixelScale.uniform(6400, 0.1466, 2.9))
    with EventWriter(path / "empty.fits", ECLAIRS, provenance=record):
        pass
    curve = LightCurveAccumulator(START, START + 100, 0.5, [(4, 20), (20, 120)], gti=GTI, tick=2e-5)
    curve.add(photons, PixelScale.uniform(6400, 0.145, 3.0))
    found = curve.result()
    write_product(
        path / "curve.fits", "ECL-QLK-LCV", found.to_tables(), issuer=ECLAIRS, provenance=record,
        table_headers={"ECL-QLK-LCV": found.to_header()},
    )  # fmt: skip
    write_product(
        path / "gti.fits", "ECL-GTI-CAL", tables_of_criteria({"NSA": GTI}), issuer=ECLAIRS, provenance=record
    )
    return path


@pytest.fixture
def header(folder: Path) -> fits.Header:
    return fits.getheader(folder / "photons.fits", "EVENTS")


def test_the_span_and_the_good_time_stand_in_the_header(folder: Path, header: fits.Header) -> None:
    expected = {
        "TSTART": START, "TSTOP": START + 101, "TELAPSE": 101.0, "ONTIME": 91.0,
        "DEADAPP": True, "TIMEDEL": 2e-5, "TIMEPIXR": 0.0, "CARD": "ECL-EVT-CAL", "HDUNAME": "ECL-EVT-CAL",
        "HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "SIMULATE": True, "OBS_ID": "0123456789",
        "PROGRAM": "B1Law", "DSTREAM": "XBand", "RA_PNT": 83.63, "DEC_PNT": 22.01, "PA_PNT": 12.5,
    }  # fmt: skip
    assert {key: header[key] for key in expected} == expected
    assert header["PROC_VER"]
    photons = EventFile(folder / "photons.fits").read()
    good = GTI.mask(photons.time)
    share = np.bincount(ECLAIRS.pixels.sector(photons.detnum[good]), minlength=8) / good.sum()
    live = 91.0 - good.sum() * 2e-5 * (share**2).sum()
    assert header["LIVETIME"] == header["EXPOSURE"] == pytest.approx(live, abs=1e-9)
    assert header["DEADC"] == pytest.approx(live / 91, abs=1e-9)
    for key, second in (("DATE-OBS", START), ("DATE-END", START + 101)):
        date = Time(header[key], scale=header["TIMESYS"].lower())
        reference = Time(header["MJDREFI"], header["MJDREFF"], format="mjd", scale="tt")
        assert_allclose((date - reference).sec, second, rtol=0, atol=1e-3)
    beside = fits.getheader(folder / "photons.fits", "GTI")
    assert {key: beside[key] for key in ("HDUCLAS1", "ONTIME", "SIMULATE", "TSTOP")} == {
        "HDUCLAS1": "GTI", "ONTIME": 91.0, "SIMULATE": True, "TSTOP": START + 101,
    }  # fmt: skip


def test_what_is_not_known_is_left_out(folder: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.fits"
    with EventWriter(late, ECLAIRS, provenance=Provenance("test")) as writer:
        writer.append(EventList([START], [1], [1]))
        writer.gti = GTI  # which of the photons before were in it was not looked at
    with EventWriter(
        tmp_path / "other.fits", instruments.load("meddea"), provenance=Provenance("test")
    ) as writer:
        writer.append(EventList([START, START + 1], [1, 1], [1, 1]))
    for path in (late, tmp_path / "other.fits"):
        unsure = fits.getheader(path, "EVENTS")
        assert not {"LIVETIME", "DEADC", "SIMULATE"} & set(unsure)
        assert (unsure["DEADAPP"], unsure["EXPOSURE"]) == (False, unsure["ONTIME"])
    empty = fits.getheader(folder / "empty.fits", "EVENTS")
    unknown = {"TSTART", "DATE-OBS", "ONTIME", "EXPOSURE", "OBS_ID", "PROGRAM", "DSTREAM", "RA_PNT"}
    assert not unknown & set(empty)
    assert empty["TLMAX4"] == 1023


def test_channels_have_their_limits_and_those_beyond_are_flagged(folder: Path, header: fits.Header) -> None:
    rows = fits.getdata(folder / "photons.fits", "EVENTS")
    for name in ("PHA", "PI"):
        number = header["TTYPE*"].values()
        column = [str(value).strip() for value in number].index(name) + 1
        assert (header[f"TLMIN{column}"], header[f"TLMAX{column}"]) == (0, 1023)
    place = np.floor((0.1466 * (rows["PHA"] + 0.5) - 0.1) / 0.145)
    assert (place < 0).any()
    assert (place > 1023).any()
    assert_array_equal(rows["PI"], np.where((place < 0) | (place > 1023), -1, place))
    assert_array_equal(rows["FLAG"] & header["FLAGBIT5"] > 0, place < 0)
    assert_array_equal(rows["FLAG"] & header["FLAGBIT6"] > 0, place > 1023)
    assert not (rows["FLAG"] & (header["FLAGBIT4"] | header["FLAGBIT7"])).any()
    assert_array_equal(rows["FLAG"] & header["FLAGMULT"], 1)
    table = Table.read(folder / "photons.fits", hdu="EVENTS")
    assert_array_equal(table["PI"].mask, rows["FLAG"] > 15)  # TNULL


def test_a_light_curve_says_where_its_bins_begin(folder: Path) -> None:
    curve = fits.getheader(folder / "curve.fits", "ECL-QLK-LCV")
    expected = {"TIMEDEL": 0.5, "TIMEPIXR": 0.0, "HDUCLAS1": "LIGHTCURVE", "TSTART": START, "TIMETICK": 2e-5}
    assert {key: curve[key] for key in expected} == expected
    assert curve["ONTIME"] == pytest.approx(90.0)
    assert fits.getheader(folder / "gti.fits", "GTICAL-NSA")["HDUCLAS1"] == "GTI"


def test_astropy_reads_all_without_a_warning(folder: Path) -> None:
    for path in sorted(folder.glob("*.fits")):
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
    assert len(Table.read(folder / "photons.fits", hdu="EVENTS")) == 5000


def complaints(path: Path) -> Iterator[str]:
    done = subprocess.run(["fitsverify", path], capture_output=True, text=True, check=False)
    if "0 warning(s) and 0 error(s)" not in done.stdout:
        yield f"{path.name}: {done.stdout}"


def test_fitsverify_has_no_complaint(folder: Path) -> None:
    if shutil.which("fitsverify") is None:
        pytest.skip("no fitsverify on this machine (Debian: apt-get install fitsverify)")
    assert not [said for path in sorted(folder.glob("*.fits")) for said in complaints(path)]


def test_flight_names_and_ours_lead_to_the_same_table(folder: Path, tmp_path: Path) -> None:
    """A file of the version before has the extension ECL-EVT-CAL; both are read, under either name."""
    with fits.open(folder / "photons.fits") as hdus:
        hdus["EVENTS"].header["EXTNAME"] = "ECL-EVT-CAL"
        hdus.writeto(tmp_path / "before.fits", checksum=True)
    for path in (folder / "photons.fits", tmp_path / "before.fits"):
        assert len(EventFile(path)) == 5000
        product = read_product(path)
        assert len(product["ECL-EVT-CAL"]) == len(product["EVENTS"]) == 5000


@pytest.mark.parametrize(
    "arguments",
    [
        {"program": "Sightseeing"},
        {"stream": "Post"},
        {"pointing": (360.0, 0.0, 0.0)},
        {"pointing": (0, 91, 0)},
    ],
)
def test_an_observation_that_cannot_be_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(BadArgumentError, match="expected"):
        Observation(**arguments)


def test_a_photon_without_a_time_is_not_written(tmp_path: Path) -> None:
    with (
        pytest.raises(BadArgumentError, match="photon at nan"),
        EventWriter(tmp_path / "a.fits", ECLAIRS, provenance=Provenance("test")) as writer,
    ):
        writer.append(EventList([np.nan], [1], [1]))
