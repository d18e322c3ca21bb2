"""Photon files: streamed, searched by time, and read by astropy and stingray."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from eicpy import instruments
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.events import EventFile, EventList, EventWriter, GoodTimeIntervals, PixelScale
from eicpy.products import Provenance, read_product

ECLAIRS = instruments.load("eclairs")
START = 3.0e8
RECORD = Provenance("test", corrections=("gain",), simulated=True)
HALF_A_TICK = 1e-5
"""What stingray adds to times that are the beginning of a tick (TIMEPIXR, TIMEDEL)."""
COLUMNS = ("time", "detnum", "channel", "multiplicity")


def make(size: int, seed: int = 1, span: float = 1000.0, disorder: float = 12e-6) -> EventList:
    """Photons that step back by up to `disorder`, as flight lists do."""
    rng = np.random.default_rng(seed)
    time = START + np.sort(rng.uniform(0, span, size)) - rng.uniform(0, disorder, size)
    return EventList(time, rng.integers(0, 6400, size), rng.integers(0, 1024, size), rng.integers(1, 4, size))


def write(path: Path, events: EventList, **keywords: object) -> Path:
    with EventWriter(path, ECLAIRS, provenance=RECORD) as writer:
        for name, value in keywords.items():
            setattr(writer, name, value)
        for block in events.blocks(1000):
            writer.append(block)
    return path


@pytest.fixture(scope="module")
def events() -> EventList:
    return make(20_000)


@pytest.fixture(scope="module")
def path(events: EventList, tmp_path_factory: pytest.TempPathFactory) -> Path:
    gti = GoodTimeIntervals([START, START + 600], [START + 500, START + 1001])
    return write(tmp_path_factory.mktemp("photons") / "photons.fits", events, gti=gti)


def same(a: EventList, b: EventList) -> None:
    for name in COLUMNS:
        assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("size", [1, 999, 20_000, 500_000])
def test_blocks_bring_back_what_was_written(path: Path, events: EventList, size: int) -> None:
    file = EventFile(path)
    blocks = list(file.blocks(size))
    if size > 1:
        assert all(len(b) <= size for b in blocks)
    same(EventList.concatenate(blocks), events)
    assert len(file) == len(events)
    assert file.gti is not None
    assert file.gti.exposure == 901
    assert file.provenance is not None
    assert file.provenance.corrections == ("gain",)


def test_header_and_columns_are_those_of_the_flight_layout(path: Path, events: EventList) -> None:
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        hdu = hdus["EVENTS"]  # as other software has it; the flight name is beside it
        assert hdus.index_of("EVENTS") == 1
        assert hdu.columns.names == ["TIME", "JDET", "IDET", "PHA", "PI", "FLAG"]
        assert hdu.columns.formats == ["D", "B", "B", "I", "I", "B"]
        header = hdu.header
        expected = {
            "TELESCOP": "SVOM",
            "INSTRUME": "ECL",
            "CARD": "ECL-EVT-CAL",
            "HDUNAME": "ECL-EVT-CAL",
            "TIMEREF": "LOCAL",
            "TIMESYS": "TT",
            "TIMEUNIT": "s",
            "MJDREFI": 57754,
            "MJDREFF": 0.000800740741,
        }
        assert {key: header[key] for key in expected} == expected
        assert header["TSTART"] == min(START, events.time.min())  # photons and good time
        assert header["TSTOP"] == START + 1001
        assert_array_equal(hdu.data["IDET"].astype(int) * 80 + hdu.data["JDET"], events.detnum)
        assert_array_equal(hdu.data["PI"], hdu.data["PHA"])  # the nominal scale was used


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # stingray leaves the file open
def test_stingray_reads_the_file(path: Path, events: EventList) -> None:
    stingray = pytest.importorskip("stingray")
    read = stingray.EventList.read(str(path), fmt="ogip")  # a warning would be an error
    assert read.mjdref == pytest.approx(57754.000800740741)
    assert (read.timesys, read.mission, read.instr) == ("tt", "svom", "ECL")
    assert read.time.size == events.time.size
    order = np.argsort(events.time, kind="stable")
    found = np.sort(np.asarray(read.time, dtype=np.float64))
    np.testing.assert_allclose(found, events.time[order] + HALF_A_TICK, rtol=0, atol=1e-7)
    assert np.sum(read.pi, dtype=np.int64) == np.sum(events.channel, dtype=np.int64)
    np.testing.assert_allclose(
        np.asarray(read.gti, dtype=np.float64) - HALF_A_TICK,
        [[START, START + 500], [START + 600, START + 1001]],
        rtol=0,
        atol=1e-7,
    )


def test_pi_is_the_channel_on_the_nominal_scale(tmp_path: Path, events: EventList) -> None:
    rng = np.random.default_rng(2)
    scale = PixelScale(rng.normal(0.145, 0.002, 6400), rng.normal(3.0, 0.1, 6400))
    path = tmp_path / "a.fits"
    with EventWriter(path, ECLAIRS, provenance=RECORD) as writer:
        writer.append(events, scale)
    energy = scale.gain[events.detnum] * (events.channel + 0.5) + scale.offset[events.detnum]
    nominal_gain, nominal_offset = EventFile(path).nominal_scale
    expected = np.floor((energy - nominal_offset) / nominal_gain)
    beyond = (expected < 0) | (expected > 1023)
    assert beyond.any()
    assert_array_equal(fits.getdata(path, 1)["PI"], np.where(beyond, -1, expected))


@settings(max_examples=60)
@given(st.floats(-50, 1050), st.floats(0, 300), st.integers(100, 30_000))
def test_a_time_selection_is_exact_and_reads_little(
    path: Path, events: EventList, begin: float, length: float, size: int
) -> None:
    file = EventFile(path)
    start, stop = START + begin, START + begin + length
    chosen = (events.time >= start) & (events.time < stop)
    same(EventList.concatenate(file.blocks(size, time=(start, stop))), events[chosen])
    rows = file.rows_between(start, stop)
    assert rows.stop - rows.start <= np.count_nonzero(chosen) + 10


def test_strongly_disordered_photons_are_found_by_time_too(tmp_path: Path) -> None:
    events = make(5000, disorder=50.0)
    file = EventFile(write(tmp_path / "a.fits", events))
    assert file.step_back > 10
    chosen = (events.time >= START + 300) & (events.time < START + 320)
    same(file.read(time=(START + 300, START + 320)), events[chosen])


def test_several_intervals_give_each_photon_once(path: Path, events: EventList) -> None:
    gti = GoodTimeIntervals(
        START + np.arange(0, 1000, 2e-3)[:300], START + np.arange(0, 1000, 2e-3)[:300] + 1e-3
    )
    gti |= GoodTimeIntervals(START + 700, START + 710)
    read = EventFile(path).read(time=gti)
    same(read, events[gti.mask(events.time)])
    assert read.gti is not None
    assert read.gti == gti & EventFile(path).gti


def test_an_empty_list_is_a_file_too(tmp_path: Path) -> None:
    file = EventFile(write(tmp_path / "a.fits", make(0)))
    assert len(file) == 0
    assert len(file.read()) == 0
    assert len(file.read(time=(0, 1e9))) == 0
    assert "TSTART" not in file.header
    assert "photons" in file._repr_html_()


def test_without_intervals_the_file_says_where_they_come_from(tmp_path: Path, events: EventList) -> None:
    path = write(tmp_path / "a.fits", events)
    assert read_product(path)["GTI"].header["GTISRC"] == "PHOTONS"
    assert EventFile(path).gti.mask(events.time).all()


def test_a_file_of_another_maker_is_read(tmp_path: Path, events: EventList) -> None:
    """The flight layout alone, columns in another order, no word about the grid."""
    data = {
        "PHA": ("I", events.channel),
        "IDET": ("B", events.detnum // 80),
        "TIME": ("D", events.time),
        "JDET": ("B", events.detnum % 80),
    }
    columns = [fits.Column(name, form, array=array) for name, (form, array) in data.items()]
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="ECL-EVT-CAL")]).writeto(
        path
    )
    with pytest.raises(BadArgumentError, match="columns"):
        EventFile(path)
    file = EventFile(path, columns=80)
    assert_array_equal(file.read().detnum, events.detnum)
    assert file.gti is None
    assert file.provenance is None
    file.header["NOMGAIN"] = 0.145  # one of the two does not do
    with pytest.raises(BadDataError, match="NOMOFFS"):
        _ = file.nominal_scale


def test_a_mask_of_pixels_covers_every_pixel_that_was_hit() -> None:
    events = EventList([0.0, 1.0], [3, 5], [1, 1])
    assert len(events.select(pixels=np.arange(6) == 5)) == 1
    with pytest.raises(BadArgumentError, match="mask of 5 pixels, expected more than 5"):
        events.select(pixels=np.ones(5, dtype=bool))


def test_bad_files_are_named(path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.fits"
    cut.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BadDataError, match="truncated") as caught:
        EventFile(cut)
    assert caught.value.offset == 100_000
    with pytest.raises(BadDataError, match="No such file"):
        EventFile(tmp_path / "none.fits")
    other = tmp_path / "other.fits"
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"CARD": "AUX-ECL-PIX-CAL"}))]).writeto(other)
    with pytest.raises(BadDataError, match="AUX-ECL-PIX-CAL"):
        EventFile(other)
    wrong = tmp_path / "wrong.fits"
    column = fits.Column("TIME", "E", array=[1.0])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column], name="ECL-EVT-CAL")]).writeto(
        wrong
    )
    with pytest.raises(BadDataError, match="TIME"):
        EventFile(wrong, columns=80)


def test_damage_is_found_when_asked_for(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    damaged = tmp_path / "a.fits"
    damaged.write_bytes(data)
    EventFile(path).verify()
    with pytest.raises(BadDataError, match="damaged"):
        EventFile(damaged).verify()


def test_pixels_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(BadArgumentError, match="6400"),
        EventWriter(tmp_path / "a.fits", ECLAIRS, provenance=RECORD) as writer,
    ):
        writer.append(EventList([0.0], [6400], [1]))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, events: EventList) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(FailedError):
            write(tmp_path / "a.fits", events)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_photon_file(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import signal, sys
        from pathlib import Path
        import numpy as np
        from eicpy import instruments
        from eicpy.events import EventList, EventWriter
        from eicpy.products import Provenance
        eclairs = instruments.load("eclairs")
        with EventWriter(Path(sys.argv[1]), eclairs, provenance=Provenance("x")) as writer:
            n = 50_000
            writer.append(EventList(np.arange(n) * 1.0, np.zeros(n), np.zeros(n)))
            print("writing", flush=True)
            signal.pause()  # until it is killed
        """
    )
    target = tmp_path / "a.fits"
    with subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not target.exists()
    assert all(p.name.endswith(".partial") for p in tmp_path.iterdir())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A file of 30 MB goes through while only small blocks are held."""
    import tracemalloc

    block = make(100_000)
    path = tmp_path / "a.fits"
    with EventWriter(path, ECLAIRS, provenance=RECORD) as writer:
        for n in range(20):
            writer.append(EventList(block.time + n * 1000, block.detnum, block.channel))
    tracemalloc.start()
    total = sum(len(b) for b in EventFile(path).blocks(50_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 2_000_000
    assert peak < 5e6


def test_selection_by_everything(events: EventList) -> None:
    scale = PixelScale.uniform(6400, 0.145, 3.0)
    mask = np.zeros(6400, dtype=bool)
    mask[100:200] = True
    chosen = events.select(
        time=(START, START + 500), energy=(10.0, 50.0), scale=scale, pixels=mask, multiplicity=[1, 2]
    )
    energy = events.energy(scale)
    expected = (
        (events.time >= START)
        & (events.time < START + 500)
        & (energy >= 10)
        & (energy < 50)
        & mask[events.detnum]
        & (events.multiplicity <= 2)
    )
    same(chosen, events[expected])
    same(events.select(pixels=np.arange(100, 200)), events.select(pixels=mask))
    same(events.sorted(), events[np.argsort(events.time, kind="stable")])
    assert "photons" in events._repr_html_()


@pytest.mark.parametrize(
    "call",
    [
        lambda e: e.select(energy=(1, 2)),
        lambda e: e.select(pixels=np.ones(10, bool)),
        lambda e: e.energy(PixelScale.uniform(10, 1, 0)),
        lambda e: EventList(e.time, [1, 2], [3]),
    ],
)
def test_wrong_selections_are_refused(events: EventList, call: object) -> None:
    with pytest.raises(BadArgumentError):
        call(events)  # type: ignore[operator]  # the cases are lambdas
