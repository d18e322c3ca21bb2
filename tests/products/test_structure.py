"""Headers that do not say what they should: each is bad data with a name, whoever reads the file."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from eicpy import instruments
from eicpy.calibration.table import calibration_table
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.events import EventFile, EventList, EventWriter, GoodTimeIntervals
from eicpy.ingestion import photon_blocks
from eicpy.pipeline.decisions import read_calibration_table
from eicpy.products import Provenance, read_product, read_structure, verify_unit, write_product

ECLAIRS = instruments.load("eclairs")
CARD = 80
ODD = [
    "'1\0'", "'\0'", "''", "'  '", "'x'", "T", "F", "", "-1", "0", "1", "8", "7.5", "1E999", "-1E999",
    "1E300", "1" + "0" * 30, "-1" + "0" * 30, "2147483648", "'99999999999A'", "'0D'", "'PJ(3)'",
    "'8A'", "(1, 2)",
    "'é'", "'&'", "'open", "1 / 2", "nonsense",
]  # fmt: skip


@pytest.fixture(scope="module")
def gains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = {"DETNUM": np.arange(6400), "GAIN": np.full(6400, 0.145), "OFFSET": np.full(6400, 3.0)}
    return write_product(
        tmp_path_factory.mktemp("gains") / "gains.fits",
        "AUX-ECL-PIX-CAL",
        {"AUX-ECL-PIX-CAL": columns},
        issuer=ECLAIRS,
        provenance=Provenance("test", versions={"numpy": "2"}),
        table_headers={"AUX-ECL-PIX-CAL": {"TREF": 3.0e8}},
    )


@pytest.fixture(scope="module")
def photons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photons") / "photons.fits"
    with EventWriter(path, ECLAIRS, provenance=Provenance("test", simulated=True)) as writer:
        writer.gti = GoodTimeIntervals([3.0e8], [3.0e8 + 10])
        writer.append(EventList(3.0e8 + np.arange(10), np.arange(10), np.arange(10)))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photons as a table of another maker."""
    path = tmp_path_factory.mktemp("plain") / "plain.fits"
    columns = [fits.Column(name, "D", array=np.arange(5.0)) for name in ("TIME", "DETNUM", "PHA")]
    columns.append(fits.Column("FLAG", "I", array=np.arange(5, dtype=np.uint16), bzero=32768))
    table = fits.BinTableHDU.from_columns(columns, name="PHOTONS")
    table.header.update(MJDREFI=57754, MJDREFF=0.0008, TIMEZERO=0.0, TIMESYS="TT")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, checksum=True)
    return path


@cache
def cards(path: Path) -> list[int]:
    """Byte at which each card with a value begins."""
    data = path.read_bytes()
    found = []
    for unit in read_structure(path):
        places = range(unit.offset, unit.data_offset, CARD)
        found += [place for place in places if data[place + 8 : place + 10] == b"= "]
    return found


def change(path: Path, place: int, value: str) -> Path:
    """A copy of a file in which a card has another value."""
    data = bytearray(path.read_bytes())
    data[place + 10 : place + CARD] = value.encode("latin-1").ljust(CARD - 10)
    damaged = path.with_name("damaged.fits")
    damaged.write_bytes(data)
    return damaged


def named(path: Path, keyword: str) -> int:
    """Where the last card of a name begins; of the photons' span, which the good time has too, the first."""
    data = path.read_bytes()
    places = [place for place in cards(path) if data[place : place + 8].rstrip() == keyword.encode()]
    return places[0 if keyword == "TSTART" else -1]


def look_at_all(path: Path) -> None:
    """What is read of a photon file by those who show or search it."""
    file = EventFile(path)
    _ = file.gti, file.provenance, file.step_back, file.nominal_scale
    file.rows_between(3.0e8, 3.0e8 + 5)
    file.read()
    file._repr_html_()


def verify(path: Path) -> None:
    for unit in read_structure(path):
        verify_unit(path, unit)


READERS = {
    "product": read_product,
    "unverified product": lambda path: read_product(path, verify=False),
    "gain table": lambda path: read_calibration_table(path, calibration_table("gain", ECLAIRS)),
    "photon file": look_at_all,
    "dropped file": lambda path: list(photon_blocks(path, ECLAIRS)),
}


@pytest.mark.filterwarnings("ignore:ERFA function.*dubious year")  # a damaged time may be of any year
@given(
    st.sampled_from(["gains", "photons", "plain"]),
    st.sampled_from(sorted(READERS)),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.sampled_from(ODD)), min_size=1, max_size=3),
)
def test_no_value_of_any_card_makes_more_than_bad_data(
    gains: Path, photons: Path, plain: Path, kind: str, reader: str, damage: list[tuple[int, str]]
) -> None:
    good = {"gains": gains, "photons": photons, "plain": plain}[kind]
    places, damaged = cards(good), good
    for which, odd in damage:
        damaged = change(damaged, places[which % len(places)], f"{odd:>20}")
    try:
        READERS[reader](damaged)
    except (BadDataError, BadArgumentError) as error:
        named = error.file == damaged if isinstance(error, BadDataError) else "DETCOLS" in str(error)
        if not named:  # DETCOLS may be missing: then the caller has to give it
            raise


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("DATASUM", "'12\0'", "DATASUM"),
        ("DATASUM", "1E999", "DATASUM"),
        *(
            ("NAXIS2", value, rf"got NAXIS2 = {said}.*, expected a whole number from 0")
            for value, said in [
                ("1E999", "inf"),
                ("1E30", r"1e\+30"),
                ("-1", "-1"),
                ("1" + "0" * 30, "1000"),
                ("9" * 20, "9999"),
                ("'10'", "'10'"),
                ("T", "True"),
                ("7.5", "7.5"),
                ("", "nothing"),
                ("(1, 2)", r"\(1"),
            ]
        ),
        ("NAXIS2", str(2**63 - 1), "more than any file holds"),
        ("NAXIS2", str(2**55), "truncated"),
        ("NAXIS1", "0", "expected a FITS extension"),
        ("NAXIS", "1000", "got NAXIS = 1000, expected a whole number from 0 to 999"),
        ("NAXIS", "1", "got a table of NAXIS 1"),
        ("NAXIS", "999", "cannot be read"),
        ("BITPIX", "7", "got BITPIX = 7, expected one of 8, 16"),
        ("BITPIX", "-64", "got a table of NAXIS 2, BITPIX -64"),
        ("PCOUNT", "-1", "got PCOUNT = -1"),
        ("PCOUNT", str(2**62), "truncated"),
        ("GCOUNT", "2", "GCOUNT 2, expected 2, 8, 1"),
        ("TFIELDS", "1000", "got TFIELDS = 1000"),
        ("TFORM1", "'99999999999999999999D'", "cannot be read"),
        ("TFORM1", "'2147483647D'", "cannot be read|expected [0-9]+ from its columns"),
        ("TFORM1", "'QD(3)'", "format QD"),
        ("TFIELDS", "1E999", "got TFIELDS = inf"),
        ("DETCOLS", "1E999", "DETCOLS inf"),
        ("DETCOLS", "1000", "1 to 256"),
        ("STEPBACK", "'x'", "STEPBACK 'x'"),
        ("NOMGAIN", "'x'", "NOMGAIN 'x'"),
        ("TSTART", "'x'", "TSTART"),
    ],
)
def test_what_is_wrong_is_named(photons: Path, keyword: str, value: str, message: str) -> None:
    damaged = change(photons, named(photons, keyword), value)
    with pytest.raises(BadDataError, match=message):
        verify(damaged) if keyword == "DATASUM" else look_at_all(damaged)


def test_a_header_that_was_altered_is_found_by_its_checksum(gains: Path) -> None:
    """DATASUM does not cover the header: only CHECKSUM sees another reference time."""
    damaged = change(gains, named(gains, "TREF"), f"{'300000001.0':>20} / s")
    with pytest.raises(BadDataError, match=r"got checksum \d+ for AUX-ECL-PIX-CAL, expected 0") as caught:
        read_product(damaged)
    assert caught.value.offset == read_structure(damaged)[1].offset
    assert read_product(damaged, verify=False).main.header["TREF"] == 300000001.0


@pytest.mark.parametrize("keyword", ["CHECKSUM", "DATASUM"])
def test_a_blank_sum_is_one_that_nobody_knows(gains: Path, keyword: str) -> None:
    """FITS Standard 4.0 §4.4.2.7. The other of the two still counts."""
    damaged = change(gains, named(gains, keyword), "'                '")
    if keyword == "CHECKSUM":
        verify(damaged)
    else:
        with pytest.raises(BadDataError, match="got checksum"):
            read_product(damaged)
