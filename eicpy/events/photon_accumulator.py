"""Spectra, detector images and a light curve in one go: what a night needs of its photons."""

from collections.abc import Iterable, Sequence

from eicpy.events.accumulators import ImageAccumulator, SpectraAccumulator
from eicpy.events.bands import EnergyBands, Scale
from eicpy.events.event_list import PhotonBlock
from eicpy.events.gti import GoodTimeIntervals
from eicpy.events.light_curve import LightCurveAccumulator

__all__ = ["PhotonAccumulator"]


class PhotonAccumulator:
    """Spectra of each pixel, detector images and a light curve, accumulated block by block.

    Parameters
    ----------
    n_pixels, n_channels
        Size of the detector and of its channel range.
    start, stop, step
        Span and bin width of the light curve, s.
    bands
        (low, high) in keV; they may overlap.
    gti
        Good time intervals of the light curve; spectra and images take every photon.
    tick
        Unit of the photons' times, s, of which a bin of the light curve is then a whole number.

    Attributes
    ----------
    spectra, images, light_curve
        The three accumulators.
    photons
        Photons added so far.

    See Also
    --------
    SpectraAccumulator, ImageAccumulator, LightCurveAccumulator : One of the three alone.
    """

    def __init__(
        self,
        n_pixels: int,
        n_channels: int,
        start: float,
        stop: float,
        step: float,
        bands: EnergyBands | Sequence[tuple[float, float]],
        *,
        gti: GoodTimeIntervals | None = None,
        tick: float | None = None,
    ) -> None:
        self.bands = bands if isinstance(bands, EnergyBands) else EnergyBands(bands)
        self.spectra = SpectraAccumulator(n_pixels, n_channels)
        self.images = ImageAccumulator(n_pixels, self.bands)
        self.light_curve = LightCurveAccumulator(start, stop, step, self.bands, gti=gti, tick=tick)
        self.photons = 0

    def add(self, block: PhotonBlock, scale: Scale) -> None:
        """Add photons."""
        self.spectra.add_with_images(block, scale, self.images)
        self.light_curve.add(block, scale)
        self.photons += block.time.size

    def add_all(self, blocks: Iterable[PhotonBlock], scale: Scale) -> None:
        """Add all blocks."""
        for block in blocks:
            self.add(block, scale)
