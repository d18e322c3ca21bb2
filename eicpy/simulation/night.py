"""A whole simulation: photons, housekeeping and messages in, a telemetry file and its truth out.

Everything is streamed in blocks of a minute: the memory does not grow with the length of the night.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from eicpy.instruments import Instrument
from eicpy.products.atomic import atomic_file
from eicpy.simulation.config import SimulationConfig
from eicpy.simulation.faults import FaultInjector
from eicpy.simulation.housekeeping import Counts, HousekeepingModel
from eicpy.simulation.messages import alerts, encode_messages, verifications
from eicpy.simulation.photons import PhotonBlock, PhotonStream
from eicpy.simulation.scene import STEP, Scene, build_scene
from eicpy.simulation.telemetry import TICKS_PER_SECOND, Encoder, PacketBatch, PhotonPacker, merge
from eicpy.simulation.truth import SimulatedNight, summary, tables, write_truth

__all__ = ["Camera", "Stream", "simulate"]

ByteArray = npt.NDArray[np.uint8]

_FOREVER = 2**62
_DPIX_PERIOD = 2


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
        self._packer = PhotonPacker(self.encoder)
        self._housekeeping = HousekeepingModel(scene, self.encoder.layouts)
        self._messages = sorted(verifications(scene) + alerts(scene), key=lambda m: m.time)

    def batches(self, steps: int = 6) -> Iterator[PacketBatch]:
        """Packets in the order in which they are sent, in blocks of `steps` steps of ten seconds."""
        for block in self.stream.blocks(steps):
            last = block.end >= self.scene.config.duration
            end = _FOREVER if last else round((self.scene.start + block.end) * TICKS_PER_SECOND)
            photon_packets = self._photon_packets()
            photons = self._packer.add(block, end)
            housekeeping = self._second_by_second(block, photon_packets, photons.sent)
            due = [m for m in self._messages if block.begin <= m.time < block.end]
            yield merge([photons, *housekeeping, *encode_messages(self.encoder, self.scene.start, due)])

    def _photon_packets(self) -> int:
        return self.encoder.sent[self.scene.instrument.packets["photons"].apid]

    def _second_by_second(
        self, block: PhotonBlock, before: int, sent: npt.NDArray[np.int64]
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
        packets += np.searchsorted(sent, ticks, side="right") + self._messages_before(time)
        ecl = self._housekeeping.raw("ecl", time, counts, packets)
        batches = [self.encoder.packets("ecl", ticks, ticks, ecl)]
        even = time % _DPIX_PERIOD == 0
        dpix = self._housekeeping.raw("dpix", time[even], None, packets[even])
        return [*batches, self.encoder.packets("dpix", ticks[even], ticks[even], dpix)]

    def _messages_before(self, time: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.asarray(np.searchsorted([m.time for m in self._messages], time, side="right"), np.int64)


class Stream:
    """A simulation as a stream of bytes, as the line brings them; nothing is written.

    Parameters
    ----------
    config
        What to simulate.
    block_steps
        Ten-second steps that are in memory at once; the bytes do not depend on it.

    Raises
    ------
    BadArgumentError
        For a configuration that contradicts itself.
    """

    def __init__(self, config: SimulationConfig, block_steps: int = 6) -> None:
        self.config = config
        self._steps = block_steps
        self._begin()

    @property
    def instrument(self) -> Instrument:
        """The detector that sends."""
        return self._camera.scene.instrument

    def blocks(self) -> Iterator[tuple[float, list[ByteArray]]]:
        """The stream from its beginning: seconds that are then done, and pieces to be sent in their order."""
        self._begin()
        done = 0.0
        for batch in self._camera.batches(self._steps):
            done = min(done + self._steps * STEP, self.config.duration)
            yield done, self._injector.apply(batch)

    def summary(self) -> dict[str, Any]:
        """The truth about what was given so far."""
        camera = self._camera
        return summary(camera.scene, camera.stream, dict(camera.encoder.sent), self._injector.faults)

    def tables(self) -> fits.HDUList:
        """The truth about the pixels, the sources and the orbit."""
        return tables(self._camera.scene)

    def _begin(self) -> None:
        self._camera = Camera(build_scene(self.config))
        self._injector = FaultInjector(self.config.faults, self.config.seed, self._camera.scene.start)


def simulate(
    config: SimulationConfig,
    folder: Path | str,
    *,
    progress: Callable[[float], None] | None = None,
    block_steps: int = 6,
) -> SimulatedNight:
    """Simulate a night and write ``<name>.ccsds``, ``truth.json`` and ``truth.fits``.

    Parameters
    ----------
    config
        What to simulate; see :func:`eicpy.simulation.preset` for ready ones.
    folder
        Where the files go; made where it does not exist. Files of the same name are replaced, and
        nothing is left behind where the work is interrupted.
    progress
        Called after each block with the share that is done, 0 to 1.
    block_steps
        Ten-second steps that are in memory at once; the files do not depend on it.

    Returns
    -------
    SimulatedNight
        Where everything is.

    Raises
    ------
    BadArgumentError
        For a configuration that contradicts itself.
    FailedError
        Where the files cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> config = SimulationConfig(name="moment", duration=2.0, seed=7)
    >>> with TemporaryDirectory() as place:
    ...     night = simulate(config, place)
    ...     night.packets.name
    'moment.ccsds'
    """
    folder = Path(folder)
    stream = Stream(config, block_steps)
    with atomic_file(folder / f"{config.name}.ccsds") as file:
        for seconds, pieces in stream.blocks():
            for piece in pieces:
                file.write(piece.data)
            if progress is not None:
                progress(seconds / config.duration)
    return write_truth(folder, stream.summary(), stream.tables())
