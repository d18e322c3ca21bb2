"""A ready-made simulation of a sky: ten minutes with a burst and the slew to it."""

from eicpy.simulation.config import (
    BurstConfig,
    DetectorConfig,
    PointingConfig,
    PulseConfig,
    SimulationConfig,
    SlewConfig,
)

__all__ = ["burst_preset"]

_HOLD = {"jitter": 3.0, "drift": 10.0}
"""Arcsec, and arcsec per hour: a guess."""
_ERRORS = {"misalignment": (60.0, -40.0, 30.0), "ground_bias": (3.0, -2.0, 4.0), "ground_noise": 2.0}
"""Arcsec: guesses. The misalignment is what a calibration of the pointing has to find."""


def burst_preset() -> SimulationConfig:
    """Ten minutes: the Crab and what is around it, a burst of three pulses, and the slew to it."""
    burst = BurstConfig(
        name="simulated burst",
        kind="long",
        start=120.0,
        ra=97.0,
        dec=8.0,
        peak_flux=5.0,
        shape="band",
        index=1.0,
        cutoff=220.0,
        beta=2.4,
        softening=0.8,
        pulses=(
            PulseConfig(rise=0.8, decay=1.6, share=0.6),
            PulseConfig(start=6.0, rise=1.0, decay=3.0, share=1.0),
            PulseConfig(start=17.0, rise=2.0, decay=5.0, share=0.4),
        ),
    )
    return SimulationConfig(
        name="burst",
        start="2026-11-20T18:10:00",
        duration=600.0,
        seed=20261121,
        detector=DetectorConfig(gain_shift=0.002, gain_shift_scatter=0.003),
        pointing=PointingConfig(
            slews=(SlewConfig(start=150.0, ra=burst.ra, dec=burst.dec),), **_HOLD, **_ERRORS
        ),
        catalogue=100.0,
        bursts=(burst,),
    )
