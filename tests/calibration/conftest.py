"""Truth for the calibration tests: a camera of its own making, photon by photon.

It shares no code with the fit's model: energies are drawn, blurred and cut into channels one by one,
the continuum is a power law and an exponential with a step at the K edge of Cd, and the resolution
changes with energy. How strong the lines are has not been published; the rates are guesses.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xraydb
from scipy.special import ndtr

from eicpy.calibration import GainTable, LineModel, fit_gain
from eicpy.instruments import load

LINES = LineModel.of(load("eclairs"))
PLANE = 6400
LOW, HIGH = 17.0, 95.0
RATES = {"Cd": 26.0, "Te": 18.0, "Ta": 18.0, "Pb": 44.0}


class Camera:
    """Background between 17 and 95 keV."""

    def __init__(self, n_channels=1024):
        self.n_channels = n_channels
        self.grid = np.linspace(LOW, HIGH, 8001)
        self.middle = 0.5 * (self.grid[1:] + self.grid[:-1])
        step = np.where(self.middle > xraydb.xray_edge("Cd", "K").energy / 1e3, 0.95, 1.0)
        density = step * (60.0 * (self.middle / 20.0) ** -2.4 + 5.0 * np.exp(-self.middle / 60.0))
        self.smooth = density * np.diff(self.grid)
        self.lines = {}
        for element, rate in RATES.items():
            known = xraydb.xray_lines(element)
            names = ("Ka1", "Ka2", "Kb1", "Kb2", "Kb3")
            total = sum(known[n].intensity for n in names)
            for n in names:
                lines = self.lines.setdefault(f"{element} {n[:2]}", [])
                lines.append((known[n].energy / 1e3, rate * known[n].intensity / total))

    def sigma(self, energy):
        return np.sqrt(1.1**2 + 0.0341 * energy) / 2.3548

    def draw(self, gain, offset, exposure, rng):
        """Spectra, one photon after the other, shape (n_pixels, n_channels)."""
        counts = np.zeros((len(gain), self.n_channels))
        cumulative = np.concatenate([[0.0], np.cumsum(self.smooth)])
        sources = [(None, cumulative[-1])] + [line for group in self.lines.values() for line in group]
        for place, rate in sources:
            n = rng.poisson(rate * exposure / PLANE, len(gain))
            pixel = np.repeat(np.arange(len(gain)), n)
            if place is None:
                energy = np.interp(rng.random(pixel.size) * cumulative[-1], cumulative, self.grid)
            else:
                energy = np.full(pixel.size, place)
            energy += self.sigma(energy) * rng.standard_normal(pixel.size)
            channel = np.floor((energy - offset[pixel]) / gain[pixel]).astype(np.int64)
            flat = pixel * self.n_channels + channel
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        return counts

    def _cut(self, energy, rate, gain, offset, stretch=1.0):
        edges = gain * np.arange(self.n_channels + 1) + offset
        cumulative = ndtr((edges[:, None] - energy) / (stretch * self.sigma(energy))) @ rate
        return np.diff(cumulative) / PLANE

    def expected_smooth(self, gain, offset):
        """Continuum of a pixel, counts per second and channel."""
        parts = np.array_split(np.arange(self.middle.size), 20)
        return sum(self._cut(self.middle[p], self.smooth[p], gain, offset) for p in parts)

    def expected_lines(self, gain, offset, stretch=1.0):
        """The same of each group of lines, with widths stretched."""
        return {
            name: self._cut(*np.array(group).T, gain, offset, stretch) for name, group in self.lines.items()
        }

    def expected(self, gain, offset):
        return self.expected_smooth(gain, offset) + sum(self.expected_lines(gain, offset).values())


@dataclass(frozen=True)
class Truth:
    """True scales, the last table, and the spectra of an exposure."""

    table: GainTable
    previous: GainTable
    counts: np.ndarray
    exposure: float


@pytest.fixture(scope="session")
def camera():
    return Camera()


@pytest.fixture(scope="session")
def draw_truth(camera):
    def draw(n, exposure, rng, *, moved=0.015, offset_moved=0.15):
        gain = 0.145 * (1.0 + 0.01 * rng.standard_normal(n))
        offset = 3.0 + 0.1 * rng.standard_normal(n)
        previous = replace(
            GainTable.nominal(n, 0.145, 3.0), gain=gain, offset=offset, status=np.zeros(n, np.uint8)
        )
        truth = replace(
            previous,
            gain=gain * (1.0 + moved * rng.standard_normal(n)),
            offset=offset + offset_moved * rng.standard_normal(n),
        )
        return Truth(truth, previous, camera.draw(truth.gain, truth.offset, exposure, rng), exposure)

    return draw


@pytest.fixture(scope="session")
def short_exposure(draw_truth):
    """30 ks of background, gains moved by 1.5 % and offsets by 0.15 keV since the last table."""
    return draw_truth(1200, 30e3, np.random.default_rng(20261121))


@pytest.fixture(scope="session")
def short_fit(short_exposure):
    return fit_gain(short_exposure.counts, start=short_exposure.previous, lines=LINES)
