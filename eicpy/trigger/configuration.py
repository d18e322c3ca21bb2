"""What a trigger looks for: one object, checked, with a hash that is stored with every result.

Time scales and bands are those of public notices. Zones, thresholds, lengths of the background and dead time
are guesses: those on board are not public. A table of thresholds replaces ours without a change elsewhere.
"""

import hashlib
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["CountRateSettings", "ImageSettings", "TriggerConfiguration", "Zone"]

SHORTEST = 0.01
"""s: the shortest time scale of the count-rate trigger."""
CYCLE = 20.48
"""s: the shortest exposure of the image trigger, and how often it looks."""

Level = Annotated[float, Field(gt=0, le=1000)]
_Band = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Zone(_Part):
    """A rectangle of the detector plane, its count rate searched by itself."""

    name: str = Field(min_length=1)
    y: tuple[int, int] = (0, 80)
    """Pixels along y: first, and the one after the last."""
    z: tuple[int, int] = (0, 80)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        for axis, (first, stop) in (("y", self.y), ("z", self.z)):
            if not 0 <= first < stop:
                raise ValueError(f"zone {self.name!r}: {axis} from {first} to {stop} holds no pixel")
        return self


_ZONES = (
    Zone(name="full"),
    Zone(name="left", y=(0, 40)),
    Zone(name="right", y=(40, 80)),
    Zone(name="bottom", z=(0, 40)),
    Zone(name="top", z=(40, 80)),
    Zone(name="bottom left", y=(0, 40), z=(0, 40)),
    Zone(name="bottom right", y=(40, 80), z=(0, 40)),
    Zone(name="top left", y=(0, 40), z=(40, 80)),
    Zone(name="top right", y=(40, 80), z=(40, 80)),
)


class CountRateSettings(_Part):
    """The search of count rates: windows of 10 ms·2ⁿ that overlap by half."""

    scales: tuple[Annotated[int, Field(ge=0, le=11)], ...] = tuple(range(12))
    """n of each time scale."""
    zones: tuple[Zone, ...] = Field(default=_ZONES, min_length=1)
    threshold: Level = 5.5
    """Significance of an excess of counts from which on it is imaged, where no table says otherwise."""
    thresholds: tuple[tuple[tuple[Level, ...], ...], ...] = ()
    """The same for each scale, band and zone, indexed in this order; empty: `threshold` everywhere."""
    background_reach: float = Field(default=100.0, gt=0)
    """s: how far back counts are used for the background."""
    background_gap: float = Field(default=20.48, ge=0)
    """s: how long before a window the background ends, so that a burst does not eat its own."""


class ImageSettings(_Part):
    """The search of sky images: exposures of 20.48 s·2ᵏ, every 20.48 s."""

    stacks: tuple[Annotated[int, Field(ge=0, le=6)], ...] = tuple(range(7))
    """k of each exposure."""
    thresholds: tuple[tuple[Level, ...], ...] = ()
    """Significance for each stack and band; empty: that of an alert everywhere."""
    least_coded: float = Field(default=0.05, ge=0.02, lt=1)
    """Directions that code less of the plane are not searched."""


class TriggerConfiguration(_Part):
    """Everything that decides whether a trigger fires.

    Examples
    --------
    >>> TriggerConfiguration().digest == TriggerConfiguration(alert_threshold=7.0).digest
    True
    """

    bands: tuple[_Band, ...] = Field(default=((5, 8), (5, 20), (8, 50), (8, 120)), min_length=1)
    """keV: low belongs to the band, high does not."""
    count_rate: CountRateSettings = CountRateSettings()
    image: ImageSettings = ImageSettings()
    alert_threshold: Level = 7.0
    """Significance in the sky image from which on an alert is sent."""
    slew_threshold: Level = 7.5
    """Significance from which on an alert asks the satellite to turn."""
    dead_time: float = Field(default=180.0, ge=0)
    """s after the end of a sequence of alerts in which no other begins in the same place."""
    sequence: float = Field(default=120.0, gt=0)
    """s after its first alert in which a sequence is refined."""
    catalogue_flux: float = Field(default=50.0, ge=0)
    """10⁻¹² erg cm⁻² s⁻¹ in 14–195 keV: catalogue sources above it are taken out of images."""
    identification: float = Field(default=0.5, gt=0)
    """Degrees from a catalogue source within which, or within the error circle, a position is that source."""
    outburst: float = Field(default=3.0, gt=1)
    """How many times its usual flux a catalogue source must have to be alerted."""
    ignored_pixels: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Pixels (`detnum`) whose photons are not used."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for low, high in self.bands:
            if not low < high:
                raise ValueError(f"band {low:g}–{high:g} keV holds no energy; give the lower bound first")
        if self.slew_threshold < self.alert_threshold:
            raise ValueError(
                f"slew threshold {self.slew_threshold:g} lies below the alert threshold "
                f"{self.alert_threshold:g}; a slew is only asked for in an alert"
            )
        table = self.count_rate.thresholds
        shape = len(self.count_rate.scales), len(self.bands), len(self.count_rate.zones)
        if table and [len(table), {len(r) for r in table}, {len(c) for r in table for c in r}] != [
            shape[0], {shape[1]}, {shape[2]},
        ]:  # fmt: skip
            raise ValueError(f"count-rate thresholds do not fit: expected scales × bands × zones = {shape}")
        if (rows := self.image.thresholds) and (
            len(rows) != len(self.image.stacks) or {len(r) for r in rows} != {len(self.bands)}
        ):
            expected = len(self.image.stacks), len(self.bands)
            raise ValueError(f"image thresholds do not fit: expected stacks × bands = {expected}")
        return self

    @property
    def digest(self) -> str:
        """Hash of all that it says, SHA-256 in hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def window(self, scale: int) -> float:
        """Length of a window of the count-rate trigger, s."""
        return float(SHORTEST * 2**scale)

    def exposure(self, stack: int) -> float:
        """Length of an exposure of the image trigger, s."""
        return float(CYCLE * 2**stack)
