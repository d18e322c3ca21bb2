"""Parts of the live chain tell how they are, also when they are killed or the disk is full."""

import asyncio
import multiprocessing
import os
import resource
import signal
import stat
import threading

import pytest
from waiting import wait_until

from eicpy.acquisition.status import Order, send_order, serve_orders
from eicpy.acquisition.status.status import ROOM, Station
from eicpy.errors import BadArgumentError, FailedError


@pytest.fixture
def station(tmp_path):
    return Station(tmp_path / "live" / ("a-folder-with-a-long-name-" * 6) / "eclairs")


def test_a_status_is_read_as_told(station):
    with station.report("receiver", role="receiver") as report:
        report.update(state="receiving", values={"run": 3, "rate": 1.5e6, "links": [{"address": "::1"}]})
        status = station.statuses()["receiver"]
        assert (status.state, status.alive, status.pid) == ("receiving", True, os.getpid())
        assert status.values == {"run": 3, "rate": 1.5e6, "links": [{"address": "::1"}]}
        report.update(values={})
        assert station.status("receiver").values == {}
        assert station.status("receiver").state == "receiving"
    gone = station.status("receiver")
    assert (gone.state, gone.alive, gone.error) == ("stopped", False, None)


def test_an_error_stays_until_it_is_over(station):
    with station.report("photons", role="processor") as report:
        report.update(error="no space")
        report.update(state="waiting")
        assert station.status("photons").error == "no space"
        report.update(recovered=True)
        assert station.status("photons").error is None
    with pytest.raises(RuntimeError), station.report("photons", role="processor"):
        raise RuntimeError("of the detector")
    failed = station.status("photons")
    assert (failed.state, failed.error) == ("failed", "RuntimeError: of the detector")


def tell_for_ever(folder):
    with Station(folder).report("receiver", role="receiver") as report:
        for number in range(10**9):
            report.update(state=f"state {number}", values={"text": "x" * (number % 5000)})


def test_a_killed_part_is_not_taken_for_alive_and_never_torn(station):
    for _ in range(3):
        child = multiprocessing.get_context("spawn").Process(target=tell_for_ever, args=(station.folder,))
        child.start()
        wait_until(lambda pid=child.pid: (s := station.status("receiver")) is not None and s.pid == pid)
        for _ in range(200):
            status = station.status("receiver")
            assert status is not None
            assert status.alive
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        status = station.status("receiver")
        assert status.state.startswith("state ")
        assert not status.alive


def test_readers_do_not_take_one_another_for_the_writer(station):
    with station.report("receiver", role="receiver"):
        pass
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.extend(station.status("receiver").alive for _ in range(300)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] * 1200


def test_a_part_runs_once(station):
    with station.report("receiver", role="receiver"):
        with pytest.raises(FailedError, match="running already"), station.report("receiver", role="receiver"):
            pass
        with pytest.raises(BadArgumentError, match="running"):
            station.forget("receiver")
    station.forget("receiver")
    assert station.statuses() == {}
    station.forget("receiver")


@pytest.mark.parametrize("values", [{"rate": float("nan")}, {"file": object()}])
def test_a_status_that_cannot_be_told_is_refused(station, values):
    with station.report("receiver", role="receiver") as report:
        with pytest.raises(BadArgumentError, match="status"):
            report.update(values=values)
        report.update(values={"run": 1})
        assert station.status("receiver").values == {"run": 1}


def test_of_a_status_too_long_for_its_room_what_is_short_is_told_and_what_is_missing(station, caplog):
    with station.report("receiver", role="receiver") as report:
        for _ in range(3):
            report.update(
                state="receiving", error="\N{FIRE}" * ROOM,
                values={"run": 1, "apids": {str(n): [0] * 9 for n in range(2048)}, "text": "x" * ROOM},
            )  # fmt: skip
            status = station.status("receiver")
            assert (status.state, status.values) == (
                "receiving", {"run": 1, "left_out": ["apids", "text"]}
            )  # fmt: skip
            assert status.error == "\N{FIRE}" * 4000
        assert len([record for record in caplog.records if "left out" in record.message]) == 1
        report.update(recovered=True, values={"run": 2})
        assert station.status("receiver").values == {"run": 2}


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "..", "a\nb"])
def test_a_name_that_is_no_file_is_refused(station, name):
    with pytest.raises(BadArgumentError, match="name"):
        station.report(name, role="processor")


def test_a_status_needs_no_room_once_it_is_open(station):
    with station.report("receiver", role="receiver") as report:
        blocks = report.file.stat().st_blocks
        for _ in range(2):
            report.update(values={"text": "x" * (ROOM - 1000)})
        assert blocks * 512 >= 2 * ROOM
        assert report.file.stat().st_blocks == blocks


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_report_that_is_cut_leaves_the_one_before_it(station, cut):
    with station.report("receiver", role="receiver") as report:
        for number in range(4):
            report.update(values={"run": number})
            whole = report.file.read_bytes()
            half = slice(0, ROOM) if f'"run": {number}'.encode() in whole[:ROOM] else slice(ROOM, 2 * ROOM)
            torn = bytearray(whole)
            torn[half] = whole[half][:cut] + b"\0" * (ROOM - cut)
            report.file.write_bytes(torn)
            status = station.status("receiver")
            assert status.values == ({"run": number - 1} if number else {})
            assert status.alive
            report.file.write_bytes(whole)
            assert station.status("receiver").values == {"run": number}


def test_where_one_half_has_no_room_the_other_is_written(station):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with station.report("receiver", role="receiver") as report:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
        try:
            for number in range(4):
                report.update(values={"run": number})
                assert station.status("receiver").values == {"run": number}
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        report.update(values={"run": 4})
        assert station.status("receiver").values == {"run": 4}


def test_a_new_writer_does_not_write_over_the_last_report_of_the_old_one(station):
    for run in range(3):
        with station.report("receiver", role="receiver") as report:
            report.update(values={"run": run})
        assert station.status("receiver").values == {"run": run}


@pytest.mark.parametrize("damage", [b"", b"no status", b"00000010 00000000 0123456789abcdef"])
def test_a_damaged_status_is_no_status(station, damage, caplog):
    station.folder.mkdir(parents=True)
    (station.folder / "receiver.status").write_bytes(damage)
    assert station.status("receiver") is None
    assert "does not read" in caplog.text


def test_the_journal_keeps_what_was_done_and_outlives_a_cut_line(station, caplog):
    assert station.read_journal() == []
    for number in range(5):
        station.journal("Ada", f"thing {number}\nin two lines", run=number)
    with station.journal_file.open("ab") as stream:
        stream.write(b'{"time": "2026-')
    station.journal("Bo", "after the crash")
    entries = station.read_journal()
    assert [e.what for e in entries] == [f"thing {n}\nin two lines" for n in range(5)] + ["after the crash"]
    assert [e.run for e in entries] == [0, 1, 2, 3, 4, None]
    assert "left out" in caplog.text
    assert [e.by for e in station.read_journal(last=1)] == ["Bo"]


def ask(station, *orders, handle):
    """Serve orders and give some; the answers, or the errors."""

    async def serve():
        async with serve_orders(station, handle):
            answers = []
            for order in orders:
                try:
                    answers.append(await asyncio.to_thread(send_order, station, order))
                except FailedError as error:
                    answers.append(error)
            mode = stat.S_IMODE((station.folder / "orders.socket").stat().st_mode)
            return answers, mode

    return asyncio.run(serve())


def test_orders_are_carried_out_answered_and_recorded(station):
    got = []

    def handle(order):
        got.append(order)
        if order.kind == "stop":
            raise FailedError("no run is open")
        return "run 4 started"

    start = Order(kind="start", by="Ada", text="first light", setup="Am-241")
    (answer, refusal), mode = ask(station, start, Order(kind="stop", by="Bo"), handle=handle)
    assert answer == "run 4 started"
    assert "no run is open" in str(refusal)
    assert got[0] == start
    assert mode == 0o600
    assert [(e.by, e.what) for e in station.read_journal()] == [
        ("Ada", "start a run: first light; set-up: Am-241 → run 4 started"),
        ("Bo", "stop the run → no run is open"),
    ]


def test_an_order_without_a_receiver_says_what_to_do(station):
    with pytest.raises(FailedError, match="eic receive"):
        send_order(station, Order(kind="stop"))
    ask(station, handle=str)
    with pytest.raises(FailedError, match="eic receive"):
        send_order(station, Order(kind="stop"))


def test_noise_on_the_socket_is_answered_and_harms_nothing(station, monkeypatch):
    monkeypatch.setattr(Order, "model_dump_json", lambda _: '{"kind": "explode"}')
    (refusal,), _ = ask(station, Order(kind="stop"), handle=str)
    assert "got no order" in str(refusal)
    assert station.read_journal() == []
