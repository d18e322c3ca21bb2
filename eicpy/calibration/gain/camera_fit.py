"""The fit of the camera's spectrum: scale, lines, tails, continua and their shapes, all at once."""

from dataclasses import replace

import numpy as np
from scipy.special import xlogy

from eicpy.calibration.gain.camera_spectrum import CameraSpectrum, block_windows, parameter_bounds
from eicpy.calibration.gain.continuum import RECOVERY, BlockContinuum
from eicpy.calibration.gain.kernel import fit_pixels
from eicpy.calibration.gain.lines import Block, LineArrays, LineModel
from eicpy.calibration.gain.model import SMALLEST, evaluate_block
from eicpy.typing import FloatArray, IntArray

__all__ = ["fit_camera", "fit_together"]

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
ROUNDS = 2  # fits, each with the widths of the one before
MAX_STEPS = 40
CONVERGED = 1e-3  # rise of 2·ln L that a step promises
FAINTEST = 0.1  # a group's least strength, in channels of the continuum's level
TAIL_COUNTS = 1e5  # below, a tail is not looked for
TAIL_START = (0.05, 0.025)  # share of a line, and its mean in units of the line's energy
TAIL_TOLERANCE = (0.2, 0.01)
TAIL_GAIN = 10.0  # rise of 2·ln L below which no tail is believed


def fit_camera(
    spectrum: FloatArray, lines: LineModel, gain: float, offset: float, *, tails: bool = True
) -> CameraSpectrum:
    """Fit the camera's spectrum, and the shape of its continua.

    A first fit with quadratic continua gives the power law of each block and the law of the widths. Then
    everything is fitted together (:mod:`eicpy.calibration.gain.camera_fit`).

    Parameters
    ----------
    spectrum
        Counts, shape (n_channels,).
    lines
        The model.
    gain, offset
        Its energy scale, roughly.
    tails
        Whether to look for tails of the lines.
    """
    arrays = lines.arrays()
    windows = block_windows(lines, np.array([gain]), np.array([offset]), spectrum.size)[0]
    theta = _linear_guess(spectrum, lines, windows, gain, offset)
    theta = _poisson_fit(spectrum, theta, windows, arrays)
    continua = tuple(
        _power_law(theta, int(start), block)
        for start, block in zip(arrays.first_parameter, lines.blocks, strict=True)
    )
    camera = CameraSpectrum(theta, continua, _stretch(theta, arrays), (0.0, 0.0), lines)
    return fit_together(spectrum, camera, windows, tails=tails)


def _linear_guess(
    spectrum: FloatArray, lines: LineModel, windows: IntArray, gain: float, offset: float
) -> FloatArray:
    """Parameters at a given energy scale and width: a linear problem."""
    arrays = lines.arrays()
    theta = np.zeros(arrays.n_parameters)
    theta[:2] = gain, offset
    for b, (first, last) in enumerate(windows):
        start, n_groups = int(arrays.first_parameter[b]), int(arrays.n_groups[b])
        counts = spectrum[first:last]
        theta[start] = lines.fwhm / FWHM_PER_SIGMA
        theta[start + 4 : start + 4 + n_groups] = 1.0
        theta[start + 1] = 1.0
        jacobian = np.empty((last - first, 6 + n_groups))
        evaluate_block(theta, b, first, last, arrays, np.empty(last - first), jacobian)
        columns = jacobian[:, 3:]
        weight = 1.0 / np.sqrt(np.maximum(counts, 1.0))
        solution = np.linalg.lstsq(columns * weight[:, np.newaxis], counts * weight, rcond=None)[0]
        solution[3:] = np.maximum(solution[3:], 1e-3 * counts.sum())
        if not np.all(columns @ solution > 0.0):
            solution[:3] = max(float(counts.mean()), 1e-6), 0.0, 0.0
        theta[start + 1 : start + 4 + n_groups] = solution
    return theta


def _poisson_fit(
    spectrum: FloatArray, theta: FloatArray, windows: IntArray, arrays: LineArrays
) -> FloatArray:
    """The pixel kernel on the one spectrum, without prior terms; `theta` again where it fails."""
    guess = theta[np.newaxis]
    lower, upper = parameter_bounds(guess, arrays)
    none = np.zeros_like(guess)
    fitted, _, _, deviance, *_ = fit_pixels(
        spectrum[np.newaxis], guess, windows[np.newaxis], arrays, none, none, lower, upper, 100, 1e-4
    )
    result: FloatArray = fitted[0] if np.isfinite(deviance[0]) else theta
    return result


def _stretch(theta: FloatArray, arrays: LineArrays) -> FloatArray:
    """Widths of the lines in units of their block's σ, from the law σ² = a + b·E through all blocks.

    Electronic noise and the statistics of the charge make that law. Where the blocks do not follow one
    (it falls, or is negative), lines of a block are taken as equally wide.
    """
    flat = np.ones(arrays.energy.size)
    if arrays.first_parameter.size < 2:
        return flat
    middle = np.empty(arrays.first_parameter.size)
    for b, start in enumerate(arrays.first_parameter):
        own = slice(int(arrays.first_line[b]), int(arrays.first_line[b + 1]))
        strength = arrays.fraction[own] * np.maximum(theta[start + 4 + arrays.group[own]], 1e-300)
        middle[b] = strength @ arrays.energy[own] / strength.sum()
    slope, level = np.polyfit(middle, theta[arrays.first_parameter] ** 2, 1)
    ends = np.array([arrays.energy.min(), arrays.energy.max()])
    if slope < 0.0 or np.any(level + slope * ends <= 0.0):
        return flat
    stretch = flat
    for b in range(middle.size):
        own = slice(int(arrays.first_line[b]), int(arrays.first_line[b + 1]))
        stretch[own] = np.sqrt((level + slope * arrays.energy[own]) / (level + slope * middle[b]))
    return stretch


def _power_law(theta: FloatArray, start: int, block: Block) -> BlockContinuum:
    """Power law through the fitted quadratic at both ends of a block, without curvature and edges.

    The quadratic in `theta` is divided by it, in place.
    """
    b = theta[start + 1 : start + 4]
    level = np.array([b[0] - b[1] + b[2], b[0], b[0] + b[1] + b[2]])
    index = 0.0
    if np.all(level > 0.0):
        index = float(np.clip(np.log(level[2] / level[0]) / np.log(block.high / block.low), -6.0, 6.0))
    none = np.zeros(2 + len(RECOVERY) * len(block.edges))
    continuum = BlockContinuum(block.low, block.high, index, float(theta[start]), block.edges, none)
    low, middle, high = level / continuum.law(
        np.array([block.low, 0.5 * (block.low + block.high), block.high])
    )
    theta[start + 1 : start + 4] = middle, 0.5 * (high - low), 0.5 * (high + low) - middle
    return continuum


def fit_together(
    spectrum: FloatArray, camera: CameraSpectrum, windows: IntArray, *, tails: bool = True
) -> CameraSpectrum:
    """Fit scale, lines, continua and their shapes at once; a tail too, where the counts want one.

    Fitting the shape of the continuum after the lines, or block by block, leaves in the lines what belongs to
    the edges. Coefficients of the shape are held by their tolerances (:mod:`.continuum`) as by measurements.

    Parameters
    ----------
    spectrum
        Counts, shape (n_channels,).
    camera
        Where to start.
    windows
        Channels of each block, shape (n_blocks, 2).
    tails
        Whether to look for tails of the lines.
    """
    for _ in range(ROUNDS):
        camera, objective = _maximise(spectrum, _sharpened(camera), windows)
    if not tails or spectrum.sum() < TAIL_COUNTS:
        return camera
    tailed, with_it = _maximise(spectrum, replace(camera, tail=TAIL_START), windows)
    return _maximise(spectrum, _sharpened(tailed), windows)[0] if with_it < objective - TAIL_GAIN else camera


def _sharpened(camera: CameraSpectrum) -> CameraSpectrum:
    """The same, its edges blurred and its lines widened as the fitted widths say."""
    arrays = camera.lines.arrays()
    sigma = camera.parameters[arrays.first_parameter]
    continua = tuple(replace(c, sigma=float(s)) for c, s in zip(camera.continua, sigma, strict=True))
    return replace(camera, continua=continua, stretch=_stretch(camera.parameters, arrays))


def _maximise(
    spectrum: FloatArray, camera: CameraSpectrum, windows: IntArray
) -> tuple[CameraSpectrum, float]:
    """Marquardt steps on all parameters of the camera's spectrum; 2·(−ln L) with the tolerances' terms."""
    counts = np.concatenate([spectrum[first:last] for first, last in windows])
    free = _unpacked(camera)
    mean, precision = _held(camera, free.size)
    mu, jacobian = _design(camera, windows)
    objective = _objective(counts, mu, free, mean, precision)
    damping = 1e-3
    for _ in range(MAX_STEPS if objective < np.inf else 0):
        weight = 1.0 / mu
        information = jacobian.T @ (jacobian * weight[:, np.newaxis])
        information[np.diag_indices(free.size)] += precision
        score = jacobian.T @ ((counts - mu) * weight) + precision * (mean - free)
        own = np.diag(information)
        scale = np.where(own > SMALLEST**2, 1.0 / np.sqrt(np.maximum(own, SMALLEST**2)), 0.0)  # 0: no say
        matrix = information * np.outer(scale, scale) + damping * np.eye(free.size)
        step = scale * np.linalg.lstsq(matrix, score * scale, rcond=1e-12)[0]
        if score @ step < CONVERGED and damping < 1e-2:
            break
        trial = _packed(free + step, camera)
        mu_new, jacobian_new = _design(trial, windows)
        free_new = _unpacked(trial)
        objective_new = _objective(counts, mu_new, free_new, mean, precision)
        if objective_new <= objective:
            camera, free, mu, jacobian, objective = trial, free_new, mu_new, jacobian_new, objective_new
            damping = max(0.1 * damping, 1e-9)
        else:
            damping = max(10.0 * damping, 1e-2)
            if damping > 1e8:
                break
    return camera, objective


def _objective(
    counts: FloatArray, mu: FloatArray, free: FloatArray, mean: FloatArray, precision: FloatArray
) -> float:
    if np.any(mu <= SMALLEST):
        return float("inf")
    deviance = 2.0 * float(np.sum(mu - counts + xlogy(counts, counts / mu)))
    return deviance + float(precision @ (free - mean) ** 2)


def _unpacked(camera: CameraSpectrum) -> FloatArray:
    """All numbers of a camera's spectrum in a row: parameters, shapes, and the tail if there is one."""
    tail = camera.tail if camera.tail[0] else ()
    return np.concatenate([camera.parameters, *(c.coefficients for c in camera.continua), tail])


def _packed(free: FloatArray, camera: CameraSpectrum) -> CameraSpectrum:
    """The inverse; what must be positive is kept so."""
    arrays = camera.lines.arrays()
    theta, position, continua = free[: arrays.n_parameters].copy(), arrays.n_parameters, []
    for start, n_groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        theta[start] = np.clip(theta[start], 0.5 * camera.parameters[start], 2.0 * camera.parameters[start])
        strengths = theta[start + 4 : start + 4 + n_groups]
        np.maximum(strengths, FAINTEST * abs(camera.parameters[start + 1]), out=strengths)
    for continuum in camera.continua:
        n = continuum.coefficients.size
        continua.append(replace(continuum, coefficients=free[position : position + n]))
        position += n
    tail = camera.tail
    if tail[0]:
        tail = (float(np.clip(free[-2], 1e-4, 0.5)), float(np.clip(free[-1], 0.005, 0.1)))
    return replace(camera, parameters=theta, continua=tuple(continua), tail=tail)


def _held(camera: CameraSpectrum, n: int) -> tuple[FloatArray, FloatArray]:
    """What is known beforehand of each number, and how well: mean and precision, shape (n,)."""
    mean, precision = np.zeros(n), np.zeros(n)
    first = camera.parameters.size
    tolerance = np.concatenate([c.tolerance for c in camera.continua])
    precision[first : first + tolerance.size] = tolerance**-2.0
    if camera.tail[0]:
        mean[-2:] = TAIL_START
        precision[-2:] = np.array(TAIL_TOLERANCE) ** -2.0
    return mean, precision


def _design(camera: CameraSpectrum, windows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Expected counts in all blocks, and their derivatives by all numbers: shapes (m,) and (m, n)."""
    plain, theta = camera.without_tails(), camera.parameters
    arrays = camera.tailed(plain, camera.tail)
    size = int((windows[:, 1] - windows[:, 0]).sum())
    mu, jacobian = np.empty(size), np.zeros((size, _unpacked(camera).size))
    row, column = 0, theta.size
    for b, ((first, last), continuum) in enumerate(zip(windows, camera.continua, strict=True)):
        start, n_groups, m = int(arrays.first_parameter[b]), int(arrays.n_groups[b]), int(last - first)
        own = np.empty((m, 6 + n_groups))
        evaluate_block(theta, b, first, last, arrays, mu[row : row + m], own)
        jacobian[row : row + m, :2] = own[:, :2]
        jacobian[row : row + m, start : start + 4 + n_groups] = own[:, 2:]
        u = (2.0 * np.arange(m) + 1.0) / m - 1.0
        energy = theta[0] * (np.arange(first, last) + 0.5) + theta[1]
        level = continuum.law(energy) * (theta[start + 1] + theta[start + 2] * u + theta[start + 3] * u * u)
        n = continuum.coefficients.size
        jacobian[row : row + m, column : column + n] = level[:, np.newaxis] * continuum.terms(energy)
        row, column = row + m, column + n
    if camera.tail[0]:
        for k in range(2):
            moved = list(camera.tail)
            moved[k] *= 1.001
            other = _expected(theta, camera.tailed(plain, (moved[0], moved[1])), windows)
            jacobian[:, column + k] = (other - mu) / (0.001 * camera.tail[k])
    return mu, jacobian


def _expected(theta: FloatArray, arrays: LineArrays, windows: IntArray) -> FloatArray:
    parts = []
    for b, (first, last) in enumerate(windows):
        mu = np.empty(last - first)
        evaluate_block(theta, b, first, last, arrays, mu, np.empty((mu.size, 6 + int(arrays.n_groups[b]))))
        parts.append(mu)
    return np.concatenate(parts)
