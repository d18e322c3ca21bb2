"""Whether something flared: every window of a series searched, against a background that it does not eat."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.trigger.alert import Alert, Excess, TriggerKind
    from eicpy.trigger.background import Background, two_sided_background
    from eicpy.trigger.candidate_image import CandidateImage, image_candidate, permuted_decoder
    from eicpy.trigger.configuration import CountRateSettings, ImageSettings, TriggerConfiguration, Zone
    from eicpy.trigger.exact_search import Excesses, search_all_windows, significance
    from eicpy.trigger.ground_search import Candidate, FalseAlarms, GroundSearch, search_series
    from eicpy.trigger.seeded import SeededSearch, SeededWindow, band_spectrum, folded_spectra
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Alert",
    "Background",
    "Candidate",
    "CandidateImage",
    "CountRateSettings",
    "Excess",
    "Excesses",
    "FalseAlarms",
    "GroundSearch",
    "ImageSettings",
    "SeededSearch",
    "SeededWindow",
    "TriggerConfiguration",
    "TriggerKind",
    "Zone",
    "band_spectrum",
    "folded_spectra",
    "image_candidate",
    "permuted_decoder",
    "search_all_windows",
    "search_series",
    "significance",
    "two_sided_background",
]
