"""The controls of the live pages.

What they send comes from outside and is checked: a visitor can send any value, whatever the widget
offered.
"""

import math
from collections.abc import Callable
from typing import Any

import ipywidgets

from eicpy.dashboard.live import PhotonSelection
from eicpy.instruments import Instrument
from eicpy.text import Texts

__all__ = ["WINDOWS", "Controls"]

COARSE_FROM = 50.0
"""Width of the energies from which they are chosen in whole keV."""
WINDOWS = (60.0, 300.0, 1200.0, 21600.0, 86400.0)
"""Lengths of time to choose from, s."""


class Controls:
    """Time, energy, modules, pixel.

    Parameters
    ----------
    instrument
        Its energies and modules.
    texts
        First language.
    language
        The control of the language, shown with the others.
    """

    def __init__(self, instrument: Instrument, texts: Texts, language: ipywidgets.Widget) -> None:
        scale, pixels = instrument.energy, instrument.pixels
        self._scale = (scale.low, scale.high)
        self.pixel: int | None = None
        self.span: tuple[float, float] | None = None
        self._modules: dict[str, tuple[str, int, frozenset[int] | None]] = {"all": ("all_modules", 0, None)}
        numbers = range(pixels.modules)
        for sector in range(pixels.sectors if pixels.sectors > 1 else 0):
            members = frozenset(m for m in numbers if m * pixels.sectors // pixels.modules == sector)
            self._modules[f"s{sector}"] = ("sector", sector, members)
        for module in numbers if pixels.modules > 1 else ():
            self._modules[f"m{module}"] = ("module", module, frozenset({module}))
        wide = ipywidgets.Layout(width="auto", flex="1 1 170px", max_width="300px")
        self.window = ipywidgets.Dropdown(options=[("", 300.0)], layout=wide)
        self.energy = ipywidgets.FloatRangeSlider(
            value=self._scale,
            min=scale.low,
            max=scale.high,
            step=_step(*self._scale),
            continuous_update=False,
            readout_format=".0f" if _step(*self._scale) == 1.0 else ".1f",
            layout=ipywidgets.Layout(width="auto", flex="2 1 270px", max_width="520px"),
        )
        self.modules = ipywidgets.Dropdown(options=[("", "all")], layout=wide)
        self.forget = ipywidgets.Button(layout=ipywidgets.Layout(width="auto", display="none"))
        self.whole = ipywidgets.Button(layout=ipywidgets.Layout(width="auto", display="none"))
        self.translate(texts)
        self.widget = ipywidgets.Box(
            [self.window, self.energy, self.modules, language, self.forget, self.whole],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )
        self.widget.add_class("eic-panel")
        self.widget.add_class("eic-controls")

    def translate(self, texts: Texts) -> None:
        """Write the controls in a language; the choice is kept."""
        self.window.description = texts("window")
        self.energy.description = texts("energy_range")
        self.modules.description = texts("modules")
        self.forget.description = texts("clear_pixel")
        self.whole.description = texts("clear_span")
        self._rewrite(self.window, [(_span(w, texts), w) for w in WINDOWS])
        self._rewrite(self.modules, [(self._label(key, texts), key) for key in self._modules])

    @staticmethod
    def _rewrite(control: ipywidgets.Dropdown, options: list[tuple[str, Any]]) -> None:
        value = control.value
        control.options = options
        control.value = value

    def _label(self, key: str, texts: Texts) -> str:
        word, number, _members = self._modules[key]
        return texts(word, number=number)

    def on_change(self, call: Callable[[], None]) -> None:
        """Call when time, energies or modules were chosen."""
        for control in (self.window, self.energy, self.modules):
            control.observe(lambda _change: call(), names="value")

    def choose_pixel(self, pixel: int | None) -> None:
        """Choose a pixel, or none."""
        self.pixel = pixel
        self.forget.layout.display = "none" if pixel is None else ""

    def choose_span(self, span: tuple[float, float] | None) -> None:
        """Choose times, s, or none; what is no span of time is none."""
        if span is not None and not (-math.inf < span[0] < span[1] < math.inf):
            span = None
        self.span = span
        self.whole.layout.display = "none" if span is None else ""

    def what(self, texts: Texts) -> str:
        """Words for the chosen modules."""
        key = self.modules.value
        return texts("of_all") if key not in self._modules or key == "all" else self._label(key, texts)

    def selection(self) -> PhotonSelection:
        """What is chosen, with everything that could not be chosen replaced by what is offered first."""
        window = self.window.value if self.window.value in WINDOWS else WINDOWS[1]
        low, high = self._energies(self.energy.value)
        _word, _number, members = self._modules.get(str(self.modules.value), self._modules["all"])
        return PhotonSelection(
            window=window, low=low, high=high, modules=members, pixel=self.pixel, span=self.span
        )

    def _energies(self, value: Any) -> tuple[float, float]:
        low, high = (float(v) for v in value)
        if not (math.isfinite(low) and math.isfinite(high)) or low > high:
            return self._scale
        return max(low, self._scale[0]), min(high, self._scale[1])


def _step(low: float, high: float) -> float:
    """Steps of the energies, keV: whole ones where that is fine enough, which every language writes alike."""
    return 1.0 if high - low >= COARSE_FROM and low == int(low) else 0.1


def _span(seconds: float, texts: Texts) -> str:
    if seconds < 3600:
        return texts("last_minutes", number=round(seconds / 60))
    return texts("last_hours", number=round(seconds / 3600))
