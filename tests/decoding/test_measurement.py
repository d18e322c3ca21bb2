"""Which packets open and close measurements."""

import pytest

from eicpy.decoding import Switch, is_simulated, measurement_switches
from eicpy.errors import BadDataError
from eicpy.instruments import MeasurementRule, MeasurementSwitch, load
from eicpy.packets import PacketHeaders, PacketIndex, PacketLayout, encode, index_packets

PROTOTYPE = load("dpix-prototype")
START = MeasurementSwitch(packet="start-measurement")
STOP = MeasurementSwitch(packet="stop-measurement")


def telecommand(name, count, **arguments):
    kind = PROTOTYPE.packets[name]
    layout = PacketLayout.read(PROTOTYPE.layout_file(name))
    return bytes(
        encode(
            layout,
            PacketHeaders(
                kind.apid, [count], 0, 0, service=kind.service, subservice=kind.subservice, command=True
            ),
            {field: [value] for field, value in arguments.items()},
            header=PROTOTYPE.header(kind.apid),
        )
    )


def telemetry(count):
    layout = PacketLayout.read(PROTOTYPE.layout_file("accepted"))
    return bytes(
        encode(
            layout,
            PacketHeaders(900, [count], [count], 0, service=1, subservice=1),
            {},
            header=PROTOTYPE.header(900),
        )
    )


def switches(raw, instrument=PROTOTYPE):
    return measurement_switches(raw, index_packets(raw, PROTOTYPE.headers), instrument)


RAW = b"".join(
    [
        telemetry(0),
        telecommand("start-measurement", 0, RUN_MODE=2),
        telemetry(1),
        telecommand("configure", 1, KEY=5, VALUE=6),
        telecommand("stop-measurement", 2),
        telecommand("start-measurement", 3, RUN_MODE=1),
        telemetry(2),
    ]
)


def test_switches_are_found_in_the_order_of_the_stream():
    assert switches(RAW) == [Switch(1, True), Switch(4, False), Switch(5, True)]


def test_an_argument_can_decide():
    start = MeasurementSwitch(packet="start-measurement", field="RUN_MODE", value=1)
    only = PROTOTYPE.model_copy(update={"measurement": MeasurementRule(start=start, stop=STOP)})
    assert switches(RAW, only) == [Switch(4, False), Switch(5, True)]


def test_a_damaged_telecommand_switches_nothing():
    broken = bytearray(RAW)
    broken[RAW.index(telecommand("stop-measurement", 2)) + 8] ^= 1
    assert switches(bytes(broken)) == [Switch(1, True), Switch(5, True)]


def test_telemetry_of_the_same_type_switches_nothing():
    """Only the packet type bit tells a telecommand 210/1 from telemetry 210/1."""
    layout = PacketLayout.read(PROTOTYPE.layout_file("accepted"))
    raw = bytes(
        encode(
            layout,
            PacketHeaders(900, [0], [0], 0, service=210, subservice=1),
            {},
            header=PROTOTYPE.header(900),
        )
    )
    assert switches(raw) == []


def test_a_telecommand_too_short_for_its_argument_does_not_match_it():
    nothing = PacketLayout([], "nothing")
    header = PROTOTYPE.header(900)
    raw = bytes(
        encode(
            nothing, PacketHeaders(900, [0], 0, 0, service=210, subservice=1, command=True), {}, header=header
        )
    )
    zero = MeasurementSwitch(packet="start-measurement", field="RUN_MODE", value=0)
    asked = PROTOTYPE.model_copy(update={"measurement": MeasurementRule(start=zero, stop=STOP)})
    assert switches(raw, asked) == []
    assert switches(raw) == [Switch(0, True)]


def test_a_detector_without_a_rule_has_no_switches():
    none = PROTOTYPE.model_copy(update={"measurement": None})
    assert switches(RAW, none) == []
    assert measurement_switches(b"", PacketIndex.empty(), PROTOTYPE) == []


def test_a_field_that_is_not_in_the_table_is_named():
    wrong = MeasurementSwitch(packet="start-measurement", field="MODE", value=1)
    asked = PROTOTYPE.model_copy(update={"measurement": MeasurementRule(start=wrong, stop=STOP)})
    with pytest.raises(
        BadDataError, match=r"start-measurement.csv: got field 'MODE'.*expected one of RUN_MODE"
    ):
        switches(RAW, asked)


def test_a_telecommand_does_not_tell_whether_the_detector_is_simulated():
    alone = index_packets(telecommand("stop-measurement", 2), PROTOTYPE.headers)
    assert is_simulated(alone, PROTOTYPE) is None
    assert is_simulated(index_packets(RAW, PROTOTYPE.headers), PROTOTYPE) is False
