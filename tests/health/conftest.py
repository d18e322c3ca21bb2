"""Simulated cameras with known truth: what was lost, what left its limits, and when."""

from dataclasses import dataclass

import numpy as np
import pytest

from eicpy.decoding import packet_seconds
from eicpy.instruments import load
from eicpy.packets import index_packets
from eicpy.runs import RunArchive
from eicpy.simulation import ExcursionConfig, FaultConfig, SimulationConfig, write_simulation

BEYOND = "DPIX_VCTRLHVELS6"


@pytest.fixture(scope="session")
def camera():
    return load("eclairs")


@dataclass
class Stream:
    """Packets of a simulated camera, and what is true of them."""

    data: bytes
    index: object
    times: np.ndarray
    faults: list

    def until(self, seconds):
        """Byte at which a time after the start is reached."""
        later = self.times > self.times[0] + seconds
        return int(self.index.offset[np.argmax(later)]) if later.any() else len(self.data)

    def lost(self, apid, start, stop):
        """Packets lost within times after the start."""
        return sum(
            f.kind == "lost" and f.apid == apid and start <= f.time - self.times[0] < stop
            for f in self.faults
        )


@pytest.fixture(scope="session")
def stream(tmp_path_factory, camera):
    """Four minutes: losses near both ends, a parameter beyond its limit in the middle."""
    config = SimulationConfig(
        name="health", duration=240.0, background_rate=1.0, saa=False, earth=False, seed=7,
        excursions=(ExcursionConfig(parameter=BEYOND, start=90.0, duration=40.0, value=-318.0),),
        faults=FaultConfig(gaps=((20.0, 23.0), (210.0, 212.0))),
    )  # fmt: skip
    night = write_simulation(config, tmp_path_factory.mktemp("simulated"))
    data = night.packets.read_bytes()
    index = index_packets(data, camera.headers)
    times = np.maximum.accumulate(packet_seconds(index, camera))
    return Stream(data, index, times, [])


@pytest.fixture
def archive(tmp_path):
    return RunArchive(tmp_path / "home" / "archive" / "eclairs", "eclairs")


def put(archive, *parts, close=True, **known):
    """Runs of some bytes; all but the last are closed."""
    for number, part in enumerate(parts, start=1):
        writer = archive.create(source="test", **known)
        writer.append(part)
        if close or number < len(parts):
            writer.close()
        else:
            writer.release()
