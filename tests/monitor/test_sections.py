"""What the monitor says, in words: each reason, each section, at any width."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from eicpy.acquisition.status import PartView
from eicpy.health import Reading, Reason, Verdict
from eicpy.monitor import plain_text
from eicpy.monitor.lines import clipped, plain, table, words, wrapped
from eicpy.monitor.sections import SECTIONS, processor_lines, verdict_lines


def test_the_verdict_in_one_line_names_the_worst_and_counts_the_others(bad):
    (line,) = plain(verdict_lines(bad.verdict, 100, 1))
    assert line.startswith(" ALARM now  processor photons is DEAD: last status 41 s ago")
    assert line.endswith(f"(+{len(bad.verdict.reasons) - 1} more)")


def test_a_long_reason_leaves_room_for_the_count_of_the_others():
    verdict = Verdict(tuple(Reason("receiver-error", {"part": "r", "text": "x" * 200}) for _ in range(3)))
    lines = plain(verdict_lines(verdict, 60, 2))
    assert [len(line) <= 60 for line in lines] == [True, True]
    assert lines[1].endswith("…  (+1 more)")


def test_all_is_well_in_words(calm):
    assert plain(verdict_lines(calm.verdict, 120, 3)) == [
        " WELL now  84 parameters within their limits; no packet lost or damaged in the last 10 min of data"
    ]


def test_what_was_not_read_yet_is_no_verdict(calm):
    reading = replace(calm.verdict, reading=Reading(95_000_000, 237_000_000))
    (line,) = plain(verdict_lines(reading, 120, 3))
    assert line == " READING  reading 237 MB, 40 %: no verdict before all of it was read"


def test_each_reason_says_what_to_do(bad):
    text = plain_text(bad)
    for reason, action in (
        ("is DEAD", "its log in the home folder says why"),
        ("31 packets lost of APID 810", "compare with the sender's log"),
    ):
        (line,) = [line for line in text.splitlines() if reason in line and "→" in line]
        assert action in line


@pytest.mark.parametrize("width", [30, 66, 78, 120])
@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("which", ["calm", "bad"])
def test_no_line_is_wider_than_its_place(request, which, section, width):
    overview = request.getfixturevalue(which)
    lines = plain(SECTIONS[section][1](overview, width))
    too_wide = [line for line in lines if cell_len(line) > width]
    if section in {"apids", "processors"} and width == 30:
        return  # a table has a least width; the screen is scrolled
    assert too_wide == []


def test_an_empty_chain_says_so_everywhere(calm):
    empty = replace(
        calm, receiver=None, run=None, links=(), apids=(), processors=(), others=(), journal=(), disk=None
    )
    text = plain_text(empty)
    for words_ in (
        "no receiver",
        "no run yet",
        "no packet yet",
        "no processor",
        "cannot be read",
        "nothing yet",
    ):
        assert words_ in text


def test_the_plain_text_holds_all_that_the_screen_shows(bad):
    text = plain_text(bad)
    for words_ in (
        "ALARM", "Run 12 CONFIGURATION SIMULATED", "Anna Novak", "third thermal cycle", "12.5 MB/s",
        "tcp 10.0.0.7:40112 connected", "10.0.0.9:51234 refused", "housekeeping dpix", "DEAD", "513 MB",
        "full in 41 min 20 s", "No space left on device", "comment: shutter closed", "http://127.0.0.1:8866/",
        "not this instrument's", "TC 800", "skipped 47\u202f290\u202f112",
    ):  # fmt: skip
        assert words_ in text, words_
    assert "\x1b" not in text


def test_details_of_processors_can_be_left_out_but_their_errors_cannot(bad):
    text = "\n".join(plain(processor_lines(bad, 78, details=False)))
    assert "bins" not in text
    assert "No space left on device" in text


def test_a_part_besides_the_processors_is_named_when_it_dies(calm):
    pages = PartView(name="dashboards", role="dashboards", health="dead", state="serving", age=7.0)
    text = "\n".join(plain(processor_lines(replace(calm, others=(pages,)), 78)))
    assert "dashboards DEAD (last: serving, 7 s ago)" in text


def test_lines_are_broken_between_words_and_cut_with_an_ellipsis():
    line = words("one two ", ("three", "wrong"), " four")
    assert plain(wrapped(line, 9, 3)) == ["one two", "three", "four"]
    assert plain(wrapped(line, 9, 2)) == ["one two", "three fo…"]
    assert plain([clipped(line, 10)]) == ["one two t…"]
    assert wrapped(words("a · b"), 3, 2) == [[("a ·", "")], [("b", "")]]
    assert wrapped(words("aaa · b"), 3, 2) == [[("aaa", "")], [("b", "")]]


def test_a_table_gives_way_in_one_column_alone():
    rows = [("7", "a very long name of a packet indeed", "12 345")]
    head, row = plain(table((">id", "name", ">n"), rows, stretch=1, width=24))
    assert (head, row) == ("id  name               n", " 7  a very long…  12 345")


def test_a_chain_that_starts_does_not_ask_to_be_started(calm):
    starting = Verdict((Reason("starting", {"age": 40.0}),))
    overview = replace(calm, receiver=None, processors=(), links=(), verdict=starting)
    told = "\n".join(line for _, lines in SECTIONS.values() for line in plain(lines(overview, 80)))
    assert "the receiver is starting" in told
    assert "no processor yet" in told
    assert "eic acquire" not in told
    assert "for 40 s" in plain(verdict_lines(starting, 200, 1))[0]


def test_switches_of_a_processor_are_on_or_off(calm):
    part = replace(calm.processors[0], parameters={"limits": True, "unfinished": False, "factor": 2.5})
    told = "\n".join(plain(processor_lines(replace(calm, processors=(part,)), 100)))
    assert "checks limits: on · writes while the run is open: off · factor: 2.5" in told
