"""What a trigger says: excesses of counts or in the sky, and the alerts that are made of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Alert", "Excess", "TriggerKind", "error_radius"]

_STATISTICAL, _SYSTEMATIC = 77.0, 2.0
"""Arc minutes: of the published radius, √((77′/SNR)² + 2′²)."""


def error_radius(significance: float) -> float:
    """Radius of the circle that public notices give for a significance (R90), radians.

    It follows all notices of the camera that state a significance, to their rounding.

    Parameters
    ----------
    significance
        SNR of the sky image, > 0.

    Examples
    --------
    >>> round(float(np.degrees(error_radius(10.3))) * 60, 2)
    7.74
    """
    return float(np.radians(np.hypot(_STATISTICAL / significance, _SYSTEMATIC) / 60))


TriggerKind = Literal["count rate", "image"]
"""The two searches: of count rates (CRT in public notices) and of sky images (IMT)."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A window in which more was counted than expected.

    Parameters
    ----------
    kind
        Which search found it.
    start, stop
        Its bounds, s TT since the reference.
    scale
        n of a window of 10 ms·2ⁿ, or k of an exposure of 20.48 s·2ᵏ.
    band
        Number of the band, from 0.
    zone
        Number of the zone of the plane, from 0; −1 for an image.
    counts
        Counts in window, band and zone (the whole plane for an image).
    background
        Counts expected there without a source.
    significance
        Signed root of the deviance, the error of the background counted in; of the peak for an image.
    """

    kind: TriggerKind
    start: float
    stop: float
    scale: int
    band: int
    zone: int
    counts: int
    background: float
    significance: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One message of a sequence of alerts.

    Parameters
    ----------
    sequence
        Number of the sequence, from 0.
    number
        Number of the message in its sequence, from 0.
    time
        When it is sent, s TT since the reference. That of number 0 is T0 of the sequence; the burst began
        at `excess.start` (Tb).
    excess
        Window and band of the image from which its position comes.
    ty, tz
        Tangents of the direction in the camera's frame.
    peak
        Highest pixel (y, z) of the sky image.
    flux, variance
        Counts that the source brought to the plane, as the sky image gives them, and their variance.
    covariance
        Of (ty, tz), shape (2, 2).
    source
        Number of the catalogue source that stands there, from 1; 0 for none.
    source_name
        Its name; empty for none.
    outburst
        Whether it is much brighter than usual.
    slew_request
        Whether the satellite is asked to turn.
    fitted
        Counts that the source brought to the plane, by maximum likelihood; NaN where none were fitted.
    """

    sequence: int
    number: int
    time: float
    excess: Excess
    ty: float
    tz: float
    peak: tuple[int, int]
    flux: float
    variance: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    source: int = 0
    source_name: str = ""
    outburst: bool = False
    slew_request: bool = False
    fitted: float = float("nan")

    @property
    def significance(self) -> float:
        """SNR: flux over its standard deviation."""
        return float(self.flux / np.sqrt(self.variance))

    @property
    def radius(self) -> float:
        """Published radius of the circle that holds the truth in 90 % of all cases, radians."""
        return error_radius(self.significance)
