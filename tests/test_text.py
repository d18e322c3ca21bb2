"""Numbers and words, against the rules of each language and against the catalogues themselves."""

import string
from importlib.resources import files

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.text import LANGUAGES, Texts, counted, grouped, setup_texts, size_text

LOCALE = files("eicpy") / "locale"
TRANSLATED = sorted(set(LANGUAGES) - {"en"})


def catalogue(language: str | None) -> Catalog:
    path = LOCALE / (f"{language}/LC_MESSAGES/eicpy.po" if language else "eicpy.pot")
    with path.open("rb") as stream:
        return read_po(stream, locale=language)


def names(text: str) -> set[str]:
    """What is put into a message."""
    return {name for _text, name, *_ in string.Formatter().parse(text) if name}


def forms(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_and_takes_the_same_values(language):
    source, translated = catalogue(None), catalogue(language)
    assert len(source) > 200
    assert {m.context: m.id for m in source if m.context} == {
        m.context: m.id for m in translated if m.context
    }
    for message in translated:
        if message.context:
            assert not message.fuzzy
            assert all(form.strip() for form in forms(message.string)), message.context
            assert len(forms(message.string)) == (translated.num_plurals if message.pluralizable else 1)
            expected = names(forms(message.id)[-1])
            for form in (*forms(message.id), *forms(message.string)):
                assert names(form) == expected, message.context


def test_a_folder_of_each_language_and_no_other():
    assert [f.name for f in LOCALE.iterdir() if f.is_dir()] == TRANSLATED


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_those_of_the_catalogue(language):
    texts = Texts(language)
    for message in catalogue(None if language == "en" else language):
        if message.context:
            words = forms(message.id if language == "en" else message.string)
            values = {name: f"<{name}>" for name in names(words[-1])}
            assert texts(message.context, **values) == words[-1].format(**values)


def test_an_unknown_language_is_english_and_an_unknown_key_is_itself():
    assert Texts("tlh")("reports") == "Reports"
    assert Texts("fr")("no such key") == "no such key"


def test_each_language_has_its_own_plural():
    english, french = Texts("en"), Texts("fr")
    assert [english("restarted", n, count=n) for n in (0, 1, 2)] == [
        "restarted 0 times", "restarted 1 time", "restarted 2 times",
    ]  # fmt: skip
    assert [french("and_more", n, count=n) for n in (0, 1, 2)] == [
        "et 0 autre", "et 1 autre", "et 2 autres",
    ]  # fmt: skip
    told = {"packets_of": "APID 810", "last": "03:12:04"}
    assert english("reason_lost", 1, packets="1", **told).startswith("1 packet lost of APID 810")
    assert french("reason_lost", 2, packets="2", **told).startswith("APID 810 : 2 paquets perdus")


@given(st.integers(-(10**12), 10**12))
def test_french_numbers_are_those_of_the_locale_data(value):
    expected = format_decimal(value / 100, "#,##0.00", locale="fr").replace("-", "−")
    assert Texts("fr").number(value / 100, 2) == expected


@given(st.integers(-(10**12), 10**12))
def test_english_numbers_have_a_point_and_the_spaces_of_the_si(value):
    expected = format_decimal(value / 100, "#,##0.00", locale="en").replace(",", "\u202f")
    assert Texts("en").number(value / 100, 2) == expected.replace("-", "−")
    assert Texts("en").number(value) == grouped(value)


@given(st.floats(-1e12, 1e12), st.integers(1, 9))
def test_significant_figures_are_those_of_python_in_the_style_of_the_language(value, digits):
    for language, mark in (("en", "."), ("fr", ",")):
        text = (
            Texts(language).figures(value, digits).replace("\u202f", "").replace("−", "-").replace(mark, ".")
        )
        assert float(text) == float(f"{value:.{digits}g}")


def test_words_given_in_english_are_found_and_others_stay(monkeypatch):
    assert Texts("fr").translated("Reports") == "Rapports"
    assert Texts("fr").translated("ECL_TEMPTH01") == "ECL_TEMPTH01"
    assert Texts("en").translated("Reports") == "Reports"
    monkeypatch.setenv("EIC_LANGUAGE", "fr")
    assert setup_texts().language == "fr"
    monkeypatch.setenv("EIC_LANGUAGE", "klingon")
    with pytest.raises(BadArgumentError, match="expected one of en, fr"):
        setup_texts()


@given(st.floats(0, 1e15))
def test_sizes_keep_three_figures_and_agree(size):
    number, unit = size_text(size).split()
    assert abs(float(number) * 1e3 ** ("B", "kB", "MB", "GB", "TB").index(unit) - size) <= max(
        0.0051 * size, 0.5
    )
    number_with_zeros, same = Texts("en").size(size).split(" ")
    assert (float(number_with_zeros.replace("\u202f", "")), same) == (float(number), unit)


def test_what_is_unknown_is_never_zero():
    texts = Texts("fr")
    assert {texts.number(None), texts.size(None), texts.duration(None), grouped(None), size_text(None)} == {
        "–"
    }


def test_one_is_singular_and_all_else_plural():
    assert [counted(n, "byte") for n in (0, 1, 2)] == ["0 bytes", "1 byte", "2 bytes"]
    assert counted(6400, "matrix", "matrices") == "6\u202f400 matrices"
