"""Photons in memory: four columns and the times in which they were good."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events.bands import Scale, energies
from eicpy.events.gti import GoodTimeIntervals
from eicpy.times import to_time

__all__ = ["EventList", "PhotonBlock", "PixelSelection"]

PixelSelection = npt.NDArray[Any] | Sequence[int]
"""Pixels: a mask with one value per pixel, or pixel numbers."""


class PhotonBlock(Protocol):
    """Columns of photons; anything with these four arrays of one length is one."""

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """Arrival time, s TT since the reference."""

    @property
    def detnum(self) -> npt.NDArray[np.int16]:
        """Pixel number."""

    @property
    def channel(self) -> npt.NDArray[np.int16]:
        """Channel as measured (PHA)."""

    @property
    def multiplicity(self) -> npt.NDArray[np.uint8]:
        """Number of pixels hit at once."""


class EventList:
    """Photons.

    Parameters
    ----------
    time
        Arrival time, s TT since the reference (float64); nearly sorted.
    detnum
        Pixel number (int16).
    channel
        Channel as measured, PHA (int16).
    multiplicity
        Number of pixels hit at once (uint8); 1 everywhere by default.
    gti
        Times in which photons were recorded; None where nobody knows.

    Raises
    ------
    BadArgumentError
        For columns of different lengths.

    See Also
    --------
    EventFile : Photons in a file, read block by block.
    GoodTimeIntervals : Times in which photons are good.

    Examples
    --------
    >>> photons = EventList([0.0, 1.0, 2.0], [5, 6, 5], [100, 200, 300])
    >>> len(photons.select(time=(0.5, 3.0), pixels=[5]))
    1
    """

    __slots__ = ("channel", "detnum", "gti", "multiplicity", "time")

    def __init__(
        self,
        time: npt.ArrayLike,
        detnum: npt.ArrayLike,
        channel: npt.ArrayLike,
        multiplicity: npt.ArrayLike | None = None,
        gti: GoodTimeIntervals | None = None,
    ) -> None:
        self.time: npt.NDArray[np.float64] = np.ascontiguousarray(time, dtype=np.float64)
        self.detnum: npt.NDArray[np.int16] = np.ascontiguousarray(detnum, dtype=np.int16)
        self.channel: npt.NDArray[np.int16] = np.ascontiguousarray(channel, dtype=np.int16)
        flags = np.ones(self.time.size, dtype=np.uint8) if multiplicity is None else multiplicity
        self.multiplicity: npt.NDArray[np.uint8] = np.ascontiguousarray(flags, dtype=np.uint8)
        self.gti = gti
        sizes = {c.shape for c in (self.time, self.detnum, self.channel, self.multiplicity)}
        if len(sizes) > 1 or self.time.ndim != 1:
            raise BadArgumentError(f"got columns of shapes {sorted(sizes)}, expected one length")

    @classmethod
    def of(cls, block: PhotonBlock, gti: GoodTimeIntervals | None = None) -> Self:
        """Wrap columns that come from elsewhere, without copying."""
        return cls(block.time, block.detnum, block.channel, block.multiplicity, gti)

    @classmethod
    def concatenate(cls, blocks: Iterable[PhotonBlock], gti: GoodTimeIntervals | None = None) -> Self:
        """Join blocks, in their order."""
        parts = list(blocks)
        if not parts:
            return cls(np.empty(0), np.empty(0, np.int16), np.empty(0, np.int16), None, gti)
        time, detnum, channel, multiplicity = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("time", "detnum", "channel", "multiplicity")
        )
        return cls(time, detnum, channel, multiplicity, gti)

    def __len__(self) -> int:
        return int(self.time.size)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> Self:
        """Rows by slice (no copy), mask or numbers."""
        return type(self)(
            self.time[rows], self.detnum[rows], self.channel[rows], self.multiplicity[rows], self.gti
        )

    def blocks(self, size: int = 500_000) -> Iterator[Self]:
        """Go through the photons in blocks of at most `size`, without copying."""
        for first in range(0, len(self), size):
            yield self[first : first + size]

    def sorted(self) -> Self:
        """The photons in order of time; those of one time keep their order."""
        return self[np.argsort(self.time, kind="stable")]

    def energy(self, scale: Scale) -> npt.NDArray[np.float64]:
        """Energy of each photon, keV.

        Raises
        ------
        BadArgumentError
            For a pixel that the scale does not have.
        """
        return energies(self.detnum, self.channel, scale)

    def select(
        self,
        *,
        time: tuple[float, float] | GoodTimeIntervals | None = None,
        energy: tuple[float, float] | None = None,
        scale: Scale | None = None,
        pixels: PixelSelection | None = None,
        multiplicity: int | Sequence[int] | None = None,
    ) -> Self:
        """Photons that fulfil every condition given.

        Parameters
        ----------
        time
            (start, stop), s, stop excluded; or intervals. Narrows `gti` too.
        energy
            (low, high), keV, high excluded; needs `scale`.
        scale
            Gain and offset of each pixel.
        pixels
            A mask with one value per pixel, or pixel numbers.
        multiplicity
            One or several numbers of pixels hit at once.

        Raises
        ------
        BadArgumentError
            For an energy without a scale, or a mask that is shorter than the pixels.
        """
        keep = np.ones(len(self), dtype=bool)
        gti = self.gti
        if time is not None:
            intervals = time if isinstance(time, GoodTimeIntervals) else GoodTimeIntervals(*time)
            keep &= intervals.mask(self.time)
            gti = None if gti is None else gti & intervals
        if energy is not None:
            if scale is None:
                raise BadArgumentError("got an energy selection without a scale, expected gain and offset")
            value = self.energy(scale)
            keep &= (value >= energy[0]) & (value < energy[1])
        if pixels is not None:
            keep &= _pixel_mask(self.detnum, np.asarray(pixels))
        if multiplicity is not None:
            keep &= np.isin(self.multiplicity, np.atleast_1d(multiplicity))
        return type(self)(
            self.time[keep], self.detnum[keep], self.channel[keep], self.multiplicity[keep], gti
        )

    def __repr__(self) -> str:
        return f"<EventList of {len(self)} photons>"

    def _repr_html_(self) -> str:
        rows = [("photons", f"{len(self):,}")]
        if len(self):
            known = self.time[np.isfinite(self.time)]
            ends = (to_time(t).utc.isot for t in (known.min(), known.max())) if known.size else ("unknown",)
            rows += [
                ("time (UTC)", " to ".join(ends)),
                ("pixels hit", f"{np.unique(self.detnum).size}"),
                ("channels", f"{self.channel.min()} to {self.channel.max()}"),
            ]
        if self.gti is not None:
            rows.append(("good time", f"{self.gti.exposure:.3f} s in {len(self.gti)} intervals"))
        body = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<table><caption>Photons</caption>{body}</table>"


def _pixel_mask(detnum: npt.NDArray[np.int16], pixels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if pixels.dtype != bool:
        return np.isin(detnum, pixels)
    if detnum.size and detnum.max() >= pixels.size:
        raise BadArgumentError(f"got a mask of {pixels.size} pixels, expected more than {detnum.max()}")
    return np.asarray(pixels[detnum])
