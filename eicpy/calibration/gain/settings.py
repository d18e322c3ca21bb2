"""What can be chosen about the gain fit."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GainFitSettings"]


class GainFitSettings(BaseModel):
    """What can be chosen about the fit; the defaults are for ECLAIRs background.

    Parameters
    ----------
    min_counts
        Counts around the lines below which a pixel is not fitted.
    min_significance
        Significance of all lines together below which the energy scale counts as not seen, σ.
    reach
        Largest relative change of a gain that the search looks for.
    strength_tolerance, width_tolerance
        How far at most, relative and 1 σ, a pixel's strengths and widths may lie from the camera's; on a
        plane of 200 pixels and more the plane's own scatter is measured and used instead, where smaller.
        None: any.
    ambiguity
        Two energy scales count as equally good when their 2·ln L differ by less than this.
    false_scale
        Probability of quite another energy scale, given all counts and how the plane moved, above which a
        pixel is ambiguous.
    deviance_gate
        A fit is bad when its deviance lies more than this many σ above the plane's median (of the
        plane's own scatter and of a right model's).
    outlier_gate
        A change stands out when it lies more than this many σ (scatter of the plane) from the median.
    max_iterations, tolerance
        Of the Poisson fit; converged when the next step promises less than `tolerance` in 2·ln L.
    threads
        Threads that share the pixels; the result does not depend on their number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_counts: float = Field(default=300.0, ge=0)
    min_significance: float = Field(default=4.0, ge=0)
    reach: float = Field(default=0.05, gt=0, lt=0.3)
    strength_tolerance: float | None = Field(default=0.5, gt=0)
    width_tolerance: float | None = Field(default=0.2, gt=0)
    ambiguity: float = Field(default=4.0, ge=0)
    false_scale: float = Field(default=1e-3, gt=0, lt=1)
    deviance_gate: float = Field(default=6.0, gt=0)
    outlier_gate: float = Field(default=6.0, gt=0)
    max_iterations: int = Field(default=60, gt=0)
    tolerance: float = Field(default=1e-4, gt=0)
    threads: int = Field(default=1, ge=1)
