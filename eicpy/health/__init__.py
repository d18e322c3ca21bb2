"""Health: whether a camera and its chain are well. One state, one judgement, one set of words."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.health.box import CLASSES, verdict_box, verdict_class
    from eicpy.health.judgement import judge
    from eicpy.health.reasons import LEVELS, REASONS, Reading, Reason, Tense, Verdict
    from eicpy.health.state import RECENT, SILENT_AFTER, HealthState, KnownExcursion, Loss
    from eicpy.health.telemetry import TelemetryReader
    from eicpy.health.words import (
        action_words,
        headline,
        reading_words,
        reason_text,
        reason_words,
        sentences,
        utc_words,
        well_words,
    )
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "CLASSES",
    "LEVELS",
    "REASONS",
    "RECENT",
    "SILENT_AFTER",
    "HealthState",
    "KnownExcursion",
    "Loss",
    "Reading",
    "Reason",
    "TelemetryReader",
    "Tense",
    "Verdict",
    "action_words",
    "headline",
    "judge",
    "reading_words",
    "reason_text",
    "reason_words",
    "sentences",
    "utc_words",
    "verdict_box",
    "verdict_class",
    "well_words",
]
