from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from pydantic import ValidationError

from eicpy.instruments import Instrument, load
from eicpy.packets import PacketHeaders, PacketLayout, Polynomial, encode

ECLAIRS = load("eclairs")
LAYOUTS = {name: PacketLayout.read(ECLAIRS.layout_file(name)) for name in ECLAIRS.packets}


def test_it_says_what_it_is_not():
    assert "not the flight ICD" in ECLAIRS.note


def test_every_packet_has_a_header_and_a_table():
    for name, packet in ECLAIRS.packets.items():
        assert ECLAIRS.header(packet.apid).checksum == "crc16"
        assert LAYOUTS[name].names or packet.command


def test_packets_of_one_apid_are_told_apart_by_type():
    keys = [(p.apid, p.command, p.service, p.subservice) for p in ECLAIRS.packets.values()]
    assert len(set(keys)) == len(keys)


def test_a_full_photon_packet_has_1002_bytes():
    n = 122
    packet = encode(
        LAYOUTS["photons"],
        PacketHeaders(810, np.array([0]), np.array([0]), np.array([0]), service=200, subservice=1),
        {"ECL_PHO_SECTORMASK": 255, "ECL_PHO_LOST": 0},
        {name: np.zeros(n, np.int64) for name in ("TIME", "DETNUM", "CHANNEL", "MULTIPLICITY")},
        np.array([n]),
        header=ECLAIRS.header(810),
    )
    assert packet.size == 1002


def test_housekeeping_has_more_than_sixty_parameters_and_the_public_names():
    names = {name for kind in ECLAIRS.housekeeping.packets for name in LAYOUTS[kind].names}
    assert len(names) > 60
    known = {"ECL_VP_NREC1CATIPIX", "ECL_VP_NREC1CATJPIX", "ECL_CBNRI", "ECL_TEMPTH01"}
    assert known | {"DPIX_VCTRLHVELS6", "DPIX_VCTRLHVELS7"} <= names


@pytest.mark.parametrize("kind", ["ecl", "dpix"])
def test_limits_are_in_order_and_reachable(kind):
    layout = LAYOUTS[kind]
    for name, limits in layout.limits.items():
        values = [limits.alarm_low, limits.warning_low, limits.warning_high, limits.alarm_high]
        values = [v for v in values if v is not None]
        assert all(a < b for a, b in pairwise(values)), name
        spec = layout[name]
        if isinstance(spec.calibration, Polynomial):
            reach = layout.calibrate(name, np.array([0, 2**spec.bit_width - 1]))
            assert reach.min() < min(values), name
            assert max(values) < reach.max(), name


def test_units_are_known_to_astropy():
    for layout in LAYOUTS.values():
        for unit in layout.units.values():
            u.Unit(unit)


def test_photon_fields_hold_the_camera():
    layout = LAYOUTS["photons"]
    assert 2 ** layout["DETNUM"].bit_width > ECLAIRS.pixels.count
    assert 2 ** layout["CHANNEL"].bit_width == ECLAIRS.energy.channels
    assert layout["TIME"].bit_width == ECLAIRS.photons.time.bits


def test_the_requirement_on_the_energy_has_its_step_at_80_kev():
    requirement = ECLAIRS.energy.requirement
    assert requirement.energies == (4.0, 15.0, 50.0, 80.0, 150.0)
    assert [requirement.at(e) for e in requirement.energies] == [0.3, 0.3, 0.3, 0.3, 0.5]


def test_lines_need_a_requirement():
    entries = ECLAIRS.model_dump() | {"folder": ECLAIRS.folder}
    entries["energy"]["requirement"] = None
    with pytest.raises(ValidationError, match=r"gain\.lines: expected \[energy\.requirement\]"):
        Instrument(**entries)
