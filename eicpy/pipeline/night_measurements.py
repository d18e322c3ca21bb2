"""What a scientist asks of a night in one line: a rate, a spectrum, a parameter, one against the other.

All of it comes from the products and the housekeeping archive of the night, within its good time, with the
energy scale with which its photons were treated. Photons are read block by block, so that a day needs no more
memory than a minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import (
    DeadTime,
    GoodTimeIntervals,
    Multiples,
    SpectraAccumulator,
    readouts,
    tick_of,
    treat_multiples,
)
from eicpy.pipeline.against import Against
from eicpy.pipeline.energy_spectrum import Spectrum, sum_on_nominal_scale
from eicpy.pipeline.night_files import NightFiles
from eicpy.pipeline.parameter_series import ParameterSeries, read_parameter
from eicpy.pipeline.rate import CLOSE, Rate, measure_rate, photon_blocks
from eicpy.quantities import in_unit
from eicpy.times import to_seconds
from eicpy.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from astropy.time import Time
    from astropy.units import Quantity

__all__ = ["NightMeasurements"]

Instant: TypeAlias = "float | str | Time"
Pixels: TypeAlias = "Iterable[int] | npt.NDArray[np.bool_] | None"


@dataclass(frozen=True, repr=False)
class NightMeasurements(NightFiles):
    """Measurements on a night; :class:`~eicpy.pipeline.NightProducts` is one."""

    def parameter(self, name: str) -> ParameterSeries:
        """Give a housekeeping parameter of the night, with its unit and limits.

        Parameters
        ----------
        name
            Its name, for example ``ECL_TEMPTH01``; ``packet.name`` where several packets have it.

        Raises
        ------
        NotFoundError
            For a name that is not in the archive.
        """
        return read_parameter(self.settings, self.instrument, self.span, name)

    def rate(
        self,
        low: "float | Quantity | None" = None,
        high: "float | Quantity | None" = None,
        step: "float | Quantity" = 20.0,
        *,
        module: int | Iterable[int] | None = None,
        pixels: Pixels = None,
        time: tuple[Instant, Instant] | None = None,
        multiples: Multiples = "combine",
    ) -> Rate:
        """Give the rate in a band of energy, per second of live time: good time less dead time.

        Parameters
        ----------
        low, high
            The band, keV or a Quantity; `low` belongs to it, `high` does not. By default the whole range of
            the detector.
        step
            Width of a bin, s or a Quantity: a whole number of ticks of the photons' times. Rates with the
            same step have the same bins.
        module
            Of these modules alone.
        pixels
            Of these pixels alone: their numbers, or whether each is one.
        time
            From and to: s TT since the reference, ISO (UTC) or Time; by default the night.
        multiples
            What of photons that hit several pixels at once: ``combine`` counts each once, with its whole
            energy, in the pixel with most of it; ``single`` leaves them out; ``all`` counts every event.

        Raises
        ------
        BadArgumentError
            For a band without width, a step that is not positive, no such module, pixel or way.
        """
        energy = self.instrument.energy
        band = tuple(
            in_unit(e, "keV")
            for e in (energy.low if low is None else low, energy.high if high is None else high)
        )
        chosen, what = self._choose(module, pixels)
        return measure_rate(
            self.photon_files, self.treatment.scale, (band[0], band[1]), in_unit(step, "s"),
            self._good_time_in(time), origin=self.span[0], pixels=chosen, what=what,
            tick=tick_of(self.instrument), dead=DeadTime.of(self.instrument),
            multiples=multiples, grid=self.instrument.pixels,
        )  # fmt: skip

    def spectrum(
        self,
        *,
        module: int | Iterable[int] | None = None,
        pixels: Pixels = None,
        time: tuple[Instant, Instant] | None = None,
        join: int = 0,
        multiples: Multiples = "single",
    ) -> Spectrum:
        """Give a spectrum on the calibrated scale: each pixel with its own gain and offset.

        Parameters
        ----------
        module, pixels, time
            As for :meth:`rate`. With `time` the photons are read, otherwise the spectra of the night.
        multiples
            As for :meth:`rate`; the spectra of the night are ``single``, for others the photons are read.
        join
            Channels joined into a bin; 0 joins as many as few photons need to be looked at.

        Raises
        ------
        BadArgumentError
            For no such module or pixel, or channels that do not make whole bins.
        """
        chosen, what = self._choose(module, pixels)
        mask = np.ones(self.instrument.pixels.count, np.bool_) if chosen is None else chosen
        scale, nominal = self.treatment.scale, self.instrument.energy
        if time is None and multiples == "single":
            spectra, exposure, live_times = self.spectra, self.good_time.exposure, self.live_times
        else:
            spectra, exposure, live_times = self._read_spectra(self._good_time_in(time), multiples)
        edges, counts = sum_on_nominal_scale(spectra, scale, nominal, mask, join)
        live = None
        if live_times is not None:
            wanted = np.where(mask, spectra.sum(axis=1, dtype=np.int64), 0)
            live = float(np.average(live_times, weights=wanted)) if wanted.any() else exposure
        return Spectrum(edges, counts, exposure, what or "the whole detector", live, multiples)

    def _read_spectra(
        self, gti: GoodTimeIntervals, multiples: Multiples
    ) -> tuple[AnyArray, float, FloatArray | None]:
        """Spectra of each pixel from the photons, the good time, and the live time of each pixel, s."""
        grid, tick = self.instrument.pixels, tick_of(self.instrument) or CLOSE
        sums = SpectraAccumulator(grid.count, self.instrument.energy.channels)
        made_dead = np.zeros(grid.count, np.int64)
        for block in photon_blocks(self.photon_files, gti):
            made_dead += np.bincount(block.detnum[readouts(block, grid, tick)], minlength=grid.count)
            sums.add(treat_multiples(block, multiples, scale=self.treatment.scale, grid=grid, tick=tick))
        dead = DeadTime.of(self.instrument)
        live = None if dead is None else dead.live_times(gti.exposure, made_dead)
        return sums.counts, gti.exposure, live

    def against(
        self,
        name: str,
        low: "float | Quantity | None" = None,
        high: "float | Quantity | None" = None,
        step: "float | Quantity" = 20.0,
        *,
        module: int | Iterable[int] | None = None,
        pixels: Pixels = None,
        time: tuple[Instant, Instant] | None = None,
        multiples: Multiples = "combine",
    ) -> Against:
        """Give a rate against a housekeeping parameter, on the time base of the rate.

        Parameters
        ----------
        name
            The parameter.
        low, high, step, module, pixels, time, multiples
            As for :meth:`rate`.

        Raises
        ------
        NotFoundError
            For a parameter that is not in the archive.
        BadArgumentError
            For one with texts, and as for :meth:`rate`.
        """
        parameter = self.parameter(name)
        rate = self.rate(low, high, step, module=module, pixels=pixels, time=time, multiples=multiples)
        return Against(parameter.binned(rate.time, rate.step), rate)

    def _good_time_in(self, time: tuple[Instant, Instant] | None) -> GoodTimeIntervals:
        if time is None:
            return self.good_time
        start, stop = (to_seconds(t) for t in time)
        if not start < stop:
            raise BadArgumentError(f"got from {time[0]} to {time[1]}, expected an end after the begin")
        return self.good_time & GoodTimeIntervals(start, stop)

    def _choose(
        self, module: int | Iterable[int] | None, pixels: Pixels
    ) -> tuple[npt.NDArray[np.bool_] | None, str]:
        """Which pixels are meant, and in words; None for all."""
        grid = self.instrument.pixels
        chosen, what = None, []
        if module is not None:
            numbers = np.atleast_1d(np.asarray(module if isinstance(module, int) else [*module]))
            _check(numbers, grid.modules, "module")
            chosen = np.isin(grid.module(np.arange(grid.count)), numbers)
            what.append(f"module {', '.join(map(str, numbers))}")
        if pixels is not None:
            given = np.asarray(pixels if isinstance(pixels, np.ndarray) else [*pixels])
            mask = np.zeros(grid.count, np.bool_)
            if given.dtype == np.bool_ and given.shape != mask.shape:
                raise BadArgumentError(f"got a mask of shape {given.shape}, expected {mask.shape}")
            if given.dtype != np.bool_:
                _check(given, grid.count, "pixel")
            mask[given] = True
            chosen = mask if chosen is None else chosen & mask
            what.append(f"{int(mask.sum())} pixels")
        return chosen, ", ".join(what)


def _check(numbers: AnyArray, count: int, what: str) -> None:
    """Refuse numbers of which there is no such thing."""
    if not numbers.size or numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= count:
        shown = ", ".join(map(str, numbers[:5].tolist())) or "none"
        raise BadArgumentError(f"got {what} {shown}, expected whole numbers from 0 to {count - 1}")
