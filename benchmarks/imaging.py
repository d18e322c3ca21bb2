"""What sky images, positions and circles are worth, on detector images of known truth.

Run ``python benchmarks/imaging.py`` for the tables of ``docs/imaging.md``; ``--only null positions`` for some
of them. The plane counts 3000 photons a second for 20.48 s unless a row says otherwise; the mask is
the random one of eicpy, not the flight mask.
"""

import argparse
import time

import numpy as np
from scipy import signal

from eicpy.imaging import (
    SkyDecoder,
    find_sources,
    localise,
    position_posterior,
    quadratic_shapes,
    random_mask,
)
from eicpy.imaging.localisation import sky_scale
from eicpy.instruments import load
from eicpy.typing import FloatArray

G = load("eclairs").mask
SIDE = 80
MASK = random_mask(G, SIDE, 1)
MEAN = 3000 * 20.48 / SIDE**2
ARCMIN = np.rad2deg(1) * 60
SHAPES = quadratic_shapes(SIDE)
LEVELS = (5.0, 5.5, 6.0, 6.5)


def null(images: int, rng: np.random.Generator) -> None:
    """Significances where there is nothing to be found, and where something was not taken out."""
    decoder = SkyDecoder(MASK)
    searched = decoder.coded >= 0.05
    y, z = SHAPES[1], SHAPES[2]
    bowl = 1 - 0.2 * (y**2 + z**2)
    crab = MASK.shadow(0.12, -0.07)
    cases = {
        "quadratic background": (MEAN * bowl, decoder, images),
        "300 counts in all (10 ms to 0.1 s)": (np.full((SIDE, SIDE), 300 / SIDE**2), decoder, images // 10),
        "the first again, only a flat background fitted": (
            MEAN * bowl,
            SkyDecoder(MASK, shapes=SHAPES[:1]),
            images // 10,
        ),
        "a source of 20 000 counts, not taken out, 10° around it left out": (
            MEAN + 20_000 / crab.sum() * crab,
            decoder,
            images // 10,
        ),
    }
    print(
        "| case | images | standard deviation | highest: median | 99 % | "
        + " | ".join(f"> {v}" for v in LEVELS)
        + " |"
    )
    print("|---" * (5 + len(LEVELS)) + "|")
    for name, (expected, of, count) in cases.items():
        away = searched.copy()
        if "source" in name:
            t = decoder.tangent
            away &= np.hypot(t[None, :] - 0.12, t[:, None] + 0.07) > 0.17
        top = np.empty(count)
        squares = 0.0
        for k in range(count):
            s = of.decode(rng.poisson(expected)).significance[away]
            top[k] = s.max()
            squares += float(np.mean(s**2))
        above = [f"{(top > v).sum()}" for v in LEVELS]
        print(
            f"| {name} | {count} | {np.sqrt(squares / count):.3f} | {np.median(top):.2f} | "
            f"{np.quantile(top, 0.99):.2f} | {' | '.join(above)} |",
            flush=True,
        )


def _trial(
    rng: np.random.Generator, decoder: SkyDecoder, significance: float, low: float, high: float
) -> tuple[FloatArray, FloatArray, float, float, float] | None:
    while True:
        ty, tz = rng.uniform(-high, high, 2)
        if max(abs(ty), abs(tz)) >= low:
            break
    share = MASK.shadow(ty, tz).ravel()
    shapes = SHAPES.reshape(6, -1)
    alone = share - shapes.T @ np.linalg.lstsq(shapes.T, share, rcond=None)[0]
    flux = significance * np.sqrt(MEAN / (alone**2).sum())
    counts = rng.poisson(MEAN + flux * share).reshape(SIDE, SIDE)
    peaks = decoder.image(counts).peaks(4.0)
    pitch = decoder.tangent[1] - decoder.tangent[0]
    if not peaks or max(abs(peaks[0].ty - ty), abs(peaks[0].tz - tz)) > 4 * pitch:
        return None
    fit = localise(MASK, counts, [(peaks[0].ty, peaks[0].tz)])
    posterior = position_posterior(MASK, counts, fit)
    scale = sky_scale(ty, tz)
    step = 0.04 * pitch
    slopes = [
        flux * (MASK.shadow(ty + dy, tz + dz) - MASK.shadow(ty - dy, tz - dz)).ravel() / (2 * step)
        for dy, dz in ((step, 0.0), (0.0, step))
    ]
    design = np.vstack([*slopes, share, shapes])
    bound = scale @ np.linalg.inv((design / (MEAN + flux * share)) @ design.T)[:2, :2] @ scale.T
    source = fit.sources[0]
    return (
        scale @ (posterior.mean[0] - ty, posterior.mean[1] - tz),
        rng.multivariate_normal([0, 0], bound, size=50),
        posterior.radius(),
        source.radius(),
        float((source.flux - flux) / np.sqrt(source.covariance[2, 2])),
    )


def positions(trials: int, rng: np.random.Generator) -> None:
    """Errors of positions against the Cramér–Rao bound, and how often circles hold the truth."""
    decoder = SkyDecoder(MASK)
    print(
        "| field | SNR | r90 | bound | ratio | our circle, median | holds | of the covariance "
        "| published R90 | misplaced | flux pull |"
    )
    print("|---" * 11 + "|")
    for name, low, high in (("fully coded", 0.0, 0.196), ("partially coded, to 40° off axis", 0.3, 0.8)):
        for snr in (7.0, 8.0, 9.1, 12.0, 25.0):
            found = [_trial(rng, decoder, snr, low, high) for _ in range(trials)]
            good = [f for f in found if f is not None]
            offset = np.hypot(*np.array([f[0] for f in good]).T) * ARCMIN
            bound = np.hypot(*np.concatenate([f[1] for f in good]).T) * ARCMIN
            radius = np.array([f[2] for f in good]) * ARCMIN
            simple = np.array([f[3] for f in good]) * ARCMIN
            pull = np.array([f[4] for f in good])
            r90, best = np.quantile(offset, 0.9), np.quantile(bound, 0.9)
            row = [
                f"{name} | {snr}",
                f"{r90:.1f}′ | {best:.1f}′ | {r90 / best:.2f} | {np.median(radius):.1f}′",
                f"{np.mean(offset < radius):.1%} | {np.mean(offset < simple):.1%}",
                f"{np.hypot(77 / snr, 2):.1f}′ | {len(found) - len(good)} of {len(found)}",
                f"{pull.mean():+.2f} ± {pull.std():.2f}",
            ]
            print(f"| {' | '.join(row)} |", flush=True)


def faint(trials: int, rng: np.random.Generator) -> None:
    """A source of 8 σ beside one of 20 000 counts."""
    decoder = SkyDecoder(MASK)
    first = 0
    for _ in range(trials):
        bright, place = rng.uniform(-0.15, 0.15, 2), rng.uniform(-0.15, 0.15, 2)
        while np.hypot(*(bright - place)) < 0.03:
            place = rng.uniform(-0.15, 0.15, 2)
        shadow, share = MASK.shadow(*bright), MASK.shadow(*place)
        background = MEAN + 20_000 / shadow.sum() * shadow
        flux = 8 * np.sqrt(background.mean() / ((share - share.mean()) ** 2).sum())
        residual = find_sources(decoder, rng.poisson(background + flux * share), threshold=40.0).residual
        peaks = residual.peaks(4.0)
        first += bool(peaks and np.hypot(peaks[0].ty - place[0], peaks[0].tz - place[1]) < 0.03)
    print(f"A faint source is the brightest residual in {first} of {trials} ({first / trials:.1%}).")


def speed() -> None:
    """CPU time on one core, beside scipy's FFT correlation of the three maps, in turns."""
    decoder = SkyDecoder(MASK)
    rng = np.random.default_rng(1)
    counts = rng.poisson(MEAN, (SIDE, SIDE))
    pattern, image = rng.random((120, 120)), counts.astype(np.float64)
    share = MASK.shadow(0.1, 0.05)
    seen = rng.poisson(MEAN + 1.5 * share)
    fit = localise(MASK, seen, [(0.1, 0.05)])
    work = {
        "SNR image with variance, 200 × 200": lambda: decoder.decode(counts).significance,
        "scipy.signal.correlate (fft), three maps": lambda: [
            signal.correlate(pattern, image, method="fft") for _ in range(3)
        ],
        "position by maximum likelihood, with covariance": lambda: localise(MASK, seen, [(0.102, 0.048)]),
        "circle by the likelihood about it": lambda: position_posterior(MASK, seen, fit).radius(),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(9):
        for name, call in work.items():
            begin = time.process_time()
            for _ in range(20):
                call()
            times[name].append((time.process_time() - begin) / 20 * 1e3)
    print("| work | ms, best of 9 | median |\n|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | {min(values):.2f} | {np.median(values):.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["speed", "null", "positions", "faint"])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    if "speed" in options.only:
        speed()
    if "null" in options.only:
        null(options.images, rng)
    if "positions" in options.only:
        positions(options.trials, rng)
    if "faint" in options.only:
        faint(options.trials // 2, rng)


if __name__ == "__main__":
    main()
