"""Which packets a reader wants: by APID, by kind as the instrument names it, telecommands or telemetry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.decoding.layouts import packet_layout
from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.packets import select
from eicpy.packets.primary_header import APIDS
from eicpy.runs.provider.cursor import Increment

__all__ = ["Selection", "kind_names"]


@dataclass(frozen=True)
class Selection:
    """What is wanted; without any condition, everything.

    Parameters
    ----------
    instrument
        Defines the kinds of packets.
    apids
        APIDs; empty for all.
    kinds
        Names of kinds of packets as in the instrument's description, or one of its classes such as
        ``housekeeping``; empty for all. A packet must fulfil both where both are given.
    commands
        True for telecommands alone, False for telemetry alone, None for both.

    Raises
    ------
    BadArgumentError
        For an APID that cannot be, or a kind that the instrument does not have.

    See Also
    --------
    provide : gives the selected packets.
    eicpy.packets.select : packets of one kind in an index.
    """

    instrument: Instrument
    apids: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    commands: bool | None = None

    def __post_init__(self) -> None:
        for apid in self.apids:
            if not 0 <= apid < APIDS:
                raise BadArgumentError(f"got APID {apid}, expected 0 to {APIDS - 1}")
        object.__setattr__(self, "kinds", _named(self.instrument, self.kinds))

    @property
    def is_everything(self) -> bool:
        """Whether no condition is set."""
        return not self.apids and not self.kinds and self.commands is None

    def rows(self, increment: Increment) -> npt.NDArray[np.bool_]:
        """Which packets of an increment are wanted, shape (n_packets,)."""
        index = increment.local
        wanted: npt.NDArray[np.bool_] = np.ones(len(index), np.bool_)
        if self.commands is not None:
            wanted &= index.command == self.commands
        if self.apids:
            wanted &= np.isin(index.apid, self.apids)
        if self.kinds and wanted.any():
            of_kind = np.zeros(len(index), np.bool_)
            for name in self.kinds:
                layout = packet_layout(self.instrument, name)
                of_kind |= select(increment.data, index, self.instrument.packets[name], layout)
            wanted &= of_kind
        return wanted

    def of(self, increment: Increment) -> Increment:
        """The wanted packets of an increment."""
        if self.is_everything or not len(increment):
            return increment
        return increment.chosen(self.rows(increment))


def _named(instrument: Instrument, kinds: Sequence[str]) -> tuple[str, ...]:
    """Names of kinds, with classes of packets (photons, housekeeping, …) written out."""
    names: dict[str, None] = {}
    for wanted in kinds:
        found = [n for n, kind in instrument.packets.items() if wanted in {n, kind.kind}]
        if not found:
            raise NotFoundError(
                f"got kind of packet {wanted!r}, expected of {instrument.name} one of "
                f"{', '.join(instrument.packets)}, or a class: "
                f"{', '.join(sorted({k.kind for k in instrument.packets.values()}))}"
            )
        names |= dict.fromkeys(found)
    return tuple(names)


def kind_names(increment: Increment) -> npt.NDArray[Any]:
    """Name of the kind of each packet, shape (n_packets,); empty text where none fits."""
    instrument = increment.instrument
    names = np.full(len(increment), "", dtype=object)
    for name, kind in instrument.packets.items():
        mask = select(increment.data, increment.local, kind, packet_layout(instrument, name))
        names[mask & (names == "")] = name
    return names
