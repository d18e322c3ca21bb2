"""Sources that flicker: light curves with a power law for a spectrum of frequencies.

Timmer & Koenig 1995, A&A 300, 707: real and imaginary parts of the Fourier transform are Gaussian with a
variance ∝ f^−index. A series eight times as long is made and cut, so that slower changes are in it as well.
It is given the asked variance and exponentiated: fluxes stay positive, and the scatter grows with the flux as
in accreting sources (Uttley, McHardy & Vaughan 2005, MNRAS 359, 345).
"""

import zlib

import numpy as np

from eicpy.simulation.config import VariabilityConfig
from eicpy.typing import FloatArray

__all__ = ["flicker", "red_noise", "together"]

_LONGER = 8


def red_noise(number: int, rms: float, index: float, rng: np.random.Generator) -> FloatArray:
    """Factors on a flux, evenly in time.

    Parameters
    ----------
    number
        How many.
    rms
        Their standard deviation, exact for small ones.
    index
        Power goes as frequency^−index.
    rng
        Source of random numbers.

    Returns
    -------
    numpy.ndarray
        Above 0, with a mean of 1, shape (number,).
    """
    if number < 2:
        return np.ones(number)
    frequency = np.fft.rfftfreq(_LONGER * number)
    frequency[0] = np.inf
    noise = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    series = np.fft.irfft(noise * frequency ** (-index / 2), _LONGER * number)[:number]
    series = (series - series.mean()) / series.std()
    factor = np.exp(np.sqrt(np.log1p(rms**2)) * series)
    return np.asarray(factor / factor.mean())


def flicker(config: VariabilityConfig, name: str, duration: float, seed: int) -> FloatArray:
    """The light curve of a source, (seconds after the start, factor) in steps, shape (n, 2).

    Its random numbers come from the seed and its name: other sources do not change it.
    """
    time = np.arange(0.0, duration, config.step)
    key = (4, zlib.crc32(name.encode()))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return np.stack([time, red_noise(len(time), config.rms, config.index, rng)], axis=1)


def together(*curves: FloatArray) -> FloatArray:
    """The product of light curves in steps, each 1 before its first; shape (n, 2)."""
    time = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    factor = np.ones(len(time))
    for curve in curves:
        if len(curve):
            at = np.searchsorted(curve[:, 0], time, side="right")
            factor *= np.concatenate([[1.0], curve[:, 1]])[at]
    return np.stack([time, factor], axis=1)
