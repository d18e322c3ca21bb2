"""Day-segmented times (CDS) in packet headers: in the index, as Terrestrial Time, and made again."""

import numpy as np
import pytest
from astropy.time import Time
from pydantic import ValidationError

from eicpy.decoding import packet_seconds
from eicpy.decoding.times import epoch_seconds, onboard_seconds
from eicpy.errors import BadArgumentError
from eicpy.instruments import PacketHeader, load
from eicpy.packets import PacketHeaderRule, PacketHeaders, PacketIndex, PacketLayout, encode, index_packets
from eicpy.packets.timecode import CdsFormat, day_text
from eicpy.times import to_seconds

EMPTY = PacketLayout.parse("name,bit_offset,bit_width,type\nX,128,8,uint\n")
TIMES = [
    ("2016-12-31T23:59:59.999", 21549, 86399_999),
    ("2016-12-31T23:59:60.500", 21549, 86400_500),
    ("2017-01-01T00:00:00.250", 21550, 250),
    ("2026-11-27T12:00:00.000", 25167, 43200_000),
]
"""UTC, days since 1958-01-01, milliseconds of the day."""


def rule(day_bits, bits, cls=PacketHeaderRule, **more):
    named = {"apid": 5, "checksum": "none", "secondary": "own", "coarse_bits": day_bits, "fine_bits": bits}
    return cls(**named, time_offset=6, day_epoch="1958-01-01", **more)


def packets(day_bits, bits, part=0):
    """A packet at each of the times, written with the codes of `CdsFormat`."""
    form = CdsFormat(day_bits // 8, bits // 8 - 4)
    codes = form.encode([d for _, d, _ in TIMES], [ms for *_, ms in TIMES], part)
    out = b""
    for count, code in enumerate(codes):
        data = (code.tobytes() + bytes(16))[:17]
        out += bytes.fromhex("0805") + (0xC000 | count).to_bytes(2, "big") + (16).to_bytes(2, "big") + data
    return out


@pytest.mark.parametrize("day_bits", [16, 24])
@pytest.mark.parametrize(
    ("bits", "part", "above"), [(32, 0, 0.0), (48, 123, 123e-6), (64, 5 * 10**8, 0.5e-3)]
)
def test_times_are_those_of_astropy_through_a_leap_second(day_bits, bits, part, above):
    raw = packets(day_bits, bits, part)
    header = rule(day_bits, bits)
    index = index_packets(raw, [header])
    assert (index.coarse // 86400).tolist() == [day for _, day, _ in TIMES]
    meddea = load("meddea")
    detector = meddea.model_copy(update={"headers": (rule(day_bits, bits, PacketHeader),)})
    expected = [to_seconds(Time(text, scale="utc")) + above for text, *_ in TIMES]
    assert np.allclose(packet_seconds(index, detector), expected, rtol=0, atol=1e-6)
    assert np.allclose(
        onboard_seconds(index, detector) + epoch_seconds(detector), expected, rtol=0, atol=1e-6
    )
    # A second passes between the leap second and the next day, and none is lost before it.
    assert np.diff(packet_seconds(index, detector))[:2] == pytest.approx([0.501, 0.750], abs=1e-5)
    headers = PacketHeaders(5, index.sequence_count, index.coarse, index.fine, secondary_flag=True)
    assert encode(EMPTY, headers, {}, header=header).tobytes() == raw


def test_the_report_says_the_date_and_the_index_keeps_it(tmp_path):
    index = index_packets(packets(16, 32), [rule(16, 32)])
    index.save(tmp_path / "index.npz")
    kept = PacketIndex.load(tmp_path / "index.npz")
    assert kept == index
    assert kept.decisions[5].day_epoch == "1958-01-01"
    found = [
        day_text(int(c), int(f) * 1e-3, "1958-01-01") for c, f in zip(kept.coarse, kept.fine, strict=True)
    ]
    assert found == [text for text, *_ in TIMES]
    assert day_text((2**24 - 1) * 86400, 0.0, "1958-01-01") == "1958-01-01 + 16777215 dT00:00:00.000"


def test_days_without_a_leap_second_before_2017_differ_by_86400_s():
    detector = load("meddea").model_copy(update={"headers": (rule(16, 32, PacketHeader),)})
    days = np.array([21500, 21501, 21549, 21550])
    out = encode(
        EMPTY, PacketHeaders(5, np.arange(4), days * 86400, 0, secondary_flag=True), {}, header=rule(16, 32)
    )
    seconds = packet_seconds(index_packets(out, [rule(16, 32)]), detector)
    assert np.diff(seconds) == pytest.approx([86400, 48 * 86400, 86401], abs=1e-5)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"coarse_bits": 32, "fine_bits": 32}, "16 or 24 of the day"),
        ({"coarse_bits": 16, "fine_bits": 16}, "32, 48 or 64"),
        ({"coarse_bits": 16, "fine_bits": 32, "day_epoch": "yesterday"}, "expected a date like 1958-01-01"),
    ],
)
def test_widths_that_no_day_segmented_time_has_are_refused(more, reason):
    named = {"apid": 5, "checksum": "none", "secondary": "own", "day_epoch": "1958-01-01", **more}
    with pytest.raises(BadArgumentError, match=reason):
        PacketHeaderRule(**named)
    with pytest.raises(ValidationError, match=reason):
        PacketHeader(**named)


def test_the_description_fills_in_what_the_code_says():
    header = PacketHeader(apid=5, checksum="none", secondary="own", day_epoch="1958-01-01")
    assert (header.coarse_bits, header.fine_bits, header.fine_tick) == (16, 32, 1e-3)
    with pytest.raises(ValidationError, match=r"got fine_tick 1\.0, expected 0\.001"):
        PacketHeader(apid=5, checksum="none", secondary="own", day_epoch="1958-01-01", fine_tick=1.0)
