"""Background spectra with known energy scales, to judge the gain fit; no code of the fit or the simulator.

A pixel's spectrum between 8 and 112 keV is the sum of

- the diffuse X-ray background (Moretti et al. 2009, A&A 493, 501) times the camera's effective area, which
  falls by a tenth at the K edge of Cd, climbs back, quickly at first, up to the K edge of Te, and falls again
  by 3 % there, as the public pre-launch response of ECLAIRs has it;
- a continuum of the camera itself;
- fluorescence lines of Cd, Te, Ta, Pb (xraydb) of one of two strengths: ``public``, near the public
  pre-launch background, and ``bright``, three to five times as much.

All of it is blurred with the resolution, whose width differs by 5 % from pixel to pixel; so do the
strengths of the lines, by 15 %, and the efficiency, by 5 %. A tail, where asked for, moves a share of each
line's counts down by an exponential law of mean τ·E.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xraydb
from scipy.special import log_ndtr, ndtr

from eicpy.calibration import GainTable

PLANE = 6400
ETENDUE = 0.8655  # sr
GAIN, OFFSET, CHANNELS = 0.145, 3.0, 1024
LOW, HIGH, STEP = 8.0, 112.0, 0.04
RATES = {  # counts per second of the whole camera: (Kα, Kβ)
    "public": {"Cd": (4.0, 0.84), "Te": (1.0, 0.22), "Ta": (2.8, 0.8), "Pb": (9.2, 3.5)},
    "bright": {"Cd": (21.5, 4.5), "Te": (14.8, 3.2), "Ta": (14.3, 3.7), "Pb": (34.4, 9.6)},
}


def diffuse(energy: np.ndarray) -> np.ndarray:
    """Photons/(cm² s keV sr), Moretti et al. 2009, eq. 4."""
    return 0.109 / ((energy / 29.0) ** 1.40 + (energy / 29.0) ** 2.88)


def area(energy: np.ndarray) -> np.ndarray:
    """Effective area, cm², with dips at the K edges of Cd and Te: near the public one, but a formula."""
    smooth = 412.0 / (1.0 + (energy / 118.0) ** 3.5)
    above_cd, above_te = np.maximum(energy - 26.711, 0.0), np.maximum(energy - 31.814, 0.0)
    cd = (energy > 26.711) * (0.052 * np.exp(-above_cd / 0.7) + 0.05 * np.maximum(1.0 - above_cd / 5.1, 0.0))
    te = (energy > 31.814) * 0.034 * np.exp(-above_te / 5.0)
    return smooth * (1.0 - cd - te)


def own(energy: np.ndarray) -> np.ndarray:
    """Continuum of the camera itself, counts/(s keV)."""
    return 5.0 * np.exp(-(energy - 20.0) / 70.0)


@dataclass(frozen=True)
class Background:
    """What all pixels see.

    Parameters
    ----------
    strength
        ``public`` or ``bright``.
    tail, tau
        Share of a line in its tail, and the tail's mean in units of the line's energy.
    area
        Effective area in cm² by energy in keV.
    """

    strength: str = "public"
    tail: float = 0.0
    tau: float = 0.025
    area: Callable[[np.ndarray], np.ndarray] = area

    def sigma(self, energy: np.ndarray | float) -> np.ndarray:
        """Standard deviation of the measured energy, keV."""
        return np.sqrt(1.1**2 + 0.0341 * np.asarray(energy)) / 2.3548

    @cached_property
    def lines(self) -> dict[str, list[tuple[float, float]]]:
        """Energies (keV) and counts per second of the camera, by group."""
        groups: dict[str, list[tuple[float, float]]] = {}
        for element, rates in RATES[self.strength].items():
            known = xraydb.xray_lines(element)
            for kind, rate in zip(("Ka", "Kb"), rates, strict=True):
                members = [known[n] for n in (f"{kind}1", f"{kind}2", "Kb3") if n in known and n[:2] == kind]
                total = sum(line.intensity for line in members)
                groups[f"{element} {kind}"] = [
                    (line.energy / 1e3, rate * line.intensity / total) for line in members
                ]
        return groups

    @cached_property
    def _continuum(self) -> tuple[np.ndarray, np.ndarray]:
        """Energies of edges and the continuum's counts per second below them, blurred, the tail included."""
        edges = np.arange(LOW - 6.0, HIGH + 6.0, STEP)
        middle = edges[:-1] + 0.5 * STEP
        rate = STEP * (diffuse(middle) * self.area(middle) * ETENDUE + own(middle))
        n = 200
        kernel_at = STEP * np.arange(-n, n + 1)
        # the width changes slowly: a blend of two convolutions
        ends = (20.0, 90.0)
        folded = []
        for E in ends:
            cumulative = self._cumulative(
                np.append(kernel_at, kernel_at[-1] + STEP) - 0.5 * STEP, 0.0, E, 1.0
            )
            folded.append(np.convolve(rate, np.diff(cumulative), mode="same"))
        share = np.clip((middle - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
        blurred = (1.0 - share) * folded[0] + share * folded[1]
        return edges, np.concatenate([[0.0], np.cumsum(blurred)])

    def _cumulative(
        self, energy: np.ndarray, place: float, at: float, stretch: np.ndarray | float
    ) -> np.ndarray:
        """Share of a line at `place` measured below `energy`; width and tail are those of energy `at`."""
        sigma = stretch * self.sigma(at)
        z = (energy - place) / sigma
        below = ndtr(z)
        if self.tail:
            ratio = sigma / (self.tau * at)
            slow = np.exp(np.minimum(z * ratio + 0.5 * ratio**2 + log_ndtr(-z - ratio), 0.0))
            below = below + self.tail * slow
        return below

    def expected_smooth(self, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Continuum per second in each channel of pixels, shape (n_pixels, CHANNELS)."""
        cuts = np.asarray(gain)[:, np.newaxis] * np.arange(CHANNELS + 1) + np.asarray(offset)[:, np.newaxis]
        edges, cumulative = self._continuum
        return np.diff(np.interp(np.clip(cuts, LOW, HIGH), edges, cumulative), axis=1) / PLANE

    def expected_lines(
        self, gain: np.ndarray, offset: np.ndarray, stretch: np.ndarray | float = 1.0
    ) -> dict[str, np.ndarray]:
        """The same of each group of lines; widths stretched, shape (n_pixels,)."""
        gain, offset = np.asarray(gain)[:, np.newaxis], np.asarray(offset)[:, np.newaxis]
        stretch = np.broadcast_to(np.asarray(stretch, float), gain.shape[:1])[:, np.newaxis]
        result = {}
        for group, members in self.lines.items():
            out = np.zeros((len(gain), CHANNELS))
            energies = [E for E, _ in members]
            places = (np.array([min(energies) * 0.8 - 5.0, max(energies) + 5.0]) - offset) / gain
            first, last = max(int(places.min()), 0), min(int(places.max()) + 1, CHANNELS)
            cuts = gain * np.arange(first, last + 1) + offset
            for E, rate in members:
                out[:, first:last] += rate * np.diff(self._cumulative(cuts, E, E, stretch), axis=1)
            result[group] = out / PLANE
        return result

    def cramer_rao(
        self,
        exposure: float,
        energies: np.ndarray,
        blocks: tuple[tuple[float, float, tuple[str, ...]], ...],
        prior: tuple[float, float] | None = None,
    ) -> np.ndarray:
        """Smallest error of an energy, keV, with strengths, widths and continua free in each block.

        Parameters
        ----------
        exposure
            Seconds.
        energies
            keV.
        blocks
            Ends in keV and groups of each block.
        prior
            Scatter of the true gain (relative) and of the true offset (keV) around values known beforehand.
        """
        gain, offset = np.array([GAIN]), np.array([OFFSET])
        smooth = self.expected_smooth(gain, offset)[0]
        groups = {k: v[0] for k, v in self.expected_lines(gain, offset).items()}
        mu = smooth + sum(groups.values())

        def slope(which: int, step: float) -> dict[str, np.ndarray]:
            ends = []
            for sign in (1.0, -1.0):
                at = [gain, offset, 1.0]
                at[which] = at[which] + sign * step
                ends.append(self.expected_lines(*at))
            return {k: (ends[0][k] - ends[1][k])[0] / (2.0 * step) for k in groups}

        by_gain, by_offset, by_width = slope(0, 1e-7), slope(1, 1e-5), slope(2, 1e-4)
        columns, inside = [np.zeros(mu.size), np.zeros(mu.size)], np.zeros(mu.size, bool)
        energy = GAIN * (np.arange(mu.size) + 0.5) + OFFSET
        for low, high, names in blocks:
            here = (energy > low) & (energy < high)
            inside |= here
            u = (2.0 * energy - low - high) / (high - low)
            columns[0] = columns[0] + here * sum(by_gain[k] for k in names)
            columns[1] = columns[1] + here * sum(by_offset[k] for k in names)
            columns += [here * sum(by_width[k] for k in names)]
            columns += [here * smooth * u**k for k in range(3)]
            columns += [here * groups[k] for k in names]
        jacobian = np.stack(columns, axis=1)[inside] * exposure
        information = jacobian.T @ (jacobian / (mu[inside, np.newaxis] * exposure))
        if prior is not None:
            information[0, 0] += (prior[0] * GAIN) ** -2.0
            information[1, 1] += prior[1] ** -2.0
        scale = 1.0 / np.sqrt(np.diag(information))
        covariance = np.linalg.inv(information * np.outer(scale, scale)) * np.outer(scale, scale)
        channel = (np.asarray(energies) - OFFSET) / GAIN
        return np.sqrt(channel**2 * covariance[0, 0] + 2.0 * channel * covariance[0, 1] + covariance[1, 1])


@dataclass(frozen=True)
class Truth:
    """True scales, the last table, and the spectra of an exposure."""

    table: GainTable
    previous: GainTable
    counts: np.ndarray
    exposure: float

    def errors(self, table: GainTable, energies: np.ndarray) -> np.ndarray:
        """Reconstructed minus true energy, keV, shape (n_energies, n_pixels)."""
        E = np.asarray(energies)[:, np.newaxis]
        return table.gain * (E - self.table.offset) / self.table.gain + table.offset - E


def draw(
    background: Background,
    n: int,
    exposure: float,
    rng: np.random.Generator,
    *,
    moved: float = 0.015,
    common: float = 0.0,
    offset_moved: float = 0.02,
) -> Truth:
    """Draw spectra of `n` pixels.

    Parameters
    ----------
    background
        What they see.
    n
        Number of pixels.
    exposure
        Seconds.
    rng
        Random numbers.
    moved, common
        Relative change of the gains since the last table: scatter from pixel to pixel, and common to all.
    offset_moved
        Scatter of the change of the offsets, keV.
    """
    gain = GAIN * (1.0 + 0.01 * rng.standard_normal(n))
    offset = OFFSET + 0.1 * rng.standard_normal(n)
    previous = replace(
        GainTable.nominal(n, GAIN, OFFSET), gain=gain, offset=offset, status=np.zeros(n, np.uint8)
    )
    truth = replace(
        previous,
        gain=gain * (1.0 + common + moved * rng.standard_normal(n)),
        offset=offset + offset_moved * rng.standard_normal(n),
    )
    efficiency = 1.0 + 0.05 * rng.standard_normal(n)
    expected = background.expected_smooth(truth.gain, truth.offset)
    stretch = 1.0 + 0.05 * rng.standard_normal(n)
    for counts in background.expected_lines(truth.gain, truth.offset, stretch).values():
        expected += counts * np.maximum(1.0 + 0.15 * rng.standard_normal(n), 0.0)[:, np.newaxis]
    counts = rng.poisson(expected * efficiency[:, np.newaxis] * exposure).astype(float)
    return Truth(truth, previous, counts, exposure)
