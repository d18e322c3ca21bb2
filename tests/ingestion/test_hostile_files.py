"""No one file ends a watcher: headers of any number, mistakes of our own, what cannot be looked at."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadDataError, ExitCode
from eicpy.events import EventFile, EventList, EventWriter
from eicpy.ingestion import batch, ingest, ingest_photon_file, photon_blocks, photon_files, watch
from eicpy.instruments import load
from eicpy.operations import FileState, files, open_database
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.products import Provenance, read_structure
from eicpy.runs import RunArchive
from eicpy.settings import Settings

CARD, BLOCK = 80, 2880


@pytest.fixture(scope="module")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="module")
def good(eclairs):
    layout, kind = PacketLayout.read(eclairs.layout_file("alert")), eclairs.packets["alert"]
    headers = PacketHeaders(
        kind.apid, np.arange(5), 10**8, 0, service=kind.service, subservice=kind.subservice
    )
    return encode(layout, headers, {}, header=eclairs.header(kind.apid)).tobytes()


@pytest.fixture(scope="module")
def photons(tmp_path_factory, eclairs):
    path = tmp_path_factory.mktemp("photons") / "photons.fits"
    with EventWriter(path, eclairs, provenance=Provenance("test", simulated=True)) as writer:
        writer.append(EventList(3.0e8 + np.arange(10), np.arange(10), np.arange(10)))
    return path.read_bytes()


@pytest.fixture
def inbox(tmp_path, good):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "z-good.ccsds").write_bytes(good)
    return folder


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


def card(keyword, value):
    return f"{keyword:8}= {value:>20}".ljust(CARD).encode("ascii")


def header(*cards):
    return b"".join([*(card(*c) for c in cards), b"END".ljust(CARD)]).ljust(BLOCK)


def changed(data, keyword, value):
    """The last card of a name with another value."""
    place = data.rindex(f"{keyword:8}= ".encode())
    return data[:place] + card(keyword, value) + data[place + CARD :]


def minimal(value):
    return header(("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "1"), ("NAXIS1", value))


def taken(inbox, settings):
    """Outcomes by name; the good file is always among them."""
    outcomes = {o.file.name: o for o in watch(inbox, "eclairs", settings, once=True)}
    assert outcomes["z-good.ccsds"].exit_code == ExitCode.CLEAN
    return outcomes


@pytest.fixture
def at_once(monkeypatch):
    """Files need not lie still for a second."""
    from importlib import import_module

    module = import_module("eicpy.ingestion.inbox")

    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 0.3
            return self.now

    class Event(threading.Event):  # the watch's own: threads that start wait for theirs
        def wait(self, timeout=None):  # noqa: ARG002 - as of any event
            return self.is_set()

    monkeypatch.setattr(module, "time", Clock())
    monkeypatch.setattr(module, "threading", SimpleNamespace(Event=Event))


NUMBERS = ("1E30", "9" * 20, "-1", "'10'", "T", "7.5", "", "1E999", "0x10", str(2**63), str(2**63 - 1))


def test_a_header_of_any_number_refuses_its_file_alone(inbox, settings, photons, at_once):
    for i, value in enumerate(NUMBERS):
        (inbox / f"minimal-{i}.fits").write_bytes(minimal(value))
        (inbox / f"photons-{i}.fits").write_bytes(changed(photons, "NAXIS2", value))
    (inbox / "product.fits").write_bytes(
        header(
            ("SIMPLE", "T"), ("BITPIX", "64"), ("NAXIS", "9"), *((f"NAXIS{n}", 2**62) for n in range(1, 10))
        )
    )
    (inbox / "no-end.fits").write_bytes(b"SIMPLE  =".ljust(CARD) + b" " * CARD * 40_000)
    outcomes = taken(inbox, settings)
    assert len(outcomes) == 2 * len(NUMBERS) + 3
    for name, outcome in outcomes.items():
        if name != "z-good.ccsds":
            assert outcome.exit_code == ExitCode.BAD_DATA
            assert "refused" in outcome.summary
            assert "mistake" not in outcome.summary
    assert "got NAXIS2 = 1e+30, expected a whole number" in outcomes["photons-0.fits"].summary
    assert "more than any file holds" in outcomes["product.fits"].summary
    assert "cards of a header without its END" in outcomes["no-end.fits"].summary
    again = watch(inbox, "eclairs", settings, once=True)  # none is tried again at the next start
    assert again == []


def test_the_files_that_ended_the_watcher(inbox, settings, shared_data, at_once):
    cases = shared_data / "cases" / "hostile"
    if not cases.is_dir():
        pytest.skip(f"no folder {cases}")
    for case in cases.glob("*.fits"):
        (inbox / case.name).write_bytes(case.read_bytes())
    outcomes = taken(inbox, settings)
    assert "NAXIS2 = 1e+30" in outcomes["fits-naxis-overflow.fits"].summary
    assert "NAXIS1 = 1e+30" in outcomes["minimal-1e30.fits"].summary


@pytest.mark.parametrize(
    "error", [OverflowError, RecursionError, MemoryError, UnicodeError, ZeroDivisionError]
)
def test_a_mistake_of_ours_refuses_the_file_that_met_it(
    inbox, settings, photons, good, monkeypatch, at_once, caplog, error
):
    """In the reader of photons and in that of packets; the file is tried again at the next start."""

    def mistaken(*_arguments, **_named):
        raise error("mistaken")

    (inbox / "a.fits").write_bytes(photons)
    (inbox / "b.ccsds").write_bytes(good + b"not clean: it is taken alone")
    with monkeypatch.context() as patched:
        patched.setattr(photon_files, "verify_unit", mistaken)
        patched.setattr("eicpy.ingestion.packet_files.PacketIndexer", mistaken)
        outcomes = taken(inbox, settings)
    assert [outcomes[name].exit_code for name in ("a.fits", "b.ccsds")] == [ExitCode.BAD_DATA] * 2
    expected = {MemoryError: "does not fit into memory", RecursionError: "nested too deeply"}
    words = expected.get(error, f"a mistake of eicpy itself: {error.__name__}: mistaken")
    assert all(words in outcomes[name].summary for name in ("a.fits", "b.ccsds"))
    assert ("Traceback" in caplog.text) == (error not in expected)
    with open_database(settings) as database:
        refused = {row.name: row.message for row in files(database, state=FileState.REFUSED)}
    assert all(words in refused[name] for name in ("a.fits", "b.ccsds"))
    if error is not RecursionError:  # what the content itself did is final
        again = {o.file.name: o for o in watch(inbox, "eclairs", settings, once=True)}
        assert again["a.fits"].exit_code == ExitCode.CLEAN
        assert "stored" in again["b.ccsds"].summary


def test_what_cannot_be_looked_at_is_passed_over(inbox, settings, at_once):
    os.mkfifo(inbox / "pipe")
    (inbox / "circle").symlink_to(inbox / "circle")
    (inbox / "zero").symlink_to("/dev/zero")
    (inbox / "nowhere").symlink_to(inbox / "gone")
    (inbox / "folder").mkdir()
    assert list(taken(inbox, settings)) == ["z-good.ccsds"]


def test_a_file_that_may_not_be_read_is_taken_once_it_may(inbox, settings, good, monkeypatch, at_once):
    """Permissions change neither size nor modification time."""
    locked = inbox / "locked.ccsds"
    locked.write_bytes(good + b"more")
    opened = os.open

    def refusing(path, *arguments, **named):
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refusing)
        assert "could not be read: Permission denied" in taken(inbox, settings)[locked.name].summary
    (later,) = watch(inbox, "eclairs", settings, once=True)
    assert (later.file, later.exit_code) == (locked, ExitCode.BAD_DATA)  # four bytes are foreign
    assert "stored" in later.summary


def test_a_file_that_vanishes_or_grows_while_it_is_read(tmp_path, settings, good, monkeypatch):
    gone, growing = tmp_path / "gone", tmp_path / "growing"
    for path in (gone, growing):
        path.write_bytes(good + b"not clean")
    identify = batch.ingest_file

    def vanishing(path, *arguments, **named):
        if path == gone:
            gone.unlink()
        return identify(path, *arguments, **named)

    monkeypatch.setattr(batch, "ingest_file", vanishing)
    progress = []

    def grow(done, total, name):
        if name == "growing" and len(progress) < 3:
            progress.append(done)
            with growing.open("ab") as stream:
                stream.write(good)

    monkeypatch.setattr("eicpy.ingestion.packet_files._CHUNK", 100)
    outcomes = ingest([gone, growing], "eclairs", settings, progress=grow)
    assert [o.exit_code for o in outcomes] == [ExitCode.BAD_DATA] * 2
    assert "No such file" in outcomes[0].summary
    assert "grew while it was read" in outcomes[1].summary
    assert RunArchive(settings.archive("eclairs"), "eclairs").runs() == []


ODD = st.sampled_from(["NAXIS2", "PCOUNT", "TFORM1", "THEAP", "TDIM1", "BITPIX", "ZNAXIS", "TFIELDS", "END"])
DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["byte", "card", "cut", "double"]),
        st.integers(0, 2**20),
        ODD,
        st.sampled_from(NUMBERS),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=5,
)


@given(DAMAGE)
def test_no_damage_of_a_photon_file_raises_anything_else(photons, eclairs, tmp_path_factory, damage):
    """Bytes changed, cards with odd numbers, the end cut, blocks twice."""
    data = bytearray(photons)
    for how, place, keyword, value, byte in damage:
        at = place % len(data)
        if how == "byte":
            data[at] = byte
        elif how == "card":
            at -= at % CARD
            data[at : at + CARD] = card(keyword, value)
        elif how == "cut":
            del data[max(1, at) :]
        else:
            data[at : at + BLOCK] = data[at : at + BLOCK] * 2
    path = tmp_path_factory.getbasetemp() / "damaged.fits"
    path.write_bytes(data)
    said = ""
    try:
        assert sum(len(block) for block in photon_blocks(path, eclairs)) >= 0
    except BadDataError as error:
        said = str(error)
    assert "mistake" not in said


def test_a_plain_table_is_read_a_block_at_a_time(tmp_path, eclairs):
    rows = 1000
    columns = [
        fits.Column("TIME", "D", array=np.arange(rows, dtype=float)),
        fits.Column("DETNUM", "J", array=np.arange(rows)),
        fits.Column("PHA", "I", array=np.arange(rows) % 100),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "plain.fits")
    blocks = list(photon_blocks(tmp_path / "plain.fits", eclairs, 300))
    assert [len(block) for block in blocks] == [300, 300, 300, 100]
    assert np.concatenate([block.detnum for block in blocks]).tolist() == list(range(rows))
    assert np.concatenate([block.time for block in blocks]).tolist() == list(range(rows))


def test_rows_behind_two_gigabytes_are_where_they_should_be(tmp_path, photons, eclairs):
    """The arithmetic of positions: a sparse file of 3 GB whose last rows are real."""
    path = tmp_path / "large.fits"
    path.write_bytes(photons)
    unit = next(u for u in read_structure(path) if u.name == "EVENTS")
    width = int(unit.header["NAXIS1"])
    rows = 3_000_000_000 // width
    head = changed(photons[: unit.data_offset], "NAXIS2", str(rows))
    for keyword in ("CHECKSUM", "DATASUM"):
        head = changed(head, keyword, "''")
    last = photons[unit.data_offset : unit.data_offset + 10 * width]
    with path.open("wb") as stream:
        stream.write(head)
        stream.seek(unit.data_offset + (rows - 10) * width)
        stream.write(last)
        stream.truncate(unit.data_offset + -(-rows * width // BLOCK) * BLOCK)
    file = EventFile(path)
    assert len(file) == rows > 2**27
    (block,) = file._read(slice(rows - 10, rows), 500)
    assert block.time.tolist() == (3.0e8 + np.arange(10)).tolist()
    assert block.detnum.tolist() == list(range(10))
    found = file.rows_between(3.0e8 + 5.5, 3.0e8 + 7.5)
    assert (found.start, found.stop) == (rows - 4, rows - 2)


def test_a_photon_file_keeps_its_copy_or_nothing(tmp_path, photons, eclairs, settings, monkeypatch):
    """It changes between the look and the copy."""
    path = tmp_path / "photons.fits"
    path.write_bytes(photons)
    inspect = photon_files._inspect

    def changing(*arguments):
        outcome = inspect(*arguments)
        path.write_bytes(photons + bytes(BLOCK))
        return outcome

    monkeypatch.setattr(photon_files, "_inspect", changing)
    with (
        open_database(settings) as database,
        pytest.raises(BadDataError, match="changed while it was read"),
    ):
        ingest_photon_file(path, eclairs, database, tmp_path / "kept")
    assert not list(Path(tmp_path / "kept").glob("*"))
