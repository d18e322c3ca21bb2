"""Bursts: how they shine and soften, the truth about them, and a population to draw them from.

A burst is a sum of pulses. Its light curve in photons of 4-120 keV is that of the pulses, whatever the
spectrum does; in each pulse the energy of the spectrum falls with time, in slices that differ by a fifth.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from eicpy.catalogue import Spectrum
from eicpy.errors import NotFoundError
from eicpy.simulation.config import BurstConfig, PulseConfig
from eicpy.typing import FloatArray

__all__ = [
    "BURST_KINDS",
    "BurstKind",
    "PulseSlice",
    "burst_flux",
    "burst_truth",
    "draw_burst",
    "pulse_light",
    "pulse_slices",
]

LOW, HIGH = 4.0, 120.0
"""keV: the band in which fluxes of bursts are given."""
_RATIO = 1.2
_MOST_SLICES = 12
_GRID = 20_000
BurstKind = Literal["long", "short", "x-ray flash", "magnetar", "x-ray burst", "stellar flare"]
BURST_KINDS: tuple[BurstKind, ...] = (
    "long",
    "short",
    "x-ray flash",
    "magnetar",
    "x-ray burst",
    "stellar flare",
)


@dataclass(frozen=True, slots=True)
class PulseSlice:
    """A part of a pulse with one spectrum.

    Parameters
    ----------
    begin, end
        Seconds after the start of the simulation.
    curve
        (start, rise, decay) of the pulse, the start after that of the simulation, s.
    spectrum
        Normalised so that the pulse has its peak flux in 4-120 keV at the peak.
    """

    begin: float
    end: float
    curve: tuple[float, float, float]
    spectrum: Spectrum


def pulse_light(pulse: PulseConfig, t: FloatArray) -> FloatArray:
    """Light of a pulse relative to its peak, t seconds after its start; as the kernel has it."""
    inside = (t > 0) & (t <= pulse.end)
    x = np.where(inside, t, 1.0)
    light = np.exp((2 * pulse.rise - pulse.rise**2 / x - x) / pulse.decay)
    return np.asarray(np.where(inside, light, 0.0))


def burst_flux(burst: BurstConfig, time: FloatArray) -> FloatArray:
    """Photons cm⁻² s⁻¹ in 4-120 keV so many seconds after the start of the burst."""
    t = np.asarray(time, np.float64)
    return np.asarray(sum(burst.peak_flux * p.share * pulse_light(p, t - p.start) for p in burst.all_pulses))


def pulse_slices(burst: BurstConfig) -> list[PulseSlice]:
    """The parts of a burst that have one spectrum each, pulse after pulse."""
    slices = []
    for pulse in burst.all_pulses:
        length = pulse.rise + pulse.decay
        fall = burst.softening * np.log1p(pulse.end / length)
        number = int(np.clip(np.ceil(fall / np.log(_RATIO)), 1, _MOST_SLICES))
        edges = length * np.expm1(np.linspace(0.0, np.log1p(pulse.end / length), number + 1))
        first = burst.start + pulse.start
        for begin, end in itertools.pairwise(edges):
            middle = length * (np.sqrt((1 + begin / length) * (1 + end / length)) - 1)
            energy = burst.cutoff * (1 + middle / length) ** -burst.softening if number > 1 else burst.cutoff
            shape = Spectrum(burst.shape, 1.0, burst.index, float(energy), burst.beta)
            spectrum = shape.with_photon_flux(burst.peak_flux * pulse.share, LOW, HIGH)
            curve = (first, pulse.rise, pulse.decay)
            slices.append(PulseSlice(float(first + begin), float(first + end), curve, spectrum))
    return slices


def burst_truth(burst: BurstConfig, start: float) -> dict[str, Any]:
    """What a perfect observer would say of a burst, in 4-120 keV before the camera; for JSON.

    Parameters
    ----------
    burst
        The burst.
    start
        Start of the simulation, s since 2017-01-01T00:00:00 UTC.

    Returns
    -------
    dict
        T90 and T50 (s) with their beginnings, by photons; fluence in photons cm⁻² and erg cm⁻²; flux at the
        peak and over the best second (photons cm⁻² s⁻¹); position; its configuration.
    """
    edges = np.linspace(0.0, burst.end, _GRID + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    flux = burst_flux(burst, middle)
    step = edges[1]
    total = np.concatenate([[0.0], np.cumsum(flux)]) * step
    t05, t25, t75, t95 = np.interp(np.array([0.05, 0.25, 0.75, 0.95]) * total[-1], total, edges)
    second = np.interp(np.minimum(edges + 1.0, burst.end), edges, total) - total
    return burst.model_dump(mode="json") | {
        "start": start + burst.start,
        "stop": start + burst.start + burst.end,
        "t90": float(t95 - t05),
        "t90_start": float(start + burst.start + t05),
        "t50": float(t75 - t25),
        "t50_start": float(start + burst.start + t25),
        "photon_fluence": float(total[-1]),
        "energy_fluence": _energy_fluence(burst, middle, step),
        "peak_photon_flux": float(flux.max()),
        "peak_photon_flux_1s": float(second.max()),
        "peak_time": float(start + burst.start + middle[flux.argmax()]),
    }


def _energy_fluence(burst: BurstConfig, time: FloatArray, step: float) -> float:
    """Erg cm⁻² in 4-120 keV."""
    total = 0.0
    for part in pulse_slices(burst):
        first, rise, decay = part.curve
        light = pulse_light(PulseConfig(rise=rise, decay=decay), time + burst.start - first)
        inside = (time + burst.start >= part.begin) & (time + burst.start < part.end)
        total += part.spectrum.energy_flux(LOW, HIGH) * float(light[inside].sum()) * step
    return total


def draw_burst(  # each is a fact of the burst, named at every call
    kind: BurstKind,
    rng: np.random.Generator,
    *,
    name: str,
    start: float,
    ra: float,
    dec: float,
    faintest: float = 1.0,
) -> BurstConfig:
    """Draw a burst of a population.

    Parameters
    ----------
    kind
        One of :data:`BURST_KINDS`.
    rng
        Source of random numbers.
    name
        Its name.
    start
        Seconds after the start of the simulation.
    ra, dec
        Position, degrees (ICRS).
    faintest
        Smallest peak flux, photons cm⁻² s⁻¹ in 4-120 keV.

    Raises
    ------
    NotFoundError
        For another kind.

    Notes
    -----
    Durations, peak energies and indices are log-normal and normal with the means of published samples
    (Kouveliotou et al. 1993, ApJ 413, L101; Gruber et al. 2014, ApJS 211, 12; von Kienlin et al. 2020,
    ApJ 893, 46; Sakamoto et al. 2005, ApJ 629, 311 for flashes; Göğüş et al. 2001, ApJ 558, 228 for
    magnetars; Galloway et al. 2008, ApJS 179, 360 for X-ray bursts), rounded; peak fluxes follow
    N(>P) ∝ P^−1.5, the Euclidean law. How they go together (independently), pulses and softening are guesses.
    """
    if kind not in BURST_KINDS:
        raise NotFoundError(f"got kind {kind!r}, expected one of {', '.join(BURST_KINDS)}")
    peak = min(faintest * float(rng.random()) ** (-1 / 1.5), 100 * faintest)
    fields: dict[str, Any] = {"name": name, "kind": kind, "start": start, "ra": ra, "dec": dec}
    fields["peak_flux"] = peak

    def log_normal(median: float, dex: float) -> float:
        return float(median * 10 ** (dex * rng.standard_normal()))

    if kind in ("long", "short", "x-ray flash"):
        median, dex = {"long": (25.0, 0.45), "short": (0.35, 0.35), "x-ray flash": (20.0, 0.4)}[kind]
        energy, scatter = {"long": (190.0, 0.3), "short": (500.0, 0.25), "x-ray flash": (14.0, 0.15)}[kind]
        index = float(np.clip(rng.normal(0.6 if kind == "short" else 1.0, 0.25), 0.2, 1.6))
        fields |= {"shape": "band", "cutoff": log_normal(energy, scatter), "index": index}
        fields |= {
            "beta": float(np.clip(rng.normal(2.4, 0.2), 2.1, 3.5)),
            "softening": 0.4 if kind == "short" else 0.8,
        }
        fields["pulses"] = _pulses(rng, min(log_normal(median, dex), 300.0))
    elif kind == "magnetar":
        length = log_normal(0.1, 0.3)
        fields |= {"shape": "cut-off", "index": 1.0, "cutoff": 30.0, "rise": length / 4, "decay": length / 3}
    elif kind == "x-ray burst":
        fields |= {
            "shape": "black body",
            "index": 0.0,
            "cutoff": float(rng.normal(2.4, 0.1)),
            "softening": 0.3,
        }
        fields |= {"rise": float(rng.uniform(2.0, 5.0)), "decay": float(rng.uniform(8.0, 20.0))}
    else:
        fields |= {"shape": "cut-off", "index": 1.0, "cutoff": log_normal(7.0, 0.1), "softening": 0.3}
        fields |= {"rise": log_normal(200.0, 0.2), "decay": log_normal(600.0, 0.2)}
    return BurstConfig(**fields)


def _pulses(rng: np.random.Generator, duration: float) -> tuple[PulseConfig, ...]:
    """One to four pulses that last about so long together; the highest has a share of 1."""
    number = int(rng.integers(1, 5))
    width = duration / (0.9 * number + 1.5)
    shares = np.sort(rng.uniform(0.3, 1.0, number))[::-1] if number > 1 else np.ones(1)
    shares = rng.permutation(shares / shares.max())
    starts = np.sort(rng.uniform(0.0, duration - width, number)) if number > 1 else np.zeros(1)
    return tuple(
        PulseConfig(
            start=float(s - starts[0]),
            rise=float(width * rng.uniform(0.15, 0.35)),
            decay=float(width * rng.uniform(0.3, 0.5)),
            share=float(share),
        )
        for s, share in zip(starts, shares, strict=True)
    )
