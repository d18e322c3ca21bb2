"""After a measurement it stays on the page: which run is shown while runs begin and end."""

import pytest

from eicpy.dashboard.following import CurrentLabel, NewestMeasurement, run_chips
from eicpy.dashboard.health import State
from eicpy.dashboard.playback import Playing, StreamSource
from eicpy.dashboard.source import ArchiveSource
from eicpy.instruments import load
from eicpy.runs import RunArchive
from eicpy.runs.metadata import CONFIGURATION
from eicpy.settings import Settings
from eicpy.text import Texts

CAMERA = load("eclairs")


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path)


@pytest.fixture
def archive(settings):
    return RunArchive(settings.archive("eclairs"), "eclairs")


@pytest.fixture
def take(archive):
    """Open runs, and close those that a test leaves open."""
    writers = []

    def opened(packets=b"", suffix="", **texts):
        writer = archive.create(source="tcp 127.0.0.1", suffix=suffix, **texts)
        writer.append(packets)
        writers.append(writer)
        return writer

    yield opened
    for writer in writers:
        writer.release()


def _photons(source):
    total = 0
    while (increment := source.poll()) is not None:
        total += len(increment.photons.time)
    return total


@pytest.fixture(params=["camera", "quick look"])
def source(request, settings, monkeypatch):
    """What the two pages read from, looking for runs each time that they are asked."""
    monkeypatch.setattr("eicpy.dashboard.playback.LOOK_AGAIN", 0.0)
    camera = request.param == "camera"
    made = ArchiveSource(settings, CAMERA, look_again=0.0) if camera else StreamSource(settings, CAMERA)
    yield made
    made.close()


def test_the_measurement_stays_until_the_next_has_bytes(source, take, short_packets):
    """Stop command, configuration, start command: the page changes with the first bytes of the next one."""
    first = take(short_packets, setup="Am-241")
    seen = _photons(source)
    assert (source.run, seen > 1000, source.started) == ("1", True, 1)
    first.close()
    configuration = take(b"", CONFIGURATION)
    assert _photons(source) == 0
    assert (source.run, source.started, source.state()) == ("1", 1, State.ENDED)
    configuration.append(short_packets[: len(short_packets) // 2])
    assert _photons(source) == 0, "photons of the configuration are not those of the measurement"
    assert (source.run, source.started) == ("1", 1)
    ended, beside = run_chips(source.followed, Texts("en"))
    assert ended.startswith("RUN 1 ENDED ")
    assert ended.endswith(f"{first.run.metadata.closed:%H:%M:%S} UTC")
    assert beside == "configuration run 2 is going on"
    configuration.close()
    second = take(b"")
    assert _photons(source) == 0
    assert source.run == "1", "nothing of the next measurement has come yet"
    assert len(run_chips(source.followed, Texts("en"))) == 1, "no configuration is going on"
    second.append(short_packets)
    assert _photons(source) == seen
    assert (source.run, source.started) == ("3", 2)


def test_housekeeping_of_the_configuration_reaches_the_camera(settings, take, short_packets):
    source = ArchiveSource(settings, CAMERA, look_again=0.0)
    take(short_packets[:100_000]).close()
    while source.poll() is not None:
        pass
    take(short_packets, CONFIGURATION)
    increment = source.poll()
    assert increment.run == 2
    assert len(increment.photons.time) == 0
    assert {"ecl", "dpix"} & set(increment.housekeeping)
    source.close()


def test_without_a_measurement_the_configuration_is_shown(source, take, short_packets):
    take(short_packets, CONFIGURATION)
    assert _photons(source) > 1000
    assert source.run == "1"


def test_a_page_opened_during_configuration_shows_the_measurement_before(source, take, short_packets):
    take(short_packets).close()
    take(b"").close()
    take(short_packets, CONFIGURATION)
    _photons(source)
    assert source.run == "1"
    assert source.followed.beside.number == 3


def test_no_run_is_no_run(archive):
    assert NewestMeasurement(archive).look() == (None, None)
    assert run_chips(NewestMeasurement(archive).look(), Texts("fr")) == []
    assert CurrentLabel(CAMERA).of(None) is None


def test_a_run_that_was_removed_since_it_was_listed_is_not_played(settings, take, short_packets):
    source = StreamSource(settings, CAMERA)
    take(short_packets).close()
    source.lose(Playing(run=7, speed=None))
    assert source.poll() is None
    assert (source.gone, source.state(), source.run) == (7, State.NO_RUN, "")
    source.play(Playing(run=1, speed=None))
    assert source.gone is None
    assert _photons(source) > 1000
    source.close()
