"""Random numbers within a kernel: 64 bits at a time, without a call out of the compiled code.

A call of numpy's generator from a kernel takes 10 to 20 ns, and one photon needs six numbers. Here the state
stands in four numbers of the loop. The bits are those of ``numpy.random.SFC64`` of the same state (Doty-
Humphrey's small fast chaotic generator), so that the seeds of numpy and its proofs hold. Normal numbers come
from a ziggurat of 256 layers (Doornik 2005, *An improved ziggurat method to generate normal random samples*),
which is exact.
"""

import math

import numpy as np

from eicpy.kernels import inline_kernel
from eicpy.typing import FloatArray

__all__ = ["State", "bits", "first_state", "normal", "uniform"]

State = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""Of the generator: three words and a counter."""

_LAYERS = 256
_TAIL, _AREA = 3.6541528853610088, 0.00492867323399
"""Where the tail begins, and the area of each layer (Doornik 2005, table 1)."""
_ONE, _S11, _S3, _S24, _S40 = (np.uint64(n) for n in (1, 11, 3, 24, 40))
_LAYER_BITS = np.uint64(_LAYERS - 1)
_TO_UNIT = 2.0**-53


def first_state(seed: np.random.SeedSequence) -> State:
    """The state of ``numpy.random.SFC64`` of a seed."""
    a, b, c, counter = np.random.SFC64(seed).state["state"]["state"]
    return a, b, c, counter


def _ziggurat() -> tuple[FloatArray, FloatArray]:
    """Right borders of the layers, with that of the tail's layer first, and the share that needs no look."""
    border = np.empty(_LAYERS + 1)
    density = math.exp(-0.5 * _TAIL**2)
    border[0], border[1], border[_LAYERS] = _AREA / density, _TAIL, 0.0
    for layer in range(2, _LAYERS):
        border[layer] = math.sqrt(-2 * math.log(_AREA / border[layer - 1] + density))
        density = math.exp(-0.5 * border[layer] ** 2)
    return border, border[1:] / border[:-1]


_BORDER, _SURE = _ziggurat()


@inline_kernel
def bits(state: State) -> tuple[np.uint64, State]:
    """64 random bits, and the state after them."""
    a, b, c, counter = state
    result = a + b + counter
    return result, (b ^ (b >> _S11), c + (c << _S3), ((c << _S24) | (c >> _S40)) + result, counter + _ONE)


@inline_kernel
def uniform(state: State) -> tuple[float, State]:
    """A number in [0, 1) with 53 bits, as ``numpy.random.Generator.random`` makes it."""
    word, state = bits(state)
    return np.float64(np.int64(word >> _S11)) * _TO_UNIT, state


@inline_kernel
def normal(state: State) -> tuple[float, State]:
    """A number of the standard normal distribution."""
    while True:
        word, state = bits(state)
        layer = np.int64(word & _LAYER_BITS)
        u = np.float64(np.int64(word >> _S11)) * (2 * _TO_UNIT) - 1.0
        x = u * _BORDER[layer]
        if abs(u) < _SURE[layer]:
            return x, state
        v, state = uniform(state)
        if layer == 0:  # the tail, as Marsaglia 1964
            beyond = -math.log(1.0 - v) / _TAIL
            w, state = uniform(state)
            if -2 * math.log(1.0 - w) > beyond * beyond:
                return (_TAIL + beyond if u > 0 else -_TAIL - beyond), state
        else:
            low = math.exp(-0.5 * (_BORDER[layer] ** 2 - x * x))
            high = math.exp(-0.5 * (_BORDER[layer + 1] ** 2 - x * x))
            if high + v * (low - high) < 1.0:
                return x, state
