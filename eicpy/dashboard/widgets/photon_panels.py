"""Detector image, spectrum and light curve of a stream of photons, with the controls that choose."""

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
import numpy as np

from eicpy.dashboard.live import PhotonView
from eicpy.dashboard.widgets.controls import Controls
from eicpy.dashboard.widgets.panels import ImagePanel, LightCurvePanel, Panel, SpectrumPanel
from eicpy.events import PhotonBlock
from eicpy.instruments import Instrument
from eicpy.text import Texts

__all__ = ["PhotonPanels"]


class PhotonPanels:
    """The part of a page that shows photons.

    Parameters
    ----------
    instrument
        The detector.
    texts
        First language.
    language
        The control of the language, shown beside the others.
    capacity
        Photons kept.
    """

    def __init__(
        self, instrument: Instrument, texts: Texts, language: ipywidgets.Widget, capacity: int = 1 << 22
    ) -> None:
        self.instrument, self.texts = instrument, texts
        self.controls = Controls(instrument, texts, language)
        self._capacity = capacity
        self.begin()
        self.image = ImagePanel(instrument)
        self.spectrum = SpectrumPanel(instrument.energy.edges)
        self.light_curve = LightCurvePanel()
        self.panels: tuple[Panel, ...] = (self.image, self.spectrum, self.light_curve)
        self.note = ipywidgets.HTML()

    def begin(self) -> None:
        """Forget all photons: another stream begins."""
        self.view = PhotonView(self.instrument, self.controls.selection(), self._capacity)

    def add(self, photons: PhotonBlock) -> None:
        """Add photons."""
        self.view.add(photons)

    def connect(self, guarded: Callable[[Callable[..., Any]], Callable[..., None]]) -> None:
        """Let controls and clicks choose; `guarded` keeps their errors from the browser."""
        self.image.on_click(guarded(self._click))
        self.controls.on_change(guarded(self.select))
        self.controls.forget.on_click(guarded(lambda *_: self.choose_pixel(None)))

    def select(self, *_: Any) -> None:
        """Show what the controls choose."""
        self.view.select(self.controls.selection())
        self.name_figures()
        self.draw()

    def choose_pixel(self, pixel: int | None) -> None:
        """Show a pixel's own spectrum, or none."""
        self.controls.choose_pixel(pixel)
        self.select()

    def _click(self, y: float, z: float) -> None:
        self.choose_pixel(self.image.detnum_at(float(y), float(z)))

    def translate(self, texts: Texts) -> None:
        """Write controls and figures in a language."""
        self.texts = texts
        self.controls.translate(texts)
        self.name_figures()

    def name_figures(self) -> None:
        """Write titles and axes."""
        texts, chosen = self.texts, self.controls.selection()
        band = {"low": texts.figures(chosen.low), "high": texts.figures(chosen.high)}
        what = self.controls.what(texts)
        self.image.translate(texts, texts("image", **band), "y_pixel", texts("z_pixel"))
        self.image.name_value(texts("hover_counts"))
        width = texts.number(self.spectrum.width, 2)
        title = texts("spectrum", what=what)
        self.spectrum.translate(texts, title, "energy_axis", texts("counts_axis", width=width))
        self.spectrum.name_series(what, "" if chosen.pixel is None else texts("pixel", number=chosen.pixel))
        title = texts("light_curve", what=what, **band)
        self.light_curve.translate(texts, title, "time_axis", texts("rate_axis"))
        self.image.outline(chosen.modules, chosen.pixel)

    def draw(self) -> None:
        """Show the photons."""
        self.image.update(self.view)
        self.spectrum.update(self.view)
        self.light_curve.update(self.view)
        self.write_note()

    def say_nothing_yet(self, *, reading: bool) -> None:
        """Say on figures without data whether these are still being read, or there are none."""
        for panel in (self.image, self.spectrum, self.light_curve):
            panel.empty.text = self.texts("reading_on" if reading else "no_data")

    def write_note(self, *more: str) -> None:
        """Write below the image what is counted there, and what is chosen."""
        lines = [*self._pixel_words(), *more]
        inside = "<br>".join(escape(line) for line in lines)
        self.note.value = f'<div class="eic-caption">{inside}</div>'

    def _pixel_words(self) -> list[str]:
        pixel, texts, chosen = self.controls.pixel, self.texts, self.view.selection
        span = texts.duration(self.view.covered)
        step = texts.duration(self.view.step)
        lines = [texts("pixel_hint")]
        if self.view.covered > 0:
            lines.append(texts("covered", span=span, step=step))
            lines.append(texts("rates_per_live_time" if self.instrument.dead_time else "rates_per_good_time"))
        if pixel is not None:
            y, z = self.instrument.pixels.yz(pixel)
            lines[0] = texts(
                "pixel_values",
                y=y,
                z=z,
                detnum=pixel,
                module=self.instrument.pixels.module(pixel),
                counts=texts.number(int(self.view.image[pixel])),
                low=texts.figures(chosen.low),
                high=texts.figures(chosen.high),
            )
        return lines

    @property
    def rate(self) -> float:
        """The newest rate of the light curve, count/s; NaN where there is none."""
        rates = self.view.light_curve().rate[0]
        known = rates[np.isfinite(rates)]
        return float(known[-1]) if len(known) else float("nan")
