"""The packet index beside a raw file: derived, so that it may be lost, stale or torn without harm.

It is used only if it was made of as many bytes as the raw file holds, with the same header rules, and
reads without an error; else it is built again from the raw bytes.
"""

import hashlib
import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eicpy.errors import BadDataError, FailedError
from eicpy.files import atomic_file
from eicpy.instruments import PacketHeader
from eicpy.packets import PacketIndex, index_packets

__all__ = ["SIDECAR_NAME", "indexed_packets", "load_or_build", "write_index"]

SIDECAR_NAME = "index.npz"
_FORMAT = 2
_STAMP = "stamp"

_log = logging.getLogger(__name__)


def load_or_build(raw_file: Path, headers: Sequence[PacketHeader], *, keep: bool) -> PacketIndex:
    """Index of a raw file, from its sidecar if that fits.

    Parameters
    ----------
    raw_file
        The bytes.
    headers
        Header rules of the instrument.
    keep
        Whether a newly built index is written beside the raw file. That it cannot be written is
        logged and harms nothing.

    Returns
    -------
    PacketIndex
        Of all bytes that are in the raw file now.
    """
    file = raw_file.with_name(SIDECAR_NAME)
    size = raw_file.stat().st_size
    stamp = _stamp(size, headers)
    index = _load(file, stamp)
    if index is None:
        index = index_packets(np.memmap(raw_file, np.uint8, "r", shape=(size,)) if size else b"", headers)
        if keep:
            try:
                _save(file, index, stamp)
            except FailedError as error:
                _log.warning("the index is not kept beside the run and will be built again: %s", error)
    return index


def write_index(raw_file: Path, index: PacketIndex, headers: Sequence[PacketHeader]) -> None:
    """Write the index of a raw file beside it, before anybody sees either.

    Parameters
    ----------
    raw_file
        The bytes.
    index
        Their packets.
    headers
        Header rules by which they were found.
    """
    file = raw_file.with_name(SIDECAR_NAME)
    index.save(file)
    with zipfile.ZipFile(file, "a") as members:
        members.writestr(_STAMP, _stamp(raw_file.stat().st_size, headers))


def indexed_packets(raw_file: Path, within: tuple[int, int] | None = None) -> int | None:
    """Number of packets by the sidecar, without reading the index; None where there is none that reads.

    Parameters
    ----------
    raw_file
        The bytes of the run.
    within
        Begin and end of the bytes in which they count, where not all do: their offsets are read then.
    """
    try:
        with (
            zipfile.ZipFile(raw_file.with_name(SIDECAR_NAME)) as members,
            members.open("offset.npy") as column,
        ):
            if within is not None:
                offset = np.lib.format.read_array(column)
                return int(np.count_nonzero((offset >= within[0]) & (offset < within[1])))
            version = np.lib.format.read_magic(column)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            return int(read(column)[0][0])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _stamp(size: int, headers: Sequence[PacketHeader]) -> bytes:
    rules = json.dumps([h.model_dump(mode="json") for h in headers], sort_keys=True)
    return f"{_FORMAT} {size} {hashlib.sha256(rules.encode()).hexdigest()}".encode()


def _save(file: Path, index: PacketIndex, stamp: bytes) -> None:
    with atomic_file(file) as stream:
        index.save(stream.name)
        with zipfile.ZipFile(stream.name, "a") as members:
            members.writestr(_STAMP, stamp)


def _load(file: Path, stamp: bytes) -> PacketIndex | None:
    try:
        with zipfile.ZipFile(file) as members:
            if members.read(_STAMP) != stamp:
                return None
        return PacketIndex.load(file)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, BadDataError) as error:
        _log.warning("%s does not read and is built again: %s", file, error)
        return None
