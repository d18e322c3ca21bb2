"""Whether something flared: the trigger of the camera, and the searches of the ground."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.trigger.alert import Alert, Excess, TriggerKind
    from eicpy.trigger.configuration import CountRateSettings, ImageSettings, TriggerConfiguration, Zone
    from eicpy.trigger.ground.background import Background, two_sided_background
    from eicpy.trigger.ground.candidate_image import CandidateImage, image_candidate, permuted_decoder
    from eicpy.trigger.ground.exact_search import Excesses, search_all_windows, significance
    from eicpy.trigger.ground.seeded import SeededSearch, SeededWindow, band_spectrum, folded_spectra
    from eicpy.trigger.ground.series_search import FalseAlarms, GroundCandidate, GroundSearch, search_series
    from eicpy.trigger.on_board.alert_logic import AlertLogic, Candidate, Decision, Verdict
    from eicpy.trigger.on_board.binning import Binned, PhotonBinner, plane_atoms
    from eicpy.trigger.on_board.count_rate import CountRateTrigger, Margins
    from eicpy.trigger.on_board.identification import Identification, KnownSources
    from eicpy.trigger.on_board.image_trigger import ImageMargin, ImageTrigger, SkyExcess
    from eicpy.trigger.on_board.stream import OnboardTrigger, Reaction
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Alert",
    "AlertLogic",
    "Background",
    "Binned",
    "Candidate",
    "CandidateImage",
    "CountRateSettings",
    "CountRateTrigger",
    "Decision",
    "Excess",
    "Excesses",
    "FalseAlarms",
    "GroundCandidate",
    "GroundSearch",
    "Identification",
    "ImageMargin",
    "ImageSettings",
    "ImageTrigger",
    "KnownSources",
    "Margins",
    "OnboardTrigger",
    "PhotonBinner",
    "Reaction",
    "SeededSearch",
    "SeededWindow",
    "SkyExcess",
    "TriggerConfiguration",
    "TriggerKind",
    "Verdict",
    "Zone",
    "band_spectrum",
    "folded_spectra",
    "image_candidate",
    "permuted_decoder",
    "plane_atoms",
    "search_all_windows",
    "search_series",
    "significance",
    "two_sided_background",
]
