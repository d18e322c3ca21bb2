"""``eic instrument import``: what it writes, says and returns."""

import sqlite3

import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.instruments import load

TYPE = '<IntegerParameterType name="{}_T"><IntegerDataEncoding sizeInBits="{}"/></IntegerParameterType>'
PARAMETER = '<Parameter name="{}" parameterTypeRef="{}_T"/>'
ENTRY = '<ParameterRefEntry parameterRef="{}"/>'
WIDTHS = {"HEAD": 5, "APID": 11, "REST": 32, "VALUE": 32}
XTCE = (
    '<SpaceSystem name="made-up" xmlns="http://www.omg.org/spec/XTCE/20180204"><TelemetryMetaData>'
    f"<ParameterTypeSet>{''.join(TYPE.format(*each) for each in WIDTHS.items())}</ParameterTypeSet>"
    f"<ParameterSet>{''.join(PARAMETER.format(name, name) for name in WIDTHS)}</ParameterSet>"
    '<ContainerSet><SequenceContainer name="CCSDSPacket" abstract="true"><EntryList>'
    f"{''.join(ENTRY.format(name) for name in ('HEAD', 'APID', 'REST'))}</EntryList></SequenceContainer>"
    f'<SequenceContainer name="Values"><EntryList>{ENTRY.format("VALUE")}</EntryList>'
    '<BaseContainer containerRef="CCSDSPacket"><RestrictionCriteria>'
    '<Comparison parameterRef="APID" value="7"/></RestrictionCriteria></BaseContainer></SequenceContainer>'
    "</ContainerSet></TelemetryMetaData></SpaceSystem>"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("EIC_HOME", str(tmp_path / "home"))

    def run(*words):
        return CliRunner().invoke(main, ["instrument", "import", *map(str, words)])

    return run


@pytest.fixture
def scos(tmp_path):
    file = tmp_path / "made-up.sqlite"
    with sqlite3.connect(file) as database:
        database.executescript("""
            create table PID (PID_TYPE, PID_STYPE, PID_APID, PID_PI1_VAL, PID_SPID, PID_DESCR, PID_TPSD,
                PID_DFHSIZE);
            insert into PID values (3, 25, 7, 0, 70, 'values', -1, 16);
            create table PCF (PCF_NAME, PCF_DESCR, PCF_UNIT, PCF_PTC, PCF_PFC);
            insert into PCF values ('VALUE', 'a value', 'V', 3, 12), ('TEXT', 'a text', '', 8, 0);
            create table PLF (PLF_NAME, PLF_SPID, PLF_OFFBY, PLF_OFFBI);
            insert into PLF values ('VALUE', 70, 16, 0), ('TEXT', 70, 18, 0);
        """)
    database.close()
    return file


def test_a_database_becomes_a_detector_of_the_home_folder(run, tmp_path, scos):
    result = run("scos", scos, "--name", "made-up")
    assert result.exit_code == 1, result.output
    assert "1 things could not be expressed" in result.output
    assert "packet 70, TEXT: left out: parameter TEXT: got type 8/0" in result.output
    folder = tmp_path / "home/instruments/made-up"
    assert load("made-up").packets["spid-70"].apid == 7
    assert (folder / "import-report.txt").read_text() in result.output
    checked = CliRunner().invoke(main, ["instrument", "check", "made-up"])
    assert checked.exit_code == 0, checked.output


def test_all_taken_over_is_status_0_and_a_folder_of_choice_is_told(run, tmp_path):
    pytest.importorskip("space_packet_parser", reason="the extra eicpy[xtce] is not installed")
    file = tmp_path / "made-up.xml"
    file.write_text(XTCE)
    result = run("xtce", file, "--name", "made-up", "--out", tmp_path / "elsewhere")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "elsewhere/made-up/Values.csv").is_file()
    assert f"export EIC_INSTRUMENTS={tmp_path / 'elsewhere'}" in result.output


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("csv", "x"), 2, "'csv' is not one of"),
        (("scos", "SCOS"), 2, "--name"),
        (("scos", "none.sqlite", "--name", "x"), 2, "none.sqlite: no such file"),
        (("scos", "SCOS", "--name", "a/b"), 2, "expected letters"),
    ],
)
def test_what_is_wrong_is_said_and_returned(run, scos, words, status, said):
    result = run(*(scos if word == "SCOS" else word for word in words))
    assert result.exit_code == status, result.output
    assert said in result.output
