"""A whole simulation: what a simulated detector sends, as a stream or as a file with its truth beside it.

Everything is streamed in blocks of a minute: the memory does not grow with the length of the simulation.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits

from eicpy.files import atomic_file
from eicpy.instruments import Instrument
from eicpy.simulation.bench.config import BenchConfig
from eicpy.simulation.bench.emitter import Bench
from eicpy.simulation.bench.scene import build_bench
from eicpy.simulation.camera.illumination import STEP
from eicpy.simulation.night import Camera
from eicpy.simulation.packets.faults import FaultInjector
from eicpy.simulation.presets import AnyConfig
from eicpy.simulation.scene import build_scene
from eicpy.simulation.truth import Emitter, SimulatedNight, summary, tables, write_truth
from eicpy.typing import ByteArray

__all__ = ["TelemetryStream", "emitter", "write_simulation"]


def emitter(config: AnyConfig) -> Emitter:
    """The simulated detector of a configuration.

    Raises
    ------
    BadArgumentError
        For a configuration that contradicts itself.
    """
    if isinstance(config, BenchConfig):
        return Bench(build_bench(config))
    return Camera(build_scene(config))


class TelemetryStream:
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

    def __init__(self, config: AnyConfig, block_steps: int = 6) -> None:
        self.config = config
        self._steps = block_steps
        self._begin()

    @property
    def instrument(self) -> Instrument:
        """The detector that sends."""
        return self._emitter.scene.instrument

    def blocks(self) -> Iterator[tuple[float, list[ByteArray]]]:
        """The stream from its beginning: seconds that are then done, and pieces to be sent in their order."""
        self._begin()
        done = 0.0
        for batch in self._emitter.batches(self._steps):
            done = min(done + self._steps * STEP, self.config.duration)
            yield done, self._injector.apply(batch)

    def summary(self) -> dict[str, Any]:
        """The truth about what was given so far."""
        return summary(self._emitter, self._injector.faults)

    def tables(self) -> fits.HDUList:
        """The truth about the pixels and what shone."""
        return tables(self._emitter)

    def write_files(self, folder: Path) -> None:
        """Write what comes to the ground beside the packets: attitude and orbit of a satellite."""
        self._emitter.write_files(folder)

    def _begin(self) -> None:
        self._emitter = emitter(self.config)
        self._injector = FaultInjector(self.config.faults, self.config.seed, self._emitter.scene.start)


def write_simulation(
    config: AnyConfig,
    folder: Path | str,
    *,
    progress: Callable[[float], None] | None = None,
    block_steps: int = 6,
) -> SimulatedNight:
    """Simulate a night or a bench and write ``<name>.ccsds``, ``truth.json`` and ``truth.fits``.

    Beside those of a night stand the attitude and the orbit of the satellite as the ground gets them,
    ``SVO-ATT-CNV-….fits`` and ``SVO-ORB-CNV-….fits``.

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

    See Also
    --------
    TelemetryStream : The same bytes in memory, block by block.
    eicpy.simulate : The same from a notebook, by the name of a preset.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from eicpy.simulation import SimulationConfig
    >>> config = SimulationConfig(name="moment", duration=2.0, seed=7)
    >>> with TemporaryDirectory() as folder:
    ...     night = write_simulation(config, folder)
    ...     night.packets.name
    'moment.ccsds'
    """
    folder = Path(folder)
    stream = TelemetryStream(config, block_steps)
    with atomic_file(folder / f"{config.name}.ccsds") as file:
        for seconds, pieces in stream.blocks():
            for piece in pieces:
                file.write(piece.data)
            if progress is not None:
                progress(seconds / config.duration)
    stream.write_files(folder)
    return write_truth(folder, stream.summary(), stream.tables())
