r"""Every window of a series of counts, at every offset, up to a longest one: exactly, in one pass.

For a window with N counts where B are expected the logarithm of the likelihood ratio of "a source" against
"background alone" is

    f(N, B) = N ln(N/B) − (N − B)   for N > B, else 0

(Cash 1979). With cumulative sums P_s = (B_s, N_s) a window from s to t is the vector P_t − P_s. Three
properties of f make the search exact and fast:

* f is convex: among all starts the best lies on the lower convex hull of the points P_s;
* a piece with N ≤ B at the beginning of a window only lowers it: starts before an edge of the hull with slope
  ≤ 1 are never the best again (the pruning of Poisson-FOCuS, Ward, Dilillo et al. 2023, JASA,
  doi 10.1080/01621459.2023.2235059);
* f is subadditive (convex and homogeneous): f(a + b) ≤ f(a) + f(b), and f(N, B) ≤ (N − B)²/2B. So a sum of
  squares bounds all windows that end now, and no logarithm is taken before that bound passes the threshold.

A longest window is kept exact by blocks of that length: a window that ends in a block begins in it or in the
one before. The starts of the block before are bounded by the best of them up to the border plus what came
since, and looked at one by one only when that passes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.kernels import inline_kernel, kernel
from eicpy.typing import FloatArray, IntArray

__all__ = ["Excesses", "search_all_windows", "significance"]


def significance(counts: npt.ArrayLike, expected: npt.ArrayLike) -> FloatArray:
    """Signed root of the deviance, √2f with the sign of counts − expected: normal already at few counts.

    Parameters
    ----------
    counts, expected
        Counts and what is expected without a source, > 0.

    Examples
    --------
    >>> significance([0, 16, 25], 16.0).round(2).tolist()
    [-5.66, 0.0, 2.08]
    """
    n, b = np.broadcast_arrays(np.asarray(counts, np.float64), np.asarray(expected, np.float64))
    logarithm = np.log(np.divide(n, b, out=np.ones(n.shape), where=n > 0))
    return np.asarray(np.sign(n - b) * np.sqrt(np.maximum(2 * (n * logarithm - (n - b)), 0.0)))


@dataclass(frozen=True, slots=True)
class Excesses:
    """For every bin at whose end some window stands above the threshold, the best of those windows.

    Parameters
    ----------
    start, stop
        First bin of the window, and the one after its last, shape (n,).
    significance
        Of the window.
    """

    start: IntArray
    stop: IntArray
    significance: FloatArray

    def __len__(self) -> int:
        return len(self.start)

    def apart(self, gap: int) -> "Excesses":
        """One for each group: the best of those whose windows lie closer together than a gap, in time order.

        Parameters
        ----------
        gap
            Bins.
        """
        if not len(self):
            return self
        # Windows by their end; a group ends where the next begins later than all ends so far, plus the gap.
        reach = np.maximum.accumulate(self.stop)
        group = np.concatenate([[0], np.cumsum(self.start[1:] > reach[:-1] + gap)])
        order = np.lexsort((-self.significance, group))
        best = order[np.concatenate([[True], np.diff(group[order]) > 0])]
        return Excesses(self.start[best], self.stop[best], self.significance[best])


def search_all_windows(
    counts: npt.ArrayLike, expected: npt.ArrayLike, *, longest: int, threshold: float
) -> Excesses:
    """Search every window of 1 to `longest` bins at every offset.

    Parameters
    ----------
    counts
        Counts in each bin, shape (bins,).
    expected
        Counts expected without a source, shape (bins,), > 0.
    longest
        Bins of the longest window.
    threshold
        Least significance, > 0.

    Returns
    -------
    Excesses
        In the order of their ends.

    Raises
    ------
    BadArgumentError
        If the series do not fit, or no background is expected somewhere.
    """
    n = np.ascontiguousarray(counts, np.int64)
    b = np.ascontiguousarray(expected, np.float64)
    if n.shape != b.shape or n.ndim != 1:
        raise BadArgumentError(
            f"counts of shape {n.shape}, background of shape {b.shape}; expected one series"
        )
    if len(b) and not (np.isfinite(b).all() and b.min() > 0):
        raise BadArgumentError(f"expected counts reach down to {np.nanmin(b)}; give finite ones above zero")
    if longest < 1 or not threshold > 0:
        raise BadArgumentError(
            f"longest={longest}, threshold={threshold}; give a bin and a significance above 0"
        )
    start, stop, value = _search(n, b, int(longest), 0.5 * float(threshold) ** 2)
    return Excesses(start, stop, np.sqrt(2 * value))


@inline_kernel
def _gain(n: float, b: float) -> float:
    return n * np.log(n / b) - (n - b) if n > b else 0.0


@inline_kernel
def _bound(n: float, b: float) -> float:
    excess = n - b
    return 0.5 * excess * excess / b if excess > 0.0 else 0.0


@inline_kernel
def _with_start(
    hull_n: FloatArray, hull_b: FloatArray, hull_bound: FloatArray, size: int, n: float, b: float
) -> int:
    """Add a start, after n counts where b were expected, to a hull of `size`; return its size then."""
    while size > 1 and (hull_n[size - 1] - hull_n[size - 2]) * (b - hull_b[size - 1]) >= (
        n - hull_n[size - 1]
    ) * (hull_b[size - 1] - hull_b[size - 2]):
        size -= 1  # above the chord from its neighbour to the new one
    if size == 1 and n - hull_n[0] <= b - hull_b[0]:
        size = 0  # too few since
    hull_bound[size] = 0.0
    if size > 0:
        since = _bound(n - hull_n[size - 1], b - hull_b[size - 1])
        hull_bound[size] = hull_bound[size - 1] + since
    hull_n[size] = n
    hull_b[size] = b
    return size + 1


@inline_kernel
def _best_start(n: float, b: float, sums_n: FloatArray, sums_b: FloatArray, first: int, last: int) -> int:
    """Of the starts first … last − 1 the one with the largest gain up to n and b; −1 for none above 0."""
    best = 0.0
    at = -1
    for k in range(first, last):
        value = _gain(n - sums_n[k], b - sums_b[k])
        if value > best:
            best = value
            at = k
    return at


@inline_kernel
def _close_block(
    counts: IntArray, expected: FloatArray, first: int, sums: tuple[FloatArray, FloatArray, FloatArray]
) -> None:
    """Sums from the end of a block back to each start (negative), and bounds of all starts from there on."""
    before_n, before_b, before_bound = sums
    n = 0.0
    b = 0.0
    bound = 0.0
    for i in range(len(before_n) - 1, -1, -1):
        n += counts[first + i]
        b += expected[first + i]
        bound = max(bound, _bound(n, b))
        before_n[i] = -n
        before_b[i] = -b
        before_bound[i] = bound


@kernel
def _search(
    counts: IntArray, expected: FloatArray, longest: int, least: float
) -> tuple[IntArray, IntArray, FloatArray]:
    bins = len(counts)
    starts, stops, values = np.empty(bins, np.int64), np.empty(bins, np.int64), np.empty(bins)
    found = 0
    # Starts of this block that can be the best: their bins, sums since its begin, bounds of what ends there.
    hull = np.empty(longest + 1, np.int64)
    hull_n, hull_b, hull_bound = np.empty(longest + 1), np.empty(longest + 1), np.empty(longest + 1)
    # The block before: start i stands at first − longest + i.
    before = np.zeros(longest), np.zeros(longest), np.zeros(longest)
    for first in range(0, bins, longest):
        n = 0.0
        b = 0.0
        size = 0
        for t in range(first, min(first + longest, bins)):
            size = _with_start(hull_n, hull_b, hull_bound, size, n, b)
            hull[size - 1] = t
            n += counts[t]
            b += expected[t]
            best = 0.0
            if hull_bound[size - 1] + _bound(n - hull_n[size - 1], b - hull_b[size - 1]) >= least:
                k = _best_start(n, b, hull_n, hull_b, 0, size)
                if k >= 0:
                    best = _gain(n - hull_n[k], b - hull_b[k])
                    starts[found] = hull[k]
            oldest = t + 1 - first
            if first > 0 and oldest < longest and before[2][oldest] + _bound(n, b) >= least:
                k = _best_start(n, b, before[0], before[1], oldest, longest)
                if k >= 0 and _gain(n - before[0][k], b - before[1][k]) > best:
                    best = _gain(n - before[0][k], b - before[1][k])
                    starts[found] = first - longest + k
            if best >= least:
                stops[found] = t + 1
                values[found] = best
                found += 1
        if first + longest <= bins:
            _close_block(counts, expected, first, before)
    return starts[:found], stops[:found], values[:found]
