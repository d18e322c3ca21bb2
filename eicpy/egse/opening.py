"""From the words of a command line to a source."""

from collections.abc import Iterator
from pathlib import Path

from eicpy.egse.sources import FileSource, PacketSource, SimulatorSource
from eicpy.egse.stream_chunk import ByteArray
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.simulation import TelemetryStream, preset

__all__ = ["open_source"]


def open_source(
    text: str,
    settings: Settings,
    instrument: str | None = None,
    *,
    blind: bool = False,
    block_size: int = 1 << 18,
) -> PacketSource:
    """The source that a text names.

    Parameters
    ----------
    text
        A file, ``run:NUMBER`` of the instrument's archive, or ``simulator:PRESET``.
    settings
        Where the archive lies.
    instrument
        Name of the detector; for a file None learns its packets from the data.
    blind
        Give a file as bytes, whose packets nobody asks for.
    block_size
        Bytes of a file that are read at once.

    Returns
    -------
    PacketSource
        Nothing of it is read yet.

    Raises
    ------
    BadArgumentError
        For a run or a simulation that does not exist, or a run without an instrument.
    """
    scheme, colon, name = text.partition(":")
    if colon and scheme == "run":
        return _run(name, settings, instrument, blind=blind, block_size=block_size)
    if colon and scheme == "simulator":
        return simulator(name)
    headers = None if instrument is None else load(instrument).headers
    return FileSource(Path(text), headers, blind=blind, block_size=block_size)


def simulator(name: str) -> SimulatorSource:
    """A ready-made simulation as a source.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    """
    stream = TelemetryStream(preset(name))

    def blocks() -> Iterator[tuple[float, ByteArray]]:
        for seconds, pieces in stream.blocks():
            for piece in pieces:
                yield seconds, piece

    return SimulatorSource(
        f"simulator:{name}", stream.instrument, blocks, stream.config.duration, stream.summary
    )


def _run(
    name: str, settings: Settings, instrument: str | None, *, blind: bool, block_size: int
) -> FileSource:
    if instrument is None or not name.isdecimal():
        raise BadArgumentError(f"got run:{name}, expected run:NUMBER and the instrument (-i NAME)")
    run = RunArchive(settings.archive(instrument), instrument).run(int(name))
    headers = load(instrument).headers
    return FileSource(
        run.raw_file, headers, blind=blind, block_size=block_size, name=f"run {run.number} of {instrument}"
    )
