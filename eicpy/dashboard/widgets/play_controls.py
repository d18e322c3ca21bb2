"""The controls of the quick look: what is played and how, and what it is compared with.

What they send comes from outside and is checked: a visitor can send any value, whatever was offered.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from eicpy.dashboard.playback import MOST_STEPPED, SPEEDS, Playing
from eicpy.errors import readable
from eicpy.instruments import Instrument
from eicpy.runs import RunArchive, RunLabel, run_label
from eicpy.runs.provider.provide import Mode
from eicpy.text import Texts

__all__ = ["FILES", "LIVE", "PICTURES", "PlayControls", "RunList"]

LIVE, FILES, NONE = "live", "files", "none"
PICTURES = ("counts", "ratio", "sigma")
MODES: tuple[Mode, ...] = ("next", "last")
MOST_RUNS = 300
"""Runs offered, the newest ones."""
COMMENT_SHOWN = 36
COUNTING_TIME = 0.1
"""Longest time that a listing spends on counting packets, s."""


class RunList:
    """The runs of an archive to choose from, by their labels.

    Parameters
    ----------
    archive
        The archive.
    instrument
        Its detector, by whose rules packets are counted.
    """

    def __init__(self, archive: RunArchive, instrument: Instrument) -> None:
        self._archive, self._instrument = archive, instrument
        self._labels: dict[int, RunLabel] = {}
        self._final: dict[int, RunLabel] = {}

    def read(self, counting: float = COUNTING_TIME) -> bool:
        """List the runs; returns whether the list has changed.

        Parameters
        ----------
        counting
            Longest time to count packets of closed runs that nobody has counted yet, s, the newest first; the
            others are counted when it is called again.
        """
        deadline = time.monotonic() + counting
        labels = {}
        for run in reversed(self._archive.runs(MOST_RUNS)):
            label = self._final.get(run.number)
            if label is None:
                label = run_label(run, self._instrument)
                if not label.is_open and label.packets is None and time.monotonic() < deadline:
                    label = run_label(run, self._instrument, count=True)
                if not label.is_open and label.packets is not None:
                    self._final[run.number] = label
            labels[run.number] = replace(label, duration=None) if label.is_open else label
        changed = labels != self._labels
        self._labels = labels
        return changed

    def options(self, texts: Texts) -> list[tuple[str, str]]:
        """Labels and values, the newest first."""
        return [(_line(label, texts), f"run-{number}") for number, label in self._labels.items()]

    def number(self, value: Any) -> int | None:
        """Number of the run that a value means; None for one that is not in the list."""
        known = {f"run-{number}": number for number in self._labels}
        return known.get(value) if isinstance(value, str) else None


def _line(label: RunLabel, texts: Texts) -> str:
    words = [
        label.words(texts),
        readable(label.comment)[:COMMENT_SHOWN],
        texts("still_open") if label.is_open else "",
    ]
    return " · ".join(part for part in words if part)


class PlayControls:
    """Source, pace, mode, pause and steps, reference, picture.

    Parameters
    ----------
    runs
        The runs to choose from.
    """

    def __init__(self, runs: RunList) -> None:
        self.runs = runs
        self.paused = False
        self._offering = False
        self.source = ipywidgets.Dropdown(options=[("", LIVE)], layout=_wide())
        self.speed = ipywidgets.Dropdown(options=[("", "0")], layout=_small())
        self.mode = ipywidgets.Dropdown(options=[("", MODES[0])], layout=_small())
        self.reference = ipywidgets.Dropdown(options=[("", NONE)], layout=_wide())
        self.picture = ipywidgets.Dropdown(options=[("", PICTURES[0])], layout=_small())
        button = ipywidgets.Layout(width="auto")
        self.pause, self.step, self.again = (ipywidgets.Button(layout=button) for _ in range(3))
        self.packets = ipywidgets.BoundedIntText(
            value=10, min=1, max=MOST_STEPPED, layout=ipywidgets.Layout(width="auto", max_width="190px")
        )
        self.playback = ipywidgets.Box(
            [self.speed, self.pause, self.step, self.packets, self.again],
            layout=ipywidgets.Layout(flex_flow="row wrap", flex="1 1 100%"),
        )
        self.playback.add_class("eic-controls")
        self.widget = ipywidgets.Box(
            [self.source, self.mode, self.playback, self.reference, self.picture],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )
        self.widget.add_class("eic-panel")
        self.widget.add_class("eic-controls")

    def translate(self, texts: Texts) -> None:
        """Write the controls in a language; the choice is kept."""
        self.source.description, self.mode.description = texts("source"), texts("mode")
        self.speed.description, self.reference.description = texts("speed"), texts("reference")
        self.picture.description, self.packets.description = texts("picture"), texts("step_packets")
        self.step.description, self.again.description = texts("step"), texts("from_start")
        runs = self.runs.options(texts)
        self._offer(self.source, [(texts("source_live"), LIVE), (texts("source_files"), FILES), *runs])
        self._offer(self.reference, [(texts("reference_none"), NONE), *runs])
        self._offer(self.mode, [(texts(f"mode_{mode}"), mode) for mode in MODES])
        self._offer(self.speed, [(_pace(speed, texts), str(n)) for n, speed in enumerate(SPEEDS)])
        self._offer(self.picture, [(texts(f"picture_{name}"), name) for name in PICTURES])
        self.show_state(texts)

    def show_state(self, texts: Texts) -> None:
        """Offer what makes sense for what is played."""
        self.pause.description = texts("go_on") if self.paused else texts("pause")
        self.playback.layout.display = "" if self.run is not None else "none"
        self.mode.layout.display = "none" if self.files else ""
        self.picture.layout.display = "none" if self.reference_run is None else ""

    def on_play(self, call: Callable[[], None]) -> None:
        """Call when source, pace or mode were chosen."""
        self._observe((self.source, self.speed, self.mode), call)

    def on_compare(self, call: Callable[[], None]) -> None:
        """Call when a reference or a picture was chosen."""
        self._observe((self.reference, self.picture), call)

    @property
    def run(self) -> int | None:
        """Number of the run to play back; None: live, or files."""
        return self.runs.number(self.source.value)

    @property
    def files(self) -> bool:
        """Whether files are wanted."""
        return bool(self.source.value == FILES)

    @property
    def playing(self) -> Playing:
        """What is chosen, with everything that could not be chosen replaced by what is offered first."""
        mode: Mode = next((m for m in MODES if m == self.mode.value), MODES[0])
        paces = {str(n): speed for n, speed in enumerate(SPEEDS)}
        value = self.speed.value
        speed = paces[value] if isinstance(value, str) and value in paces else SPEEDS[0]
        return Playing(run=self.run, mode=mode, speed=speed, paused=self.paused and self.run is not None)

    @property
    def step_packets(self) -> int:
        """Packets of a step."""
        value = self.packets.value
        return min(max(value, 1), MOST_STEPPED) if isinstance(value, int) else 1

    @property
    def reference_run(self) -> int | None:
        """Number of the run to compare with."""
        return self.runs.number(self.reference.value)

    @property
    def shown_picture(self) -> str:
        """What the image shows."""
        return self.picture.value if self.picture.value in PICTURES else PICTURES[0]

    def forget_reference(self) -> None:
        """Compare with no run."""
        self._offering = True
        try:
            self.reference.value = NONE
        finally:
            self._offering = False

    def _observe(self, controls: Sequence[ipywidgets.Widget], call: Callable[[], None]) -> None:
        for control in controls:
            control.observe(lambda _change: None if self._offering else call(), names="value")

    def _offer(self, control: ipywidgets.Dropdown, options: list[tuple[str, str]]) -> None:
        """Exchange the options; the choice is kept, and no callback is called."""
        value = control.value
        self._offering = True
        try:
            control.options = options
            control.value = value if value in [key for _label, key in options] else options[0][1]
        finally:
            self._offering = False


def _wide() -> ipywidgets.Layout:
    return ipywidgets.Layout(width="auto", flex="2 1 300px", max_width="520px")


def _small() -> ipywidgets.Layout:
    """A layout of its own for each control: they are hidden one by one."""
    return ipywidgets.Layout(width="auto", flex="1 1 190px", max_width="300px")


def _pace(speed: float | None, texts: Texts) -> str:
    return texts("speed_all") if speed is None else f"×{speed:g}"
