"""A detector on the bench that sends packets: telecommands with their reports, photons, housekeeping."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from eicpy.simulation.bench.config import BenchCommand
from eicpy.simulation.bench.housekeeping import BenchHousekeeping
from eicpy.simulation.bench.isotopes import lines_of
from eicpy.simulation.bench.scan import Scanner
from eicpy.simulation.bench.scene import TIMING, BenchScene
from eicpy.simulation.camera.photons import PhotonStream, SimulatedPhotons
from eicpy.simulation.packets.commands import Telecommand, answers, report_columns, report_kind, request_id
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder, PacketBatch, PhotonPacker, merge

__all__ = ["Bench"]

_FOREVER = 2**62
_FAILURE_CODE = 1


class Bench:
    """A simulated detector on the bench.

    Parameters
    ----------
    scene
        What is measured when, and what shines.

    Attributes
    ----------
    stream
        Its photons and their counts.
    encoder
        Its packets and their counts.
    """

    def __init__(self, scene: BenchScene) -> None:
        self.scene = scene
        self.stream = PhotonStream(scene)
        self.encoder = Encoder(scene.instrument)
        self._packer = PhotonPacker(self.encoder, scene.config.photon_header)
        self._housekeeping = BenchHousekeeping(scene, self.encoder.layouts)
        self._scanner = Scanner(scene, self.encoder)
        self._reports: list[tuple[float, int, int]] = []
        self._commands = sorted(scene.config.commands, key=lambda c: c.time)

    def batches(self, steps: int = 6) -> Iterator[PacketBatch]:
        """Packets in the order in which they are sent, in blocks of `steps` steps of ten seconds."""
        for block in self.stream.blocks(steps):
            last = block.end >= self.scene.config.duration
            end = _FOREVER if last else self._ticks(block.end)
            before = sum(self.encoder.sent.values())
            commands, reports = self._exchange(block)
            photons = self._packer.add(block, end)
            scans = self._scanner.packets(block.begin, np.inf if last else block.end)
            housekeeping = self._second_by_second(block, before, [*reports, *scans, photons])
            # What is sent at the very end of a block goes before what is sent there in the next one.
            yield merge([*housekeeping, photons, *scans, *commands, *reports])

    def facts(self) -> dict[str, Any]:
        """What was measured when and what was commanded, for the truth."""
        start = self.scene.start
        return {
            "measurements": [
                {
                    "start": start + one.begin,
                    "stop": start + one.end,
                    "arguments": one.arguments,
                    "source": self.scene.config.source if one.source else None,
                    "threshold": one.threshold,
                    "scan": one.scan,
                }
                for one in self.scene.measurements
            ],
            "telecommands": [
                {"time": start + c.time, "command": c.command, "arguments": c.arguments, "refused": c.refuse}
                for c in self._commands
            ],
            "telecommands_sent": {str(apid): n for apid, n in sorted(self.encoder.commands.items())},
        }

    def tables(self) -> list[fits.BinTableHDU]:
        """The lines of the source."""
        source = self.scene.config.source
        lines = np.array(() if source is None else lines_of(source)).reshape(-1, 2)
        columns = [
            fits.Column("ENERGY", "D", unit="keV", array=lines[:, 0]),
            fits.Column("INTENSITY", "D", array=lines[:, 1]),
        ]
        return [fits.BinTableHDU.from_columns(columns, name="LINES")]

    def cards(self) -> dict[str, str]:
        """The source."""
        return {"SOURCE": self.scene.config.source or "none"}

    def write_files(self, folder: Path) -> None:
        """Nothing comes from a bench beside its packets."""

    def _ticks(self, seconds: float) -> int:
        return round((self.scene.start + seconds) * TICKS_PER_SECOND)

    def _exchange(self, block: SimulatedPhotons) -> tuple[list[PacketBatch], list[PacketBatch]]:
        """Telecommands of a block, and the reports that are due in it, in the order of time."""
        last = block.end >= self.scene.config.duration
        commands = [self._command(c) for c in self._commands if block.begin <= c.time < block.end]
        due = [report for report in self._reports if report[0] < block.end or last]
        self._reports = [report for report in self._reports if report not in due]
        return commands, [self._report(*report) for report in sorted(due)]

    def _command(self, command: BenchCommand) -> PacketBatch:
        tick = np.array([self._ticks(command.time)])
        columns = Telecommand(command.command, command.arguments).columns()
        batch = self.encoder.packets(command.command, tick, tick, columns)
        for subservice, delay in answers(TIMING, command.refuse):
            self._reports.append((command.time + delay, subservice, request_id(batch.data)))
        return batch

    def _report(self, time: float, subservice: int, request: int) -> PacketBatch:
        kind = report_kind(self.scene.instrument, subservice)
        tick = np.array([self._ticks(time)])
        columns = report_columns(self.encoder.layouts[kind], request, _FAILURE_CODE)
        return self.encoder.packets(kind, tick, tick, columns)

    def _second_by_second(
        self, block: SimulatedPhotons, before: int, others: list[PacketBatch]
    ) -> list[PacketBatch]:
        """Housekeeping at the end of each second of a block."""
        seconds = int(block.end) - int(block.begin)
        if seconds == 0:
            return []
        time = np.asarray(int(block.begin) + 1 + np.arange(seconds), np.float64)
        ticks = np.rint((self.scene.start + time) * TICKS_PER_SECOND).astype(np.int64)
        sent = np.sort(np.concatenate([batch.sent for batch in others]))
        kinds = self._housekeeping.kinds
        counted = _per_second(block, self.scene, seconds) | {
            "telemetry": before
            + np.searchsorted(sent, ticks, side="left")
            + len(kinds) * np.arange(seconds, dtype=np.float64)
        }
        return [
            self.encoder.packets(kind, ticks, ticks, self._housekeeping.raw(kind, time, counted))
            for kind in kinds
        ]


def _per_second(
    block: SimulatedPhotons, scene: BenchScene, seconds: int
) -> dict[str, npt.NDArray[np.float64]]:
    second = np.minimum(block.tick // TICKS_PER_SECOND - (scene.start + round(block.begin)), seconds - 1)
    rate = np.bincount(second, minlength=seconds).astype(np.float64)
    multiple = np.bincount(second[block.multiplicity > 1], minlength=seconds).astype(np.float64)
    dead = rate * scene.config.detector.dead_time / scene.instrument.pixels.sectors
    return {"rate": rate, "multiple": multiple, "dead time": dead}
