"""An output that is removed or replaced while it is written: said at once, and never taken for whole."""

import shutil
import threading
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Station
from eicpy.errors import BadDataError, GoneError
from eicpy.processors import Job, find_processor, run_processor
from eicpy.processors.outputs import Outputs

EXAMPLES = Path(__file__).with_name("examples.py")


def _replace(file):
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


GONE = {
    "removed": lambda file: file.unlink(),
    "replaced": _replace,
    "removed with its folder": lambda file: shutil.rmtree(file.parent),
    "moved": lambda file: file.rename(file.with_name("elsewhere")),
}


@pytest.mark.parametrize("how", GONE)
def test_an_output_that_is_gone_is_never_settled(tmp_path, how):
    outputs = Outputs(tmp_path / "outputs", {})
    outputs.open("a.txt").write("12345")
    assert outputs.settle() == {"a.txt": 5}
    GONE[how](tmp_path / "outputs" / "a.txt")
    for ask in (outputs.check, outputs.settle):
        with pytest.raises(GoneError, match=r"a\.txt: was re.*its 5 bytes are no longer there.*--again"):
            ask()
    outputs.release()


@pytest.mark.parametrize("cut", [True, False])
def test_one_that_was_closed_is_missed_too(tmp_path, cut):
    outputs = Outputs(tmp_path, {})
    outputs.open("a.txt").write("12345")
    outputs.open("empty.txt")
    outputs.close("a.txt")
    outputs.close("empty.txt")
    outputs.settle()
    (tmp_path / "empty.txt").unlink()
    outputs.check()
    (tmp_path / "a.txt").write_text("123") if cut else (tmp_path / "a.txt").unlink()
    with pytest.raises(GoneError, match=r"a\.txt"):
        outputs.settle()


def test_a_processor_whose_output_is_removed_ends_with_words_and_starts_over_on_request(
    settings, archive, photon_packets
):
    live = Job(find_processor(f"{EXAMPLES}:numbers"), "eclairs", first_run=1)
    file = settings.home / "processors" / "eclairs" / "numbers" / "outputs" / "numbers.txt"
    station, failed, stop = Station(settings.live("eclairs")), [], threading.Event()

    def run():
        with pytest.raises(GoneError) as raised:
            run_processor(live, settings, stop)
        failed.append(str(raised.value))

    writer = archive.create(source="test")
    writer.append(photon_packets(20))
    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: file.exists() and file.stat().st_size, "an output that counts")
        file.unlink()  # nothing comes any more
        thread.join(LIMIT)
    finally:
        stop.set()
        thread.join(LIMIT)
    assert "numbers.txt: was removed while the processor was writing it" in failed[0]
    status = station.status("numbers")
    assert (status.state, status.error) == ("failed", failed[0])
    with pytest.raises(BadDataError, match="--again"):
        run_processor(live, settings)
    writer.close()
    again = Job(find_processor(f"{EXAMPLES}:numbers"), "eclairs", first_run=1, again=True, once=True)
    assert run_processor(again, settings).packets == 20
    assert file.read_text().split() == [str(n) for n in range(20)]
