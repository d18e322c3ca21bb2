"""Gain and offset of 6400 pixels, beside a fit of one pixel after the other with lmfit.

The peer is written here, in the way of the public predecessor as far as its source tells: for each pixel
one lmfit least-squares fit of all blocks, residual/√N with empty channels left out, in each block a
linear continuum and Gaussians at channel centres, the first line free and the others tied to it by
their energy differences and its width; then a straight line through the fitted places. Strengths are
free by groups of lines as in our model, which makes the peer faster than with every line's own. Not the same
model as ours (which has integrated bins, quadratic continua, the Poisson likelihood, and a search for
scales that moved), but the same result: gain and offset with errors.

CPU time of one core for both, in turns on the same spectra; the best round counts.

``python benchmarks/gain.py --accuracy`` makes the tables of docs/gain-calibration.md instead: errors against
truth (gain_truth.py), for exposures, strengths of lines and changes since the last table.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import lmfit
import numpy as np
from gain_truth import Background, Truth, draw
from scipy.optimize import curve_fit

from eicpy.calibration import GainTable, LineModel, fit_gain, pass_fraction
from eicpy.instruments import load
from eicpy.simulation import simulate_spectra
from eicpy.simulation.config import DetectorConfig

EXPOSURE = 100e3
ROUNDS = 3
PEER_PIXELS = 6
GAIN, OFFSET = 0.145, 3.0  # nominal scale, where the peer starts
OFFSET_MOVED = 0.02  # keV, scatter of the offsets since the last table
SEED = 20261128
SIGMA_GUESS = 1.1 / GAIN / 2.35  # channels


def lmfit_pixel(counts: np.ndarray, lines: LineModel) -> tuple[float, float, int]:
    """Gain and offset of one pixel, and how many lines they rest on."""
    parameters = lmfit.Parameters()
    parts = []
    for b, block in enumerate(lines.blocks):
        first, last = (round((E - OFFSET) / GAIN) for E in (block.low, block.high))
        channel = np.arange(first, last) + 0.5
        data = counts[first:last]
        level = float(data.mean())
        parameters.add(f"slope{b}", value=0.0)
        parameters.add(f"level{b}", value=level)
        places = [(line.energy - OFFSET) / GAIN for line in block.lines]
        parameters.add(f"sigma{b}", value=SIGMA_GUESS, min=0.5 * SIGMA_GUESS, max=2.5 * SIGMA_GUESS)
        for k, place in enumerate(places):
            if k == 0:
                parameters.add(f"place{b}_0", value=place, min=first, max=last)
            else:
                parameters.add(f"place{b}_{k}", expr=f"place{b}_0 + {place - places[0]:.6f}")
        for k in range(len(block.groups)):
            parameters.add(f"area{b}_{k}", value=max(2.0 * level, 1.0), min=0.0)
        shares = [(block.groups.index(line.group), line.fraction) for line in block.lines]
        parts.append((b, channel, data, shares))
    root = np.sqrt(2.0 * np.pi)

    def residual(p: lmfit.Parameters) -> np.ndarray:
        out = []
        for b, channel, data, shares in parts:
            sigma = p[f"sigma{b}"].value
            model = p[f"level{b}"].value + p[f"slope{b}"].value * (channel - channel[0])
            for k, (group, share) in enumerate(shares):
                z = (channel - p[f"place{b}_{k}"].value) / sigma
                area = share * p[f"area{b}_{group}"].value
                model = model + area * np.exp(-0.5 * z * z) / (sigma * root)
            with np.errstate(divide="ignore", invalid="ignore"):
                weighted = (data - model) / np.sqrt(data)
            out.append(np.where(np.isfinite(weighted), weighted, np.nan))
        return np.concatenate(out)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = lmfit.minimize(residual, parameters, method="least_squares", nan_policy="omit")
        energies = np.array([line.energy for block in lines.blocks for line in block.lines])
        names = [f"place{b}_{k}" for b, block in enumerate(lines.blocks) for k in range(len(block.lines))]
        places = np.array([result.params[name].value for name in names])
        errors = np.array([result.params[name].stderr or 1.0 for name in names])
        (slope, shift), _ = curve_fit(lambda E, a, b: a * E + b, energies, places, sigma=errors)
    return 1.0 / slope, -shift / slope, len(places)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def rows() -> list[dict[str, object]]:
    """Measure; see run.py for the columns."""
    config = DetectorConfig(gain_scatter=0.001, offset_scatter=0.01, gain_shift=0.0)
    night = simulate_spectra(EXPOSURE, np.random.default_rng(1), config=config, lines="bright")
    detector = night.detector
    counts = night.counts.astype(float)
    n = len(counts)
    start = GainTable.nominal(n, GAIN, OFFSET)
    lines = LineModel.of(load("eclairs"))
    few = replace(GainTable.nominal(20, GAIN, OFFSET), gain=start.gain[:20], offset=start.offset[:20])
    fit_gain(counts[:20], start=few, lines=lines)  # compiles, or loads what was compiled before
    alive = np.flatnonzero(counts.sum(axis=1) > 0.5 * np.median(counts.sum(axis=1)))[:PEER_PIXELS]
    ours, peer, peer_scales = [], [], []
    for _ in range(ROUNDS):
        ours.append(cpu(lambda: fit_gain(counts, start=start, lines=lines)))
        begin = time.process_time()
        peer_scales = [lmfit_pixel(counts[i], lines) for i in alive]
        peer.append(time.process_time() - begin)
    ours_pixel, peer_pixel = min(ours) / n, min(peer) / len(alive)
    fitted = fit_gain(counts, start=start, lines=lines).table

    def error_at_80(gain: np.ndarray, offset: np.ndarray, pixels: np.ndarray) -> float:
        channel = (80.0 - detector.offset[pixels]) / detector.gain[pixels]
        return float(np.sqrt(np.mean((gain * channel + offset - 80.0) ** 2)))

    good = np.flatnonzero(fitted.good)
    ours_error = error_at_80(fitted.gain[good], fitted.offset[good], good)
    peer_gain, peer_offset, _ = np.array(peer_scales).T
    peer_error = error_at_80(peer_gain, peer_offset, alive)
    return [
        {
            "work": f"gain and offset, CPU per pixel ({n} pixels, {EXPOSURE / 1e3:.0f} ks)",
            "ours": f"{1e6 * ours_pixel:.0f} µs (rms {1e3 * ours_error:.0f} eV at 80 keV)",
            "peer": f"lmfit, pixel by pixel: {1e3 * peer_pixel:.0f} ms (rms {1e3 * peer_error:.0f} eV, "
            f"{len(alive)} pixels)",
            "ratio": peer_pixel / ours_pixel,
            "target": 150.0,
            "unit": "×",
        },
        {
            "work": f"gain table of the whole camera, search included, {n} pixels, one core",
            "ours": f"{min(ours):.2f} s of CPU",
            "peer": "–",
            "ratio": min(ours),
            "target": 5.0,
            "unit": "s",
        },
    ]


ENERGIES = np.array([4.0, 50.0, 80.0, 150.0])


def accuracy(truth: Truth, background: Background, moved: float, lines: LineModel) -> str:
    """One row: errors of the pixels that are called good, against truth and the Cramér–Rao bound."""
    requirement = load("eclairs").energy.requirement
    fit = fit_gain(truth.counts, start=truth.previous, lines=lines)
    good = fit.table.good
    if not good.any():
        return f"0 of {len(good)} | – | – | – | – | –"
    error = truth.errors(fit.table, ENERGIES)[:, good]
    pull = error / fit.table.sigma_energy(ENERGIES)[:, good]
    blocks = tuple((block.low, block.high, block.groups) for block in lines.blocks)
    bound = background.cramer_rao(truth.exposure, ENERGIES, blocks, prior=(moved, OFFSET_MOVED))
    rms = np.sqrt(np.mean(error**2, axis=1))
    quoted = pass_fraction(fit, requirement, pixels=good).all_energies
    counted = pass_fraction(fit, requirement, truth=truth.table, pixels=good).all_energies

    def row(values: np.ndarray, digits: int) -> str:
        return ", ".join(f"{value:.{digits}f}" for value in values)

    standard = 1e3 * error.std(axis=1) / np.sqrt(good.sum())
    mean = ", ".join(f"{m:+.0f} ± {s:.0f}" for m, s in zip(1e3 * error.mean(axis=1), standard, strict=True))
    return (
        f"{good.sum()} of {good.size} | {mean} | {row(1e3 * rms, 0)} | {row(rms / bound, 2)} | "
        f"{row(pull.std(axis=1), 2)}, {int(np.sum(np.abs(pull).max(axis=0) > 5.0))} | "
        f"{100 * quoted:.0f}, {100 * counted:.0f}"
    )


def accuracy_tables(pixels: int, changes: list[float]) -> None:
    """Print the tables of docs/gain-calibration.md."""
    lines = LineModel.of(load("eclairs"))
    print(f"{pixels} pixels; at {', '.join(f'{E:g}' for E in ENERGIES)} keV\n")
    print(
        "| lines | exposure | moved | good | mean, eV | rms, eV | rms / bound | pulls, beyond 5 σ "
        "| pass: quoted, true, % |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [
        (strength, 0.0, exposure, moved)
        for strength in ("public", "bright")
        for exposure in (10e3, 30e3, 100e3, 300e3)
        for moved in changes
    ]
    cases += [(strength, tail, 1e6, 0.015) for strength in ("public", "bright") for tail in (0.0, 0.15)]
    for number, (strength, tail, exposure, moved) in enumerate(cases):
        background = Background(strength, tail=tail)
        rng = np.random.default_rng(SEED + number)
        truth = draw(background, pixels, exposure, rng, moved=moved, offset_moved=OFFSET_MOVED)
        name = f"{strength}, {100 * tail:.0f} % tail" if tail else strength
        row = accuracy(truth, background, moved, lines)
        print(f"| {name} | {exposure / 1e3:.0f} ks | {100 * moved:g} % | {row} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accuracy", action="store_true", help="errors against truth instead of speed")
    parser.add_argument("--pixels", type=int, default=2000)
    parser.add_argument("--moved", type=float, nargs="+", default=[0.001, 0.015, 0.03])
    arguments = parser.parse_args()
    if arguments.accuracy:
        accuracy_tables(arguments.pixels, arguments.moved)
    else:
        for measured in rows():
            print(measured)
    sys.exit(0)
