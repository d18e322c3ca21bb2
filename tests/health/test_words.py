"""The words of a verdict, in each language, and the box that holds them."""

import re

import pytest

from eicpy.health import (
    REASONS,
    Reading,
    Reason,
    Tense,
    Verdict,
    action_words,
    headline,
    reason_text,
    reason_words,
    verdict_box,
    well_words,
)
from eicpy.text import LANGUAGES, Texts

VALUES = {
    "part": "photons", "role": "processor", "state": "running", "age": 12.0, "text": "no space", "free": 2e9,
    "restarts": 3, "seconds": 100.0, "apid": 810, "name": "photons", "command": 0, "packets": 3,
    "datagrams": 4, "bytes": 1000, "address": "10.0.0.7", "what": "run 3", "connections": 5, "open": 400,
    "parameter": "T1", "value": -318.25, "limit": -310.0, "unit": "V", "since": 3600.0, "until": 3700.0,
    "longer": 0, "first": 10.0, "last": 20.0, "excursions": 2,
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", REASONS)
def test_every_reason_has_words_and_an_action_without_a_hole(language, code):
    texts = Texts(language)
    words, action = reason_words(Reason(code, VALUES), texts), action_words(Reason(code, VALUES), texts)
    for said, key in ((words, "reason_"), (action, "action_")):
        assert not said.startswith(key)
        assert "{" not in said
        assert len(said) > 5
    if language != "en":
        english = Texts("en")
        assert action != action_words(Reason(code, VALUES), english)
        assert words != reason_words(Reason(code, VALUES), english) or code == "part-error"


def test_what_how_bad_since_when():
    beyond = Reason("beyond-alarm", VALUES)
    assert reason_text(beyond, newest=4000.0) == (
        "T1 is beyond its alarm limit −310 V since 01:00:00 UTC, at worst −318.25 V"
    )
    assert "au pire −318,25 V" in reason_words(beyond, Texts("fr"))
    assert "since before 2017-01-01 01:00:00 UTC" in reason_text(
        Reason("beyond-alarm", VALUES | {"longer": 1}), newest=90_000.0
    )
    assert reason_text(Reason("lost", VALUES), newest=30.0) == (
        "3 packets lost of APID 810 photons, the last at 00:00:20 UTC"
    )


def test_who_looked_at_it_is_said_and_then_there_is_nothing_to_do():
    seen = Reason("beyond-alarm", VALUES | {"by": "ada", "comment": "known heater"})
    assert reason_text(seen).endswith("; acknowledged by ada: known heater")
    assert action_words(seen, Texts("en")) == "nothing: it was looked at"


@pytest.mark.parametrize(
    ("tense", "english", "french"),
    [
        (Tense.NOW, "WELL now", "TOUT VA BIEN maintenant"),
        (
            Tense.SILENT,
            "WELL as of the last data, 3 min ago",
            "TOUT VA BIEN aux dernières données, il y a 3 min",
        ),
        (Tense.END, "WELL at the end of run 7, 3 min ago", "TOUT VA BIEN à la fin du run 7, il y a 3 min"),
        (Tense.NIGHT, "WELL in this night", "TOUT VA BIEN au cours de cette nuit"),
        (Tense.NONE, "NO DATA", "AUCUNE DONNÉE"),
    ],
)
def test_the_same_words_with_of_when_they_speak(tense, english, french):
    verdict = Verdict(tense=tense, run=7, age=180.0, checked=84, window=600.0)
    assert (headline(verdict, Texts("en")), headline(verdict, Texts("fr"))) == (english, french)


def test_what_was_checked_is_named_and_that_nothing_was():
    assert well_words(Verdict(checked=84, window=600.0), Texts("en")) == (
        "84 parameters within their limits; no packet lost or damaged in the last 10 min of data"
    )
    assert "none was checked" in well_words(Verdict(checked=0, window=600.0), Texts("en"))


def test_progress_is_no_verdict_but_a_dead_part_is_named_meanwhile():
    reading = Verdict(reading=Reading(94_800_000, 237_000_000))
    box = verdict_box(reading, Texts("en"))
    assert "reading 237 MB, 40 %" in box
    assert "WELL" not in box
    dead = Verdict((Reason("part-dead", VALUES),), reading=reading.reading)
    box = verdict_box(dead, Texts("en"))
    assert 'class="eic-verdict alarm"' in box
    assert "reading 237 MB, 40 %" in box


def test_what_comes_from_outside_is_escaped_and_cannot_move_a_cursor():
    evil = Reason("part-error", {"part": "<b>p</b>", "role": "processor", "text": "\x1b[2J<script>"})
    box = verdict_box(Verdict((evil,)), Texts("en"), chips=["<i>"])
    assert not re.search("<b>|<script|<i>", box)
    assert "\x1b" not in reason_text(evil)


def test_the_box_counts_what_it_does_not_show():
    many = Verdict(tuple(Reason("lost", VALUES) for _ in range(9)))
    box = verdict_box(many, Texts("en"), shown=6)
    assert box.count("<li>") == 7
    assert box.count("compare with the sender") == 1, "what to do is said once"
    assert "and 3 more" in box


def test_what_is_well_is_green_only_now():
    classes = {
        tense: re.search("eic-verdict (\\w+)", verdict_box(Verdict(tense=tense), Texts("en")))[1]
        for tense in Tense
    }
    assert classes == {"now": "nominal", "silent": "past", "end": "past", "night": "nominal", "none": "none"}
