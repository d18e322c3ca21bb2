"""A processor is given every packet once, tells how it is, and names the packet it fails on."""

import json
import shutil
import threading
import tomllib
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Station
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.processors import Job, ProcessorError, find_processor, known_processors, run_processor

EXAMPLES = Path(__file__).with_name("examples.py")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def job(name, **options):
    return Job(find_processor(f"{EXAMPLES}:{name}"), "eclairs", **options)


def outputs(settings, name):
    return settings.home / "processors" / "eclairs" / name / "outputs"


def numbers(settings, name="numbers"):
    return [int(line) for line in (outputs(settings, name) / "numbers.txt").read_text().split()]


@pytest.fixture
def in_thread(settings):
    """Starts a processor in a thread; gives the event that stops it and what it returned."""
    stops = []

    def start(what):
        stop, results = threading.Event(), []
        thread = threading.Thread(target=lambda: results.append(run_processor(what, settings, stop)))
        thread.start()
        stops.append((stop, thread))

        def end():
            stop.set()
            thread.join(LIMIT)
            assert results, "the processor failed"
            return results[0]

        return end

    yield start
    for stop, thread in stops:
        stop.set()
        thread.join(LIMIT)


def test_a_playback_gives_every_packet_once_and_a_second_call_none(settings, closed_run):
    closed_run(300)
    summary = run_processor(job("numbers", runs=(1,)), settings)
    assert (summary.name, summary.packets) == ("numbers-run-1", 300)
    assert numbers(settings, "numbers-run-1") == list(range(300))
    assert run_processor(job("numbers", runs=(1,)), settings).packets == 300
    assert numbers(settings, "numbers-run-1") == list(range(300))
    assert run_processor(job("numbers", runs=(1,), again=True), settings).packets == 300
    assert numbers(settings, "numbers-run-1") == list(range(300))


def test_live_it_follows_from_run_to_run_and_goes_on_where_it_stopped(
    settings, archive, photon_packets, in_thread
):
    end = in_thread(job("numbers"))
    station = Station(settings.live("eclairs"))
    wait_until(lambda: station.status("numbers") is not None, "a start before the first run")
    with archive.create(source="test") as writer:
        writer.append(photon_packets(50))
        wait_until(lambda: station.status("numbers").values.get("packets") == 50)
        assert end().packets == 50
        writer.append(photon_packets(50, 50))
    with archive.create(source="test") as writer:
        writer.append(photon_packets(20, 100))
    summary = run_processor(job("numbers", once=True), settings)
    assert summary.packets == 120
    assert numbers(settings) == list(range(120))


def test_a_run_ends_for_a_processor_when_it_is_closed_and_read(settings, closed_run):
    closed_run(10)
    closed_run(5, 10)
    run_processor(job("Sums", first_run=1, once=True), settings)
    steps = (outputs(settings, "Sums") / "steps.txt").read_text().splitlines()
    assert steps == ["begin", "run 1: 200", "run 2: 300", "end"]


def test_the_end_comes_after_the_last_save_and_is_kept(settings, closed_run):
    closed_run(100)
    run_processor(job("Ordered", once=True, interval=1000.0), settings)
    steps = (outputs(settings, "Ordered") / "steps.txt").read_text()
    assert steps == "64 36 save save end"  # the end of the run is saved by itself


def test_state_is_saved_with_the_cursor(settings, closed_run):
    closed_run(10)
    run_processor(job("Sums", once=True), settings)
    closed_run(5, 10)
    run_processor(job("Sums", once=True), settings)
    steps = (outputs(settings, "Sums") / "steps.txt").read_text().splitlines()
    assert steps == ["begin", "run 1: 200", "end", "begin", "run 2: 300", "end"]


def test_own_values_and_parameters_are_in_the_status(settings, closed_run):
    closed_run(10)
    run_processor(job("Sums", once=True, parameters={"threshold": "5"}), settings)
    status = Station(settings.live("eclairs")).status("Sums")
    assert (status.state, status.alive, status.role) == ("stopped", False, "processor")
    assert status.values["parameters"] == {"threshold": 5, "title": "sums", "photons": 100, "mean": 8.0}
    told = {name: status.values[name] for name in ("mode", "run", "behind", "packets", "skipped", "restarts")}
    assert told == {"mode": "next", "run": 1, "behind": 0, "packets": 10, "skipped": 0, "restarts": 0}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"threshold": "high"}, "threshold: .*integer.* got 'high'. Expected: threshold: int = 0"),
        ({"treshold": "1"}, "treshold: extra inputs"),
    ],
)
def test_parameters_are_checked(settings, parameters, words):
    with pytest.raises(BadArgumentError, match=words):
        run_processor(job("Sums", parameters=parameters), settings)


def test_a_parameter_without_a_default_must_be_given(settings):
    with pytest.raises(BadArgumentError, match="at: field required"):
        run_processor(job("failing"), settings)


def test_an_exception_names_the_packet_and_keeps_what_came_before(settings, closed_run, eclairs):
    run = closed_run(100)
    place = int(run.index(eclairs).offset[61])
    words = f"ValueError: not this one at run 1, offset {place}, APID 810, count 61"
    with pytest.raises(ProcessorError) as raised:
        run_processor(job("failing", once=True, parameters={"at": "61"}, interval=0.0), settings)
    assert str(raised.value) == words
    status = Station(settings.live("eclairs")).status("failing")
    assert status.state == "failed"
    assert words in status.error
    assert numbers(settings, "failing")[:61] == list(range(61))
    run_processor(job("failing", once=True, parameters={"at": "-1"}), settings)
    assert numbers(settings, "failing") == list(range(100))


def test_last_gives_the_newest_and_counts_those_passed_over(settings, closed_run):
    closed_run(100)
    summary = run_processor(job("numbers", mode="last", once=True), settings)
    assert numbers(settings) == [99]
    assert (summary.packets, summary.skipped) == (1, 99)


def test_only_what_is_wanted_is_given(settings, closed_run):
    closed_run(10)
    assert run_processor(job("numbers", once=True, apids=(811,)), settings).packets == 0
    assert run_processor(job("numbers", once=True, apids=(810,), label="mine"), settings).packets == 10


def test_two_of_one_name_do_not_run_at_once(settings, archive, in_thread):
    end = in_thread(job("numbers"))
    wait_until(lambda: Station(settings.live("eclairs")).status("numbers") is not None)
    with pytest.raises(FailedError, match="numbers is running already"):
        run_processor(job("numbers"), settings)
    end()


def test_a_checkpoint_that_does_not_read_is_not_taken_for_none(settings, closed_run):
    closed_run(10)
    run_processor(job("numbers", once=True), settings)
    file = outputs(settings, "numbers").parent / "checkpoint.json"
    file.write_text("{")
    with pytest.raises(BadDataError, match="start over with --again"):
        run_processor(job("numbers", once=True), settings)


def test_an_output_that_was_cut_by_somebody_else_is_told(settings, closed_run):
    closed_run(10)
    run_processor(job("numbers", once=True), settings)
    (outputs(settings, "numbers") / "numbers.txt").write_text("1\n")
    with pytest.raises(BadDataError, match="got 2 bytes, expected the 20 of the last checkpoint"):
        run_processor(job("numbers", once=True), settings)


def test_what_came_after_the_checkpoint_is_cut_off(settings, closed_run):
    closed_run(10)
    run_processor(job("numbers", once=True), settings)
    folder = outputs(settings, "numbers")
    with (folder / "numbers.txt").open("a") as stream:
        stream.write("of a life that was killed\n")
    (folder / "left.txt").write_text("by the same")
    run_processor(job("numbers", once=True), settings)
    assert numbers(settings) == list(range(10))
    assert not (folder / "left.txt").exists()


def test_the_checkpoint_is_what_the_outputs_are(settings, closed_run):
    closed_run(10)
    run_processor(job("numbers", once=True), settings)
    saved = json.loads((outputs(settings, "numbers").parent / "checkpoint.json").read_text())
    assert saved["outputs"] == {"numbers.txt": 20}
    assert saved["packets"] == 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "expected one of housekeeping, photons, module:object or file.py:object"),
        ("no/such/file.py:f", "does not exist"),
        ("no_such_module:f", "could not be imported: ModuleNotFoundError"),
        ("json:nothing", "expected a function or a class nothing in json"),
    ],
)
def test_a_processor_that_cannot_be_found_is_told(name, words):
    with pytest.raises(BadArgumentError, match=words):
        find_processor(name)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(batch): ...", r"expected \(batch, context"),
        ("def f(batch, context, *, x=1): ...", "parameter 'x' of f without a type"),
        ("def f(batch, context, **more): ...", "expected parameters by name"),
        ("class f: ...", "without process"),
        ("def f(batch, context, *, x: 'Nothing' = 1): ...", "a type that cannot be read"),
        ("import sys; sys.exit(0)", "could not be imported: SystemExit"),
        ("raise OSError('broken')", "could not be imported: OSError: broken"),
    ],
)
def test_a_processor_that_cannot_be_called_is_told_before_it_runs(settings, tmp_path, code, words):
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(BadArgumentError, match=words):
        run_processor(Job(find_processor(f"{tmp_path}/mine.py:f"), "eclairs"), settings)


def test_the_processors_of_this_package_are_those_it_declares():
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["eicpy.processors"]
    assert {name: known_processors()[name] for name in declared} == declared
    assert {name: find_processor(name).name for name in declared} == {name: name for name in declared}


@pytest.mark.parametrize("name", ["numbers", "photons", "housekeeping"])
def test_a_run_that_was_removed_ends_without_stopping_the_processor(settings, archive, photon_packets, name):
    found = find_processor(name if name in known_processors() else f"{EXAMPLES}:{name}")
    live = Job(found, "eclairs", once=True, first_run=1)
    writer = archive.create(source="test")
    writer.append(photon_packets(20))
    assert run_processor(live, settings).packets == 20
    writer.release()
    shutil.rmtree(writer.run.folder)
    assert run_processor(live, settings).packets == 20
    with archive.create(source="test") as writer:
        writer.append(photon_packets(30))
    assert run_processor(live, settings).packets == 50
    left = sorted(f.name for f in outputs(settings, name).iterdir())
    assert left == (["numbers.txt"] if name == "numbers" else [])


def test_a_processor_that_leaves_is_no_end_in_good_order(settings, closed_run, tmp_path):
    closed_run(3)
    (tmp_path / "mine.py").write_text("import sys\ndef f(batch, context): sys.exit(0)\n")
    with pytest.raises(ProcessorError, match="SystemExit: 0 at run 1, offset 0"):
        run_processor(Job(find_processor(f"{tmp_path}/mine.py:f"), "eclairs", runs=(1,)), settings)


@pytest.mark.parametrize(
    "edited",
    [
        {"cursor": {"run": -1, "offset": 0}},
        {"cursor": {"run": 1, "offset": -5}},
        {"outputs": {"../../../../precious": 0}},
        {"outputs": {"numbers.txt": -4}},
        {"packets": -1},
        {"run": 0},
    ],
)
def test_a_checkpoint_that_was_edited_is_refused_and_touches_no_other_file(settings, closed_run, edited):
    closed_run(5)
    run_processor(job("numbers", runs=(1,)), settings)
    precious = settings.home / "precious"
    precious.write_text("not an output")
    file = outputs(settings, "numbers-run-1").parent / "checkpoint.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | edited))
    with pytest.raises(BadDataError, match=r"checkpoint\.json.*--again"):
        run_processor(job("numbers", runs=(1,)), settings)
    assert precious.read_text() == "not an output"


def test_the_state_is_kept_as_it_is_or_refused(settings, closed_run, tmp_path):
    closed_run(5)
    (tmp_path / "mine.py").write_text(
        "def kept(batch, context):\n"
        "    state = context.state\n"
        "    assert state.get('x', 1.0) == 1.0 or state['x'] != state['x'], state\n"
        "    state['x'] = float('nan')\n"
        "def lost(batch, context): context.state['x'] = object()\n"
    )
    for _ in range(2):  # in the second, the state comes out of the checkpoint
        kept = Job(find_processor(f"{tmp_path}/mine.py:kept"), "eclairs", once=True, first_run=1)
        run_processor(kept, settings)
        closed_run(5, 5)
    with pytest.raises(FailedError, match="state of the processor cannot be saved"):
        run_processor(Job(find_processor(f"{tmp_path}/mine.py:lost"), "eclairs", runs=(1,)), settings)
