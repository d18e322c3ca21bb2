"""An archive of runs with packets whose contents are known, in a home of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from eicpy.instruments import Instrument, load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import Run, RunArchive
from eicpy.settings import Settings

COARSE = 300_000_000
"""On-board time of the first packet, s since the epoch."""
PHOTONS = 20
"""In a packet of photons."""


@dataclass(frozen=True)
class Bench:
    """A detector and one of its kinds of housekeeping."""

    name: str
    kind: str
    structure: dict[str, int]
    parameter: str
    """A temperature with limits: above −17.5 °C a warning, above −15 °C an alarm."""

    @property
    def instrument(self) -> Instrument:
        return load(self.name)

    def photons(self, first: int, seconds: int, each: int = PHOTONS) -> list[bytes]:
        """A packet a second; the channel of a photon is its second modulo 1000."""
        instrument = self.instrument
        second = np.repeat(np.arange(first, first + seconds), each)
        step = np.tile(np.arange(each), seconds)
        ticks = (COARSE + second) * 50_000 + 100 * step
        fields = {
            "TIME": ticks % 2**32,
            "DETNUM": (7 * second + step) % instrument.pixels.count,
            "CHANNEL": second % 1000,
            "MULTIPLICITY": np.ones(len(second), np.int64),
        }
        return self._packets("photons", first, seconds, {}, fields, np.full(seconds, each))

    def housekeeping(self, first: int, temperatures) -> list[bytes]:
        """A packet a second with these temperatures."""
        layout = PacketLayout.read(self.instrument.layout_file(self.kind))
        raw = np.arange(2**16)
        degrees = layout.calibrate(self.parameter, raw.astype(np.uint16))
        order = np.argsort(degrees)
        values = raw[order][np.searchsorted(degrees[order], np.asarray(temperatures))]
        columns = self.structure | {self.parameter: values}
        return self._packets(self.kind, first, len(values), columns, None, None)

    def _packets(self, kind, first, count, columns, repeated, counts) -> list[bytes]:
        instrument = self.instrument
        packet = instrument.packets[kind]
        layout = PacketLayout.read(instrument.layout_file(kind))
        numbers = np.arange(first, first + count)
        data = encode(
            layout,
            PacketHeaders(
                packet.apid,
                numbers % 16384,
                COARSE + numbers,
                0,
                service=packet.service,
                subservice=packet.subservice,
                destination=instrument.simulated_destination,
            ),
            columns,
            repeated,
            counts,
            header=instrument.header(packet.apid),
        )
        return [row.tobytes() for row in data.reshape(count, -1)]

    def seconds(self, first: int, temperatures) -> bytes:
        """Photons and housekeeping of some seconds, as they would come."""
        pairs = zip(
            self.photons(first, len(temperatures)), self.housekeeping(first, temperatures), strict=True
        )
        return b"".join(part for pair in pairs for part in pair)


ECLAIRS = Bench("eclairs", "dpix", {"DPIX_HKSTRUCT": 2}, "DPIX_TEMPELS1")
PROTOTYPE = Bench("dpix-prototype", "housekeeping", {}, "DPX_TEMPROW1")


@pytest.fixture(params=[ECLAIRS, PROTOTYPE], ids=lambda bench: bench.name)
def bench(request: pytest.FixtureRequest) -> Bench:
    return request.param


@pytest.fixture(scope="session")
def eclairs() -> Instrument:
    return load("eclairs")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("EIC_HOME", str(tmp_path / "home"))
    return Settings.at(tmp_path / "home")


@pytest.fixture
def archive(settings: Settings) -> RunArchive:
    return RunArchive(settings.archive("eclairs"), "eclairs")


@pytest.fixture(scope="session")
def photon_packets() -> Callable[..., bytes]:
    """Makes photon packets of ECLAIRs; the channel of a photon is its packet's number modulo 1000."""
    return lambda packets, first=0: b"".join(ECLAIRS.photons(first, packets))


@pytest.fixture(scope="session")
def big_packets() -> Callable[[int], bytes]:
    """Makes photon packets of ECLAIRs of 32 kB each."""
    return lambda packets: b"".join(ECLAIRS.photons(0, packets, 4000))


@pytest.fixture
def closed_run(archive: RunArchive, photon_packets: Callable[..., bytes]) -> Callable[..., Run]:
    """Makes a closed run of photon packets."""

    def make(packets: int, first: int = 0) -> Run:
        with archive.create(source="test") as writer:
            writer.append(photon_packets(packets, first))
            return writer.close()

    return make
