from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest

from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, Polynomial, decode, encode, index_packets, select

PROTOTYPE = load("dpix-prototype")
LAYOUTS = {name: PacketLayout.read(PROTOTYPE.layout_file(name)) for name in PROTOTYPE.packets}
COMMANDS = ("start-measurement", "stop-measurement", "configure")


def test_it_says_what_it_is_not():
    assert "not the flight ICD" in PROTOTYPE.note
    assert "arrangement of the 25 modules" in PROTOTYPE.note


def test_the_plane_is_tiled_by_25_modules_of_32_pixels():
    grid = PROTOTYPE.pixels
    assert (grid.count, grid.modules) == (800, 25)
    assert grid.rows % grid.module_rows == 0
    assert grid.columns % grid.module_columns == 0
    number = np.bincount(grid.module(np.arange(grid.count)))
    assert number.tolist() == [32] * 25
    assert set(grid.sector(np.arange(grid.count)).tolist()) == {0}


def test_photons_are_laid_out_as_in_eclairs():
    theirs = PacketLayout.read(load("eclairs").layout_file("photons"))
    ours = LAYOUTS["photons"]
    record = [(s.name, s.bit_width, s.kind, s.repeat, s.stride) for s in theirs.fields if s.repeat]
    assert [(s.name, s.bit_width, s.kind, s.repeat, s.stride) for s in ours.fields if s.repeat] == record
    assert ours.sections[0].bits == theirs.sections[0].bits


def test_housekeeping_has_limits_high_voltage_and_temperatures():
    layout = LAYOUTS["housekeeping"]
    assert len(layout.names) >= 20
    assert len(layout.limits) >= 15
    assert {"DPX_HVMON", "DPX_HVCUR", "DPX_TEMPCOLD"} <= set(layout.limits)
    for name, limits in layout.limits.items():
        values = [limits.alarm_low, limits.warning_low, limits.warning_high, limits.alarm_high]
        values = [v for v in values if v is not None]
        assert all(a < b for a, b in pairwise(values)), name
        if isinstance(layout[name].calibration, Polynomial):
            reach = layout.calibrate(name, np.array([0, 2 ** layout[name].bit_width - 1]))
            assert reach.min() < min(values), name
            assert max(values) < reach.max(), name
    for unit in layout.units.values():
        u.Unit(unit)


@pytest.mark.parametrize("name", COMMANDS)
def test_telecommands_come_out_as_they_went_in(name):
    kind, layout = PROTOTYPE.packets[name], LAYOUTS[name]
    given = {field: [1, 2, 3] for field in layout.names}
    raw = encode(
        layout,
        PacketHeaders(
            kind.apid,
            [7, 8, 9],
            0,
            0,
            service=kind.service,
            subservice=kind.subservice,
            destination=PROTOTYPE.simulated_destination,
            command=kind.command,
        ),
        given,
        header=PROTOTYPE.header(kind.apid),
    )
    index = index_packets(raw, PROTOTYPE.headers)
    assert index.good.all()
    assert index.command.all()
    assert index.destination.tolist() == [21845] * 3
    chosen = {other: select(raw, index, PROTOTYPE.packets[other], LAYOUTS[other]) for other in LAYOUTS}
    assert {other: mask.sum() for other, mask in chosen.items() if mask.any()} == {name: 3}
    back = decode(raw, index, layout)
    assert back.complete.all()
    assert {field: column.tolist() for field, column in back.columns.items()} == given
