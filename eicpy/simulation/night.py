"""The camera in orbit: photons, housekeeping and messages in, packets out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from eicpy.simulation.camera.photons import PhotonStream, SimulatedPhotons
from eicpy.simulation.night_truth import night_facts, night_tables, write_satellite_files
from eicpy.simulation.onboard import OnboardSoftware
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder, PacketBatch, PhotonPacker, merge
from eicpy.simulation.packets.event_packets import EventPacket, encode_messages, verifications
from eicpy.simulation.packets.housekeeping import Counts, HousekeepingModel
from eicpy.simulation.partner_files import write_partners
from eicpy.simulation.scene import Scene

__all__ = ["Camera"]

_FOREVER = 2**62
_DPIX_PERIOD = 2
_PHOTON_HEADER = {"ECL_PHO_SECTORMASK": 255}


class Camera:
    """A simulated camera that sends packets.

    Parameters
    ----------
    scene
        What shines.

    Attributes
    ----------
    stream
        Its photons and their counts.
    encoder
        Its packets and their counts.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.stream = PhotonStream(scene)
        self.encoder = Encoder(scene.instrument)
        self._packer = PhotonPacker(self.encoder, _PHOTON_HEADER)
        self._housekeeping = HousekeepingModel(scene, self.encoder.layouts)
        self._commands = sorted(verifications(scene), key=lambda m: m.time)
        trigger = scene.config.trigger
        self._software = OnboardSoftware(scene, trigger) if trigger is not None else None
        self._messages = 0

    def batches(self, steps: int = 6) -> Iterator[PacketBatch]:
        """Packets in the order in which they are sent, in blocks of `steps` steps of ten seconds."""
        for block in self.stream.blocks(steps):
            last = block.end >= self.scene.config.duration
            end = _FOREVER if last else round((self.scene.start + block.end) * TICKS_PER_SECOND)
            photon_packets = self._photon_packets()
            photons = self._packer.add(block, end)
            due = self._due(block)
            housekeeping = self._second_by_second(block, photon_packets, photons.sent, due)
            self._messages += len(due)
            yield merge([photons, *housekeeping, *encode_messages(self.encoder, self.scene.start, due)])

    def facts(self) -> dict[str, Any]:
        """What happened when, for the truth."""
        trigger = None if self._software is None else self._software.facts()
        return night_facts(self.scene) | {"trigger": trigger}

    def tables(self) -> list[fits.BinTableHDU]:
        """Sources and orbit."""
        return night_tables(self.scene)

    def cards(self) -> dict[str, str]:
        """The mask through which the sources shone."""
        return {"MASK": self.scene.mask.name}

    def write_files(self, folder: Path) -> None:
        """Attitude and orbit of the satellite as the ground gets them, and what partners report."""
        write_satellite_files(self.scene, folder)
        if self.scene.config.partners:
            write_partners(self.scene, folder)

    def _photon_packets(self) -> int:
        return self.encoder.sent[self.scene.instrument.packets["photons"].apid]

    def _due(self, block: SimulatedPhotons) -> list[EventPacket]:
        """Messages of a block, in the order of their times."""
        due = [m for m in self._commands if block.begin <= m.time < block.end]
        if self._software is not None:
            due += self._software.add(block)
        return sorted(due, key=lambda m: m.time)

    def _second_by_second(
        self, block: SimulatedPhotons, before: int, sent: npt.NDArray[np.int64], due: list[EventPacket]
    ) -> list[PacketBatch]:
        """Housekeeping at the end of each second of a block (every other second for DPIX)."""
        seconds = int(block.end) - int(block.begin)
        if seconds == 0:
            return []
        time = np.asarray(int(block.begin) + 1 + np.arange(seconds), np.float64)
        ticks = np.rint((self.scene.start + time) * TICKS_PER_SECOND).astype(np.int64)
        counts = Counts.of(block, self.scene, seconds)
        whole = time.astype(np.int64)
        packets = whole + whole // _DPIX_PERIOD + before
        packets += np.searchsorted(sent, ticks, side="right")
        packets += self._messages + np.searchsorted([m.time for m in due], time, side="left")
        ecl = self._housekeeping.raw("ecl", time, counts, packets)
        batches = [self.encoder.packets("ecl", ticks, ticks, ecl)]
        even = time % _DPIX_PERIOD == 0
        dpix = self._housekeeping.raw("dpix", time[even], None, packets[even])
        return [*batches, self.encoder.packets("dpix", ticks[even], ticks[even], dpix)]
