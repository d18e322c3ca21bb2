"""Products: written whole, read strictly, understood by astropy."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from eicpy import products
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.files import atomic_file
from eicpy.products import Provenance, read_product, write_product
from eicpy.products.structure import WordSum, encode_checksum


@dataclass(frozen=True)
class Issuer:
    card_prefix: str = "ECL"
    telescope: str = "SVOM"
    fits_instrument: str = "ECL"


MEDDEA = Issuer("MDA", "PADRE", "MeDDEA")


def record() -> Provenance:
    return Provenance(
        activity="test — of µ",
        configuration={"lines": [1, 2], "name": "β"},
        corrections=("gain", "dead time"),
        simulated=True,
        inputs=(products.InputFile("a.ccsds", "00ff", 12, "photons"),),
        start="2026-11-21T00:00:00.000+00:00",
        uuid="1234",
    )


def gain_columns(pixels: int = 10) -> dict[str, np.ndarray]:
    return {
        "DETNUM": np.arange(pixels),
        "GAIN": np.linspace(0.14, 0.15, pixels),
        "OFFSET": np.full(pixels, 3.0),
    }


def example_columns(table: products.TableDefinition, rows: int) -> dict[str, np.ndarray]:
    """Some values for every column of a declared table."""
    columns: dict[str, np.ndarray] = {}
    for column in table.columns:
        names = [column.name.replace("#", str(n)) for n in (1, 2)] if column.family else [column.name]
        for name in names:
            if column.format == "A":
                columns[name] = np.array([f"text {n}" for n in range(rows)], dtype=np.str_)
            elif column.vector:
                columns[name] = np.arange(rows * 5).reshape(rows, 5)
            else:
                columns[name] = np.arange(rows) % 100
    return columns


@pytest.mark.parametrize("card", products.PRODUCTS)
@pytest.mark.parametrize("issuer", [Issuer(), MEDDEA], ids=["ECL", "MDA"])
@pytest.mark.parametrize("rows", [0, 7])
def test_every_declared_product_comes_back_as_it_was_written(
    tmp_path: Path, card: str, issuer: Issuer, rows: int
) -> None:
    declared = products.PRODUCTS[card]
    tables = {
        (table.name + "NSA" if table.several else table.name): example_columns(table, rows)
        for table in declared.tables
    }
    path = write_product(tmp_path / "a.fits", card, tables, issuer=issuer, provenance=record())
    back = read_product(path, card)
    assert back.card == products.card_for(card, issuer.card_prefix)
    assert back.header["INSTRUME"] == issuer.fits_instrument
    for name, columns in tables.items():
        assert list(back[name].columns) == list(columns)
        for column, values in columns.items():
            assert_array_equal(back[name][column], values)
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        for name, columns in tables.items():
            hdu = hdus[products.card_for(name, issuer.card_prefix) if products.canonical_card(name) else name]
            for number, column in enumerate(hdu.columns):
                declaration = declared.table(name).column(column.name)
                assert (column.unit or "") == declaration.unit
                if not declaration.vector and declaration.format != "A":
                    assert column.format == declaration.format
                assert hdu.data[column.name].tolist() == list(columns.values())[number].tolist()
        assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)


def test_real_columns_come_first_and_as_in_the_flight_layout() -> None:
    events = products.definition("ECL-EVT-CAL").tables[0]
    assert [(c.name, c.format) for c in events.columns] == [
        ("TIME", "D"),
        ("JDET", "B"),
        ("IDET", "B"),
        ("PHA", "I"),
        ("PI", "I"),
        ("FLAG", "B"),
    ]


def test_provenance_survives_file_and_json(tmp_path: Path) -> None:
    path = write_product(
        tmp_path / "a.fits",
        "AUX-ECL-PIX-CAL",
        {"AUX-ECL-PIX-CAL": gain_columns()},
        issuer=Issuer(),
        provenance=record(),
    )
    back = read_product(path).provenance
    assert back is not None
    assert back.stop
    assert Provenance(**{**vars_of(back), "stop": ""}) == record()
    back.write(tmp_path / "a.json")
    assert Provenance.from_json((tmp_path / "a.json").read_text()) == back
    header = fits.getheader(path)
    assert header["CALSTAT"] == "gain,dead time"
    assert header["SIMULATE"] is True


def vars_of(provenance: Provenance) -> dict[str, object]:
    return {name: getattr(provenance, name) for name in Provenance.__dataclass_fields__}


def test_provenance_takes_commit_and_versions_but_nothing_of_the_user() -> None:
    made = Provenance.begin("x", configuration={"path": Path("a")})
    assert made.versions["eicpy"]
    assert made.commit == "" or len(made.commit) == 40
    text = made.to_json()
    assert all(value not in text for key, value in os.environ.items() if key in ("HOME", "PATH"))


def test_unreadable_provenance_is_bad_data() -> None:
    with pytest.raises(BadDataError):
        Provenance.from_json("[]")
    with pytest.raises(BadDataError):
        Provenance.from_rows([("activity", "{")])


@given(st.binary(max_size=200), st.lists(st.integers(0, 1 << 16), max_size=5))
@example(b"\0\0\0\1\0\0\0\2", [1, 6])
def test_word_sum_does_not_depend_on_the_pieces(data: bytes, cuts: list[int]) -> None:
    whole = WordSum()
    whole.add(data)
    pieces = WordSum()
    edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    for a, b in pairwise(edges):
        pieces.add(data[a:b])
    assert pieces.value == whole.value
    padded = data + b"\0" * (-len(data) % 2880)
    hdu = fits.ImageHDU()
    expected = int(hdu._compute_checksum(np.frombuffer(padded, dtype=np.uint8), 0)) if padded else 0
    assert whole.value == expected


@given(st.integers(0, 2**32 - 1))
def test_checksum_text_is_that_of_astropy(total: int) -> None:
    assert encode_checksum(total) == fits.ImageHDU()._char_encode(~np.uint32(total))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AUX-ECL-PIX-CAL-20221011F01.fits", ("AUX-ECL-PIX-CAL", date(2022, 10, 11), "F", 1)),
        ("ECL-EVT-CAL-20260102T42.fits", ("ECL-EVT-CAL", date(2026, 1, 2), "T", 42)),
    ],
)
def test_file_names_follow_the_real_rule(name: str, expected: tuple[str, date, str, int]) -> None:
    assert products.parse_product_file_name(name) == expected
    assert products.product_file_name(*expected) == name


@pytest.mark.parametrize(
    "name", ["a.fits", "AUX-ECL-PIX-CAL-20221341F01.fits", "AUX-ECL-PIX-CAL-20221011F1.fits"]
)
def test_other_file_names_are_refused(name: str) -> None:
    with pytest.raises(BadArgumentError, match="YYYYMMDD"):
        products.parse_product_file_name(name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("XXX", date(2026, 1, 1), "F", 1),
        ("ECL-EVT-CAL", date(2026, 1, 1), "f", 1),
        ("ECL-EVT-CAL", date(2026, 1, 1), "F", 100),
    ],
)
def test_wrong_file_names_are_not_made(arguments: tuple[str, date, str, int]) -> None:
    with pytest.raises(BadArgumentError):
        products.product_file_name(*arguments)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"DETNUM": [0], "GAIN": [0.1]}, "OFFSET"),
        ({**gain_columns(), "COLOUR": np.zeros(10)}, "COLOUR"),
        ({**gain_columns(), "DETNUM": np.arange(9)}, "one length"),
        ({**gain_columns(), "DETNUM": np.full(10, 40_000)}, "40000"),
        ({**gain_columns(), "DETNUM": np.full(10, 0.5)}, "fractions"),
        ({**gain_columns(), "GAIN": np.array(["a"] * 10)}, "numbers"),
        ({**gain_columns(), "GAIN": np.zeros((10, 2))}, "axes"),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_leave_no_file(
    tmp_path: Path, columns: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(BadArgumentError, match=message):
        write_product(
            tmp_path / "a.fits",
            "AUX-ECL-PIX-CAL",
            {"AUX-ECL-PIX-CAL": columns},
            issuer=Issuer(),
            provenance=record(),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentError, match="BANDS"):
        write_product(
            tmp_path / "a.fits",
            "ECL-QLK-LCV",
            {"ECL-QLK-LCV": {"TIME": [0.0], "EXPOSURE": [1.0], "COUNTS_1": [3]}},
            issuer=Issuer(),
            provenance=record(),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_product(
        tmp_path / "good.fits",
        "AUX-ECL-PIX-CAL",
        {"AUX-ECL-PIX-CAL": gain_columns(2000)},
        issuer=Issuer(),
        provenance=record(),
    )


def test_every_truncation_is_named_with_its_place(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    for size in [1, 2879, 2880, 8000, *range(9000, len(data), 4567), len(data) - 1]:
        cut = tmp_path / "cut.fits"
        cut.write_bytes(data[:size])
        with pytest.raises(BadDataError) as caught:
            read_product(cut)
        assert caught.value.file == cut


def test_an_empty_a_foreign_and_a_missing_file_are_bad_data(tmp_path: Path) -> None:
    empty = tmp_path / "empty.fits"
    empty.touch()
    with pytest.raises(BadDataError, match="empty"):
        read_product(empty)
    text = tmp_path / "text.fits"
    text.write_text("not FITS " * 1000)
    with pytest.raises(BadDataError, match="SIMPLE"):
        read_product(text)
    with pytest.raises(BadDataError, match="No such file"):
        read_product(tmp_path / "none.fits")
    with pytest.raises(BadDataError, match="got a folder, expected FITS"):
        read_product(tmp_path)


def test_another_card_is_bad_data(good: Path) -> None:
    with pytest.raises(BadDataError, match="expected ECL-EVT-CAL"):
        read_product(good, "ECL-EVT-CAL")


def test_an_undeclared_card_is_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"CARD": "ECL-AAA-BBB"}))]).writeto(path)
    with pytest.raises(BadDataError, match="ECL-AAA-BBB"):
        read_product(path)


def test_a_flipped_bit_is_found(good: Path) -> None:
    data = bytearray(good.read_bytes())
    place = products.read_structure(good)[1].data_offset + 5000
    data[place] ^= 4
    good.write_bytes(data)
    with pytest.raises(BadDataError, match="damaged") as caught:
        read_product(good)
    assert caught.value.offset == products.read_structure(good)[1].data_offset
    assert len(read_product(good, verify=False).main) == 2000


def test_a_table_of_another_maker_is_read(tmp_path: Path) -> None:
    """The public predecessor writes DETNUM, GAIN and OFFSET only; unsigned columns carry TZERO."""
    columns = [
        fits.Column("DETNUM", "I", array=np.arange(5, dtype=np.uint16), bzero=32768),
        fits.Column("GAIN", "D", array=np.full(5, 0.145)),
        fits.Column("OFFSET", "D", array=np.full(5, 3.0)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="AUX-ECL-PIX-CAL")
    hdu.header["CARD"] = "AUX-ECL-PIX-CAL"
    path = tmp_path / "AUX-ECL-PIX-CAL-20170101Q01.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    back = read_product(path, "AUX-ECL-PIX-CAL")
    assert_array_equal(back.main["DETNUM"], np.arange(5))
    assert back.provenance is None


def test_missing_columns_and_strange_formats_are_bad_data(tmp_path: Path) -> None:
    for column in (fits.Column("DETNUM", "I", array=[1]), fits.Column("DETNUM", "PJ()", array=[[1, 2]])):
        hdu = fits.BinTableHDU.from_columns([column], name="AUX-ECL-PIX-CAL")
        hdu.header["CARD"] = "AUX-ECL-PIX-CAL"
        path = tmp_path / "a.fits"
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
        with pytest.raises(BadDataError, match="expected"):
            read_product(path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(good: Path) -> None:
    """A limit on the size of files makes the system refuse a write half-way, as a full disk does."""
    before = good.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(FailedError, match="could not be written"):
            write_product(
                good,
                "AUX-ECL-PIX-CAL",
                {"AUX-ECL-PIX-CAL": gain_columns(30_000)},
                issuer=Issuer(),
                provenance=record(),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert good.read_bytes() == before
    assert [p.name for p in good.parent.iterdir()] == ["good.fits"]


def test_an_error_of_the_flush_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FailedError, match="No space left"):
        record().write(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_visible_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    script = textwrap.dedent(
        """
        import signal, sys
        from pathlib import Path
        from eicpy.files import atomic_file
        with atomic_file(Path(sys.argv[1])) as file:
            file.write(b"half")
            file.flush()
            print("writing", flush=True)
            signal.pause()  # until it is killed
        """
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    (partial,) = tmp_path.iterdir()
    assert partial.name.startswith(".a.fits.")
    os.utime(partial, (time.time() - 3600, time.time() - 3600))
    with atomic_file(path) as file:
        file.write(b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
    assert path.read_bytes() == b"whole"


def test_products_show_themselves_in_a_notebook(good: Path) -> None:
    back = read_product(good)
    assert "gain and offset" in back._repr_html_()
    assert back.provenance is not None
    assert "corrections" in back.provenance._repr_html_()


@pytest.mark.filterwarnings(
    "ignore::astropy.io.fits.verify.VerifyWarning"
)  # astropy comments on damaged cards
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_anywhere_gives_bad_data_or_a_product(good: Path, damage: list[tuple[int, int]]) -> None:
    data = bytearray(good.read_bytes())
    for place, value in damage:
        data[place % len(data)] = value
    damaged = good.with_name("damaged.fits")
    damaged.write_bytes(data)
    for verify in (True, False):
        with contextlib.suppress(BadDataError):
            read_product(damaged, verify=verify)
