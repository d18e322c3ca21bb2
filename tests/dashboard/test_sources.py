"""What a page reads while runs are removed under it."""

import shutil

import pytest

from eicpy.dashboard.health import State
from eicpy.dashboard.playback import Playing, StreamSource
from eicpy.dashboard.source import ArchiveSource
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive
from eicpy.settings import Settings


@pytest.fixture(scope="module")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="module")
def raw(eclairs):
    """Three packets of housekeeping."""
    layout, kind = PacketLayout.read(eclairs.layout_file("ecl")), eclairs.packets["ecl"]
    headers = PacketHeaders(
        kind.apid, [0, 1, 2], [10, 11, 12], [0, 0, 0], service=kind.service, subservice=kind.subservice
    )
    fields = {layout.structure.name: [kind.structure] * 3}
    return encode(layout, headers, fields, {}, [0, 0, 0], header=eclairs.header(kind.apid)).tobytes()


@pytest.fixture
def setup(tmp_path, raw):
    """A set-up with a run that is open."""
    settings = Settings.at(tmp_path)
    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    writer = archive.create(source="x")
    writer.append(raw)
    yield settings, archive, writer
    writer.release()


def test_the_newest_run_is_removed_while_a_page_shows_it(setup, eclairs):
    settings, archive, writer = setup
    source = ArchiveSource(settings, eclairs, look_again=0.0)
    assert len(source.poll()) == 3
    shutil.rmtree(writer.run.folder)
    archive.create(source="x").close()
    shutil.rmtree(archive.run(2).folder)
    archive.create(source="x").close()
    source.poll()
    assert source.run == "3"
    shutil.rmtree(archive.run(3).folder)
    assert source.poll() is None
    assert (source.run, source.age()) == ("3", None)
    source._follower.close()


def test_a_run_is_removed_between_two_polls_of_a_page_that_plays_it(setup, eclairs):
    settings, archive, writer = setup
    writer.close()
    source = StreamSource(settings, eclairs)
    source.play(Playing(run=1, speed=None))
    assert len(source._opened().poll(1)) == 1
    shutil.rmtree(archive.run(1).folder)
    assert len(source.poll()) == 2
    assert (source.run, source.finished, source.state()) == ("1", True, State.ENDED)
    source.close()
