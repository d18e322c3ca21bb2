"""Packets for merges of runs, and what the order of a merge is in plain words."""

from hypothesis import strategies as st

from eicpy.instruments import load
from eicpy.packets import checksum_crc16, index_packets
from eicpy.runs import RunArchive
from eicpy.runs.provider.merge import SAME_WITHIN

PROTOTYPE = load("dpix-prototype")


def packet(apid, count, seconds=None, *, fill=0):
    """A packet of the prototype; a telecommand where no time is given."""
    body = bytes([0x10, 210, 2, 0, 0]) if seconds is None else bytes([0x20, 3, 25, 0, 0, 0, 0])
    if seconds is not None:
        body += int(seconds).to_bytes(4, "big") + b"\0\0\0"
    body += bytes([fill % 256] * 4)
    head = (0x0800 | (0x1000 if seconds is None else 0) | apid).to_bytes(2, "big")
    head += (0xC000 | count % 16384).to_bytes(2, "big") + (len(body) + 1).to_bytes(2, "big")
    return head + body + checksum_crc16(head + body).to_bytes(2, "big")


def oracle(runs):
    """The order of the module's own words, written without an array."""
    rows = []
    for place, run in enumerate(runs):
        index = index_packets(b"".join(run), PROTOTYPE.headers)
        assert len(index) == len(run)
        times = [float(c) if c >= 0 else None for c in index.coarse.tolist()]
        known = [t for t in times if t is not None]
        for row, raw in enumerate(run):
            time, side = times[row], 0
            if time is None:
                before = [t for t in times[:row] if t is not None]
                time, side = (before[-1], 1) if before else (known[0], -1) if known else (0.0, 1)
            source = (int(index.apid[row]), bool(index.command[row])) if side == 0 else (0, False)
            rows.append([time, side, source[1], source[0], int(index.sequence_count[row]), place, row, raw])
    for row in rows:
        group = [r[4] for r in rows if r[:4] == row[:4]]
        wraps = row[1] == 0 and max(group) - min(group) > 8192
        row.append(0 if row[1] else row[4] + (16384 if wraps and row[4] < 8192 else 0))
    rows.sort(key=lambda r: (r[0], r[1], r[2], r[3], r[8], r[5], r[6]))
    given, last = [], {}
    for row in rows:
        raw = row[7]
        if raw not in last or row[0] - last[raw] > SAME_WITHIN:
            given.append(raw)
        last[raw] = row[0]
    return given


PACKETS = st.builds(
    packet,
    st.sampled_from([901, 910]),
    st.sampled_from([0, 1, 2, 16382, 16383]),
    st.sampled_from([None, 100, 101, 150, 10_000]),
    fill=st.integers(0, 1),
)


def archive_of(folder, runs):
    archive = RunArchive(folder, PROTOTYPE.name)
    for run in runs:
        with archive.create(source="x") as writer:
            writer.append(b"".join(run))
    return archive, list(range(1, len(runs) + 1))
