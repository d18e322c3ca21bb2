import json
import mmap
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.time import Time, TimeDelta

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import load
from eicpy.packets import PacketHeaderRule, PacketHeaders, PacketLayout, encode, inspect_file, map_file

KEYS = {
    "received", "lost", "duplicated", "out_of_order", "damaged", "first", "last",
    "groups_complete", "groups_incomplete",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def write(raw):
        path = tmp_path / "packets.bin"
        path.write_bytes(raw)
        return path

    return write


def test_a_clean_file_is_clean(stream, file):
    report = inspect_file(file(b"".join(stream(np.random.default_rng(1), 400))))
    found = json.loads(json.dumps(report.to_dict()))
    assert (found["packets"], found["damaged"], found["foreign_bytes"]) == (400, 0, 0)
    assert set(found["apids"]) == {str(apid) for apid in range(100, 108)}
    assert all(set(apid) >= KEYS for apid in found["apids"].values())
    assert {apid["checksum"] for apid in found["apids"].values()} == {"crc16"}
    assert report.is_clean
    assert report.exit_code == 0


def test_a_damaged_file_says_what_is_wrong(stream, harm, file):
    rng = np.random.default_rng(2)
    truth = harm(stream(rng, 2000), rng)
    report = inspect_file(file(truth.raw))
    found = report.to_dict()
    assert found["packets"] == len(truth.intact)
    assert found["damaged"] == len(truth.damaged)
    assert found["foreign_bytes"] == 300
    assert [p["offset"] for p in found["damaged_packets"]] == truth.damaged
    assert sum(apid["duplicated"] for apid in found["apids"].values()) == 1
    assert sum(apid["received"] for apid in found["apids"].values()) == len(truth.intact)
    assert set(found["apids"]) == {str(apid) for apid in range(100, 108)}
    assert report.exit_code == 1
    assert "300 foreign bytes" in report._repr_html_()
    rows = report.rows()
    assert len({tuple(row) for row in rows}) == 1
    assert sum(row["received"] for row in rows) == len(truth.intact)


def test_lost_and_incomplete_alone_are_not_clean(packet, file):
    lost = b"".join(packet(5, n, bytes(20)) for n in (1, 2, 4, 5))
    assert inspect_file(file(lost)).exit_code == 1
    cut = b"".join(packet(5, n, bytes(20), flags=f) for n, f in enumerate((3, 1, 3)))
    report = inspect_file(file(cut))
    assert (report.apids[5].groups_complete, report.apids[5].groups_incomplete) == (0, 1)
    assert report.exit_code == 1
    shown = report._repr_html_()
    assert "<th>received</th>" in shown
    assert "<th>restarted</th>" not in shown, "a column without a value takes room"


def test_an_empty_file_and_one_without_packets_have_reports(file):
    assert inspect_file(file(b"")).to_dict()["apids"] == {}
    assert inspect_file(file(b"")).exit_code == 1, "nothing in it can be clean"
    assert inspect_file(file(b"")).what == ["empty: not one byte"]
    text = inspect_file(file(b"This is a text, not telemetry.\n" * 100))
    assert (text.packets, text.exit_code) == (0, 1)
    assert text.foreign_bytes == 3100
    assert "0 packets" in text._repr_html_()


def test_a_checksum_can_be_asked_for(packet, file):
    path = file(b"".join(packet(5, n, bytes(range(20)), checksum="none") for n in range(5)))
    assert inspect_file(path).packets == 5
    asked = inspect_file(path, checksum="crc16")
    assert asked.packets == 0
    assert inspect_file(path, checksum="none").apids[5].decision == "asked for"


def test_with_an_instrument_the_times_are_known(shared_data):
    file = shared_data / "packets/padre_meddea/padreMDA0_240916122901.dat"
    report = inspect_file(file, instrument=load("meddea"))
    assert report.apids[160].first == {
        "offset": 0,
        "sequence_count": 9447,
        "coarse": 779804946,
        "fine": 6151489,
        "utc": "2024-09-16T12:29:01.308",
    }
    assert report.apids[160].decision == "definition"
    assert inspect_file(file).apids[160].first["coarse"] is None


def test_times_are_in_utc_with_an_instrument_and_on_board_without(file):
    rule = PacketHeaderRule(5, "crc16", "pus-c", 32, 16)
    layout = PacketLayout.parse("name,bit_offset,bit_width,type\nA,112,16,uint\n")
    path = file(
        encode(layout, PacketHeaders(5, [7, 8], [86400, 2**32 - 1], 2**15), {"A": 1}, header=rule).tobytes()
    )
    epoch = SimpleNamespace(epoch="2017-01-01T00:00:00", scale="utc")
    known = inspect_file(path, instrument=SimpleNamespace(headers=[rule], time=epoch))
    assert known.apids[5].first["utc"] == "2017-01-02T00:00:00.500"
    assert known.apids[5].last["utc"].startswith("2153-02-07"), "a clock that was never set is no error"
    assert known.rows()[0]["first"] == "#7 at 2017-01-02T00:00:00.500 UTC"
    unknown = inspect_file(path, instrument=SimpleNamespace(headers=[rule]))
    assert unknown.apids[5].first["utc"] is None
    assert unknown.rows()[0]["first"] == "#7 at on-board time 86400:32768"


@pytest.mark.parametrize("epoch", ["2017-01-01T00:00:00", "2000-01-01T11:58:55.816", "2015-06-30T12:00:00"])
@pytest.mark.parametrize("scale", ["utc", "tai", "tt"])
@pytest.mark.filterwarnings("ignore:ERFA function.*dubious year")
def test_times_in_utc_are_those_of_astropy(file, epoch, scale):
    rule = PacketHeaderRule(5, "crc16", "pus-c", 32, 16)
    layout = PacketLayout.parse("name,bit_offset,bit_width,type\nA,112,16,uint\n")
    instrument = SimpleNamespace(headers=[rule], time=SimpleNamespace(epoch=epoch, scale=scale))
    leap = 86400 // 2  # with the epoch of 2015 and UTC: second 60 of the last minute
    for number, coarse in enumerate([0, leap - 1, leap, leap + 1, 536_500_000, 2**31 + 12_345, 2**32 - 1]):
        fine = 7919 * number
        path = file(
            encode(layout, PacketHeaders(5, [number], [coarse], fine), {"A": 1}, header=rule).tobytes()
        )
        onboard = TimeDelta(float(coarse), fine / 65536, format="sec")
        expected = (Time(epoch, scale=scale).tai + onboard).utc.isot
        assert inspect_file(path, instrument=instrument).apids[5].first["utc"] == expected


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(BadArgumentError, match="no such file"):
        inspect_file(tmp_path / "none.bin")
    with pytest.raises(BadArgumentError, match="expected a file"):
        inspect_file(tmp_path)
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(BadArgumentError, match="md5"):
        inspect_file(tmp_path / "f", checksum="md5")
    assert map_file(tmp_path / "f").size == 0


def test_an_unreadable_file_is_bad_data(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"x")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(BadDataError, match="Permission denied"):
        inspect_file(path)
