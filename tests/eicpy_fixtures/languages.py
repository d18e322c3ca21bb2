"""What a page shows in each language, and what of it was not translated."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "input", "hr"}
UNSEEN = {"style", "script", "title", "code", "pre"}
ALIKE = {
    "photons", "ECLAIRs Instrument Center", "UTC", "keV", "gain", "pixels", "module", "Notebook", "TT",
    "excursion", "min", "FITS", "Gain", "date", "simulation", "alerts", "pixel", "minimum", "maximum",
    "V", "A", "nA", "mA", "W", "Hz", "s", "ms", "h", "d", "eV", "ct", "E", "y", "z", "°C", "°",
    "Cd", "Te", "Ta", "Pb", "Kα", "Kβ", "K", "km", "Run", "i", "j", "detnum",
}  # fmt: skip
"""Words that are the same in English and French."""
NEUTRAL = re.compile(
    r"[A-Z][A-Z0-9_]*[0-9_][A-Z0-9_]*|[A-Z]{2,}(?:-[A-Z]+)+|\S+\.(?:fits|ipynb|json|ccsds)|\S+/\S+|[A-Z]{2,}"
)
"""Names of parameters, cards and files, abbreviations, units."""


class _Walker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.found: dict[str, set[str]] = {"en": set(), "fr": set()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            names = (dict(attrs).get("class") or "").split()
            language = next((name for name in names if name in self.found), "")
            self.open.append((tag, language))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words or any(tag in UNSEEN for tag, _ in self.open):
            return
        language = next((name for _, name in reversed(self.open) if name), "")
        for name in [language] if language else self.found:
            self.found[name].add(words)


def visible_texts(page: str) -> dict[str, set[str]]:
    """Texts of a page by the language in which a reader sees them; those of no language are in both."""
    walker = _Walker()
    walker.feed(page)
    return walker.found


def untranslated(texts: Iterable[str], names: Iterable[str] = ()) -> set[str]:
    """Those of some texts that hold a word which is neither a name nor the same in both languages.

    Parameters
    ----------
    texts
        Shown alike in both languages.
    names
        What comes from outside and is not translated.
    """
    known = ALIKE | {" ".join(name.split()) for name in names}
    left = set()
    for text in texts:
        if text in known:
            continue
        words = re.findall(r"[A-Za-zÀ-ÿµ°][\w.\-/°]*", text)
        if any(word not in known and not NEUTRAL.fullmatch(word.rstrip(".")) for word in words):
            left.add(text)
    return left
