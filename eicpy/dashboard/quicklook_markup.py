"""The words of the quick look as HTML; everything that comes from outside is escaped."""

from collections.abc import Sequence
from html import escape

from eicpy.dashboard.markup import STATES
from eicpy.dashboard.playback import StreamSource
from eicpy.text import Texts

__all__ = ["state_words", "verdict"]


def state_words(source: StreamSource, texts: Texts) -> list[str]:
    """What is played, and whether it is the present, in a few words each."""
    playing = source.playing
    if playing.run is None:
        words = [texts(STATES[source.state()])]
    else:
        pace = texts("speed_all") if playing.speed is None else f"×{playing.speed:g}"
        state = "playback_ended" if source.finished else "playback_paused" if playing.paused else "playback"
        words = [texts(state, run=playing.run, pace=pace)]
    if playing.mode == "last":
        words.append(texts("newest_only", skipped=texts.number(source.skipped)))
    if source.simulated:
        words.append(texts("data_simulated"))
    return words


def verdict(chips: Sequence[str], kind: str, answer: str, reasons: str) -> str:
    """Write the line that tells what is shown and how it compares.

    Parameters
    ----------
    chips
        Words about the state.
    kind
        Class of the line: ``nominal``, ``warning``, ``past``.
    answer, reasons
        In words.
    """
    shown = "".join(f'<span class="eic-state">{escape(words)}</span>' for words in chips)
    strong = f"<strong>{escape(answer)}</strong>" if answer else ""
    return (
        f'<div class="eic-verdict {kind}" role="status">{shown}{strong}<span>{escape(reasons)}</span></div>'
    )
