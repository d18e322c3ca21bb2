"""Numbers that are none, texts that are none, files that are none: a wrong call, whatever the command."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.cli.guard import MISTAKES_FILE
from eicpy.errors import ExitCode


def commands(group=main, names=()):
    for name, command in group.commands.items():
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


def usual(parameter):
    """A value that an argument could have."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return "1" if isinstance(kind, click.types.IntParamType) else __file__


def call_with(command, parameter, value):
    """The arguments of a command, one of which has the value."""
    options, arguments = [], []
    for other in command.params:
        mine = other is parameter
        if isinstance(other, click.Argument) and (mine or other.required):
            arguments.append(value if mine else usual(other))
        elif mine:
            options.append(f"{other.opts[0]}={value}")
        elif other.required:
            options += [other.opts[0], usual(other)]
    return [*options, "--", *arguments]


def every(*types):
    return [
        pytest.param(names, command, parameter, id=f"{'-'.join(names)}-{parameter.name}")
        for names, command in commands()
        for parameter in command.params
        if isinstance(parameter.type, types) and not getattr(parameter, "is_flag", False)
    ]


NUMBERS = every(click.types.FloatParamType)
WHOLE = every(click.types.IntParamType)
TEXTS = every(click.types.StringParamType)


def test_the_lists_are_not_empty():
    assert len(NUMBERS) >= 8
    assert len(WHOLE) >= 8
    assert len(TEXTS) >= 25


def refused(tmp_path, names, arguments):
    call = ["--home", str(tmp_path / "home"), *names, *arguments]
    result = CliRunner().invoke(main, call, catch_exceptions=False)
    assert result.exit_code == ExitCode.BAD_ARGUMENTS, result.output
    result.stderr.encode()
    assert not (tmp_path / "home").exists()
    return result.stderr


@pytest.mark.parametrize(("names", "command", "parameter"), NUMBERS)
def test_numbers_that_are_none_or_have_no_end(tmp_path, names, command, parameter):
    for value in ("nan", "-NaN", "inf", "-inf", "1e999"):
        said = refused(tmp_path, names, call_with(command, parameter, value))
        assert "expected a finite number" in said or "is not in the range" in said


@pytest.mark.parametrize(("names", "command", "parameter"), NUMBERS)
def test_no_number_of_a_command_may_be_negative(tmp_path, names, command, parameter):
    assert "is not in the range" in refused(tmp_path, names, call_with(command, parameter, "-1"))


@pytest.mark.parametrize(("names", "command", "parameter"), WHOLE)
def test_whole_numbers_of_thirty_digits(tmp_path, names, command, parameter):
    for value in ("9" * 30, "9" * 5000):
        said = refused(tmp_path, names, call_with(command, parameter, value))
        assert any(words in said for words in ("64 bits", "not in the range", "is not a valid integer"))


@pytest.mark.parametrize(("names", "command", "parameter"), TEXTS)
def test_texts_with_bytes_that_are_none(tmp_path, names, command, parameter):
    for value, words in (
        ("\udcff", "expected a text in UTF-8"),
        ("bell\x07", "expected no control characters"),
    ):
        assert words in refused(tmp_path, names, call_with(command, parameter, value))


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("night=\udcff", "UTF-8"),
        ("night=\x00", "control characters"),
        ("night=" + "x" * 70_000, "at most 65536"),
        ("bin_seconds=nan", "integer"),
        ("bin_seconds=" + "9" * 30, "less than or equal to 86400"),
    ],
)
def test_parameters_of_a_notebook(tmp_path, pair, words):
    import re

    assert re.search(words, refused(tmp_path, ("report", "monitoring"), ["-p", pair]))


READING = [
    ("packets", "FILE"),
    ("ingest", "FILE", "-i", "eclairs"),
    ("watch", "FILE", "-i", "eclairs", "--once"),
    ("report", "FILE"),
    ("send", "FILE", "--to", "127.0.0.1:1"),
    ("simulate", "--config", "FILE"),
    ("accept", "FILE"),
    ("reject", "FILE"),
    ("instrument", "import", "xtce", "FILE", "--name", "x"),
    ("instrument", "import", "scos", "FILE", "--name", "x"),
    ("follow", "-i", "eclairs", "--cursor", "FILE"),
    ("process", "FILE:work", "-i", "eclairs"),
]
"""Commands that read a file."""

ELSEWHERE = {
    "publish": "--cursor is read once the bus answers, by the code of 'follow'",
    "receive": "--port-file is written",
    "instrument-new": "--out is written",
}


def test_every_command_that_reads_a_file_is_listed():
    with_paths = {names for names, command in commands() if any(
        isinstance(parameter.type, click.Path) for parameter in command.params
    )}  # fmt: skip
    listed = {call[:2] if call[0] == "instrument" else call[:1] for call in READING}
    assert {"-".join(names) for names in with_paths - listed} == set(ELSEWHERE)


def path_for(arguments, folder):
    """A path with the suffix that the command asks for."""
    return folder / f"file.{'ipynb' if arguments[0] == 'report' else 'py'}"


def _deny(path, monkeypatch):
    """Have the system refuse to open a file, also to the administrator, who may read all."""

    def refusing(usual):
        def refuse(name, *arguments, **named):
            if str(name) == str(path):
                raise PermissionError(13, "Permission denied", str(path))
            return usual(name, *arguments, **named)

        return refuse

    monkeypatch.setattr(os, "open", refusing(os.open))
    monkeypatch.setattr(Path, "open", refusing(Path.open))


@pytest.mark.parametrize("arguments", READING, ids=lambda words: "-".join(words[:3]))
@pytest.mark.parametrize("kind", ["nothing", "folder", "unreadable"])
def test_a_path_without_a_file_is_a_wrong_call(tmp_path, monkeypatch, arguments, kind):
    path = path_for(arguments, tmp_path)
    takes_nothing, takes_folder = arguments[0] == "follow", arguments[0] == "watch" or "scos" in arguments
    if (kind == "nothing" and takes_nothing) or (kind == "folder" and takes_folder):
        pytest.skip("this is what the command takes")
    if kind == "folder":
        path.mkdir()
    elif kind == "unreadable":
        path.write_bytes(b"\x0b")
        path.chmod(0)
        if os.access(path, os.R_OK):
            _deny(path, monkeypatch)
    call = [word.replace("FILE", str(path)) for word in arguments]
    result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), *call], catch_exceptions=False)
    wrong = kind != "unreadable" or arguments[0] in {"watch", "simulate", "accept", "reject", "process"}
    assert result.exit_code == (ExitCode.BAD_ARGUMENTS if wrong else ExitCode.BAD_DATA), result.output
    assert str(path) in result.output
    assert not (tmp_path / "home" / MISTAKES_FILE).exists()


@pytest.mark.parametrize("arguments", READING, ids=lambda words: "-".join(words[:3]))
@pytest.mark.parametrize("content", [b"12", b"", b"[]"])
def test_a_file_of_something_else_is_no_mistake(tmp_path, arguments, content):
    path = path_for(arguments, tmp_path)
    path.write_bytes(content)
    call = [word.replace("FILE", str(path)) for word in arguments]
    timeout = ["--timeout", "0"] if arguments[0] == "send" else []
    result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), *call, *timeout])
    assert result.exit_code in {1, 2} or arguments[0] == "send", result.output
    assert not (tmp_path / "home" / MISTAKES_FILE).exists()


@pytest.mark.parametrize("arguments", READING, ids=lambda words: "-".join(words[:3]))
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "/dev/null"])
def test_no_command_waits_for_what_is_no_file(tmp_path, arguments, kind):
    path = path_for(arguments, tmp_path)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(kind)
    call = [word.replace("FILE", str(path)) for word in arguments]
    result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), *call], catch_exceptions=False)
    assert result.exit_code in (ExitCode.BAD_DATA, ExitCode.BAD_ARGUMENTS), result.output
    assert str(path) in result.output
    assert not (tmp_path / "home" / MISTAKES_FILE).exists()
    assert not Path(path).is_file()


def test_a_mistake_is_a_line_and_its_traceback_a_file(tmp_path, monkeypatch):
    def mistaken(*_):
        raise OverflowError("too large")

    monkeypatch.setattr("eicpy.packets.inspection.map_source", mistaken)
    for verbose in ([], ["-v"]):
        call = [*verbose, "--home", str(tmp_path / "home"), "packets", __file__]
        result = CliRunner().invoke(main, call, catch_exceptions=False)
        assert result.exit_code == ExitCode.BAD_DATA
        assert "a mistake of eicpy itself: OverflowError: too large" in result.stderr
        assert ("Traceback" in result.stderr) == bool(verbose)
        assert (str(tmp_path / "home" / MISTAKES_FILE) in result.stderr) == (not verbose)
    log = (tmp_path / "home" / MISTAKES_FILE).read_text()
    assert log.count("Traceback") == 2
    assert "in mistaken" in log


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e999"])
def test_the_options_before_a_command_are_looked_at_as_well(tmp_path, value):
    result = CliRunner().invoke(
        main, ["--home", str(tmp_path), "--database-timeout", value, "runs", "-i", "eclairs"]
    )
    assert result.exit_code == 2
    assert "--database-timeout" in result.output
