"""An archive of runs with packets of the reference layout, in a home of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eicpy.acquisition import Run, RunArchive
from eicpy.instruments import Instrument, load
from eicpy.packets import PacketLayout, encode
from eicpy.settings import Settings

FIRST_TICK = 15_000_000_000_000
"""Of the photons, in units of 20 µs since the epoch."""
PHOTONS = 20
"""In a packet."""


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
def photon_packets(eclairs: Instrument) -> Callable[..., bytes]:
    """Makes photon packets of 20 photons each: the channel of a photon is its packet's number modulo 1024."""
    layout = PacketLayout.read(eclairs.layout_file("photons"))
    kind = eclairs.packets["photons"]

    def make(packets: int, first: int = 0) -> bytes:
        number = np.repeat(np.arange(first, first + packets), PHOTONS)
        ticks = FIRST_TICK + 500 * (number * PHOTONS + np.tile(np.arange(PHOTONS), packets))
        start = ticks[::PHOTONS]
        return encode(
            layout,
            kind.apid,
            np.arange(first, first + packets) % 16384,
            start // 50_000,
            (start % 50_000) * 2**24 // 50_000,
            {},
            {
                "TIME": ticks % 2**32,
                "DETNUM": number % 6400,
                "CHANNEL": number % 1024,
                "MULTIPLICITY": np.ones(len(number), np.int64),
            },
            np.full(packets, PHOTONS),
            header=eclairs.header(kind.apid),
            service=kind.service,
            subservice=kind.subservice,
            destination=0x5555,
        ).tobytes()

    return make


@pytest.fixture
def closed_run(archive: RunArchive, photon_packets: Callable[..., bytes]) -> Callable[..., Run]:
    """Makes a closed run of photon packets."""

    def make(packets: int, first: int = 0) -> Run:
        with archive.create(source="test") as writer:
            writer.append(photon_packets(packets, first))
            return writer.close()

    return make
