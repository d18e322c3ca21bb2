"""Descriptions of detectors from outside the package."""

import os
import re
import shutil
from pathlib import Path

import pytest

import eicpy.instruments
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import available, find, load, search_path

PACKAGE = Path(eicpy.instruments.__file__).parent


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder of this test."""
    monkeypatch.setenv("EIC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EIC_INSTRUMENTS", raising=False)
    return tmp_path / "home"


def describe(folder, name, change=("", "")):
    """A copy of the prototype under another name, with one change of its text."""
    shutil.copytree(PACKAGE / "dpix-prototype", folder / name)
    file = folder / name / "instrument.toml"
    text = file.read_text().replace('"dpix-prototype"', f'"{name}"')
    assert change[0] in text
    file.write_text(text.replace(*change))
    return file


def test_the_package_brings_three_with_eclairs_first():
    assert available() == ("eclairs", "dpix-prototype", "meddea")


def test_detectors_of_the_home_folder_are_found(home):
    file = describe(home / "instruments", "bench")
    assert "bench" in available()
    assert load("bench").folder == file.parent
    assert load("bench") is load("bench")


def test_listed_folders_come_first_and_hide_the_others(home, tmp_path, monkeypatch):
    describe(home / "instruments", "bench", ("DPX", "AAA"))
    describe(tmp_path / "one", "bench", ("DPX", "BBB"))
    describe(tmp_path / "two", "eclairs", ("DPX", "CCC"))
    assert load("bench").card_prefix == "AAA"
    assert load("eclairs").card_prefix == "ECL"
    monkeypatch.setenv("EIC_INSTRUMENTS", os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")]))
    assert search_path()[:2] == (tmp_path / "one", tmp_path / "two")
    assert load("bench").card_prefix == "BBB"
    assert load("eclairs").card_prefix == "CCC"


def test_a_changed_description_is_read_again(home):
    file = describe(home / "instruments", "bench")
    before = load("bench")
    file.write_text(file.read_text().replace('telescope = "BENCH"', 'telescope = "ROOM 7"'))
    os.utime(file, ns=(1, 1))
    assert (before.telescope, load("bench").telescope) == ("BENCH", "ROOM 7")


def test_an_unknown_name_tells_where_was_looked(home):
    with pytest.raises(BadArgumentError, match=r"got instrument 'x', expected one of eclairs.*looked in"):
        load("x")


BAD = [
    ("rows = 40", 'rows = "many"', r"pixels.rows: .*got 'many'"),
    ("rows = 40\n", "", r"pixels.rows: Field required"),
    ("gain = 0.145", "gian = 0.145", r"energy.gian: .*not permitted"),
    (
        'packets = ["housekeeping"]',
        'packets = ["hk"]',
        r"housekeeping.packets: got packet 'hk', expected one",
    ),
    (
        'start = { packet = "start-m',
        'start = { packet = "m',
        r"measurement.start.packet: got packet 'measurem",
    ),
    (
        'stop-measurement" }',
        'stop-measurement", value = 1 }',
        r"measurement.stop: .*both 'field' and 'value'",
    ),
    ("apid = 910\nservice", "apid = 77\nservice", r"packets.photons: got APID 77, expected one that has"),
    ('name = "bench"', 'name = "other"', r"name: got 'other', expected 'bench'"),
    ("[time]", "[time", r"unreadable: .*line \d+"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_description_names_file_and_entry(home, old, new, message):
    file = describe(home / "instruments", "bench", (old, new))
    with pytest.raises(BadDataError, match=message) as caught:
        load("bench")
    assert caught.value.file == file
    assert str(file) in str(caught.value)
    assert "bench" in available()


def test_other_detectors_load_beside_a_bad_one(home):
    describe(home / "instruments", "bench", ("rows = 40", "rows = -1"))
    assert load("eclairs").pixels.count == 6400


def test_a_description_of_the_version_before_is_read(tmp_path, monkeypatch):
    """``place`` and ``instrument`` were the names of ``order`` and ``fits_instrument``."""
    source = find("dpix-prototype").parent
    folder = tmp_path / "old"
    shutil.copytree(source, folder)
    file = folder / "instrument.toml"
    text = re.sub(r"(?m)^name = .*", 'name = "old"', file.read_text())
    text = re.sub(r"(?m)^fits_instrument = ", "instrument = ", text)
    file.write_text(re.sub(r"(?m)^order = ", "place = ", text))
    monkeypatch.setenv("EIC_INSTRUMENTS", str(tmp_path))
    old, new = load("old"), load("dpix-prototype")
    assert (old.fits_instrument, old.order) == (new.fits_instrument, new.order)
