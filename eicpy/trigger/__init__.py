"""Whether something flared: every window of a series searched, against a background that it does not eat."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.trigger.alert import Alert, Excess, TriggerKind
    from eicpy.trigger.alert_logic import AlertLogic, Candidate, Decision, Verdict
    from eicpy.trigger.background import Background, two_sided_background
    from eicpy.trigger.binning import Binned, PhotonBinner, plane_atoms
    from eicpy.trigger.configuration import CountRateSettings, ImageSettings, TriggerConfiguration, Zone
    from eicpy.trigger.count_rate import CountRateTrigger, Margins
    from eicpy.trigger.exact_search import Excesses, search_all_windows, significance
    from eicpy.trigger.identification import Identification, KnownSources
    from eicpy.trigger.image_trigger import ImageMargin, ImageTrigger, SkyExcess
    from eicpy.trigger.onboard import OnboardTrigger, Reaction
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Alert",
    "AlertLogic",
    "Background",
    "Binned",
    "Candidate",
    "CountRateSettings",
    "CountRateTrigger",
    "Decision",
    "Excess",
    "Excesses",
    "Identification",
    "ImageMargin",
    "ImageSettings",
    "ImageTrigger",
    "KnownSources",
    "Margins",
    "OnboardTrigger",
    "PhotonBinner",
    "Reaction",
    "SkyExcess",
    "TriggerConfiguration",
    "TriggerKind",
    "Verdict",
    "Zone",
    "plane_atoms",
    "search_all_windows",
    "significance",
    "two_sided_background",
]
