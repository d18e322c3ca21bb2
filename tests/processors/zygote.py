"""Starts processors at once: everything is imported and compiled before the process forks.

``zygote.py HOME PACKETS`` reads commands, a JSON list a line: ["start", processor, interval] answers with
the process id, ["wait", pid] with the exit code.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

import eicpy.processors.photon_files
from eicpy.process import stop_on_signals
from eicpy.processors import Job, find_processor, run_processor
from eicpy.runs import RunArchive
from eicpy.settings import Settings


def work(settings, processor, interval, *, once=False):
    with stop_on_signals(second_ends=True) as stop:
        job = Job(find_processor(processor), "eclairs", interval=interval, once=once)
        run_processor(job, settings, stop)


def warm(packets, processors):
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.at(Path(folder))
        with RunArchive(settings.archive("eclairs"), "eclairs").create(source="test") as writer:
            writer.append(packets)
        for processor in processors:
            work(settings, processor, 0.0, once=True)


def start(settings, processor, interval):
    pid = os.fork()
    if pid:
        return pid
    try:
        work(settings, processor, interval)
    except BaseException:  # noqa: BLE001, the process ends with it
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def main():
    settings, packets, processors = Settings.at(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]
    eicpy.processors.photon_files.SHORTEST = 0.0  # the file of an unfinished run at every save
    warm(packets.read_bytes(), processors)
    print("ready", flush=True)  # noqa: T201, the answers
    for line in sys.stdin:
        command, *rest = json.loads(line)
        if command == "start":
            answer = start(settings, *rest)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])
        print(answer, flush=True)  # noqa: T201, the answers


if __name__ == "__main__":
    main()
