"""Walking a run: live, afterwards, in pieces of any size, with the same result."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.decoding import PacketCounts, RunningContinuity, photons
from eicpy.packets import PacketIndex, continuity, index_packets
from eicpy.runs import blocks, follow


@pytest.fixture
def run(archive, photon_packets):
    with archive.create(source="x") as writer:
        writer.append(photon_packets(200).raw)
    return writer.run


@pytest.mark.parametrize("packets", [1, 7, 199, 200, 4096])
def test_blocks_are_bounded_and_hold_everything(run, photon_packets, eclairs, packets):
    truth = photon_packets(200)
    parts = list(blocks(run, eclairs, packets))
    assert max(len(part) for part in parts) <= packets
    assert PacketIndex.concatenate(part.index for part in parts) == run.index(eclairs)
    assert np.array_equal(np.concatenate([part.photons.detnum for part in parts]), truth.detnum)
    assert np.array_equal(np.concatenate([part.photons.time for part in parts]), truth.ticks * 2e-5)
    assert set(parts[0].housekeeping) == {"ecl", "dpix"}
    assert len(parts[0].spectra) == 0
    assert list(parts[0].alerts) == ["alert"]


def test_small_reads_give_the_same(run, photon_packets, eclairs, monkeypatch):
    monkeypatch.setattr("eicpy.runs.provider.cursor.Follower.poll.__defaults__", (100,))
    found = np.concatenate([part.photons.channel for part in blocks(run, eclairs)])
    assert np.array_equal(found, photon_packets(200).channel)


def test_damage_and_foreign_bytes_pass_through_the_blocks(archive, photon_packets, eclairs):
    raw = photon_packets(20).raw
    with archive.create(source="x") as writer:
        writer.append(b"\x55" * 30 + raw[:-3])
    parts = list(blocks(writer.run, eclairs, 4))
    assert PacketIndex.concatenate(part.index for part in parts) == index_packets(
        b"\x55" * 30 + raw[:-3], eclairs.headers
    )
    assert sum(part.photons.damaged_packets for part in parts) == 1


def test_an_empty_run_and_one_of_foreign_bytes_alone(archive, eclairs):
    archive.create(source="x").close()
    assert list(blocks(archive.run(1), eclairs)) == []
    with archive.create(source="x") as writer:
        writer.append(b"\x55" * 500)
    assert sum(part.index.foreign_bytes for part in blocks(archive.run(2), eclairs)) == 500
    assert archive.run(2).index(eclairs).foreign_bytes == 500


def test_a_live_run_is_followed_while_it_is_written(archive, photon_packets, eclairs):
    truth = photon_packets(100)
    writer = archive.create(source="x")
    found = []
    with follow(writer.run, eclairs) as cursor:
        assert len(cursor.poll()) == 0
        for start in range(0, len(truth.raw), 777):
            writer.append(truth.raw[start : start + 777])
            assert list(blocks(writer.run, eclairs))[-1].index.end <= writer.size if start else True
            found.append(cursor.poll().photons.detnum)
            assert cursor.behind == 0
        assert not cursor.finished
        writer.close()
        cursor.poll()
        assert cursor.finished
        assert len(cursor.poll()) == 0
        assert cursor.counts == {810: PacketCounts(received=100)}
    assert np.array_equal(np.concatenate(found), truth.detnum)


def test_a_poll_reads_no_more_than_it_may(run, eclairs):
    with follow(run, eclairs) as cursor:
        cursor.poll(1000)
        assert cursor.position == 1000
        assert cursor.behind == run.size - 1000


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_continuity_in_pieces_is_continuity_of_the_whole(photon_packets, eclairs, data):
    truth = photon_packets(120, first=16300)
    index = index_packets(truth.raw, eclairs.headers)
    kept = np.array(data.draw(st.lists(st.integers(0, 119), min_size=1, max_size=150)))
    kept[: len(kept) // 2].sort()
    index = index[kept]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(kept)), max_size=6)))
    tally = RunningContinuity(eclairs)
    for first, last in zip([0, *cuts], [*cuts, len(kept)], strict=True):
        tally.add(index[first:last])
    (whole,) = continuity(index, {h.apid: h.fine_tick for h in eclairs.headers}).values()
    assert tally.counts == {810: whole.counts}


class TestSidecar:
    def test_it_is_written_at_the_first_use_and_used_afterwards(self, run, eclairs, monkeypatch):
        index = run.index(eclairs)
        assert (run.folder / "index.npz").is_file()
        monkeypatch.setattr("eicpy.runs.sidecar.index_packets", None)
        assert run.index(eclairs) == index

    @pytest.mark.parametrize("harm", ["lost", "torn", "empty", "text", "stale", "other rules"])
    def test_it_may_be_harmed_in_any_way(self, run, eclairs, harm):
        index, file = run.index(eclairs), run.folder / "index.npz"
        content = file.read_bytes()
        instrument = eclairs
        if harm == "lost":
            file.unlink()
        elif harm == "stale":
            with run.raw_file.open("ab") as stream:
                stream.write(run.raw_file.read_bytes()[:0] + b"\x55" * 9)
            assert run.index(eclairs).foreign_bytes == 9
            return
        elif harm == "other rules":
            headers = tuple(h.model_copy(update={"fine_bits": 16}) for h in eclairs.headers)
            instrument = eclairs.model_copy(update={"headers": headers})
            assert run.index(instrument) != index
            instrument = eclairs
        else:
            file.write_bytes({"torn": content[: len(content) // 2], "empty": b"", "text": b"x" * 99}[harm])
        assert run.index(instrument) == index
        assert file.read_bytes()[:4] == b"PK\x03\x04"

    def test_an_open_run_has_none(self, archive, photon_packets, eclairs):
        writer = archive.create(source="x")
        writer.append(photon_packets(3).raw)
        assert len(writer.run.index(eclairs)) == 3
        assert not (writer.run.folder / "index.npz").exists()
        writer.append(photon_packets(3, first=3).raw)
        assert len(writer.run.index(eclairs)) == 6
        writer.release()

    def test_no_space_for_it_harms_nothing(self, run, eclairs, monkeypatch, caplog):
        monkeypatch.setattr("eicpy.runs.sidecar.atomic_file", _no_space)
        assert len(run.index(eclairs)) == 200
        assert "built again" in caplog.text

    def test_photons_of_the_whole_run_through_it(self, run, photon_packets, eclairs):
        raw = np.memmap(run.raw_file, np.uint8, "r")
        assert np.array_equal(photons(raw, run.index(eclairs), eclairs).detnum, photon_packets(200).detnum)


def _no_space(_file):
    from eicpy.errors import FailedError

    raise FailedError("No space left on device")
