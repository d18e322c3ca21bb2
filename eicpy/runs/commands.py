"""The commands and housekeeping of a run in a file of their own, beside the raw bytes.

Like the index it is derived: a stamp beside it states from how many bytes and by which rules it was made, and
it is made again when that does not fit.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.files import atomic_file
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, PacketLayout, select
from eicpy.packets.bits import Buffer

__all__ = ["EXTRACT_NAME", "is_command_or_housekeeping", "load_or_extract"]

EXTRACT_NAME = "tc-hk.ccsds"
_STAMP_NAME = "tc-hk.json"
_FORMAT = 1
_KINDS = frozenset({"housekeeping", "verification"})


def is_command_or_housekeeping(
    buffer: Buffer, index: PacketIndex, instrument: Instrument
) -> npt.NDArray[np.bool_]:
    """Which packets are telecommands, verify telecommands, or are housekeeping.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    instrument
        Its kinds of packets say which these are.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), bool; False for damaged packets.
    """
    wanted = index.command.copy()
    for name, kind in instrument.packets.items():
        if kind.kind in _KINDS:
            layout = None if kind.structure is None else PacketLayout.read(instrument.layout_file(name))
            wanted |= select(buffer, index, kind, layout)
    return wanted & index.good


def load_or_extract(raw_file: Path, index: PacketIndex, instrument: Instrument) -> Path:
    """The file of commands and housekeeping beside a raw file, made now unless one exists that fits.

    Parameters
    ----------
    raw_file
        The bytes.
    index
        Their packets.
    instrument
        Its kinds of packets say which these are.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FailedError
        If it cannot be written.
    """
    file, stamp_file = raw_file.with_name(EXTRACT_NAME), raw_file.with_name(_STAMP_NAME)
    stamp = _stamp(index.end, instrument)
    if _is_fresh(file, stamp_file, stamp):
        return file
    shape = (index.end,)
    buffer = np.memmap(raw_file, np.uint8, "r", shape=shape) if index.end else np.empty(0, np.uint8)
    chosen = index[is_command_or_housekeeping(buffer, index, instrument)]
    with atomic_file(file) as stream:
        for start, stop in _ranges(chosen):
            stream.write(buffer[start:stop].data)
    with atomic_file(stamp_file) as stream:
        stream.write(json.dumps({**stamp, "size": int(chosen.length.sum())}).encode())
    return file


def _ranges(index: PacketIndex) -> list[tuple[int, int]]:
    """Where the packets stand, those that follow one another as one range."""
    if not len(index):
        return []
    end = index.offset + index.length
    breaks = np.flatnonzero(index.offset[1:] != end[:-1]) + 1
    starts = index.offset[np.concatenate([[0], breaks])]
    stops = end[np.concatenate([breaks - 1, [len(index) - 1]])]
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _stamp(size: int, instrument: Instrument) -> dict[str, object]:
    kinds = {name: kind.model_dump(mode="json") for name, kind in instrument.packets.items()}
    headers = [header.model_dump(mode="json") for header in instrument.headers]
    rules = hashlib.sha256(json.dumps([kinds, headers], sort_keys=True).encode()).hexdigest()
    return {"format": _FORMAT, "raw_size": size, "rules": rules}


def _is_fresh(file: Path, stamp_file: Path, stamp: dict[str, object]) -> bool:
    try:
        found = json.loads(stamp_file.read_text())
        return bool(found == {**stamp, "size": file.stat().st_size})
    except (OSError, ValueError):
        return False
