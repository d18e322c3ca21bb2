"""Telecommands in a stream, the reports on them, and the sequence counts around both."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from eicpy.egse import CommandDesk, FileSource, KeptCounts, PlacedCommand, SendingSession, SendPlan, Unpaced
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import PacketHeaders, PacketLayout, PacketStatus, continuity, decode, index_packets, select
from eicpy.settings import Settings
from eicpy.simulation import BenchCommand, Telecommand, preset, write_simulation


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """The bench with two telecommands of its own, both answered."""
    config = preset("bench")
    commands = (
        BenchCommand(time=5.0, command="start-measurement", arguments={"RUN_MODE": 2}),
        BenchCommand(time=15.0, command="stop-measurement"),
    )
    config = config.model_copy(update={"name": "short", "duration": 20.0, "commands": commands})
    return write_simulation(config, tmp_path_factory.mktemp("campaign"))


def through(file, prototype, line, clock, *texts, **options):
    desk = CommandDesk(prototype, [PlacedCommand.parse(text) for text in texts], **options)
    source = FileSource(file, prototype.headers, block_size=10_000)
    SendingSession(source, line, Unpaced(), stages=[desk], clock=clock).run()
    data = np.frombuffer(line.data, np.uint8)
    return data, index_packets(data, prototype.headers)


def table(data, index, prototype, kind):
    layout = PacketLayout.read(prototype.layout_file(kind))
    rows = np.flatnonzero(select(data, index, prototype.packets[kind], layout))
    return rows, decode(data, index[rows], layout).columns


def request_of(data, index, row):
    at = int(index.offset[row])
    return int.from_bytes(data[at : at + 4].tobytes(), "big")


def told_request(columns, row):
    """The request id of a report, put together from its fields."""
    widths = {"VERSION": 3, "TYPE": 1, "SECONDARY": 1, "APID": 11, "GROUPING": 2, "SEQUENCE": 14}
    value = 0
    for name, width in widths.items():
        value = (value << width) | int(columns[f"TC_{name}"][row])
    return value


def test_a_telecommand_is_answered_three_times_and_each_report_names_it(campaign, prototype, line, clock):
    data, index = through(
        campaign.packets, prototype, line, clock, "configure,KEY=7,VALUE=0x10@9s", answer_source=False
    )
    assert (index.status == PacketStatus.GOOD).all()
    rows, columns = table(data, index, prototype, "configure")
    assert len(rows) == 1
    assert (int(columns["KEY"][0]), int(columns["VALUE"][0])) == (7, 16)
    start = campaign.summary["start"]
    first = index.time()[0]
    for kind, delay in (("accepted", 0.1), ("started", 0.3), ("completed", 0.9)):
        reports, told = table(data, index, prototype, kind)
        mine = [
            n for n in range(len(reports)) if told_request(told, n) == request_of(data, index, int(rows[0]))
        ]
        assert len(mine) == 1
        time = index.time()[reports[mine[0]]]
        assert time == pytest.approx(first + 9.0 + delay, abs=0.1)
        assert start + 9 <= time <= start + 12
        assert reports[mine[0]] > rows[0]
    assert (index.destination[index.apid == 900] == prototype.simulated_destination).all()


def test_what_is_put_in_leaves_no_gap_and_nothing_else_changes(campaign, prototype, line, clock):
    data, index = through(campaign.packets, prototype, line, clock, "configure@9s", "configure@12s")
    original = np.fromfile(campaign.packets, np.uint8)
    before = index_packets(original, prototype.headers)
    assert len(index) == len(before) + 8
    assert all(c.lost == c.duplicated == c.out_of_order == 0 for c in continuity(index).values())
    for command in (True, False):
        counts = index.sequence_count[(index.apid == 900) & (index.command == command)]
        assert counts.tolist() == list(range(len(counts)))
    kept = [
        data[o : o + n].tobytes()
        for o, n, a in zip(index.offset, index.length, index.apid, strict=True)
        if a != 900
    ]
    expected = [
        original[o : o + n].tobytes()
        for o, n, a in zip(before.offset, before.length, before.apid, strict=True)
        if a != 900
    ]
    assert kept == expected


def test_counts_go_on_from_where_the_source_begins(prototype, campaign, line, clock, tmp_path):
    """A source that begins at 3: what is put in between follows, and what comes after it too."""
    original = np.fromfile(campaign.packets, np.uint8)
    index = index_packets(original, prototype.headers)
    late = np.flatnonzero((index.apid == 900) & ~index.command)[3:]
    raw = b"".join(original[index.offset[r] : index.offset[r] + index.length[r]].tobytes() for r in late)
    (tmp_path / "late").write_bytes(raw)
    _, found = through(tmp_path / "late", prototype, line, clock, "configure")
    counts = found.sequence_count[~found.command]
    assert counts.tolist() == [3, 4, 5, 6, 7, 8]
    assert found.good.all()


def test_a_telecommand_before_those_of_the_source_comes_first(campaign, prototype, line, clock):
    """The source's are counted on, and its own reports still name them."""
    data, index = through(campaign.packets, prototype, line, clock, "configure@1")
    commands = np.flatnonzero(index.command)
    assert index.sequence_count[commands].tolist() == [0, 1, 2]
    assert index.subservice[commands].tolist() == [3, 1, 2]
    for kind in ("accepted", "started", "completed"):
        _, told = table(data, index, prototype, kind)
        assert [told_request(told, n) for n in range(3)] == [
            request_of(data, index, int(row)) for row in commands
        ]


def test_a_gap_of_the_source_stays_one(campaign, prototype, line, clock, tmp_path):
    original = np.fromfile(campaign.packets, np.uint8)
    index = index_packets(original, prototype.headers)
    gone = np.flatnonzero((index.apid == 900) & ~index.command)[1]
    at = int(index.offset[gone])
    (tmp_path / "gap").write_bytes(
        original[:at].tobytes() + original[at + int(index.length[gone]) :].tobytes()
    )
    _, found = through(tmp_path / "gap", prototype, line, clock, "configure@8s")
    reports = found[(found.apid == 900) & ~found.command]
    assert continuity(reports)[900].lost == 1


def test_a_damaged_packet_stays_damaged(campaign, prototype, line, clock, tmp_path):
    original = np.fromfile(campaign.packets, np.uint8)
    index = index_packets(original, prototype.headers)
    broken = np.flatnonzero((index.apid == 900) & ~index.command)[1]
    original[int(index.offset[broken]) + 22] ^= 1
    original.tofile(tmp_path / "broken")
    _, found = through(tmp_path / "broken", prototype, line, clock, "configure@8s")
    assert (found.status == PacketStatus.BAD_CHECKSUM).sum() == 1


def test_telecommands_of_the_source_are_answered_when_asked(prototype, line, clock, campaign, tmp_path):
    original = np.fromfile(campaign.packets, np.uint8)
    index = index_packets(original, prototype.headers)
    keep = index.command | (index.apid != 900)
    raw = b"".join(
        original[o : o + n].tobytes() for o, n in zip(index.offset[keep], index.length[keep], strict=True)
    )
    (tmp_path / "unanswered").write_bytes(raw)
    data, found = through(tmp_path / "unanswered", prototype, line, clock, answer_source=True)
    commands = np.flatnonzero(found.command)
    assert len(commands) == 2
    for kind in ("accepted", "started", "completed"):
        rows, told = table(data, found, prototype, kind)
        assert [told_request(told, n) for n in range(2)] == [
            request_of(data, found, int(c)) for c in commands
        ]
        assert (rows > commands).all()


@pytest.mark.parametrize(
    ("refuse", "kinds"), [("acceptance", ["rejected"]), ("completion", ["accepted", "started", "failed"])]
)
def test_failure_on_demand(campaign, prototype, line, clock, refuse, kinds):
    data, index = through(campaign.packets, prototype, line, clock, "configure@9s", refuse=refuse)
    rows, _ = table(data, index, prototype, "configure")
    request = request_of(data, index, int(rows[0]))
    for kind in ("accepted", "rejected", "started", "completed", "failed"):
        reports, told = table(data, index, prototype, kind)
        mine = [n for n in range(len(reports)) if told_request(told, n) == request]
        assert len(mine) == (kind in kinds)
        if mine and kind in {"rejected", "failed"}:
            assert told["FAILURE_CODE"][mine[0]] == 1


def test_reports_come_only_where_the_telecommand_asks(prototype, line, clock, tmp_path):
    from eicpy.packets import encode

    layout = PacketLayout.read(prototype.layout_file("stop-measurement"))
    raw = encode(
        layout,
        PacketHeaders(900, [5], [0], [0], service=210, subservice=2, command=True, acknowledge=0b1000),
        {},
        header=prototype.header(900),
    )  # a telecommand
    raw.tofile(tmp_path / "one")
    _, index = through(tmp_path / "one", prototype, line, clock, answer_source=True, now=50.0)
    assert index.subservice.tolist() == [2, 1]


def test_at_a_packet_and_at_the_end(campaign, prototype, line, clock):
    data, index = through(
        campaign.packets, prototype, line, clock, "configure,KEY=1@4", "configure,KEY=2@end"
    )
    rows, columns = table(data, index, prototype, "configure")
    assert columns["KEY"].tolist() == [1, 2]
    assert rows[0] == 3
    assert rows[1] >= len(index) - 4


def test_without_a_source_telecommands_go_out_in_real_time(prototype, line, clock):
    from eicpy.egse import NoSource, OnBoard

    placed = [PlacedCommand.parse(text) for text in ("start-measurement,RUN_MODE=1", "stop-measurement@5s")]
    desk = CommandDesk(prototype, placed, now=1000.0)
    SendingSession(NoSource(), line, OnBoard(1.0, clock), stages=[desk], clock=clock).run()
    index = index_packets(np.frombuffer(line.data, np.uint8), prototype.headers)
    assert index.command.tolist() == [True, False, False, False] * 2
    assert np.array(line.sent_at) - 100 == pytest.approx([0, 0.1, 0.3, 0.9, 5, 5.1, 5.3, 5.9], abs=2e-3)


def sent_alone(settings, listener):
    plan = SendPlan(
        None, "127.0.0.1", listener.port, instrument="dpix-prototype", commands=["configure,KEY=7"]
    )
    plan.open(settings).run()
    return bytes(listener.received[-1])


def test_the_same_telecommand_sent_again_is_another_packet(tmp_path, prototype, listening):
    settings, listener = Settings.at(tmp_path), listening()
    index, data = [], b""
    for _ in range(3):
        data = sent_alone(settings, listener)
        index.append(index_packets(data, prototype.headers))
    assert [part.sequence_count[part.command].tolist() for part in index] == [[0], [1], [2]]
    assert [part.sequence_count[~part.command].tolist() for part in index] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
    ]
    _, reports = table(np.frombuffer(data, np.uint8), index[-1], prototype, "accepted")
    assert told_request(reports, 0) == request_of(np.frombuffer(data, np.uint8), index[-1], 0)
    counts = KeptCounts(tmp_path / "egse" / "dpix-prototype.json")
    counts.file.write_text('{"command 900": 16383}')
    assert [counts.next(900, command=True) for _ in range(2)] == [16383, 0]
    for damaged in ('{"command 900": 1', '{"command 900": -1}', "[3]"):
        counts.file.write_text(damaged)
        with pytest.raises(BadDataError, match="remove it to begin at 0"):
            sent_alone(settings, listener)


def test_sessions_at_the_same_time_share_the_counts(tmp_path):
    counts = KeptCounts(tmp_path / "egse" / "x.json")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: counts.next(900, command=True), range(40)))
    assert sorted(found) == list(range(40))


def test_with_a_source_the_same_session_again_is_the_same_bytes(tmp_path, prototype, campaign, listening):
    settings, listener = Settings.at(tmp_path), listening()
    plan = SendPlan(
        str(campaign.packets),
        "127.0.0.1",
        listener.port,
        instrument="dpix-prototype",
        commands=["configure,KEY=7@4"],
    )
    for _ in range(2):
        plan.open(settings).run()
    assert listener.received[0] == listener.received[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("configure,KEY", "expected FIELD=NUMBER"),
        ("configure,KEY=one", "expected FIELD=NUMBER"),
        ("configure@soon", "expected @PACKET"),
        ("explode", "expected one of dpix-prototype: start-measurement"),
        ("configure,COLOUR=1", "got COLOUR, expected KEY, VALUE"),
        ("stop-measurement,KEY=1", "expected no argument"),
    ],
)
def test_a_telecommand_that_cannot_be_is_refused(prototype, text, expected):
    with pytest.raises(BadArgumentError, match=expected):
        CommandDesk(prototype, [PlacedCommand.parse(text)])


def test_an_instrument_without_reports_cannot_answer(meddea):
    with pytest.raises(BadArgumentError, match="got no report 1/1"):
        CommandDesk(meddea)


@pytest.fixture
def meddea():
    from eicpy.instruments import load

    return load("meddea")


def test_a_command_reads_any_base():
    assert Telecommand.parse("configure,KEY=0x10,VALUE=3").arguments == {"KEY": 16, "VALUE": 3}
