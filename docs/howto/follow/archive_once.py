r"""Appends packets with their numbers to a file, each once, however often this or what feeds it is killed.

eic follow all -i eclairs --bus nats://eic-host:4222 --consumer my-archive --format numbered \
    | python archive_once.py packets.numbered
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

NUMBER = struct.Struct(">IQ")  # run (0 on a bus), number of the message
HEADER = 6  # bytes of a packet: the last two are its length less 7


def packets(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Run, number and bytes of each packet, up to one that is cut."""
    while len(number := stream.read(NUMBER.size)) == NUMBER.size:
        header = stream.read(HEADER)
        size = int.from_bytes(header[4:6], "big") + 1
        body = stream.read(size) if len(header) == HEADER else b""
        if len(body) < size:
            return
        yield *NUMBER.unpack(number), header + body


file = Path(sys.argv[1])
file.touch()
known: dict[tuple[int, int], int] = {}
whole = 0
with file.open("rb") as kept:
    for run, number, packet in packets(kept):
        known[run, number] = crc32(packet)
        whole += NUMBER.size + len(packet)
with file.open("r+b", buffering=0) as kept:
    kept.truncate(whole)  # a packet that a kill cut
    kept.seek(whole)
    for run, number, packet in packets(sys.stdin.buffer):
        before = known.get((run, number))
        if before is None:
            kept.write(NUMBER.pack(run, number) + packet)
            known[run, number] = crc32(packet)
        elif before != crc32(packet):
            sys.exit(f"message {number} is another packet now: the stream was made again; begin a new file")
