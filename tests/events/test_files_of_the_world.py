"""Photon files of other makers: every photon at its time, or a refusal that names the keyword."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from eicpy import instruments
from eicpy.errors import BadDataError
from eicpy.events import EventFile, EventList, EventWriter, GoodTimeIntervals
from eicpy.ingestion.photon_files import photon_blocks
from eicpy.products import Provenance
from eicpy.times import MJDREFF, MJDREFI

ECLAIRS = instruments.load("eclairs")
START = 311968800.0
OURS = {"MJDREFI": MJDREFI, "MJDREFF": MJDREFF, "TIMESYS": "TT", "TIMEUNIT": "s"}


def table(name: str, columns: dict[str, tuple[str, npt.ArrayLike]], **cards: Any) -> fits.BinTableHDU:
    made = [fits.Column(c, form, array=np.asarray(values)) for c, (form, values) in columns.items()]
    hdu = fits.BinTableHDU.from_columns(made, name=name)
    hdu.header.update(cards)
    return hdu


def photons(time: npt.ArrayLike, name: str = "EVENTS", **cards: Any) -> fits.BinTableHDU:
    count = np.asarray(time).size
    pixel, channel = np.arange(count) % 6400, np.arange(count) % 1024
    columns = {
        "TIME": ("D", time), "JDET": ("B", pixel % 80), "IDET": ("B", pixel // 80), "PHA": ("I", channel),
    }  # fmt: skip
    return table(name, columns, **cards)


def intervals(start: npt.ArrayLike, stop: npt.ArrayLike, name: str, **cards: Any) -> fits.BinTableHDU:
    return table(name, {"START": ("D", start), "STOP": ("D", stop)}, **cards)


def write(folder: Path, *tables: fits.BinTableHDU, **primary: Any) -> Path:
    path = folder / "file.fits"
    first = fits.PrimaryHDU(header=fits.Header(primary))
    fits.HDUList([first, *tables]).writeto(path, overwrite=True)
    return path


def opened(path: Path) -> EventFile:
    return EventFile(path, columns=80)


def test_times_of_another_reference_scale_and_unit(tmp_path: Path) -> None:
    """One second after 2026-11-20T18:00:00 UTC and on, as four makers would write it."""
    time = np.arange(4.0)
    tai = {"MJDREFI": 61364, "MJDREFF": 0.75, "TIMESYS": "TAI"}  # TAI is 37 s ahead of UTC
    swift = {"MJDREFI": 51910, "MJDREFF": 7.428703703703703e-4, "TIMESYS": "TT"}
    since_2001 = START + (MJDREFI - 51910) * 86400 + (MJDREFF - 7.428703703703703e-4) * 86400
    for values, cards in (
        (time + START - 1000.0, {**OURS, "TIMEZERO": 1000.0}),
        (time / 86400 + START / 86400, {**OURS, "TIMEUNIT": "d"}),
        (time + since_2001, swift),
        (time + 37.0, tai),
        (time, {"MJDREFI": 61364, "MJDREFF": 0.75, "TIMESYS": "UTC"}),
        (time, {"MJDREFI": 61364, "MJDREFF": 0.75, "TIMESYS": "UTC", "TZERO1": 0.0}),
    ):
        file = opened(write(tmp_path, photons(values, **cards)))
        assert_allclose(file.read().time, START + time, rtol=0, atol=1e-5)
        assert len(file.read(time=(START + 0.5, START + 2.5))) == 2


def test_a_shifted_column_is_shifted(tmp_path: Path) -> None:
    """TZERO of TIME, as in the files of GBM: FITS Standard 4.0 §7.3.2."""
    shifted = photons(np.arange(4.0), **OURS)
    shifted.header["TZERO1"] = START
    path = write(tmp_path, shifted)
    data = bytearray(path.read_bytes())  # astropy has moved the values to keep what they stand for
    place = len(data) - 2880
    for row in range(4):
        data[place + 12 * row : place + 12 * row + 8] = np.array([float(row)], ">f8").tobytes()
    path.write_bytes(data)
    assert_array_equal(opened(path).read().time, START + np.arange(4.0))
    assert_array_equal(opened(path).read(time=(START + 1, START + 3)).time, START + np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("cards", "keyword"),
    [
        ({}, "no TIMESYS"),
        ({"TIMESYS": "TT"}, "no MJDREFI"),
        ({**OURS, "TIMESYS": "LOCAL"}, "TIMESYS = 'LOCAL'"),
        ({**OURS, "TIMEREF": "SOLARSYSTEM"}, "TIMEREF"),
        ({**OURS, "TIMEZERO": "x"}, "TIMEZERO"),
        ({**OURS, "TZERO4": 32768}, "TZERO4"),
    ],
)
def test_a_file_that_does_not_say_its_times_is_refused(
    tmp_path: Path, cards: dict[str, Any], keyword: str
) -> None:
    path = write(tmp_path, photons([START], **cards))
    for read in (lambda: opened(path).read(), lambda: list(photon_blocks(path, ECLAIRS))):
        with pytest.raises(BadDataError, match=keyword) as caught:
            read()
        assert caught.value.file == path


def test_the_flight_layout_stands_for_its_reference(tmp_path: Path) -> None:
    path = write(tmp_path, photons(START + np.arange(3), "ECL-EVT-CAL"))
    assert_array_equal(opened(path).read().time, START + np.arange(3))


@pytest.mark.parametrize("name", ["GTI", "STDGTI", "GTI0", "STDGTI04", "good"])
def test_good_time_is_found_under_the_names_that_it_has(tmp_path: Path, name: str) -> None:
    """Its header has its own reference; one without any counts as the photons do."""
    own = intervals([1000.0], [1004.0], name, **OURS | {"TIMEZERO": START - 1000, "HDUCLAS1": "GTI"})
    bare = intervals([0.0], [4.0], name, HDUCLAS1="GTI")
    for gti in (own, bare):
        path = write(tmp_path, photons(np.arange(4.0), **OURS | {"TIMEZERO": START}), gti)
        assert opened(path).gti == GoodTimeIntervals(START, START + 4)
        assert opened(path).read(time=(START + 1, START + 3)).gti == GoodTimeIntervals(START + 1, START + 3)


def test_good_times_of_several_chips_are_not_ours_to_join(tmp_path: Path) -> None:
    same = [intervals([START], [START + 4], f"STDGTI0{n}", **OURS) for n in (1, 2)]
    other = intervals([START], [START + 5], "STDGTI03", **OURS)
    path = write(tmp_path, photons([START], **OURS), *same)
    assert opened(path).gti == GoodTimeIntervals(START, START + 4)
    path = write(tmp_path, photons([START], **OURS), *same, other)
    with pytest.raises(BadDataError, match="EXTNAME STDGTI03 EXTVER 1"):
        _ = opened(path).gti
    assert opened(write(tmp_path, photons([START], **OURS))).gti is None


@settings(max_examples=20)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5),
    st.lists(st.tuples(st.floats(-10, 1010), st.floats(0.001, 100)), min_size=1, max_size=5),
)  # fmt: skip
def test_passes_in_any_order_lose_no_photon(
    unsorted: dict[int, tuple[EventFile, EventList]],
    seed: int,
    passes: int,
    wanted: list[tuple[float, float]],
) -> None:
    file, everything = unsorted[passes]
    times = GoodTimeIntervals([START + a for a, _ in wanted], [START + a + length for a, length in wanted])
    chosen = times.mask(everything.time)
    found = EventList.concatenate(file.blocks(1 + seed % 30_000, time=times))
    assert_array_equal(found.time, everything.time[chosen])
    assert_array_equal(found.detnum, everything.detnum[chosen])
    rows = file.rows_between(START + wanted[0][0], START + sum(wanted[0]))
    inside = np.flatnonzero(
        (everything.time >= START + wanted[0][0]) & (everything.time < START + sum(wanted[0]))
    )
    assert inside.size == 0 or (rows.start <= inside[0] and inside[-1] < rows.stop)


@pytest.fixture(scope="module")
def unsorted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[EventFile, EventList]]:
    """Files of 50 000 photons in so many passes, the last first; some photons without a time."""
    files = {}
    for passes in range(1, 6):
        rng = np.random.default_rng(passes)
        parts = np.array_split(START + np.sort(rng.uniform(0, 1000, 50_000)), passes)
        time = np.concatenate(parts[::-1])
        time[rng.integers(0, time.size, 20)] = np.nan
        file = opened(write(tmp_path_factory.mktemp("passes"), photons(time, **OURS)))
        files[passes] = file, file.read()
    return files


def test_a_search_by_time_holds_no_more_than_blocks(tmp_path: Path) -> None:
    """2 million photons in two passes, the second first."""
    time = START + np.arange(2_000_000) * 1e-3
    path = write(tmp_path, photons(np.roll(time, 1_000_000), **OURS))
    file = opened(path)
    tracemalloc.start()
    found = sum(len(b) for b in file.blocks(50_000, time=(START + 500.0, START + 1500.0)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == 1_000_000
    assert peak < 6e6


def test_the_flags_of_other_makers_are_read_as_before(tmp_path: Path) -> None:
    """Only a file that says by FLAGMULT which bits count has the others taken off."""
    events = photons([START, START + 1], **OURS)
    columns = fits.ColDefs([*events.columns, fits.Column("FLAG", "B", array=np.array([2, 0x22]))])
    flagged = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    flagged.header.update(OURS)
    assert_array_equal(opened(write(tmp_path, flagged)).read().multiplicity, [2, 0x22])
    flagged.header["FLAGMULT"] = 15
    assert_array_equal(opened(write(tmp_path, flagged)).read().multiplicity, [2, 2])


# The cases that a reviewer collected; they are not distributed with the project.


def case(shared_data: Path, name: str) -> EventFile:
    path = shared_data / "cases" / "events" / name
    if not path.is_file():
        pytest.skip(f"no file {path}")
    return EventFile(path, columns=80)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("base.fits", "2026-11-20T18:00:00.000"),
        ("timezero.fits", "2026-11-20T18:00:00.000"),
        ("mjdref-other.fits", "2010-11-20T17:59:58.000"),
        ("timesys-utc.fits", "2026-11-20T18:01:09.184"),
        ("events-stdgti.fits", "2026-11-20T18:00:00.000"),
        ("real-layout.fits", "2026-11-20T18:00:00.000"),
    ],
)
def test_cases_of_four_photons(shared_data: Path, name: str, first: str) -> None:
    from eicpy.times import to_time

    file = case(shared_data, name)
    found = file.read()
    assert to_time(found.time[0]).utc.isot == first
    assert_allclose(np.diff(found.time), 1.0, rtol=0, atol=1e-6)
    assert found.detnum.tolist() == [0, 79, 80, 6399]
    assert found.channel.tolist() == [0, 100, 500, 1023]
    assert file.gti is not None
    assert file.gti.exposure == 4
    begin = found.time[0]
    assert len(file.read(time=(begin + 0.5, begin + 2.5))) == 2


def test_cases_out_of_order(shared_data: Path) -> None:
    file = case(shared_data, "passes-out-of-order.fits")
    everything = file.read().time
    for start, stop in ((0, 50), (50, 150), (150, 200), (199, 200)):
        wanted = (everything >= START + start) & (everything < START + stop)
        found = file.read(time=(START + start, START + stop))
        assert_array_equal(found.time, everything[wanted])
        assert len(found) > 0
    unsorted = case(shared_data, "unsorted-foreign.fits").read(time=(START + 0.5, START + 3.5))
    assert_array_equal(unsorted.time, START + np.array([1.0, 3.0, 2.0]))


@pytest.mark.parametrize("name", ["chan.fits", "pi2.fits"])
def test_cases_out_of_range_are_flagged_when_written(shared_data: Path, tmp_path: Path, name: str) -> None:
    found = case(shared_data, name).read()
    path = tmp_path / "again.fits"
    with EventWriter(path, ECLAIRS, provenance=Provenance("test")) as writer:
        from eicpy.events import PixelScale

        writer.append(found, PixelScale.uniform(6400, 0.1466, 3.0) if name == "pi2.fits" else None)
    rows = fits.getdata(path, "EVENTS")
    beyond = (found.channel < 0) | (found.channel > 1023)
    place = np.floor(0.1466 * (found.channel + 0.5) / 0.145) if name == "pi2.fits" else found.channel
    lost = beyond | (place < 0) | (place > 1023)
    assert lost.any()
    assert_array_equal(rows["PI"], np.where(lost, -1, place))
    assert_array_equal(rows["PHA"], found.channel)
    assert_array_equal(rows["FLAG"] >= 16, lost)
    assert_array_equal(EventFile(path).read().multiplicity, found.multiplicity)
