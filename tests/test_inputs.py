"""Files that others made: what is opened, what is refused, and how a mistake of our own is said."""

import os
import struct
from pathlib import Path

import pytest

from eicpy.errors import BadDataError, FailedError, MissingDataError
from eicpy.files import atomic_file
from eicpy.inputs import MISTAKES, UnreadError, open_regular, read_text, refusing, single_byte


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0" * 10, "only zero bytes"),
        (b"\xff" * 5000, "only bytes 0xFF"),
        (b"U" * 9_000_000, "only bytes 0x55"),
        (b"\0" * 9_000_000 + b"\1", None),
        (b"\0" * 4096 + b"\1" + b"\0" * 4095, None),
        (b"\1" + b"\0" * 5000, None),
        (b"", None),
        (b"\0", "only zero bytes"),
    ],
)
def test_files_of_one_byte_are_known(tmp_path, data, words):
    (tmp_path / "file").write_bytes(data)
    with open_regular(tmp_path / "file") as stream:
        stream.read(3)
        assert single_byte(stream) == words
        assert stream.read() == data[3:]


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({}, "only zero bytes"),
        ({0: b"\xff"}, None),
        ({1 << 32: b"\1"}, None),
        ({1 << 32: b"\0"}, "only zero bytes"),
    ],
)
def test_holes_of_a_sparse_file_are_zeros_that_nobody_reads(tmp_path, places, words, monkeypatch):
    with (tmp_path / "sparse").open("wb") as stream:
        for place, data in places.items():
            stream.seek(place)
            stream.write(data)
        stream.truncate(5_000_000_000)
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: read.append(size) or pread(fd, size, at))
    with open_regular(tmp_path / "sparse") as stream:
        assert single_byte(stream) == words
    assert len(read) <= 4


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, kind):
    path = {"a pipe": tmp_path / "pipe", "a device": Path("/dev/zero"), "a folder": tmp_path}[kind]
    if kind == "a pipe":
        os.mkfifo(path)
    for reading in (open_regular, read_text):
        with pytest.raises(BadDataError, match=f"got {kind}, expected"):
            reading(path)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    """Between the look and the opening."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("eicpy.inputs.kind_of_file", lambda _: None)
    with pytest.raises(BadDataError, match="got a pipe"):
        open_regular(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("octets", "offset"), [(b"+AGE-\xff", 5), ("é".encode("utf-16"), 0), ("né".encode("cp1252"), 1)]
)
def test_a_text_that_is_no_utf8_is_named_with_its_place(tmp_path, octets, offset):
    (tmp_path / "text").write_bytes(octets)
    with pytest.raises(BadDataError, match="which is no UTF-8") as caught:
        read_text(tmp_path / "text")
    assert caught.value.offset == offset


def test_a_text_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("eicpy.inputs.MOST_TEXT", 10)
    (tmp_path / "text").write_text("x" * 11)
    with pytest.raises(BadDataError, match="more than 10 bytes"):
        read_text(tmp_path / "text")


@pytest.mark.parametrize(
    ("raised", "wrong", "words"),
    [
        (OverflowError("too large"), UnreadError, "a mistake of eicpy itself: OverflowError: too large"),
        (struct.error("short"), UnreadError, "a mistake of eicpy itself: error: short"),
        (KeyError("NAXIS9"), UnreadError, "KeyError: 'NAXIS9'"),
        (MemoryError(), UnreadError, "does not fit into memory"),
        (RecursionError(), BadDataError, "nested too deeply"),
        (PermissionError(13, "Permission denied"), UnreadError, "could not be read: Permission denied"),
        (FileNotFoundError(2, "No such file"), MissingDataError, "No such file"),
        (OSError(5, "Input/output error", "/other/file"), UnreadError, "Input/output error: /other/file"),
        (OSError(28, "No space left on device"), FailedError, "no space"),
        (BadDataError("as it is"), BadDataError, "^as it is$"),
        (KeyboardInterrupt("now"), KeyboardInterrupt, "now"),
    ],
)
def test_whatever_is_raised_refuses_the_file(raised, wrong, words, caplog):
    with pytest.raises(wrong, match=words) as caught, refusing("some.fits"):
        raise raised
    assert type(caught.value) is wrong
    mistakes = [record for record in caplog.records if record.name == MISTAKES]
    assert bool(mistakes) == ("mistake" in words or "KeyError" in words)
    assert all(record.exc_info[1] is raised for record in mistakes)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_file_never_takes_the_place_of_what_is_none(tmp_path, kind):
    path = tmp_path / kind
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(FailedError, match="a folder, a pipe or a device"), atomic_file(path):
        pass
    assert path.exists()
    assert not path.is_file()
