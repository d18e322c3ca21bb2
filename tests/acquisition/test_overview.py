"""What a monitor shows, from statuses made up for it: well, wrong, dead, torn and senseless."""

import json
import signal
import subprocess
import sys
import zlib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from eicpy.acquisition.status import (
    ApidView,
    DiskView,
    LinkView,
    OverviewReader,
    PartView,
    ReceiverView,
    Station,
    chain_reasons,
    read_overview,
)
from eicpy.health import REASONS, HealthState, Tense, judge
from eicpy.housekeeping import Severity
from eicpy.runs.archive import RunArchive
from eicpy.settings import Settings

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path)


@pytest.fixture
def station(settings):
    return Station(settings.live("eclairs"))


@pytest.fixture
def reader(settings, eclairs):
    return OverviewReader(settings, eclairs)


@pytest.fixture
def parts(station):
    """Open statuses of made-up parts, held until the test ends."""
    with ExitStack() as stack:
        yield lambda name, role: stack.enter_context(station.report(name, role=role))


def counts(received=0, **wrong):
    return {"received": received, "lost": 0, "duplicated": 0, "out_of_order": 0, "damaged": 0} | wrong


def receiver_values(**changes):
    return {
        "run": None, "suffix": "", "received": 1000, "rate": 100.0, "packets": 10, "damaged": 0,
        "foreign_bytes": 0, "links": [
            {"address": "127.0.0.1:4711", "transport": "tcp", "state": "connected", "bytes": 1000, "age": 0.2}
        ],
        "apids": {"810": counts(10)}, "commands": {}, "disk_free": 10**12, "disk_seconds": 1e9,
        "udp_dropped": 0, "listening": ["tcp 127.0.0.1:5000"], "mode": "automatic",
    } | changes  # fmt: skip


def codes(overview):
    return [reason.code for reason in overview.verdict.reasons if reason.code != "little-space"]


def test_nothing_was_ever_started(reader):
    overview = reader.read()
    assert codes(overview) == ["no-receiver"]
    assert overview.receiver is None
    assert overview.run is None
    assert overview.disk.free > 0
    assert overview.journal == ()


def test_a_chain_that_is_well(reader, parts, settings):
    with RunArchive(settings.archive("eclairs"), "eclairs").create(source="bench", comment="first") as writer:
        writer.append(b"x" * 5000)
        report = parts("receiver", "receiver")
        report.update(state="receiving", values=receiver_values(run=writer.run.number))
        parts("photons", "processor").update(
            state="running",
            values={
                "mode": "next", "run": 1, "offset": 4000, "behind": 1000, "packets": 7, "skipped": 0,
                "restarts": 0, "parameters": {"threshold": 4.5, "band": "soft"},
            },
        )  # fmt: skip
        overview = reader.read()
    assert codes(overview) == []
    assert (overview.run.number, overview.run.size, overview.run.comment) == (1, 5000, "first")
    assert overview.run.is_open
    (photons,) = overview.processors
    assert (photons.behind, photons.behind_seconds) == (1000, 10.0)  # at 100 bytes/s
    assert photons.parameters == {"threshold": 4.5, "band": "soft"}
    assert overview.addresses == ("tcp 127.0.0.1:5000",)
    assert [apid.name for apid in overview.apids] == ["photons"]


def test_names_are_the_instruments_own(reader, parts):
    table = {str(apid): counts(1) for apid in (800, 801, 802, 820, 1234)}
    parts("receiver", "receiver").update(values=receiver_values(apids=table, commands={"800": counts(3)}))
    overview = reader.read()
    assert {apid.apid: apid.name for apid in overview.apids if not apid.command} == {
        800: "verification", 801: "housekeeping ecl", 802: "housekeeping dpix", 820: "alert", 1234: "",
    }  # fmt: skip
    assert [apid.received for apid in overview.apids if apid.command] == [3]
    assert codes(overview) == ["unknown-apid"]


def test_a_part_that_was_killed_is_an_alarm_and_its_words_are_not_the_present(reader, station, settings):
    with RunArchive(settings.archive("eclairs"), "eclairs").create(source="bench") as writer:
        writer.append(b"x" * 5000)
        told = {"mode": "next", "run": 1, "offset": 2000, "behind": 0}
        code = (
            "import sys; from pathlib import Path; from eicpy.acquisition.status import Station\n"
            f"with Station(Path(sys.argv[1])).report('photons', role='processor') as report:\n"
            f"    report.update(state='running', values={told!r}); print('told', flush=True)\n"
            "    sys.stdin.read()"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(station.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout.readline() == "told\n"
            assert reader.read().processors[0].health == "alive"
            child.send_signal(signal.SIGKILL)
        overview = reader.read()
    assert overview.verdict.level is Severity.ALARM
    assert codes(overview)[0] == "part-dead"
    assert overview.verdict.reasons[0].values["part"] == "photons"
    assert overview.processors[0].health == "dead"
    assert overview.processors[0].behind == 3000  # what came since, not what it said


def test_a_farewell_is_no_alarm_and_a_failure_is(reader, station):
    with station.report("receiver", role="receiver") as report:
        report.update(state="receiving", values=receiver_values())
    assert codes(reader.read()) == ["receiver-ended"]
    with pytest.raises(ZeroDivisionError), station.report("receiver", role="receiver"):
        1 / 0  # noqa: B018
    overview = reader.read()
    assert codes(overview)[0] == "part-failed"
    assert "ZeroDivisionError" in overview.verdict.reasons[0].values["text"]
    assert overview.last_error.part == "receiver"


@pytest.mark.parametrize("damage", [b"", b"torn", b"\0" * 4096])
def test_a_torn_status_is_named_and_harms_nothing_else(reader, parts, station, damage):
    parts("receiver", "receiver").update(state="receiving", values=receiver_values())
    (station.folder / "photons.status").write_bytes(damage)
    with station.journal_file.open("wb") as stream:
        stream.write(b'{"time": "2026-11-21T0')
    overview = reader.read()
    assert codes(overview) == ["unreadable"]
    assert overview.verdict.reasons[-1].values["what"] == "photons.status"
    assert overview.receiver.health == "alive"


def test_senseless_values_are_not_known_rather_than_shown(reader, station):
    station.folder.mkdir(parents=True)
    values = {
        "run": "seven", "rate": "fast", "links": {"a": 1}, "apids": {"x": {}, "810": 3}, "commands": [],
        "listening": 7, "received": True, "parameters": 1, "restarts": "often",
    }  # fmt: skip
    text = json.dumps(
        {
            "name": "receiver", "role": "receiver", "pid": 1, "state": "?", "values": values,
            "started": NOW.isoformat(), "updated": NOW.isoformat(),
        }
    ).encode()  # fmt: skip
    (station.folder / "receiver.status").write_bytes(b"%08x %08x " % (len(text), zlib.crc32(text)) + text)
    overview = reader.read()
    assert overview.receiver.received is None
    assert overview.receiver.rate is None
    assert overview.links == ()
    assert overview.apids == ()


def test_a_run_that_the_receiver_names_but_is_not_there(reader, parts):
    parts("receiver", "receiver").update(values=receiver_values(run=12))
    overview = reader.read()
    assert overview.run is None
    assert "unreadable" in codes(overview)


def test_an_unreadable_description_leaves_number_and_size(reader, parts, settings):
    writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="bench")
    writer.append(b"x" * 100)
    writer.release()
    (writer.run.folder / "run.json").write_text("{")
    overview = reader.read()
    assert (overview.run.number, overview.run.size, overview.run.opened) == (1, 100, None)
    assert "unreadable" in codes(overview)


def test_rates_come_from_two_statuses(reader, parts):
    report = parts("receiver", "receiver")
    report.update(values=receiver_values(apids={"810": counts(10)}))
    assert reader.read().apids[0].rate is None
    report.update(values=receiver_values(apids={"810": counts(30)}))
    first = reader.read().apids[0].rate
    assert first > 0


def test_rates_go_on_when_the_clock_was_set_back(reader):
    assert reader._rate((False, 810), 10, 5000.0) is None
    assert reader._rate((False, 810), 20, 1000.0) is None
    assert reader._rate((False, 810), 40, 1002.0) == 10


@pytest.mark.parametrize(
    ("values", "name", "code"),
    [
        ({"udp_dropped": 4}, "udp-dropped", "udp-dropped"),
        ({"runs_gone": 1, "run_gone": "run 1 was deleted"}, "run-gone", "run-gone"),
        ({"gave_way": {"idle": 2}}, "connections-closed", "connections-closed"),
    ],
)
def test_what_rose_is_dated_by_the_receiver_not_by_when_the_page_was_opened(
    settings, eclairs, parts, values, name, code
):
    report = parts("receiver", "receiver")
    now = datetime.now(tz=UTC)
    for ago, expected in ((60.0, [code]), (601.0, [])):
        risen = {name: (now - timedelta(seconds=ago)).isoformat()}
        report.update(values=receiver_values(risen=risen, **values))
        overview = OverviewReader(settings, eclairs).read()  # opened just now
        assert codes(overview) == expected
        for reason in overview.verdict.reasons:
            if reason.code == code:
                assert reason.values["age"] == pytest.approx(ago, abs=30.0)


def test_counts_of_the_receiver_are_in_the_table_and_only_data_date_a_loss(reader, parts):
    parts("receiver", "receiver").update(values=receiver_values(apids={"810": counts(10, lost=4)}))
    overview = reader.read()
    assert codes(overview) == []
    assert overview.apids[0].lost == 4


def test_what_only_the_supervisor_knows_is_shown(reader, parts):
    parts("receiver", "receiver").update(values=receiver_values())
    children = {
        "receiver": {"name": "receiver", "role": "receiver", "state": "running", "restarts": 2, "error": ""},
        "dashboards": {"name": "dashboards", "role": "dashboards", "state": "running", "restarts": 0},
        "publisher": {"role": "publisher", "state": "restarting", "restarts": 1, "error": "no server"},
    }
    parts("supervisor", "supervisor").update(state="running", values={"children": children})
    overview = reader.read()
    assert overview.receiver.restarts == 2
    assert {part.name: part.health for part in overview.others} == {
        "dashboards": "alive",
        "publisher": "dead",
        "supervisor": "alive",
    }
    assert codes(overview) == ["part-dead", "restarted", "restarted"]
    assert overview.last_error.text == "no server"


@pytest.mark.parametrize(("age", "expected"), [(1.0, ["link-refused"]), (601.0, [])])
def test_a_stranger_is_named_for_ten_minutes(reader, parts, age, expected):
    values = receiver_values()
    values["links"].append(
        {"address": "10.0.0.9", "transport": "", "state": "refused", "bytes": 0, "age": age}
    )
    parts("receiver", "receiver").update(values=values)
    assert codes(reader.read()) == expected


def receiver(**changes):
    known = {"name": "receiver", "role": "receiver", "health": "alive", "state": "receiving", "age": 0.1}
    return ReceiverView(**(known | changes))


def link(state="connected", age=0.1):
    return LinkView(address="10.0.0.7:4000", transport="tcp", state=state, age=age)


def judged(*, parts=None, links=None, apids=(), disk=None, risen=None):
    others = chain_reasons(
        moment=NOW,
        parts=[receiver()] if parts is None else parts,
        links=[link()] if links is None else links,
        apids=apids,
        disk=disk,
        risen=risen or {},
        unreadable={},
    )
    return judge(HealthState(tense=Tense.NOW, others=others))


def disk(**changes):
    return DiskView(**({"folder": "/", "total": 10**13, "free": 10**12} | changes))


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ({"parts": [receiver(state="no space")], "disk": disk()}, "no-space"),
        ({"parts": [receiver(health="silent", age=30.0)]}, "part-silent"),
        ({"parts": [receiver(error="disk broken")]}, "receiver-error"),
        ({"links": []}, "nobody-sends"),
        ({"links": [link("waiting", None)]}, "nobody-sends"),
        (
            {"links": [link(), link("refused")], "risen": {("link-refused", "10.0.0.7:4000"): NOW}},
            "link-refused",
        ),
        ({"links": [link(age=11.0)]}, "link-silent"),
        ({"disk": disk(seconds_to_full=1800.0)}, "disk-alarm"),
        ({"disk": disk(seconds_to_full=7200.0)}, "disk-attention"),
        ({"disk": disk(free=10**6)}, "little-space"),
        ({"risen": {("udp-dropped",): NOW}}, "udp-dropped"),
        (
            {"parts": [receiver(), PartView(name="p", role="processor", health="alive", state="given up")]},
            "given-up",
        ),
        (
            {
                "parts": [receiver(), PartView(name="p", role="x", health="alive", state="", restarts=2)],
                "risen": {("restarted", "p"): NOW},
            },
            "restarted",
        ),
        ({"apids": [ApidView(apid=1234, name="", received=1)]}, "unknown-apid"),
    ],
)
def test_each_thing_that_is_wrong_has_its_reason(chain, code):
    verdict = judged(**chain)
    assert [reason.code for reason in verdict.reasons] == [code]
    assert verdict.level is REASONS[code]


def test_a_chain_without_a_receiver_is_starting_and_says_for_how_long():
    chain = PartView(
        name="chain", role="chain", health="alive", state="running", started=NOW - timedelta(seconds=40)
    )
    (reason,) = judged(parts=[chain], links=[]).reasons
    assert (reason.code, reason.values) == ("starting", {"age": 40.0})
    failed = PartView(name="receiver", role="receiver", health="failed", state="given up", error="no port")
    assert "starting" not in [reason.code for reason in judged(parts=[chain, failed], links=[]).reasons]
    gone = PartView(name="chain", role="chain", health="ended", state="stopped", started=NOW)
    assert [reason.code for reason in judged(parts=[gone], links=[]).reasons] == ["no-receiver"]


def test_the_worst_comes_first():
    dead = PartView(name="photons", role="processor", health="dead", state="running", age=5.0)
    verdict = judged(parts=[receiver(), dead], links=[], disk=disk(seconds_to_full=100.0))
    assert [reason.code for reason in verdict.reasons] == ["part-dead", "disk-alarm", "nobody-sends"]
    assert verdict.level is Severity.ALARM


def test_one_look_waits_for_a_rate_and_is_json(settings, eclairs, station):
    with station.report("receiver", role="receiver") as report:
        report.update(values=receiver_values())
        station.journal("anna", "comment: test", run=3)
        overview = read_overview(settings, eclairs, timeout=0.01)
    told = json.loads(json.dumps(overview.to_json(), allow_nan=False))
    assert told["receiver"]["rate"] == 100.0
    assert told["verdict"]["level"] in {"unknown", "attention"}  # no data; perhaps little space
    assert (told["verdict"]["tense"], told["verdict"]["newest"]) == ("none", None)
    assert told["journal"][0]["by"] == "anna"
    assert told["journal"][0]["time"].endswith(("Z", "+00:00"))
