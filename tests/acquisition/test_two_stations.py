"""Two ground stations send the same packets: the raw files keep both, in the order they came."""

import random
import socket

import pytest
from waiting import LIMIT

from eicpy.packets import index_packets


def test_raw_keeps_both_in_order_of_arrival_and_runs_switch_once(bench, receiving, archived):
    raw = [bench.telemetry(0), bench.start(), *(bench.telemetry(i) for i in range(1, 30)), bench.stop()]
    lost = {"one": {5, 6}, "two": {1, 20}}  # the second station missed the start command
    port, result, stop = receiving(instrument=bench.instrument)
    expected = []
    with (
        socket.create_connection(("127.0.0.1", port)) as one,
        socket.create_connection(("127.0.0.1", port)) as two,
    ):
        received = 0
        for i, packet in enumerate(raw):
            for name, station in (("one", one), ("two", two)):
                if i not in lost[name]:
                    station.sendall(packet)
                    expected.append(packet)
                    received += len(packet)
                    archived(received)
    stop.set()
    summary = result.result(LIMIT)
    kept = [run.raw_file.read_bytes() for run in summary.runs]
    assert b"".join(kept) == b"".join(expected)
    assert [run.suffix for run in summary.runs] == ["configuration", "", "configuration"]
    assert kept[0] == raw[0] * 2
    assert kept[1].startswith(raw[1])
    assert kept[1].endswith(raw[-1])
    assert kept[2] == raw[-1]  # the other's copy of the stop command


@pytest.mark.parametrize("repeats", [False, True], ids=["goes on", "sends it once more"])
def test_a_packet_cut_by_a_lost_connection_is_whole_again_while_others_send(
    photon_packets, receiving, eclairs, repeats
):
    mine, others = photon_packets(60, seed=1), photon_packets(400, seed=2, first=5000)
    ends = [0, *mine.lengths.cumsum().tolist()]
    rng = random.Random(20261121)  # noqa: S311, places of cuts, not secrets
    port, result, stop = receiving(timeout=LIMIT)
    other = socket.create_connection(("127.0.0.1", port))
    step = len(others.raw) // 6
    at, repeated = 0, 0
    for turn in range(5):
        packet = rng.randrange(ends_before(ends, at), 12 * (turn + 1))
        end = rng.randrange(max(ends[packet], at) + 1, ends[packet + 1])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(mine.raw[at:end])
            say_good_bye(connection)
        other.sendall(others.raw[turn * step : (turn + 1) * step])
        at = ends[packet] if repeats else end
        repeated += end - at
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(mine.raw[at:])
        say_good_bye(connection)
    other.sendall(others.raw[5 * step :])
    say_good_bye(other)
    other.close()
    stop.set()
    summary = result.result(LIMIT)
    raw = summary.run.raw_file.read_bytes()
    assert len(raw) == len(mine.raw) + len(others.raw) + repeated
    index = index_packets(raw, eclairs.headers)
    intact = index[index.good]
    for truth, mask in ((mine, intact.sequence_count < 5000), (others, intact.sequence_count >= 5000)):
        chosen = intact[mask]
        pieces = zip(chosen.offset.tolist(), chosen.length.tolist(), strict=True)
        assert b"".join(raw[o : o + n] for o, n in pieces) == truth.raw
    if not repeats:
        assert (len(index), summary.damaged, summary.foreign_bytes) == (460, 0, 0)


def say_good_bye(connection):
    """Close one direction; the receiver closes the other when it has taken everything."""
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""


def ends_before(ends, at):
    return max(i for i, end in enumerate(ends) if end <= at)


def test_two_cut_streams_of_one_address_are_each_continued_by_their_own(photon_packets, receiving, archived):
    truths = [photon_packets(20, seed=k, first=1000 * k) for k in range(2)]
    cuts = [int(truth.lengths[:10].sum()) + 15 + 3 * k for k, truth in enumerate(truths)]
    port, result, stop = receiving(timeout=LIMIT)
    for truth, cut in zip(truths, cuts, strict=True):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(truth.raw[:cut])
            say_good_bye(connection)
    for truth, cut in reversed(list(zip(truths, cuts, strict=True))):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(truth.raw[cut:])
            say_good_bye(connection)
    stop.set()
    summary = result.result(LIMIT)
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (40, 0, 0)


def test_the_rest_of_a_packet_that_never_comes_is_not_awaited_for_ever(photon_packets, receiving, archived):
    raw = photon_packets(3).raw
    port, result, stop = receiving(timeout=0.3)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(raw[:-5])
        archived(len(raw) - 5)
        silent.sendall(raw[-5:])
        archived(len(raw))
    stop.set()
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == raw
    assert (summary.packets, summary.damaged) == (3, 0)
