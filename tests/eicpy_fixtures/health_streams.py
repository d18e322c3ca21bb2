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

    def until(self, seconds):
        """Byte at which a time after the start is reached."""
        later = self.times > self.times[0] + seconds
        return int(self.index.offset[np.argmax(later)]) if later.any() else len(self.data)

    def lost(self, start, stop):
        """Packets lost within times after the start, by APID: by their counts alone, each gap behind it."""
        found = {}
        for apid in np.unique(self.index.apid):
            rows = np.flatnonzero(self.index.apid == apid)
            missing = np.mod(np.diff(self.index.sequence_count[rows].astype(int)) - 1, 16384)
            after = self.times[rows[1:]] - self.times[0]
            packets = int(missing[(after >= start) & (after <= stop)].sum())
            if packets:
                found[int(apid)] = packets
        return found


@pytest.fixture(scope="session")
def stream(tmp_path_factory, camera):
    """Four minutes: losses near both ends, a parameter beyond its limit in the middle."""
    config = SimulationConfig(
        name="health", duration=240.0, background_rate=1.0, saa=False, earth=False, seed=7,
        excursions=(ExcursionConfig(parameter=BEYOND, start=90.0, duration=40.0, value=-318.0),),
        faults=FaultConfig(gaps=((20.0, 23.0), (210.0, 212.0))),
        trigger=None,  # with its packets five kinds are lost, and live pages fold the fifth away
    )  # fmt: skip
    night = write_simulation(config, tmp_path_factory.mktemp("simulated"))
    data = night.packets.read_bytes()
    index = index_packets(data, camera.headers)
    times = np.maximum.accumulate(packet_seconds(index, camera))
    return Stream(data, index, times)


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
