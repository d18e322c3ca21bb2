"""The figures of the quick look beside a reference run, and what they say in words."""

import ipywidgets
import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, PrintfTickFormatter, Range1d
from bokeh.models.annotations import Span

from eicpy.dashboard.reference import Comparison, Reference, compare
from eicpy.dashboard.widgets.panels import Panel
from eicpy.dashboard.widgets.photon_panels import PhotonPanels
from eicpy.figures import theme
from eicpy.instruments import Instrument
from eicpy.text import Texts

__all__ = ["ComparedPanels", "DifferencePanel", "comparison_words"]

LEVEL = 3.0
"""Significance from which a difference is called one, σ."""
UNLIKELY = 0.0027
"""Probability of so much by chance."""


class DifferencePanel(Panel):
    """Significance of the difference from a reference, band by band.

    Parameters
    ----------
    low, high
        Energies shown, keV.
    """

    def __init__(self, low: float, high: float) -> None:
        plot = theme.frame(
            title="", x_label="energy (keV)", y_label="difference (σ)", height=185, x_axis_type="log"
        )
        plot.xaxis.ticker = FixedTicker(ticks=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
        plot.xaxis.formatter = PrintfTickFormatter(format="%g")
        plot.quad(
            left="left", right="right", top="top", bottom=0, fill_color="colour", line_color="#FFFFFF",
            source=ColumnDataSource({name: [] for name in ("left", "right", "top", "colour")}), name="bands",
        )  # fmt: skip
        for level in (-LEVEL, LEVEL):
            plot.add_layout(
                Span(location=level, dimension="width", line_color=theme.MUTED, line_dash="dashed")
            )
        plot.x_range, plot.y_range = Range1d(0.95 * max(low, 1e-3), 1.05 * high), Range1d(-5, 5)
        super().__init__(plot)
        self.empty.text_font_size = "13px"

    def update(self, compared: Comparison | None) -> None:
        """Show a comparison, or that there is none."""
        self.empty.visible = compared is None
        edges, sigma = (np.empty(1), np.empty(0)) if compared is None else (compared.edges, compared.sigma)
        colours = [theme.COLOURS[1] if abs(s) >= LEVEL else theme.COLOURS[4] for s in sigma]
        self.source("bands").data = {"left": edges[:-1], "right": edges[1:], "top": sigma, "colour": colours}
        end = max(5.0, 1.15 * float(np.abs(sigma).max(initial=0.0)))
        self.plot.y_range.update(start=-end, end=end)


class ComparedPanels(PhotonPanels):
    """Detector image, spectrum and light curve, beside those of a reference run.

    Parameters
    ----------
    instrument, texts, language, capacity
        As for :class:`PhotonPanels`.
    """

    def __init__(
        self, instrument: Instrument, texts: Texts, language: ipywidgets.Widget, capacity: int = 1 << 22
    ) -> None:
        self.reference: Reference | None = None
        self.complete = True
        """Whether every packet is given: without that, rates mean nothing."""
        self.picture = "counts"
        self.compared: Comparison | None = None
        self.difference = DifferencePanel(instrument.energy.low, instrument.energy.high)
        super().__init__(instrument, texts, language, capacity)
        self.panels = (*self.panels, self.difference)
        self.light_curve.plot.height, self.spectrum.plot.height = 215, 255

    def name_figures(self) -> None:
        """Write titles and axes."""
        super().name_figures()
        texts, reference, chosen = self.texts, self.reference, self.controls.selection()
        name = "" if reference is None else texts("reference_series", run=reference.run.number)
        pixel = "" if chosen.pixel is None else texts("pixel", number=chosen.pixel)
        self.spectrum.name_series(self.controls.what(texts), pixel, name)
        title = texts("difference", run=reference.run.number) if reference else texts("difference_none")
        self.difference.translate(texts, title, "energy_axis", texts("difference_axis"))
        if reference is None:
            self.difference.empty.text = texts("choose_reference")
        elif self.picture != "counts":
            band = {"low": texts.figures(chosen.low), "high": texts.figures(chosen.high)}
            self.image.plot.title.text = texts(f"image_{self.picture}", run=reference.run.number, **band)
            self.image.name_value(texts(f"picture_{self.picture}"))

    def draw(self) -> None:
        """Show the photons, and the reference where it has been read."""
        ready = self.reference is not None and self.reference.done >= 1.0 and self.complete
        self.compared = compare(self.view, self.reference) if ready and self.reference else None
        compared = self.compared
        self.spectrum.update(self.view, None if compared is None else compared.expected)
        self.light_curve.update(self.view, None if compared is None else compared.mean)
        self.difference.update(compared)
        if compared is None or self.picture == "counts":
            self.image.update(self.view)
        elif self.picture == "ratio":
            self.image.show_change(compared.image_ratio, 1.0)
        else:
            self.image.show_change(compared.image_sigma, 0.0)
        exposure = self.texts.duration(self.view.exposure)
        self.write_note(self.texts("drag_hint"), self.texts("exposure", span=exposure))


def comparison_words(panels: ComparedPanels, texts: Texts) -> tuple[str, str, str]:
    """Result of the comparison in words.

    Returns
    -------
    tuple
        Kind of the line (``nominal``, ``warning``, ``past``), the answer, and the reasons.
    """
    reference, compared = panels.reference, panels.compared
    if reference is None:
        return "past", "", texts("choose_reference")
    run = reference.run.number
    if not panels.complete:
        return "past", "", texts("compare_incomplete")
    if reference.done < 1.0:
        return "past", "", texts("compare_reading", run=run, percent=f"{100 * reference.done:.0f}")
    if compared is None:
        return "past", "", texts("compare_nothing", run=run)
    worst, number = compared.worst, texts.number
    other = abs(compared.rate_sigma) >= LEVEL or compared.by_chance < UNLIKELY
    reasons = []
    if np.isfinite(compared.rate_error):
        reasons.append(
            texts(
                "compare_rate",
                ratio=number(compared.rate, 3),
                error=number(compared.rate_error, 3),
                sigma=_signed(compared.rate_sigma, texts),
            )
        )
    reasons.append(
        texts(
            "compare_band",
            low=number(float(compared.edges[worst]), 1),
            high=number(float(compared.edges[worst + 1]), 1),
            sigma=_signed(float(compared.sigma[worst]), texts),
            bands=len(compared.sigma),
            chance=_probability(compared.by_chance, texts),
        )
    )
    reasons.append(texts("compare_poisson"))
    return (
        "warning" if other else "nominal",
        texts("compare_other" if other else "compare_same", run=run),
        "; ".join(reasons),
    )


def _signed(value: float, texts: Texts) -> str:
    sign = "+" if value >= 0 else "\N{MINUS SIGN}"
    return sign + texts.number(abs(value), 1)


def _probability(value: float, texts: Texts) -> str:
    if value < 1e-4:
        return f"< {texts.number(1e-4, 4)}"
    return texts.number(value, 2 if value >= 0.01 else 4)
