"""Small tables and sentences for notebooks and reports: shown as HTML, without a data frame library.

They are shown in the language of the set-up: headings, captions and texts that the catalogue knows are
translated, numbers written in its style.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from eicpy.text import Texts, setup_texts

__all__ = ["Sentence", "Table", "paragraph"]


def paragraph(words: str) -> str:
    """Write words as a paragraph of HTML."""
    return f"<p>{escape(words)}</p>"


class Sentence(str):
    """A sentence that a notebook shows in large type instead of in quotes."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f'<p style="font-size: 1.15em">{escape(setup_texts().translated(self))}</p>'


@dataclass(frozen=True)
class Table:
    r"""A table to look at.

    Parameters
    ----------
    columns
        Headings.
    rows
        One sequence a row, as long as `columns`.
    caption
        Shown above the table.
    empty
        Shown instead when there are no rows.
    folded
        Show only the caption until the reader opens it: for a long table.

    Examples
    --------
    >>> str(Table(("APID", "lost"), [(810, 3)]))
    'APID  lost\n810   3'
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    empty: str = "None."
    folded: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        lines = [list(self.columns), *[[str(v) for v in row] for row in self.rows]]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.columns))]
        return "\n".join(
            "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        texts = setup_texts()
        if not self.rows:
            return f"<p><em>{escape(texts.translated(self.empty))}</em></p>"
        words = escape(texts.translated(self.caption))
        body = "".join(f"<tr>{_cells('td', row, texts)}</tr>" for row in self.rows)
        head = f"<thead><tr>{_heads(self.columns, self.rows[0], texts)}</tr></thead>"
        caption = f"<caption>{words}</caption>" if self.caption and not self.folded else ""
        table = f'<table class="eic-table">{caption}{head}<tbody>{body}</tbody></table>'
        if not self.folded:
            return table
        return f"<details><summary>{words}</summary>{table}</details>"


def _heads(columns: Sequence[str], first: Sequence[object], texts: Texts) -> str:
    """Headings aligned as the first row below them."""
    return "".join(
        f"<th{_side(v)}>{escape(texts.translated(c))}</th>" for c, v in zip(columns, first, strict=True)
    )


def _cells(tag: str, values: Iterable[object], texts: Texts) -> str:
    return "".join(f"<{tag}{_side(value)}>{escape(_text(value, texts))}</{tag}>" for value in values)


def _side(value: object) -> str:
    """Alignment: numbers right, texts left, whatever the style of the page."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f' style="text-align: {"right" if number else "left"}"'


def _text(value: object, texts: Texts) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return texts.translated(str(value))
    return texts.number(value) if isinstance(value, int) else texts.figures(value)
