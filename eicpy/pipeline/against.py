"""A rate against a housekeeping parameter, on one time base: the bins of the rate."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.pipeline.parameter_series import ParameterSeries
from eicpy.pipeline.rate import Rate
from eicpy.pipeline.time_columns import plain_columns, time_series
from eicpy.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

    from eicpy.figures.theme import Figure

__all__ = ["Against"]


@dataclass(frozen=True, eq=False, repr=False)
class Against:
    """A rate and a parameter.

    Parameters
    ----------
    parameter
        In the bins of the rate (:meth:`~eicpy.pipeline.parameter_series.ParameterSeries.binned`).
    rate
        The rate.

    Raises
    ------
    BadArgumentError
        For a parameter whose values are texts.
    """

    parameter: ParameterSeries
    rate: Rate

    def __post_init__(self) -> None:
        if self.parameter.is_text:
            raise BadArgumentError(
                f"got the texts of {self.parameter.name}, expected a parameter with numbers"
            )

    @property
    def values(self) -> FloatArray:
        """Value of the parameter in each bin, shape (bins,); NaN where it is not known."""
        return np.asarray(self.parameter.values, np.float64)

    @property
    def known(self) -> AnyArray:
        """Bins that have both, shape (bins,)."""
        return np.isfinite(self.values) & np.isfinite(self.rate.rate)

    @property
    def correlation(self) -> float:
        """Correlation coefficient (Pearson) over the bins that have both; NaN where either is constant."""
        x, y = self.values[self.known], self.rate.rate[self.known]
        if len(x) < 2 or not (np.ptp(x) and np.ptp(y)):
            return float("nan")
        return float(np.corrcoef(x, y)[0, 1])

    @property
    def _columns(self) -> dict[str, tuple[AnyArray, str]]:
        return {self.parameter.name: (self.parameter.values, self.parameter.unit), **self.rate.columns}

    def to_timeseries(self) -> "TimeSeries":
        """Return an astropy TimeSeries (TT): the parameter, and the columns of the rate."""
        return time_series(self.rate.time, self._columns)

    def to_columns(self) -> dict[str, AnyArray]:
        """Return columns for a data frame; ``time`` is UTC."""
        return plain_columns(self.rate.time, self._columns)

    def plot(self, title: str = "") -> "Figure":
        """Draw the rate against the parameter, a point for each bin, with its error."""
        from eicpy.figures.plots import scatter  # noqa: PLC0415, only figures need Bokeh
        from eicpy.figures.series import with_unit  # noqa: PLC0415, as above

        known = self.known
        return scatter(
            self.values[known], self.rate.rate[known], title or f"Rate, {self.rate.name}",
            x_label=with_unit(self.parameter.name, self.parameter.unit), y_label="rate (count/s)",
            errors=self.rate.error[known],
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.parameter.name} and rate {self.rate.name}: {int(self.known.sum())} bins with both>"

    def _repr_html_(self) -> str:
        facts = {
            "bins with both": f"{int(self.known.sum())} of {len(self.rate)}, each {self.rate.step:g} s",
            "correlation": "not defined" if np.isnan(self.correlation) else f"{self.correlation:.3f}",
        }
        rows = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
        return (
            f"<table><caption>{escape(self.parameter.name)} and rate, {escape(self.rate.name)}</caption>"
            f"{rows}</table>"
        )
