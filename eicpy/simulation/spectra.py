"""Spectra of all pixels straight from their expectation, without a single photon.

The expected spectrum of a pixel is the background folded with the resolution and cut into the pixel's own
channels: with C(E) the cumulative folded spectrum, channel c of a pixel with gain g and offset o expects
C(g·(c + 1) + o) − C(g·c + o), where nothing below the threshold counts. It is exact to the accuracy of
the table of C (steps of 0.02 keV, linear interpolation: below 10⁻⁴ of a channel's counts).

Only single events are in it (:mod:`eicpy.simulation.camera.response`): photons whose fluorescence went to a
neighbour are multiple, and what is lost by escape stands at the energy that is left.
"""

import math
from dataclasses import dataclass

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.imaging.diffuse import DiffuseSky, flatten
from eicpy.instruments import Instrument, load
from eicpy.kernels import kernel
from eicpy.simulation.camera import background
from eicpy.simulation.camera.background import SpectrumTable
from eicpy.simulation.camera.detector import Detector, draw_detector, layer_transmission
from eicpy.simulation.camera.lines import LineStrength
from eicpy.simulation.camera.response import single_deposits
from eicpy.simulation.config import DetectorConfig
from eicpy.typing import FloatArray, IntArray

__all__ = ["SimulatedSpectra", "expected_spectra", "fold", "simulate_spectra"]


FOLD_STEP = 0.02
"""Steps of a folded spectrum, keV."""
_STOP = 220.0


@dataclass(frozen=True, slots=True)
class SimulatedSpectra:
    """Simulated spectra with the truth that made them.

    Parameters
    ----------
    counts
        Shape (n_pixels, n_channels).
    expected
        Expected counts, same shape.
    exposure
        s.
    detector
        True gains, offsets and kinds of the pixels.
    """

    counts: IntArray
    expected: FloatArray
    exposure: float
    detector: Detector

    def _repr_html_(self) -> str:
        pixels, channels = self.counts.shape
        return f"<b>simulated spectra</b>: {pixels} pixels × {channels} channels, {self.exposure:.0f} s"


@kernel
def _fold(
    middle: FloatArray, sigma: FloatArray, rate: FloatArray, step: float, count: int
) -> FloatArray:  # pragma: no cover - compiled; the test runs its Python twin
    cumulative = np.zeros(count)
    jump = np.zeros(count + 1)
    for b in range(len(middle)):
        first = max(int((middle[b] - 6 * sigma[b]) / step), 0)
        last = min(int((middle[b] + 6 * sigma[b]) / step) + 1, count)
        for k in range(first, last):
            z = (k * step - middle[b]) / sigma[b]
            cumulative[k] += rate[b] * 0.5 * math.erfc(-z / math.sqrt(2.0))
        jump[last] += rate[b]
    total = 0.0
    for k in range(count):
        total += jump[k]
        cumulative[k] += total
    return cumulative


def fold(table: SpectrumTable, detector: Detector) -> FloatArray:
    """Cumulative spectrum after the resolution, on a grid of 0.02 keV from 0 keV.

    Returns
    -------
    numpy.ndarray
        Counts per second below each grid energy.
    """
    middle = table.low + table.width / 2
    sigma = np.sqrt(detector.sigma(middle) ** 2 + table.width**2 / 12)
    return np.asarray(_fold(middle, sigma, table.rate, FOLD_STEP, round(_STOP / FOLD_STEP)))


def _cut(cumulative: FloatArray, edges: FloatArray) -> FloatArray:
    grid = np.arange(len(cumulative)) * FOLD_STEP
    return np.diff(np.interp(edges, grid, cumulative), axis=-1)


def expected_spectra(
    detector: Detector,
    instrument: Instrument,
    background_rate: float = 3100.0,
    lines: LineStrength = "public",
) -> FloatArray:
    """Expected single counts per second of every pixel and channel, unocculted background.

    Parameters
    ----------
    detector
        Truth about the pixels.
    instrument
        The camera; it has a coded mask.
    background_rate
        Counts per second of sky and camera in 4-120 keV over the whole plane.
    lines
        Strengths of the fluorescence lines: ``public`` or ``bright``.

    Returns
    -------
    numpy.ndarray
        Shape (n_pixels, n_channels).

    Raises
    ------
    BadArgumentError
        For a detector without a coded mask, or whose pixels differ in resolution.
    """
    if detector.config.fwhm_scatter > 0:
        raise BadArgumentError(
            f"got fwhm_scatter {detector.config.fwhm_scatter}, expected 0 for spectra without photons"
        )
    if instrument.mask is None:
        raise BadArgumentError(f"got {instrument.name}, expected a camera that has [mask] in its description")
    sky = background.cosmic_table().scaled(background.FULL_ETENDUE)
    camera = background.camera_table(background_rate, lines)
    shape = (
        flatten(DiffuseSky(instrument.mask, instrument.pixels.rows, etendue=background.FULL_ETENDUE).full)[
            : len(detector)
        ]
        / background.FULL_ETENDUE
    )
    edges = np.maximum(detector.edges(), detector.threshold[:, None])
    result = np.zeros((len(detector), detector.channels))
    for table, share in ((sky, shape), (camera, np.full(len(detector), 1.0 / detector.plane))):
        energy = table.low + table.width / 2
        for layer in np.unique(detector.layer):
            chosen = detector.layer == layer
            deposits = single_deposits(table.scaled(layer_transmission(energy, layer)), detector.config)
            level = detector.efficiency * share
            result[chosen] += _cut(fold(deposits.always, detector), edges[chosen]) * level[chosen, None]
            level = level * detector.missing_neighbours
            chosen = chosen & (level > 0)
            curve = fold(deposits.without_neighbour, detector)
            result[chosen] += _cut(curve, edges[chosen]) * level[chosen, None]
    for table, rate in (
        (background.heat_pipe_table(), detector.heat_pipe),
        (background.noise_table(), detector.noise),
    ):
        chosen = rate > 0
        result[chosen] += _cut(fold(table, detector), edges[chosen]) * rate[chosen, None]
    return result


def simulate_spectra(
    exposure: float,
    rng: np.random.Generator,
    *,
    n_pixels: int | None = None,
    config: DetectorConfig | None = None,
    detector: Detector | None = None,
    background_rate: float = 3100.0,
    lines: LineStrength = "public",
    instrument: Instrument | None = None,
) -> SimulatedSpectra:
    """Poisson spectra of the background, with the truth.

    Parameters
    ----------
    exposure
        s.
    rng
        Source of random numbers: draws the detector (unless given) and the counts.
    n_pixels
        Keep only the first pixels; all where None.
    config
        Scatter of gains and offsets, shift since the last table, shares of bad pixels.
    detector
        Use this truth and draw only counts: a second night of the same camera.
    background_rate
        Counts per second in 4-120 keV over the whole plane.
    lines
        Strengths of the fluorescence lines: ``public``, or ``bright`` as guessed before.
    instrument
        Default ECLAIRs.

    Examples
    --------
    >>> night = simulate_spectra(1000.0, np.random.default_rng(1), n_pixels=3)
    >>> night.counts.shape
    (3, 1024)
    """
    camera = instrument or load("eclairs")
    if detector is None:
        detector = draw_detector(camera, config or DetectorConfig(), rng)
    if n_pixels is not None:
        detector = detector.head(n_pixels)
    expected = expected_spectra(detector, camera, background_rate, lines) * exposure
    return SimulatedSpectra(rng.poisson(expected), expected, exposure, detector)
