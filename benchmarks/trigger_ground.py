"""What searches on the ground find, how often they are wrong and how fast they are, on simulated counts.

Run ``python benchmarks/trigger_ground.py`` for the tables of ``docs/trigger.md``; ``--only exact speed`` for
some of them, ``--trials N`` for more or fewer bursts.
"""

import argparse
import time
from functools import cache

import numpy as np

from eicpy.imaging import SkyDecoder, random_mask, without_sources
from eicpy.instruments import load
from eicpy.trigger import (
    folded_spectra,
    permuted_decoder,
    search_all_windows,
    search_series,
    significance,
    two_sided_background,
)
from eicpy.trigger.ground.seeded import SPECTRA
from eicpy.typing import BoolArray, FloatArray, IntArray

STEP = 0.01
LONGEST = 2048
RATE = 3000 * STEP
SEGMENTS = np.array([900.0, 900.0, 700.0, 500.0]) / 4  # 1/s in a quarter of the plane: a guess of the bands


def all_series() -> BoolArray:
    """Four bands × nine zones as sums of four segments × four quarters, shape (36, 16)."""
    zones = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1], *np.eye(4)])
    bands = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]])
    return np.array([np.outer(b, z).ravel() for b in bands for z in zones], np.bool_)


def drawn_atoms(bins: int, rng: np.random.Generator) -> IntArray:
    """Background of the atoms with the course of the orbit."""
    t = np.arange(bins) * STEP
    orbit = 1 + 0.3 * np.sin(2 * np.pi * t / 5800)
    return np.concatenate([rng.poisson(x * STEP * orbit, (4, bins)) for x in SEGMENTS]).astype(np.int32)


def pulse(t90: float, seconds: float, rng: np.random.Generator) -> FloatArray:
    """When a photon comes, as a cumulative share: a fast rise and an exponential fall, one to three times."""
    t = (np.arange(round(seconds / STEP)) + 0.5) * STEP
    shape = np.zeros_like(t)
    pulses = int(rng.integers(1, 4))
    for k in range(pulses):
        x = np.maximum(t - seconds / 2 - (k * t90 / pulses if pulses > 1 else 0) - rng.uniform(0, STEP), 1e-9)
        width = t90 / pulses
        one = np.where(x > 1e-9, np.exp(-(width * 0.08) / x - x / (width / 2.3)), 0.0)
        shape += rng.uniform(0.3, 1) * one / max(one.sum(), 1e-300)
    return np.asarray(np.cumsum(shape) / shape.sum())


def grid_windows(counts: IntArray, expected: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Windows of the flight grid: 10 ms·2ⁿ, by half of their length; start, stop and significance."""
    n, b = (np.concatenate([[0], np.cumsum(x)]) for x in (counts, expected))
    found = []
    for k in range(12):
        first = np.arange(0, len(counts) - 2**k + 1, max(2**k // 2, 1))
        stop = first + 2**k
        found.append((first, stop, significance(n[stop] - n[first], b[stop] - b[first])))
    return tuple(np.concatenate(x) for x in zip(*found, strict=True))  # type: ignore[return-value]


def groups(start: IntArray, stop: IntArray, value: FloatArray, least: float) -> list[float]:
    """The best of each group of windows above a level, a second apart."""
    rows = np.flatnonzero(value >= least)
    best: list[float] = []
    reach = -np.inf
    for i in rows[np.argsort(start[rows], kind="stable")]:
        if start[i] > reach + 100:
            best.append(0.0)
        best[-1] = max(best[-1], float(value[i]))
        reach = max(reach, stop[i])
    return best


def thresholds(days: float, per_day: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Levels of exact search and grid with equal measured rates of false alarms, and that rate."""
    exact: list[float] = []
    grid: list[float] = []
    part = 2_000_000
    parts = max(round(days * 8_640_000 / part), 1)
    for _ in range(parts):
        counts = rng.poisson(RATE, part)
        expected = np.full(part, RATE)
        e = search_all_windows(counts, expected, longest=LONGEST, threshold=4.7)
        exact += groups(e.start, e.stop, e.significance, 4.7)
        grid += groups(*grid_windows(counts, expected), 4.3)
    days = parts * part / 8_640_000
    n = max(round(per_day * days), 1)
    return float(np.sort(exact)[-n]), float(np.sort(grid)[-n]), n / days


def needed(found: "object", photons: IntArray, background: IntArray, most: int) -> int:
    """How many of a burst's photons, in their order of drawing, are needed to be found."""
    low, high = 0, most
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        counts = background + np.bincount(photons[:middle], minlength=len(background))
        low, high = (low, middle) if found(counts) else (middle, high)  # type: ignore[operator]
    return high


def exact(trials: int, rng: np.random.Generator) -> None:
    """Fluence that exact search and flight grid need, at equal measured rates of false alarms."""
    level_exact, level_grid, rate = thresholds(4.0, 5.0, rng)
    print(
        f"{rate:.1f} false alarms a day, one series of 3000/s: exact {level_exact:.2f}, grid {level_grid:.2f}"
    )
    print("| T90 (s) | bursts | exact: counts for 50 % | grid | ratio |\n|---|---|---|---|---|")
    ratios = []
    for low, high in ((0.01, 0.1), (0.1, 1), (1, 5), (5, 20)):
        durations = 10 ** rng.uniform(np.log10(low), np.log10(high), trials // 4)
        pairs = [_pair(float(t90), level_exact, level_grid, rng) for t90 in durations]
        medians = np.median(pairs, axis=0)
        ratio = medians[1] / medians[0]
        ratios.append(np.array(pairs))
        print(f"| {low}–{high} | {len(pairs)} | {medians[0]:.0f} | {medians[1]:.0f} | {ratio:.3f} |")
    pairs_all = np.concatenate(ratios)
    log = np.log(pairs_all[:, 1] / pairs_all[:, 0])
    print(f"grid / exact, mean over bursts: {np.exp(log.mean()):.3f} ± {log.std() / len(log) ** 0.5:.3f}")


def _pair(t90: float, level_exact: float, level_grid: float, rng: np.random.Generator) -> tuple[int, int]:
    bins = round(max(4.0, 6 * t90) / STEP) + 2 * LONGEST
    background = rng.poisson(RATE, bins)
    expected = np.full(bins, RATE)
    most = round(60 * (RATE * max(t90 / STEP, 1)) ** 0.5) + 200
    photons = np.searchsorted(pulse(t90, bins * STEP, rng), rng.random(most))
    photons = np.minimum(photons, bins - 1)

    def by_exact(counts: IntArray) -> bool:
        return len(search_all_windows(counts, expected, longest=LONGEST, threshold=level_exact)) > 0

    def by_grid(counts: IntArray) -> bool:
        return bool(grid_windows(counts, expected)[2].max() >= level_grid)

    return needed(by_exact, photons, background, most), needed(by_grid, photons, background, most)


def background(trials: int, rng: np.random.Generator) -> None:
    """Long bursts found with a background from data, at the fluence where a known one finds 90 %."""
    step, bins = 0.32, 3750
    t = (np.arange(bins) + 0.5) * step
    orbit = 1500 * (1 + 0.3 * np.sin(2 * np.pi * t / 5800 + 1)) * step
    level = 6.5
    print("| T90 (s) | bursts | counts | known | from data |\n|---|---|---|---|---|")
    for low, high in ((10, 20), (20, 40), (40, 60), (10, 60)):
        t90 = 10 ** rng.uniform(np.log10(low), np.log10(high), trials)
        scale = _at_ninety(t90, t, orbit, level, rng)
        known, ours = np.mean([_both(x, scale, t, orbit, level, rng) for x in t90], axis=0)
        print(f"| {low}–{high} | {trials} | {scale:.0f} | {known:.1%} | {ours:.1%} |")


def _slow_pulse(t90: float, t: FloatArray) -> FloatArray:
    x = np.maximum(t - 600, 1e-9)
    shape = np.where(t > 600, np.exp(-(t90 * 0.08) / x - x / (t90 / 2.3)), 0.0)
    return np.asarray(shape / shape.sum())


def _best(counts: IntArray, expected: FloatArray, step: float) -> tuple[FloatArray, IntArray, IntArray]:
    e = search_all_windows(counts, expected, longest=round(20.48 / step), threshold=4.0)
    near = (e.stop * step > 590) & (e.start * step < 720)
    return e.significance[near], e.start[near], e.stop[near]


def _at_ninety(
    t90: FloatArray, t: FloatArray, orbit: FloatArray, level: float, rng: np.random.Generator
) -> float:
    """Counts with which a known background finds 90 % of these bursts."""
    low, high = 300.0, 10_000.0
    while high > 1.01 * low:
        scale = (low * high) ** 0.5
        found = [
            _best(rng.poisson(orbit + scale * _slow_pulse(float(x), t)), orbit, 0.32)[0].max(initial=0)
            >= level
            for x in t90
        ]
        low, high = (low, scale) if np.mean(found) >= 0.9 else (scale, high)
    return scale


def _both(
    t90: float, scale: float, t: FloatArray, orbit: FloatArray, level: float, rng: np.random.Generator
) -> tuple[bool, bool]:
    counts = rng.poisson(orbit + scale * _slow_pulse(t90, t))
    fitted = two_sided_background(counts, reach=400, gap=40, bins=3)
    value, start, stop = _best(counts, fitted.expected, 0.32)
    return (
        _best(counts, orbit, 0.32)[0].max(initial=0) >= level,
        fitted.diluted(value, start, stop).max(initial=0) >= level,
    )


def speed(_trials: int, rng: np.random.Generator) -> None:
    """36 series of 10-ms bins, background included, one core."""
    bins = 600_000
    atoms, series = drawn_atoms(bins, rng), all_series()
    search_series(atoms[:, :60_000], STEP, series=series)
    best = np.inf
    for _ in range(5):
        begun = time.process_time()
        search_series(atoms, STEP, series=series)
        best = min(best, time.process_time() - begun)
    print(f"36 series, {bins * STEP:.0f} s: {best:.2f} s, {bins * STEP / best:.0f} × real time")


def null(trials: int, rng: np.random.Generator) -> None:
    """Candidates in new data, in slid and in drawn data."""
    series, bins, nights = all_series(), 600_000, max(trials // 50, 2)
    new: list[float] = []
    for _ in range(nights):
        found = search_series(drawn_atoms(bins, rng), STEP, series=series, threshold=5.3)
        new += [c.significance for c in found.candidates]
    days = nights * bins * STEP / 86400
    print(
        f"| data | days | above 5.3 | 5.5 | 6.0 |\n|---|---|---|---|---|\n{_row('new', np.array(new), days)}"
    )
    for kind in ("slid", "drawn"):
        rates = found.false_alarms(rng, trials=nights, null=kind)  # type: ignore[arg-type]
        print(_row(kind, rates.significance, rates.days))


def _row(name: str, value: FloatArray, days: float) -> str:
    return (
        f"| {name} | {days:.2f} | " + " | ".join(f"{int((value >= v).sum())}" for v in (5.3, 5.5, 6.0)) + " |"
    )


def seeded(trials: int, rng: np.random.Generator) -> None:
    """Counts for 50 %: likelihood against the best of four images; window known, position not."""
    shares, _ = folded_spectra([5, 8, 20, 50, 120], [4, 5, 8, 10, 120], [0.04, 0.09, 0.14, 0.15, 0.15])
    rates = SEGMENTS * 4
    print("| length (s) | spectrum | image | likelihood | ratio |\n|---|---|---|---|---|")
    for length in (1.0, 10.0):
        nulls = np.array([_statistics(shares, rates, length, None, rng) for _ in range(5 * trials)])
        levels = np.sort(nulls, axis=0)[-max(5 * trials // 200, 1)]
        for k, name in enumerate(SPECTRA):
            need = np.array(
                [_seeded_need(shares, rates, length, k, levels, rng) for _ in range(trials // 10)]
            )
            image, likelihood = np.median(need, axis=0)
            print(
                f"| {length:g} | {name} | {image:.0f} | {likelihood:.0f} | {image / likelihood:.2f} |",
                flush=True,
            )


def _seeded_need(
    shares: FloatArray, rates: FloatArray, length: float, spectrum: int,
    levels: FloatArray, rng: np.random.Generator,
) -> list[int]:  # fmt: skip
    lit = _prepared()[0].mask.shadow(*rng.uniform(-0.3, 0.3, 2)).ravel()
    most = round(30 * (length * rates.sum()) ** 0.5)
    photons = rng.choice(4, most, p=shares[spectrum]) * 6400 + rng.choice(6400, most, p=lit / lit.sum())
    base = rng.poisson(np.repeat(rates * length / 6400, 6400))
    need = []
    for which in (0, 1):
        low, high = 0, most
        while high - low > max(high // 50, 1):
            middle = (low + high) // 2
            counts = (base + np.bincount(photons[:middle], minlength=4 * 6400)).reshape(4, 6400)
            found = _statistics(shares, rates, length, counts, rng)[which] > levels[which]
            low, high = (low, middle) if found else (middle, high)
        need.append(high)
    return need


def _statistics(
    shares: FloatArray, rates: FloatArray, length: float, counts: IntArray | None,
    rng: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """Highest SNR of four images, and highest linear score of three spectra, the background known."""
    decoder, unit = _prepared()
    b = rates * length
    if counts is None:
        counts = rng.poisson(np.repeat(b[:, None] / 6400, 6400, axis=1))
    good = decoder.coded >= 0.05
    bands = (slice(0, 1), slice(0, 2), slice(1, 3), slice(1, 4))
    image = max(
        float(np.nanmax(decoder.decode(counts[x].sum(axis=0).reshape(80, 80)).significance[good]))
        for x in bands
    )
    lit = decoder.mask.open_fraction * decoder.coded * 6400
    score = []
    for share in shares:
        a = share / b * b.sum()
        noise = a**2 @ b
        variance = unit * noise
        flux = decoder.decode((a @ counts).reshape(80, 80)).flux
        z = (flux / variance + a @ (counts.sum(axis=1) - b) * lit / noise) / np.sqrt(
            1 / variance + lit**2 / noise
        )
        score.append(float(np.nanmax(z[good])))
    return image, max(score)


@cache
def _prepared() -> tuple[SkyDecoder, FloatArray]:
    """A decoder, and the variance of the flux for one count of a flat background."""
    decoder = SkyDecoder(random_mask(load("eclairs").mask, 80, 1))
    return decoder, decoder.variance_of(np.full((80, 80), 1 / 6400))


def permuted(trials: int, rng: np.random.Generator) -> None:
    """Highest peaks of images without a new source: the true mask, and permuted ones on the same counts."""
    decoder, _ = _prepared()
    null = [permuted_decoder(decoder, rng) for _ in range(8)]
    crab = decoder.mask.shadow(0.12, -0.07)
    cases = {"background": 9.6 + 0 * crab, "a source of 5000 counts too": 9.6 + 5000 / crab.sum() * crab}
    print("| counts | mask | images | median | 99 % |\n|---|---|---|---|---|")
    for name, mean in cases.items():
        images = [rng.poisson(mean) for _ in range(trials)]
        clean = without_sources(decoder, [(0.12, -0.07)]) if "source" in name else decoder
        for kind, used in (("true, source taken out", [clean]), ("permuted", null)):
            top = [_highest(used[i % len(used)], x) for i, x in enumerate(images)]
            print(f"| {name} | {kind} | {trials} | {np.median(top):.2f} | {np.quantile(top, 0.99):.2f} |")


def _highest(decoder: SkyDecoder, counts: IntArray) -> float:
    return float(np.nanmax(decoder.decode(counts).significance[decoder.coded >= 0.05]))


def main() -> None:
    """Print the tables that are asked for."""
    tables = {
        "exact": exact,
        "background": background,
        "speed": speed,
        "null": null,
        "seeded": seeded,
        "permuted": permuted,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tables, default=list(tables))
    parser.add_argument("--trials", type=int, default=400)
    given = parser.parse_args()
    for name in given.only:
        print(f"\n## {name}: {tables[name].__doc__}\n", flush=True)
        tables[name](given.trials, np.random.default_rng(1))


if __name__ == "__main__":
    main()
