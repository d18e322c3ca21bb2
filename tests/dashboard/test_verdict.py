"""What pages show of housekeeping and packets, and the words of all that they say."""

import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from babel.messages.pofile import read_po

from eicpy.acquisition.status import Health
from eicpy.calibration.pixels import calibration
from eicpy.dashboard import markup
from eicpy.dashboard.health import HousekeepingHistory
from eicpy.dashboard.server.request import PageRequest
from eicpy.dashboard.source import PacketTotals
from eicpy.dashboard.widgets.play_controls import PICTURES
from eicpy.decoding import PacketCounts
from eicpy.errors import BadArgumentError
from eicpy.health import REASONS
from eicpy.housekeeping import Severity
from eicpy.packets import PacketLayout
from eicpy.packets.counts.words import COUNTER_FIELDS
from eicpy.runs import RunLabel
from eicpy.runs.provider.provide import Mode
from eicpy.text import Texts

LAYOUT = PacketLayout.parse(
    "name,bit_offset,bit_width,type,repeat,repeat_stride_bits,calibration,unit,"
    "warning_low,warning_high,alarm_low,alarm_high,description\n"
    "MODE,0,8,uint,,,text:0=OFF;1=ON,,,,,,mode\n"
    "COLD,,8,uint,,,,°C,-20,-10,-25,-5,<b>plate</b>\n"
)


@dataclass
class Table:
    time: np.ndarray
    values: dict
    texts: dict = field(default_factory=dict)
    layout: PacketLayout = LAYOUT


def _history(*cold):
    history = HousekeepingHistory(capacity=5)
    count = len(cold)
    history.add(
        {
            "hk": Table(
                np.arange(count, dtype=float),
                {"MODE": np.ones(count), "COLD": np.array(cold, dtype=float)},
                {"MODE": np.array(["ON"] * count)},
            )
        }
    )
    return history


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-15, Severity.NOMINAL),
        (-20, Severity.NOMINAL),
        (-20.5, Severity.WARNING),
        (-7, Severity.WARNING),
        (-5, Severity.WARNING),
        (-4.9, Severity.ALARM),
        (-26, Severity.ALARM),
        (np.nan, Severity.UNKNOWN),
    ],
)
def test_a_value_on_a_limit_is_still_within(value, expected):
    assert _history(value).last("hk", "COLD").level == expected


def test_history_keeps_the_newest_values_and_no_more():
    history = _history(*range(-30, -20))
    time, values = history.series("hk", "COLD")
    assert values.tolist() == [-25, -24, -23, -22, -21]
    assert len(time) == 5
    assert history.last("hk", "MODE").text == "ON"
    assert history.series("hk", "UNKNOWN")[0].size == 0


def test_what_comes_from_tables_is_escaped():
    table = markup.parameter_table(_history(-15).parameters, Texts("en"))
    assert "<b>plate</b>" not in table
    assert "&lt;b&gt;plate" in table
    assert "<script>" not in markup.problem("<script>", Texts("en"))


def test_the_table_starts_with_what_is_wrong_and_shows_limits_and_units():
    table = markup.parameter_table(_history(0).parameters, Texts("fr"))
    assert table.index("COLD") < table.index("MODE")
    assert "−25 … −5" in table
    assert "0 °C" in table
    assert "ALARME" in table


def test_facts_show_totals_of_all_apids():
    counts = {1: PacketCounts(1000, 2, 0, 0, 1), 2: PacketCounts(500, 0, 1, 1, 0)}
    totals = PacketTotals(counts)
    assert (totals.received, totals.lost, totals.damaged, totals.disturbed) == (1500, 2, 1, 2)
    label = RunLabel(7, "configuration", setup="<Am>", source="tcp", duration=90.0)
    shown = markup.facts(label, 0.0, 3.0, 3100.4, totals, Texts("en"))
    assert "7 configuration · &lt;Am&gt; · tcp" in shown
    assert "90 s" in shown
    assert "2017-01-01 00:00:00" in shown
    assert "1\u202f500" in shown
    assert "3.0 s ago" in shown or "3 s ago" in shown


def _is_said(words, code):
    """Whether English words that are looked up by themselves stand somewhere, whole or built of parts."""
    built = {"number of pixels", "Error at 15 keV", "Error at 80 keV", "never fitted"}
    built |= {f"Shift of the energy at {energy} keV" for energy in (15, 80)}
    built |= {"low efficiency", "high threshold"}  # of the names of PixelStatus
    built |= set(calibration._NOTES.values())  # longer than a line
    return words in code or words.upper() in code or words in built or json.dumps(words)[1:-1] in code


def test_every_word_is_said_somewhere():
    eicpy = Path(str(files("eicpy")))
    code = "".join(
        f.read_text(encoding="utf-8") for kind in ("py", "j2", "toml") for f in eicpy.rglob(f"*.{kind}")
    )
    for notebook in sorted((eicpy.parent / "notebooks" / "nightly").glob("*.ipynb")):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        code += "\n".join("".join(cell["source"]) for cell in cells)
    with (files("eicpy") / "locale" / "eicpy.pot").open("rb") as stream:
        messages = {message.context: message.id for message in read_po(stream) if message.context}
    words = set(messages)
    built = {f"{kind}_{code.replace('-', '_')}" for code in REASONS for kind in ("reason", "action")}
    built |= {f"health_{health}" for health in get_args(Health)}
    built |= {f"receiver_{mode}" for mode in ("automatic", "measurement", "configuration")}
    built |= {f"picture_{name}" for name in PICTURES} | {f"mode_{mode}" for mode in get_args(Mode)}
    built |= {f"order_{key}" for key in ("start", "stop", "configure_on", "configure_off", "comment")}
    built |= {"image_ratio", "image_sigma", "suffix_configuration"}
    built |= {"alarm_word", "nominal_word", "warning_word"}
    built |= {f"counter_{name}" for name in COUNTER_FIELDS}
    codes = (400, 403, 404, 405, 414, 429, 500)
    built |= {f"http_{code}{end}" for code in codes for end in ("", "_note")}
    assert built <= words
    quoted = set(re.findall(r"""["'#]([\w-]+)["']""", code))
    silent = {
        key
        for key in words - built
        if not key.startswith("table:")  # of the tables of detectors, see tests/instruments/test_words.py
        and not (key.startswith("say_") and _is_said(messages[key], code))
        and re.sub("^(head_|table_)", "", key) not in quoted
    }
    assert silent == set()


@pytest.mark.parametrize(
    ("query", "language", "instrument"),
    [
        ("", "en", "eclairs"),
        ("lang=fr", "fr", "eclairs"),
        ("lang=xx&instrument=meddea", "en", "meddea"),
        ("lang=%3Cscript%3E", "en", "eclairs"),
        ("instrument=eclairs&instrument=meddea", "en", "meddea"),
    ],
)
def test_the_address_of_the_page_is_read(query, language, instrument):
    request = PageRequest(query)
    assert (request.language, request.check()) == (language, instrument)


@pytest.mark.parametrize("name", ["../../etc", "ECLAIRS", "<img>", "x" * 5000])
def test_an_unknown_instrument_is_refused(name):
    request = PageRequest("", name)
    with pytest.raises(BadArgumentError, match="expected one of"):
        request.check()
