"""The light curve of a night as a report shows it: bins that fit the data, what was not good, alerts.

Width of the bins, where nobody asks for another: the narrowest of :data:`WIDTHS` with which the data make
no more than :data:`MOST_SHOWN` bins, and these hold :data:`LEAST_COUNTS` counts each on average. So ten
minutes of a camera are seen second by second, and a day or a handful of photons are not noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.events import GoodTimeIntervals
from eicpy.figures.theme import Figure
from eicpy.instruments import Instrument
from eicpy.nights.record import AlertRecord
from eicpy.pipeline.good_time import ALL, TELEMETRY
from eicpy.pipeline.rate import over_good_time
from eicpy.products import Product
from eicpy.reports.tables import paragraph
from eicpy.text import setup_texts
from eicpy.typing import AnyArray, FloatArray

__all__ = ["LEAST_COUNTS", "MOST_SHOWN", "WIDTHS", "NightCurve", "bin_width", "night_curve", "not_good"]

WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""s."""
MOST_SHOWN = 720
"""Bins: more than a figure has columns of pixels for."""
LEAST_COUNTS = 9
"""Counts of a bin, all bands together, on average: an error of a third."""
NARROWEST = 0.25
"""Times that are not good are shaded where they are as wide as this share of a bin."""


@dataclass(frozen=True, repr=False)
class NightCurve:
    """Rates of the whole detector in bands.

    Parameters
    ----------
    time
        Middle of each bin, s TT since 2017-01-01, shape (bins,).
    rates
        Photons per second of live time by band (of good time where no dead time is known), one that hit
        several pixels once; NaN where there was too little good time.
    step
        Width of a bin, s.
    chosen
        Whether the width was chosen by the rule.
    shaded
        Times that were not good, by what they were.
    alerts
        When the detector sent alerts, s.
    """

    time: FloatArray
    rates: Mapping[str, FloatArray]
    step: int
    chosen: bool
    shaded: Mapping[str, GoodTimeIntervals] = field(default_factory=dict)
    alerts: FloatArray = field(default_factory=lambda: np.empty(0))

    def plot(self) -> Figure:
        """Draw the rates, with what was not good shaded and alerts marked."""
        from eicpy.figures.plots import light_curve  # noqa: PLC0415, only figures need Bokeh

        texts = setup_texts()
        alerts = texts("alerts_on_board", len(self.alerts), count=texts.number(len(self.alerts)))
        return light_curve(
            self.time,
            self.rates,
            texts("rates_in_bins", step=texts.duration(self.step)),
            step=self.step,
            shaded={name: (gti.start, gti.stop) for name, gti in self.shaded.items() if len(gti)},
            marks={alerts: self.alerts} if len(self.alerts) else {},
        )

    def __str__(self) -> str:
        texts = setup_texts()
        width = texts.duration(self.step)
        if not self.chosen:
            return texts("bins_asked", step=width)
        most, least = texts.number(MOST_SHOWN), texts.number(LEAST_COUNTS)
        return texts("bins_chosen", step=width, most=most, least=least)

    def __repr__(self) -> str:
        return f"<NightCurve of {len(self.time)} bins of {self.step} s>"

    def _repr_html_(self) -> str:
        return paragraph(str(self))


def bin_width(span: float, counts: float) -> int:
    """Give the width of bins for data of some length.

    Parameters
    ----------
    span
        Good time, s.
    counts
        Photons in it.

    Returns
    -------
    int
        s, one of :data:`WIDTHS`.

    Examples
    --------
    >>> bin_width(600.0, 1e6), bin_width(10_800.0, 3e7), bin_width(86_400.0, 2e8), bin_width(600.0, 100)
    (1, 20, 120, 60)
    """
    rate = counts / span if span > 0 else 0.0
    fitting = (w for w in WIDTHS if span / w <= MOST_SHOWN and rate * w >= LEAST_COUNTS)
    return next(fitting, min(WIDTHS, key=lambda width: abs(width - span / 10)))


def not_good(
    criteria: Mapping[str, GoodTimeIntervals], instrument: Instrument, span: tuple[float, float], step: float
) -> dict[str, GoodTimeIntervals]:
    """Times within a span at which a criterion of good time did not hold, by what such a time is called.

    Parameters
    ----------
    criteria
        Good time by criterion.
    instrument
        The detector, which names them.
    span
        Begin and end, s.
    step
        Width of the bins in which they are shown, s; what is too narrow to be seen is left out.
    """
    texts, found = setup_texts(), {}
    for name, good in criteria.items():
        if name == ALL:
            continue
        rule = instrument.good_time.get(name)
        if name == TELEMETRY:
            words = texts("no_photon_packets")
        elif rule is not None and rule.otherwise:
            words = texts.translated(rule.otherwise)
        else:
            said = name if rule is None else texts.translated(rule.description)
            words = texts("criterion_not", criterion=said)
        bad = GoodTimeIntervals(*span) - good
        wide = bad.stop - bad.start >= NARROWEST * step
        if wide.any():
            found[words] = GoodTimeIntervals(bad.start[wide], bad.stop[wide])
    return found


def night_curve(
    product: Product | None,
    labels: Sequence[str],
    instrument: Instrument,
    criteria: Mapping[str, GoodTimeIntervals],
    alerts: Sequence[AlertRecord],
    step: int,
) -> NightCurve:
    """Make the light curve of a night.

    Parameters
    ----------
    product
        The counts, second by second; None where there were no photons.
    labels
        Names of the bands.
    instrument
        The detector.
    criteria
        Good time by criterion.
    alerts
        Alerts of the night.
    step
        Width of a bin, s (whole seconds); 0: as the rule says.

    Raises
    ------
    BadArgumentError
        For a step that is not a whole number of seconds of at least 0.
    """
    if not (isinstance(step, int | np.integer) and step >= 0):
        raise BadArgumentError(f"got bins of {step!r} s, expected whole seconds, or 0 for those that fit")
    if product is None or not len(product.main):
        return NightCurve(np.empty(0), {label: np.empty(0) for label in labels}, step or 1, not step)
    table = product.main
    columns = [table[f"COUNTS_{number}"].astype(np.float64) for number in range(1, len(labels) + 1)]
    total = float(sum(column.sum() for column in columns))
    width = int(step) or bin_width(float(table["EXPOSURE"].sum()), total)
    live = table["LIVETIME"] if "LIVETIME" in table.columns else table["EXPOSURE"]
    time, rates = binned(
        table["TIME"], table["EXPOSURE"], live, dict(zip(labels, columns, strict=True)), width
    )
    moments = np.array([one.time for one in alerts])
    known = criteria.get(TELEMETRY)
    span = (float(table["TIME"][0]), float(table["TIME"][-1]) + 1.0)
    if known is not None and len(known):
        span = (float(known.start[0]), float(known.stop[-1]))
    return NightCurve(time, rates, width, not step, not_good(criteria, instrument, span, width), moments)


def binned(
    seconds: AnyArray, exposure: AnyArray, live: AnyArray, counts: Mapping[str, AnyArray], step: int
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Join seconds into bins: their middles, and the rates by band.

    Parameters
    ----------
    seconds
        Begin of each second, s, without a gap.
    exposure
        Good time in each, s.
    live
        Live time in each, s.
    counts
        In each, by band.
    step
        Seconds joined.
    """
    first = np.arange(0, len(seconds), step)
    good, alive = np.add.reduceat(exposure, first), np.add.reduceat(live, first)
    lengthened = np.where(alive > 0, good / np.where(alive > 0, alive, 1.0), np.nan)
    rates = {
        name: over_good_time(np.add.reduceat(c, first), good, step) * lengthened for name, c in counts.items()
    }
    time = seconds[first] + 0.5 * step
    if len(time) == 1:  # a step from begin to end, which a single point would not show
        return time + np.array([-0.5, 0.5]) * step, {k: np.repeat(v, 2) for k, v in rates.items()}
    return time, rates
