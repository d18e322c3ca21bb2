"""What a terminal shows: whole words, whole rows, in a pipe as in a window."""

import io
import re
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from eicpy.cli import console
from eicpy.errors import BadArgumentError, ExitCode


@dataclass
class Done:
    summary: str
    exit_code: ExitCode


class Window(io.StringIO):
    """A terminal of a given width."""

    def isatty(self):
        return True


def report(lost):
    row = {
        "apid": 810, "types": "1/1×3", "received": 3, "lost": lost, "duplicated": 0, "out of order": 0,
        "damaged": 1, "groups": "", "first": "#0", "last": "#3", "checksum": "crc16",
        "decided by": "the data",
    }  # fmt: skip
    told = {
        "damaged_packets": [{"offset": k, "status": "bad_checksum"} for k in range(3)],
        "skipped": [{"offset": 9, "length": 1, "reason": "no [packet] here"}],
    }
    return SimpleNamespace(
        file="x.ccsds",
        packets=1,
        damaged=1,
        foreign_bytes=1,
        what=["gzip-compressed"],
        findings=[],
        remarks=[],
        rows=lambda: [row],
        to_dict=lambda: told,
    )


def test_the_worst_outcome_counts(capsys):
    given = [Done("a: [stored]", ExitCode.CLEAN), Done("b", ExitCode.BAD_DATA), Done("c", ExitCode.CLEAN)]
    assert console.show_outcomes(given) is ExitCode.BAD_DATA
    assert capsys.readouterr().out.splitlines() == ["a: [stored]", "b", "c"]
    assert console.show_outcomes([]) is ExitCode.CLEAN


def test_a_pipe_gets_plain_text_with_one_row_an_apid(capsys):
    console.show_packets(report(lost=2), most=1)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "x.ccsds: 1 packet, 1 damaged, 1 foreign byte\n" in text
    (row,) = [line for line in text.splitlines() if line.split()[:1] == ["810"]]
    assert row.split() == ["810", "1/1×3", "3", "2", "0", "0", "1", "#0", "#3", "crc16"]
    assert "groups" not in text, "a column without a word"
    assert "APID 810: checksum crc16, by the data" in text
    assert "damaged: 2 more; --json lists all" in text
    assert "reason no [packet] here" in text


def test_a_window_gets_colour_where_something_is_wrong(monkeypatch):
    window = Window()
    monkeypatch.setattr(sys, "stdout", window)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console.show_packets(report(lost=2))
    assert re.search(r"\x1b\[1;31m *2", window.getvalue())
    assert "duplicated" in window.getvalue(), "headings are broken between words only"


def test_parameters_are_split():
    assert console.name_values(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(BadArgumentError, match="NAME=VALUE"):
        console.name_values(["=1"])
