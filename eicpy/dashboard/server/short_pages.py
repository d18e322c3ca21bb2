"""Pages of a few words, in the language of their reader: full, refused, not found, log in, log out.

They need no kernel, no script and no file besides themselves, follow the light or dark colours of the
reader's machine and fit on a telephone.
"""

from collections.abc import Sequence
from html import escape

from eicpy.dashboard.server.policy import short_policy
from eicpy.text import LANGUAGES, Texts

__all__ = ["POLICY", "SHORT_STYLE", "reader_language", "short_page"]

SHORT_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --muted: #556270; --paper: #fff; --ground: #f3f5f8;
  --rule: #dce2e8; --accent: #0b4f7d; --on-accent: #fff; --alarm: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --muted: #a3afbb; --paper: #1d2731; --ground: #131a21; --rule: #34414d;
    --accent: #7fc0ee; --on-accent: #0d1a24; --alarm: #ff9a92; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 16px;
  background: var(--ground); color: var(--ink);
  font: 16px/1.5 Inter, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
main { width: 100%; max-width: 460px; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 8px; padding: 24px; overflow-wrap: anywhere; }
h1 { font-size: 21px; line-height: 1.25; margin: 0 0 12px; }
p { margin: 0 0 12px; }
.note, label span { color: var(--muted); font-size: 14px; }
.error { color: var(--alarm); font-weight: 600; }
a { color: var(--accent); }
label { display: block; margin: 0 0 12px; }
input { display: block; width: 100%; font: inherit; padding: 8px 10px; margin-top: 2px; color: inherit;
  background: var(--ground); border: 1px solid var(--muted); border-radius: 5px; }
button { font: inherit; font-weight: 600; padding: 8px 20px; border: 0; border-radius: 5px; cursor: pointer;
  color: var(--on-accent); background: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
main > :last-child { margin-bottom: 0; }
"""
POLICY = short_policy(SHORT_STYLE)
"""Content policy of these pages."""


def reader_language(asked: Sequence[str], accepted: str) -> str:
    """Language of a reader.

    Parameters
    ----------
    asked
        Values of ``lang`` in the address; the last that is one of ours counts.
    accepted
        Header ``Accept-Language`` (RFC 9110 §12.5.4).

    Examples
    --------
    >>> reader_language([], "de;q=0.9, fr-CA;q=0.8, en;q=0.5"), reader_language(["en"], "fr")
    ('fr', 'en')
    """
    for language in reversed(asked):
        if language in LANGUAGES:
            return language
    wanted = []
    for place, part in enumerate(accepted[:500].split(",")):
        name, _semicolon, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1.0)
        except ValueError:
            continue
        if weight > 0:
            wanted.append((-weight, place, name.strip().partition("-")[0].lower()))
    return next((name for *_order, name in sorted(wanted) if name in LANGUAGES), "en")


def short_page(
    texts: Texts, title: str, parts: Sequence[str], *, refresh: int | None = None, script: str = ""
) -> str:
    """Write a page.

    Parameters
    ----------
    texts
        Language.
    title
        Plain text.
    parts
        Elements of HTML below the title.
    refresh
        s after which the browser asks again; None: it does not.
    script
        Address of a script of this server.
    """
    head = f'<meta http-equiv="refresh" content="{refresh}">' if refresh is not None else ""
    if script:
        head += f'<script src="{escape(script)}" defer></script>'
    return (
        f'<!DOCTYPE html>\n<html lang="{texts.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">{head}'
        f"<style>{SHORT_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>\n"
    )
