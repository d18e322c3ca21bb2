"""A detector described from the skeleton: laid out, filled in, its packets archived and read back."""

import importlib.util

import numpy as np
import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.decoding.description_check import check_description
from eicpy.decoding.measurement import Switch, measurement_switches
from eicpy.errors import BadArgumentError, ExitCode
from eicpy.instruments import load
from eicpy.instruments.skeleton import new_description
from eicpy.packets import PacketHeaders, PacketLayout, encode, inspect_file
from eicpy.runs import RunArchive, follow


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of this test."""
    monkeypatch.setenv("EIC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EIC_INSTRUMENTS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def eic(home):
    """The command, in that home folder."""

    def call(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)

    return call


@pytest.fixture
def folder(home):
    """The skeleton of a detector."""
    return new_description("my-bench", home / "instruments")


def change(file, *pairs):
    text = file.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)


def test_the_skeleton_loads_and_checks_as_it_is(folder, eic):
    instrument = load("my-bench")
    assert (instrument.name, instrument.card_prefix) == ("my-bench", "MYB")
    result = eic("instrument", "check", "my-bench")
    assert (result.exit_code, result.stdout) == (ExitCode.CLEAN, "ok: 2 packets, 4 parameters\n")


def test_every_section_is_explained(folder):
    """Each entry of the model that a description can have is there, at least in a comment."""
    text = (folder / "instrument.toml").read_text()
    fields = set(type(load("my-bench")).model_fields) - {"folder", "order"}
    assert all(f"\n{name} =" in text or f"[{name}" in text or f"# {name} =" in text for name in fields)
    assert "@" not in text.replace("@0", "")


def fill_in(folder):
    """What a test engineer does: other APIDs, 20 x 30 pixels by row and column, two telecommands."""
    change(
        folder / "instrument.toml",
        ("my-bench, not described yet", "The detector of the cellar"),
        ("rows = 16\ncolumns = 16", "rows = 20\ncolumns = 30"),
        ("module_rows = 8\nmodule_columns = 8", "module_rows = 10\nmodule_columns = 10"),
        ("apid = 110", "apid = 77"),
        ("apid = 101", "apid = 78"),
        ('pixel = [{ field = "PIXEL" }]', 'pixel = [{ field = "ROW", scale = 30 }, { field = "COLUMN" }]'),
    )
    with (folder / "instrument.toml").open("a") as file:
        for name, subservice in (("start", 1), ("stop", 2)):
            file.write(
                f"[packets.{name}]\napid = 78\nservice = 210\nsubservice = {subservice}\ncommand = true\n"
                f'layout = "{name}.csv"\nkind = "command"\n\n'
            )
        file.write('[measurement]\nstart = { packet = "start" }\nstop = { packet = "stop" }\n')
    head = (folder / "photons.csv").read_text().splitlines()[0]
    (folder / "start.csv").write_text(head + "\nMODE,40,8,uint,,,,,,,,,what is measured\n")
    (folder / "stop.csv").write_text(head + "\n")
    change(
        folder / "photons.csv",
        ("PIXEL,,16,uint,fill,64,,,,,,,pixel number", "ROW,,8,uint,fill,64\nCOLUMN,,8,uint,fill,64"),
    )  # fmt: skip


def packets_of(instrument, kind, count, columns, coarse=0, **records):
    rule = instrument.packets[kind]
    header = instrument.header(rule.apid)
    layout = PacketLayout.read(instrument.layout_file(kind))
    headers = PacketHeaders(
        rule.apid, count, coarse, service=rule.service, subservice=rule.subservice, command=rule.command
    )
    return bytes(encode(layout, headers, columns, header=header, **records))


def test_filled_in_its_packets_come_back_through_the_archive(folder, eic, home):
    fill_in(folder)
    assert check_description("my-bench").problems == []
    bench = load("my-bench")
    rng = np.random.default_rng(3)
    counts = np.array([3, 0, 120])
    photons = {
        "TIME": np.arange(123) * 1000,
        "ROW": rng.integers(0, 20, 123),
        "COLUMN": rng.integers(0, 30, 123),
        "CHANNEL": rng.integers(0, 1024, 123),
    }
    parts = [
        packets_of(bench, "start", [0], {"MODE": [2]}),
        packets_of(
            bench, "photons", [0, 1, 2], {"LOST": 0}, repeated=photons, counts=counts, coarse=[5, 6, 7]
        ),
        packets_of(
            bench, "housekeeping", [0, 1],
            {"MODE": 2, "HV": 30000, "TEMPERATURE": [-2000, -2100], "RATE": 123}, coarse=[6, 8],
        ),
        packets_of(bench, "stop", [1], {}),
    ]  # fmt: skip
    writer = RunArchive(home / "archive" / "my-bench", "my-bench").create(source="test")
    raw = b"".join(parts)
    writer.append(raw)
    run = writer.close()

    report = inspect_file(run.raw_file, instrument=bench)
    assert report.is_clean
    assert report.apids[77].received == 3
    assert report.commands[78].types == {"210/1": 1, "210/2": 1}
    with follow(run, bench) as cursor:
        increment = cursor.poll()
    found = increment.photons
    assert found.bad_pixel == 0
    assert found.detnum.tolist() == (30 * photons["ROW"] + photons["COLUMN"]).tolist()
    assert found.channel.tolist() == photons["CHANNEL"].tolist()
    after = np.repeat([5.0, 6.0, 7.0], counts) + photons["TIME"] * 1e-5
    assert np.allclose(np.diff(found.time), np.diff(after), atol=1e-6)
    table = increment.housekeeping["housekeeping"]
    assert table.values["TEMPERATURE"].tolist() == [-20.0, -21.0]
    assert table.values["HV"].tolist() == [300.0, 300.0]
    assert table.texts["MODE"].tolist() == ["MEASUREMENT"] * 2
    assert measurement_switches(raw, increment.index, bench) == [Switch(0, True), Switch(6, False)]
    assert eic("instrument", "check", "my-bench").stdout == "ok: 4 packets, 4 parameters\n"


class _Context:
    def __init__(self):
        self.state, self.told, self.written = {}, {}, []

    def report(self, **values):
        self.told |= values

    def output(self, _name):
        return self

    def write(self, text):
        self.written.append(text)


class _Batch:
    def __init__(self, photons, voltages):
        self.photons = photons
        self.housekeeping = {"housekeeping": type("Table", (), {"values": {"HV": voltages}})}

    def __len__(self):
        return 3


def test_the_processor_to_begin_with_counts(folder):
    specification = importlib.util.spec_from_file_location("stub", folder / "processor.py")
    stub = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(stub)
    context = _Context()
    stub.count(_Batch([1, 2], [300.0]), context)
    stub.count(_Batch([1], []), context)
    assert context.told == {"photons": 3, "high_voltage": 300.0}
    assert context.written == ["3 packets, 2 photons\n", "3 packets, 1 photons\n"]


@pytest.mark.parametrize("name", ["My", "a_b", "-a", "a-", "", "x" * 33, "../a", "a b"])
def test_a_name_that_cannot_be_one_is_refused(home, name):
    with pytest.raises(BadArgumentError, match="expected small letters"):
        new_description(name, home)
    assert not home.exists()


def test_a_name_or_a_folder_that_is_taken_is_refused(folder, home, tmp_path):
    with pytest.raises(BadArgumentError, match="is there already"):
        new_description("my-bench", home / "instruments")
    with pytest.raises(BadArgumentError, match="taken by"):
        new_description("my-bench", tmp_path / "elsewhere")
    with pytest.raises(BadArgumentError, match="taken by"):
        new_description("eclairs", tmp_path / "elsewhere")


def test_the_command_lays_out_in_the_home_folder(eic, home):
    result = eic("instrument", "new", "my-bench")
    assert result.exit_code == ExitCode.CLEAN
    assert result.stdout.splitlines()[0] == str(home / "instruments" / "my-bench")
    assert "EIC_INSTRUMENTS" not in result.stdout
    assert load("my-bench").folder == home / "instruments" / "my-bench"
    listed = eic("instrument", "list").stdout.splitlines()
    assert [line.split(":")[0] for line in listed] == ["eclairs", "dpix-prototype", "meddea", "my-bench"]


def test_the_command_lays_out_elsewhere_and_says_how_it_is_found(eic, tmp_path, monkeypatch):
    result = eic("instrument", "new", "my-bench", "--out", tmp_path / "mine")
    assert f"export EIC_INSTRUMENTS={tmp_path / 'mine'}" in result.stdout
    with pytest.raises(BadArgumentError):
        load("my-bench")
    monkeypatch.setenv("EIC_INSTRUMENTS", str(tmp_path / "mine"))
    assert load("my-bench").name == "my-bench"


def test_home_given_to_the_command_is_where_detectors_are_found(home, tmp_path):
    other = tmp_path / "other"
    CliRunner().invoke(main, ["--home", str(other), "instrument", "new", "my-bench"], catch_exceptions=False)
    found = CliRunner().invoke(main, ["--home", str(other), "instrument", "check", "my-bench"])
    assert found.exit_code == ExitCode.CLEAN
    assert CliRunner().invoke(main, ["instrument", "check", "my-bench"]).exit_code == ExitCode.BAD_ARGUMENTS


def test_a_description_that_does_not_load_is_listed_and_named(eic, folder):
    change(folder / "instrument.toml", ("rows = 16", "rows = 0"))
    assert "my-bench: does not load" in eic("instrument", "list").stdout
    result = eic("instrument", "check", "my-bench")
    assert result.exit_code == ExitCode.BAD_DATA
    assert f"{folder / 'instrument.toml'}: pixels.rows" in result.stdout


WRONG = [
    ("instrument.toml", 'channel = "CHANNEL"', 'channel = "ADC"', "photons.channel: got field 'ADC'"),
    ("instrument.toml", 'field = "TIME"', 'field = "T"', "photons.time.field: got field 'T'"),
    (
        "instrument.toml",
        "channels = 1024",
        "channels = 4096",
        "photons.channel: CHANNEL has 10 bits, too few",
    ),
    ("instrument.toml", 'layout = "photons.csv"', 'layout = "p.csv"', "packets.photons.layout: "),
    ("instrument.toml", "subservice = 1\n", "structure = 4\n", "packets.photons.structure: expected a field"),
    ("instrument.toml", "apid = 101 #", "apid = 110 #", "got APID 101, expected one that has"),
    (
        "photons.csv",
        "LOST,104",
        "LOST,96",
        "field LOST of photons.csv begins at bit 96, inside the pus-c header",
    ),
    ("photons.csv", "TIME,,32", "TIME,,x", "line 3, field TIME"),
    ("housekeeping.csv", ",290,310,", ",310,290,", "HV: got warning_low 310 above warning_high 290"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), WRONG)
def test_what_is_wrong_is_named(folder, eic, file, old, new, message):
    change(folder / file, (old, new))
    result = eic("instrument", "check", "my-bench")
    assert result.exit_code == ExitCode.BAD_DATA
    assert message in result.stdout


def test_packets_of_two_kinds_at_once_are_named(folder):
    change(
        folder / "instrument.toml", ("apid = 101\nservice = 3\nsubservice = 25", "apid = 110\nservice = 200")
    )
    (problem,) = check_description("my-bench").problems
    assert problem.startswith("packets.photons and packets.housekeeping: got the same APID and type")


def test_all_that_is_wrong_is_told_at_once(folder):
    change(
        folder / "instrument.toml",
        ('channel = "CHANNEL"', 'channel = "A"'),
        ('field = "TIME"', 'field = "B"'),
    )
    with (folder / "instrument.toml").open("a") as file:
        file.write('[good_time.HV]\ndescription = "up"\nparameter = "HW"\nlow = 1.0\nlongest_gap = 9.0\n')
    assert len(check_description("my-bench").problems) == 3


@pytest.mark.parametrize("name", ["eclairs", "dpix-prototype", "meddea"])
def test_those_of_the_package_are_right(home, name):
    check = check_description(name)
    assert check.problems == []
    assert check.summary.startswith("ok: ")
