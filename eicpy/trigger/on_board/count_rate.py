r"""The count-rate trigger: windows of 10 ms·2ⁿ that overlap by half, in every band and zone, in a stream.

A window with N counts, where b ± σ are expected, has the significance

    S = sign(N − b) · √( 2 [N ln(N/b) − (N − b)] / (1 + σ²/b) )

the signed root of the Poisson deviance with the error of the background counted in. At 10 ms a quarter
of the plane holds 0.2 counts: there the familiar (N − b)/√b passes 6 in one window of a thousand, S in one of
10⁹.

The background is causal, and a burst does not eat it. The rate r(t) = θ₀ + θ₁t + θ₂t²/2 is fitted to what was
counted from `background_reach` to `background_gap` before the window begins, and extrapolated:

    (Σ L u uᵀ + P) θ = Σ N u,   u = (1, t, t²/2),   cov θ = r̄ (Σ L u uᵀ + P)⁻¹,   P₂₂ = 1 / (r̄ κ²)

with N counts in the live time L of each 2.56 s. A free parabola costs most of the sensitivity at 20 s, a line
is wrong along the orbit. κ holds the middle: the curvature relative to the rate that is expected beforehand,
that of an orbit, and for some minutes after a gap that of a camera that leaves the anomaly, where rates fall
steeply. Where the past is no smooth curve (a burst, a source that rose) its χ² says so and widens σ.

No logarithm is taken before a bound passes: S² ≤ (N − b)²/(b + σ²) for N > b.

Time is worked through in steps of 2.56 s that begin with the first bin, whatever pieces the counts come in.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, GoodTimeIntervals
from eicpy.instruments import Instrument
from eicpy.trigger.alert import Excess
from eicpy.trigger.configuration import TriggerConfiguration
from eicpy.trigger.on_board.binning import BIN, ROUNDING, Binned, plane_atoms
from eicpy.trigger.on_board.rate_windows import BINS, LEVELS, SCALES, STEPS_OF_WINDOW, work_steps
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["CURVATURE", "STEP", "CountRateTrigger", "Margins"]

STEP = BINS * BIN
"""s: how often excesses are given out, and the bins of the background: 2.56 s."""
CURVATURE = 1e-6
"""s⁻²: κ, the curvature of the rate relative to itself that an orbit makes. Half of the rate in 96 minutes
has 0.6·10⁻⁶, the edge of the Earth more (a guess)."""
CURVATURE_AFTER_GAP = 1e-4
"""s⁻²: κ at the end of a gap; that of a part of the rate that decays within a hundred seconds (a guess)."""
SETTLING = 300.0
"""s in which κ after a gap falls by e."""
LONG_GAP = 30.0
"""s without live time after which nothing before is used."""
LEAST_BACKGROUND = 20.48
"""s of live time without which there is no background."""
MOST_EXCESSES = 3
"""Groups of excesses given out in a step at most, the best ones."""
_PIECE = 8
"""Steps worked through at once."""


@dataclass(frozen=True, slots=True)
class Margins:
    """How close to an alert each step came.

    Parameters
    ----------
    start
        Begin of each step of 2.56 s, s TT since the reference, shape (steps,).
    ratio
        Best significance of a window that ended in it, over its threshold, shape (steps, bands); NaN where
        nothing was searched. From 1 on there was an excess.
    """

    start: FloatArray
    ratio: FloatArray


class CountRateTrigger:
    """The search of count rates, with the state that it carries along.

    Parameters
    ----------
    configuration
        Scales, bands, zones, thresholds, and the reach and gap of the background.
    instrument
        The camera.
    tail
        Whether to count how many windows pass each of `LEVELS`, for tables of thresholds.

    Attributes
    ----------
    margins
        :class:`Margins` of the steps that the last call of :meth:`add` finished.
    tail
        Windows with a significance in each step of a tenth above `LEVELS[0]`, the last one open, shape
        (12 scales, bands, zones, levels); empty unless asked for.
    searched
        Windows that were searched, shape (12 scales,).

    Raises
    ------
    BadArgumentError
        If a zone lies beyond the plane, or the background has no time between reach and gap.

    See Also
    --------
    PhotonBinner : Makes the counts.
    """

    def __init__(
        self, configuration: TriggerConfiguration, instrument: Instrument, *, tail: bool = False
    ) -> None:
        settings = configuration.count_rate
        if settings.background_reach < settings.background_gap + LEAST_BACKGROUND + STEP:
            raise BadArgumentError(
                f"got a background from {settings.background_reach:g} s to {settings.background_gap:g} s "
                f"before a window, expected at least {LEAST_BACKGROUND + STEP:g} s between them"
            )
        self._bands = EnergyBands(configuration.bands)
        _, belongs = plane_atoms(settings.zones, instrument.pixels.rows, instrument.pixels.columns)
        self._sums = _cell_sums(self._bands, belongs)
        self._shape = len(self._bands), len(settings.zones)
        cells = self._shape[0] * self._shape[1]
        self._thresholds = _thresholds(configuration, cells)
        self._band_of = np.repeat(np.arange(self._shape[0]), self._shape[1])
        gap = int(np.ceil(settings.background_gap / STEP - 1e-9))
        reach = int(np.floor(settings.background_reach / STEP + 1e-9))
        self._background = np.array([gap, round(LONG_GAP / STEP), round(LEAST_BACKGROUND / STEP)])
        self._curvature = np.array([CURVATURE, CURVATURE_AFTER_GAP]) * (reach * STEP) ** 2
        self._settling = SETTLING / STEP
        # One more column than cells holds the bins that are not live.
        self._ring = np.zeros((reach, cells + 1))
        self._ring[:, cells] = BINS
        self._last = np.zeros((SCALES, cells + 1))
        self._last[:, cells] = 1.0
        self._half = np.zeros((SCALES, cells + 1))
        self._fits = np.full((STEPS_OF_WINDOW + 1, 10, cells), np.nan)
        self._counters = np.array([0, 0, 0], np.int64)  # steps done, dark since, live since a long gap
        self._start: float | None = None
        self._bins = 0
        self._rows = np.zeros((0, cells + 1))
        self.margins = Margins(np.zeros(0), np.zeros((0, self._shape[0])))
        self._tail = np.zeros((SCALES, cells, len(LEVELS) if tail else 0), np.int64)
        self.searched: IntArray = np.zeros(SCALES, np.int64)

    @property
    def tail(self) -> IntArray:
        """See the attributes of the class."""
        return self._tail.reshape(SCALES, *self._shape, -1)

    def add(self, binned: Binned, live: GoodTimeIntervals | None = None) -> list[Excess]:
        """Search the windows that end in these counts.

        Parameters
        ----------
        binned
            Counts that follow on those added last.
        live
            When the camera was live; None for always. Windows that are not live throughout are not searched.

        Returns
        -------
        list of Excess
            Of each 2.56 s the best of each group of windows that overlap, three groups at most, in time
            order.

        Raises
        ------
        BadArgumentError
            If the counts do not follow on the last ones, or have other atoms or segments.
        """
        self._check(binned)
        rows = np.empty((len(binned.counts), self._sums.shape[1] + 1))
        np.matmul(
            binned.counts.reshape(len(binned.counts), -1).astype(np.float64), self._sums, out=rows[:, :-1]
        )
        dark = ~_live_bins(binned, live)
        rows[:, -1] = dark
        if dark.any():
            rows[dark, :-1] = 0.0
        self._bins += len(rows)
        if len(self._rows):
            rows = np.concatenate([self._rows, rows])
        steps = len(rows) // BINS
        self._rows = rows[steps * BINS :].copy()
        excesses: list[Excess] = []
        first = int(self._counters[0])
        ratios = np.empty((steps, self._shape[0]))
        for k in range(0, steps, _PIECE):
            last = min(k + _PIECE, steps)
            excesses += self._search(rows[k * BINS : last * BINS], ratios[k:last])
        begin = self._start or 0.0
        self.margins = Margins(np.asarray(begin + (first + np.arange(steps)) * STEP, np.float64), ratios)
        return excesses

    def _check(self, binned: Binned) -> None:
        shape = binned.counts.shape[1:]
        if len(shape) != 2 or shape[0] * shape[1] != len(self._sums):
            raise BadArgumentError(
                f"got counts of {shape} atoms and segments, expected {len(self._sums)} in all: "
                "those of a PhotonBinner with the same configuration"
            )
        if self._start is None:
            self._start = binned.start
        expected = self._start + self._bins * BIN
        if abs(binned.start - expected) > 0.1 * BIN:
            raise BadArgumentError(
                f"got counts from {binned.start} s on, expected them from {expected} s on, where the last "
                "ones ended; begin with a new trigger after a gap"
            )

    def _search(self, rows: FloatArray, ratios: FloatArray) -> list[Excess]:
        steps = len(rows) // BINS
        found = np.empty((steps * 2 * BINS + 8, 8))
        n = work_steps(
            rows.reshape(steps, BINS, -1), self._ring, self._last, self._half, self._fits, self._counters,
            self._background, self._curvature, self._settling, self._thresholds, self._band_of,
            ratios, found, self._tail, self.searched,
        )  # fmt: skip
        return self._best(found[:n]) if n else []

    def _best(self, found: FloatArray) -> list[Excess]:
        """The best of each group of windows that end in one step."""
        excesses = []
        for step in np.unique(found[:, 7]):
            rows = found[found[:, 7] == step]
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
            stop = np.maximum.accumulate(rows[:, 1])
            group = np.concatenate([[0], np.cumsum(rows[1:, 0] >= stop[:-1])])
            order = np.lexsort((rows[:, 2], -rows[:, 6], group))
            best = order[np.concatenate([[True], np.diff(group[order]) > 0])]
            best = best[np.argsort(-rows[best, 6], kind="stable")][:MOST_EXCESSES]
            excesses += [self._excess(row) for row in rows[np.sort(best)]]
        return excesses

    def _excess(self, row: FloatArray) -> Excess:
        begin = self._start or 0.0
        band, zone = divmod(int(row[3]), self._shape[1])
        return Excess(
            kind="count rate",
            start=begin + float(row[0]) * BIN,
            stop=begin + float(row[1]) * BIN,
            scale=int(row[2]),
            band=band,
            zone=zone,
            counts=int(row[4]),
            background=float(row[5]),
            significance=float(row[6] * self._thresholds[int(row[2]), int(row[3])]),
        )


def _cell_sums(bands: EnergyBands, belongs: BoolArray) -> FloatArray:
    """Which atoms and segments make each band and zone, shape (atoms · segments, bands · zones)."""
    of_band = bands.combine(np.eye(bands.segments, dtype=np.int64))
    sums = np.einsum("za,sb->asbz", belongs.astype(np.float64), of_band.astype(np.float64))
    return np.ascontiguousarray(sums.reshape(belongs.shape[1] * bands.segments, -1))


def _thresholds(configuration: TriggerConfiguration, cells: int) -> FloatArray:
    """Significance for each scale and cell, shape (12, cells); infinite for scales that are not searched."""
    settings = configuration.count_rate
    thresholds = np.full((SCALES, cells), np.inf)
    for k, scale in enumerate(settings.scales):
        table = settings.thresholds[k] if settings.thresholds else settings.threshold
        thresholds[scale] = np.ravel(table)
    return thresholds


def _live_bins(binned: Binned, live: GoodTimeIntervals | None) -> BoolArray:
    """Whether each fine bin lies within an interval as a whole."""
    bins = len(binned.counts)
    if live is None:
        return np.ones(bins, np.bool_)
    first = np.ceil((np.clip(live.start, binned.start, binned.stop) - binned.start) / BIN - ROUNDING)
    stop = np.floor((np.clip(live.stop, binned.start, binned.stop) - binned.start) / BIN + ROUNDING)
    edges = np.zeros(bins + 1, np.int64)
    some = stop > first
    np.add.at(edges, np.clip(first[some], 0, bins).astype(np.intp), 1)
    np.add.at(edges, np.clip(stop[some], 0, bins).astype(np.intp), -1)
    return np.asarray(np.cumsum(edges)[:-1] > 0)
