"""Append the packets of a file to a new run as a camera would send them: faster than real time, steadily.

A process of its own, started by the browser tests: ``feeder.py HOME INSTRUMENT FILE SPEED AT_ONCE`` puts the
packets of the first AT_ONCE seconds into the run at once and the others at SPEED times their own pace.
It ends when its standard input closes, or with the file, and leaves the run open.
"""

import select
import sys
import time
from pathlib import Path

import numpy as np

from eicpy.decoding import packet_seconds
from eicpy.instruments import load
from eicpy.packets import index_packets
from eicpy.runs import RunArchive
from eicpy.settings import Settings


def main(home: str, name: str, file: str, speed: str, at_once: str) -> None:
    instrument = load(name)
    data = Path(file).read_bytes()
    index = index_packets(data, instrument.headers)
    moment = np.maximum.accumulate(packet_seconds(index, instrument))
    moment -= moment[0]
    ends = index.offset + index.length
    writer = RunArchive(Settings.at(Path(home)).archive(name), name).create(source="feeder")
    done = 0
    began = time.monotonic()
    while done < len(data):
        now = float(at_once) + float(speed) * (time.monotonic() - began)
        due = int(np.searchsorted(moment, now, side="right"))
        stop = int(ends[due - 1]) if due else 0
        if stop > done:
            writer.append(data[done:stop])
            done = stop
        if select.select([sys.stdin], [], [], 0.25)[0]:
            break
    writer.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
