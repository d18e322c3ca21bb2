"""What packets become: columns of photons, tables of parameters, rows of spectra."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets import PacketLayout

__all__ = ["HousekeepingTable", "PhotonColumns", "SpectraColumns"]


@dataclass(frozen=True)
class PhotonColumns:
    """Photons, in the order of the packets; all arrays have shape (n,).

    Parameters
    ----------
    time
        s (TT since MJDREFI 57754), float64.
    detnum
        Pixel number, int16.
    channel
        Pulse height (PHA), int16.
    multiplicity
        Pixels hit at once, uint8.
    bad_pixel, bad_channel
        Photons left out because their pixel, or their channel, does not exist.
    damaged_packets
        Photon packets left out because they are damaged, cut short, or have no time.
    baseline
        Level of the readout before each photon, int16, shape (n,); −1 for photons without one. It is not
        taken off the channel. None for a detector that never sends it.
    undecided_packets
        Packets among those decoded that more than one layout fits, with nothing that decides between them.
    """

    time: npt.NDArray[np.float64]
    detnum: npt.NDArray[np.int16]
    channel: npt.NDArray[np.int16]
    multiplicity: npt.NDArray[np.uint8]
    bad_pixel: int = 0
    bad_channel: int = 0
    damaged_packets: int = 0
    baseline: npt.NDArray[np.int16] | None = None
    undecided_packets: int = 0

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def empty(cls) -> "PhotonColumns":
        """No photons."""
        return cls(np.empty(0), np.empty(0, np.int16), np.empty(0, np.int16), np.empty(0, np.uint8))

    def _repr_html_(self) -> str:
        return (
            f"<p>{len(self)} photons; left out: {self.bad_pixel} of no pixel, {self.bad_channel} of no "
            f"channel, {self.damaged_packets} damaged packets</p>"
        )


@dataclass(frozen=True)
class HousekeepingTable:
    """Values of one kind of packet; all arrays have shape (n_packets,).

    Parameters
    ----------
    name
        Kind of packet, as in the instrument's description.
    time
        s (TT since MJDREFI 57754); NaN for packets without a time.
    raw
        Raw values by parameter.
    values
        Engineering values by parameter, float64; the raw number for parameters that are texts.
    texts
        Texts by parameter, for parameters whose calibration is a list of texts.
    layout
        The table: units, limits, descriptions.
    damaged_packets
        Packets left out because they are damaged.
    """

    name: str
    time: npt.NDArray[np.float64]
    raw: Mapping[str, npt.NDArray[Any]]
    values: Mapping[str, npt.NDArray[np.float64]]
    texts: Mapping[str, npt.NDArray[Any]]
    layout: PacketLayout
    damaged_packets: int = 0

    def __len__(self) -> int:
        return len(self.time)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{values[-1]:.6g}</td></tr>"
            for name, values in self.values.items()
            if len(values)
        )
        return (
            f"<table><caption>{escape(self.name)}: {len(self)} packets, last values</caption>{rows}</table>"
        )


@dataclass(frozen=True)
class SpectraColumns:
    """Spectra accumulated on board, one row a pixel and packet.

    Parameters
    ----------
    time
        s (TT since MJDREFI 57754), shape (n,).
    detnum
        Pixel number, int16, shape (n,).
    counts
        Shape (n, bins).
    live_time
        s, shape (n,); NaN where the packets carry none.
    bad_pixel
        Spectra left out because their pixel does not exist.
    damaged_packets
        Packets left out because they are damaged.
    """

    time: npt.NDArray[np.float64]
    detnum: npt.NDArray[np.int16]
    counts: npt.NDArray[np.int64]
    live_time: npt.NDArray[np.float64]
    bad_pixel: int = 0
    damaged_packets: int = 0

    def __len__(self) -> int:
        return len(self.time)
