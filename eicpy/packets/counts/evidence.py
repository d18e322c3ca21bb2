"""How much it takes to believe something of a sequence count, in bits.

A stream of counts can be told as many stories: packets were lost, the counter was set back, one count is
wrong, a packet comes late. The story that is believed is the one that needs the least chance
(minimum description length, J. Rissanen, Automatica 14, 465, 1978): each event costs about the binary
logarithm of how seldom it is, and of how many values it could have had.

* A gap costs little if it is narrow; wide ones need that the packets behind it go on there, or that the time
  that went by is the time that the missing packets take, which makes any gap cheap. Where packets come
  regularly and far too little time went by, it costs so much that a counter that was set anew is believed
  instead.
* A wrong count could have been any of 16384. Where the counter goes on behind it as if it had been right,
  each further one beside it costs less.
* A counter starts again at 0 more often than elsewhere. That its count goes back may be a gap of more than
  half a turn, which only the time can confirm.
* A packet that comes again with its time (or its bytes) costs next to nothing, one without either a little;
  a late one is cheap where it begins just where something is missing, or where its time is the earlier one.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import inline_kernel, kernel
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = [
    "AGAIN",
    "ALIKE",
    "CHUNK",
    "FRESH",
    "HELD",
    "LAST",
    "NEAR",
    "OTHER",
    "REPEATED",
    "RESTART_ELSEWHERE",
    "STARTED",
    "STRAY_COST",
    "link",
    "off_chain",
    "units",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEAR = 16
"""Steps over which the time from one count to the next is looked at."""
CHUNK = 256
"""Intact packets that are judged together at most."""

STARTED, AHEAD_OF, LAST, SAMPLES, HELD, KEY, ASK, UNTIL, DAMAGES, EVER, REFUSED = range(11)
"""Numbers of a counter: 1 if it has a chain; unwrapped count and count of the packet furthest ahead; steps
that gave its interval; count at which it stands still, or −1; key of that packet; 1 if its way of counting is
in doubt, and the packet up to which it is; damaged packets remembered; 1 if it ever had a chain; the cost,
bits, above which its way of counting is in doubt, as lower ones were found to have no better explanation."""
TIME, INTERVAL, SPREAD = 0, 1, 2
"""Times of a counter, s: of the packet furthest ahead; from one count to the next, and how much that
varies."""

NEVER, MISSING, FILLED, LEAST_DIGEST = 0, 1, 2, 3
"""What is remembered of a count: nothing; counted as lost; lost but for a packet whose own count cannot be
read; from 3 on, a digest of the packet."""

FRESH, OTHER, ALIKE, AGAIN, REPEATED = 0, 1, 2, 3, 4
"""A packet whose count did not come before; came with another packet; with one that looks the same; with the
same one; comes again and again."""

STRAY_COST, LATE_COST, RESTART_AT_ZERO, RESTART_ELSEWHERE, CONTRADICTED = 8.0, 4.0, 7.0, 10.0, 12.0


@inline_kernel
def units(first: int, second: int, shift: int, inverse: int) -> int:
    """Steps from one count to another, forward; −1 if no number of steps leads there.

    The step is 2^shift times an odd number, which has an `inverse` modulo 16384.
    """
    raw = (second - first) & (COUNT_MODULUS - 1)
    if shift == 0 and inverse == 1:
        return raw
    if raw & ((1 << shift) - 1):
        return -1
    return ((raw >> shift) * inverse) & ((COUNT_MODULUS >> shift) - 1)


@kernel
def link(  # noqa: C901, the weights of one decision side by side
    steps: int, elapsed: float, between: int, is_zero: int, regular: int, modulus: int
) -> tuple[float, int, int, int]:
    """What it costs to believe a packet after another one, and what that means.

    Parameters
    ----------
    steps
        Steps of the counter from the one to the other, 0 to modulus − 1; −1 if it cannot be.
    elapsed
        Time from the one to the other in usual intervals; NaN where not known.
    between
        Packets in between whose own count says nothing.
    is_zero
        1 if the second has the count 0.
    regular
        1 if packets come regularly, 2 if that was seen often; else 0.
    modulus
        Steps in a turn.

    Returns
    -------
    cost, restarted, advance, confirmed
        Bits; 1 if the counter was set anew, else 0; steps that it went on; 1 if the times confirm a gap.
    """
    forward = modulus if steps == 0 else steps
    late = 10.0 if elapsed < 0 else 0.0
    fits = 0
    if steps >= 0 and regular and elapsed > modulus / 2:
        turns = int(np.round((elapsed - forward) / modulus))
        if turns >= 1 and abs(elapsed - forward - modulus * turns) <= 0.05 * modulus * turns:
            forward += modulus * turns
            fits = 1
    restart = (RESTART_AT_ZERO if is_zero else RESTART_ELSEWHERE) + late
    if steps < 0:
        return restart, 1, 0, 0
    missing = forward - 1 - between
    if missing <= 0 and forward <= modulus / 2:
        # The more wrong counts stand between, the surer that it is the same counter that goes on behind them.
        known = 5.0 * (between - 1) + 2.0 if missing == 0 and between > 0 else 0.0
        return late - known, 0, forward, fits
    if regular and abs(elapsed - forward) <= 0.5 + 0.05 * forward:
        fits = 1
    # Only of a clock that is known well: a burst of other packets may lie in between.
    contradicts = regular == 2 and forward >= 4 and elapsed < 0.5 * forward
    if fits:
        gap = 1.5
    else:
        gap = 3.0 + 0.5 * np.log2(1.0 + max(missing, 0))
        plausible = forward >= 64 and 0.5 * forward <= elapsed <= 2.0 * forward
        if forward > modulus / 2 and not plausible:
            gap += 6.0
        if contradicts:
            gap += CONTRADICTED
    if not (contradicts or is_zero or forward > modulus / 2):
        restart += CONTRADICTED  # onwards it goes by gaps
    if restart < gap + late:
        return restart, 1, 0, 0
    return gap + late, 0, forward, fits


@kernel
def off_chain(
    kind: int, length: int, earlier: int, later: int, behind: int, exact: int
) -> tuple[float, int, int]:
    """What it costs to believe that packets do not tell where the counter is, and what they are then.

    Parameters
    ----------
    kind
        FRESH, OTHER, ALIKE, AGAIN or REPEATED.
    length
        Consecutive packets.
    earlier, later
        1 if their time is before, or after, all that came.
    behind
        1 if their counts lie behind one that came.
    exact
        1 if they begin just where something is missing.

    Returns
    -------
    cost, what, certain
        Bits; 2 duplicate, 3 late, 6 out of step, 7 not counting; 1 if nothing behind them can change that.
    """
    if kind == AGAIN:
        return 1.0, 2, 1
    if kind == ALIKE:
        return 3.0, 2, 1
    if kind == REPEATED:
        return 4.0, 7, 1
    stray = STRAY_COST * length + (4.0 if earlier else 0.0)
    late = np.inf
    if earlier:
        late = 2.0
    elif behind and kind == FRESH:
        late = LATE_COST + (0.0 if exact else 0.25 * min(length, 40)) + (8.0 if later else 0.0)
    if late < stray:
        return late, 3, 1 if earlier or exact else 0
    return stray, 6, 0
