"""The frame of a page: its header with the ways to the others, its facts, its mark of life, its problems.

Nothing here needs the libraries that draw, so that the server can send the frame before a page has a process.
Everything that comes from outside is escaped.
"""

import os
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Literal
from urllib.parse import quote

from eicpy.instruments import Instrument
from eicpy.instruments.words import detector_note, detector_title
from eicpy.text import Texts

__all__ = [
    "DOOR_VARIABLE",
    "PAGE_NAMES",
    "PageLinks",
    "door",
    "fact_cells",
    "header",
    "heartbeat",
    "problem",
    "style_sheet",
]

DOOR_VARIABLE = "EIC_DASHBOARD_DOOR"
"""Set to ``ours`` by our server, whose template brings the style sheet and the script that watches a page."""


def door() -> Literal["ours", "voila", "notebook"]:
    """By which door the reader came: our server, another Voilà (Binder, JupyterHub), or an open notebook."""
    if os.environ.get(DOOR_VARIABLE) == "ours":
        return "ours"
    return "voila" if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/") else "notebook"


def style_sheet() -> str:
    """The look of the pages as an element, for doors that do not bring it."""
    sheet = files("eicpy.dashboard") / "template" / "static" / "eicpy.css"
    return f"<style>{sheet.read_text(encoding='utf-8')}</style>"


PAGE_NAMES = {"": "page_camera", "quicklook": "page_quicklook", "monitor": "page_monitor"}
"""Pages by address, and their names."""


def header(instrument: Instrument, others: Iterable[str], texts: Texts, *, page: str) -> str:
    """Title of the page, where the definition of the detector comes from, ways to the other pages.

    Parameters
    ----------
    instrument
        The detector.
    others
        Names of the other detectors.
    texts
        Language.
    page
        Address of this page, as in :data:`PAGE_NAMES`.
    """
    current = door()
    links = []
    for address, key in PAGE_NAMES.items():
        if address == page:
            links.append(f'<b aria-current="page">{texts(key)}</b>')
        elif current != "notebook":
            links.append(_link(address, instrument.name, texts(key), texts))
    if current == "ours":
        links.append(f'<a href="reports/">{texts("reports")}</a>')
    shown = others if current != "notebook" else ()
    detectors = " ".join(_link(page, name, name, texts) for name in shown)
    title = texts("title", instrument=detector_title(instrument, texts), page=texts(PAGE_NAMES[page]))
    return (
        f'<div class="eic-header"><h1>{escape(title)}</h1>'
        f'<nav class="eic-links">{" ".join(links)}</nav>'
        f'<span class="eic-note">{escape(detector_note(instrument, texts))}</span>'
        f'<nav class="eic-links eic-note">{detectors}</nav></div>'
    )


def _link(page: str, instrument: str, words: str, texts: Texts) -> str:
    address = page or "./" if door() == "ours" else f"{page or 'camera'}.ipynb"
    query = f"instrument={quote(instrument)}&amp;lang={texts.language}"
    return f'<a href="{address}?{query}">{escape(words)}</a>'


def fact_cells(cells: Iterable[tuple[str, str, str]]) -> str:
    """Write names and values side by side.

    Parameters
    ----------
    cells
        Name, value and class (``warning``, ``alarm`` or none) of each.
    """
    inside = "".join(
        f'<div><span>{escape(name)}</span><b class="{kind}">{escape(value)}</b></div>'
        for name, value, kind in cells
    )
    return f'<div class="eic-facts">{inside}</div>'


def heartbeat(tick: int, texts: Texts) -> str:
    """Write the mark that changes as long as the kernel is alive.

    It holds the words for the time when it no longer changes. Where no script of ours looks at it
    (JupyterLab, another Voilà) the style sheet shows them after some seconds: each tick puts a new element in
    place of the old one, so that the waiting begins again.
    """
    words = {"silent": "page_silent", "lost": "server_silent", "gone": "page_gone", "reload": "reload"}
    data = " ".join(f'data-{name}="{escape(texts.template(key))}"' for name, key in words.items())
    silence = (
        f'<span class="eic-silence" role="alert">{escape(texts("kernel_silent"))}</span>' if tick else ""
    )
    return f'<div class="eic-heartbeat" data-tick="{tick}" {data}>{silence}</div>'


def problem(text: str, texts: Texts) -> str:
    """Say that the page cannot be shown, or is not to be trusted, and why."""
    return (
        f'<div class="eic-verdict alarm" role="alert"><strong>{texts("cannot_open")}</strong>'
        f"<span>{escape(text)}</span></div>"
    )


class PageLinks:
    """Links to the pages as the Voilà of a Jupyter server shows them, for a notebook there.

    Parameters
    ----------
    folder
        Folder of the notebooks of the pages, from the folder in which the server was started.
    language
        Of the pages.
    """

    def __init__(self, folder: str = "dashboards", language: str = "en") -> None:
        base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        texts = Texts(language)
        self.addresses = {
            texts(key): f"{base}voila/render/{folder}/{page or 'camera'}.ipynb?lang={texts.language}"
            for page, key in PAGE_NAMES.items()
        }

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {address}" for name, address in self.addresses.items())

    def _repr_html_(self) -> str:
        links = (
            f'<li><a href="{escape(address)}" target="_blank">{escape(name)}</a></li>'
            for name, address in self.addresses.items()
        )
        return f"<ul>{''.join(links)}</ul>"
