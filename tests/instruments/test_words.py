"""What parameters are called: short, in the reader's language, for every detector that comes with eicpy."""

from importlib.resources import files

import pytest
from babel.messages.pofile import read_po

from eicpy.instruments import available, load
from eicpy.instruments.words import described, detector_note, detector_title, table_words
from eicpy.packets import PacketLayout
from eicpy.text import Texts

EN, FR = Texts("en"), Texts("fr")


def _parameters(name):
    instrument = load(name)
    for packet, kind in instrument.packets.items():
        if kind.kind == "housekeeping":
            yield from PacketLayout.read(instrument.layout_file(packet)).fields


@pytest.mark.parametrize("name", available())
def test_each_parameter_says_what_it_is_and_not_where_its_name_comes_from(name):
    parameters = list(_parameters(name))
    assert len(parameters) > 20
    for parameter in parameters:
        words = described(parameter.description, EN)
        assert words, parameter.name
        assert "ours" not in words
        assert "name from" not in words
        assert "numbered like" not in words


@pytest.mark.parametrize("name", available())
def test_each_parameter_is_described_in_french(name):
    with (files("eicpy") / "locale/fr/LC_MESSAGES/eicpy.po").open("rb") as stream:
        known = {m.context: m.string for m in read_po(stream) if m.context}
    for parameter in _parameters(name):
        english, french = (described(parameter.description, texts) for texts in (EN, FR))
        same = known.get(f"table:{english}") == english
        assert french != english or same, f"{parameter.name}: {english!r} is in no catalogue"
    instrument = load(name)
    assert detector_title(instrument, FR) != instrument.title
    assert detector_note(instrument, FR) != instrument.note


def test_numbers_of_sectors_are_kept():
    assert described("temperature of sector 8 (ours)", FR) == "température du secteur 8"
    assert described("secondary +3.3 V (ours)", FR) == "tension secondaire +3,3 V"


@pytest.mark.parametrize("words", ["", "of a detector of one's own", "{0} {x} %s", "no. 7 {number}"])
def test_words_of_a_table_of_ones_own_stay_as_they_are(words):
    assert table_words(words, FR) == words
    assert described(f"{words} (ours); name from elsewhere", FR) == words.strip()
