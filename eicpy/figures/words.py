"""Figures in the language of a report: titles, axes, legends and labels, translated where they are shown.

Whoever draws a figure gives English words; what the catalogue knows (:meth:`eicpy.text.Texts.translated`) is
replaced, everything else stays: names, units, and what users write themselves. Live pages, which change their
language while they are open, give their figures words of their own and do not come here.
"""

import re

from bokeh.models import Axis, ColorBar, CustomJSHover, Label, LayoutDOM, LegendItem, Title

from eicpy.text import Texts

__all__ = ["translate_figure", "translate_label"]

_WITH_UNIT = re.compile(r"(?P<name>.+) \((?P<unit>[^()]+)\)")
_WITH_COUNT = re.compile(r"(?P<name>.+): (?P<count>\d+)")


def translate_label(words: str, texts: Texts) -> str:
    """Translate a label: as it is, or its name where a unit or a count stands behind it.

    Parameters
    ----------
    words
        In English.
    texts
        Language.

    Examples
    --------
    >>> translate_label("rate (count/s)", Texts("fr")), translate_label("ECL_V28 (V)", Texts("fr"))
    ('taux (coups/s)', 'ECL_V28 (V)')
    """
    found = texts.translated(words)
    if found != words:
        return found
    if match := _WITH_UNIT.fullmatch(words):
        return f"{texts.translated(match['name'])} ({texts.translated(match['unit'])})"
    if match := _WITH_COUNT.fullmatch(words):
        return f"{texts.translated(match['name'])}{texts('colon')} {texts.number(int(match['count']))}"
    return words


def translate_figure(figure: LayoutDOM, texts: Texts) -> None:
    """Translate all that is written in a figure, in place.

    Parameters
    ----------
    figure
        The figure, or several in a layout.
    texts
        Language; English leaves it as it is.
    """
    if texts.language == "en":
        return
    for model in figure.references():
        match model:
            case Title() | Label():
                model.text = translate_label(model.text, texts)
            case Axis() if isinstance(model.axis_label, str):
                model.axis_label = translate_label(model.axis_label, texts)
            case ColorBar() if isinstance(model.title, str):
                model.title = translate_label(model.title, texts)
            case LegendItem():
                words = getattr(model.label, "value", None)
                if isinstance(words, str):
                    model.label = {"value": translate_label(words, texts)}
            case CustomJSHover() if "labels" in model.args:
                model.args = model.args | {"labels": [texts.translated(w) for w in model.args["labels"]]}
