"""The packets of Solar Orbiter's STIX, with tables from its own database (../shared/data/MANIFEST.md).

The oracle is a reader of the same database that shares nothing with the importer or the decoder: it walks
packets bit by bit, as texts of 0 and 1.
"""

import sqlite3
from collections import defaultdict

import numpy as np
import pytest
from astropy.io import fits

from eicpy.importers import import_scos
from eicpy.instruments import load
from eicpy.packets import PacketHeaderRule, PacketLayout, decode, index_packets, select

BITS = {**{k: k + 4 for k in range(13)}, 13: 24, 14: 32}


@pytest.fixture(scope="module")
def database(shared_data):
    return shared_data / "packets/stix/idb/idb_v2.26.1.sqlite"


@pytest.fixture(scope="module")
def made(database):
    return import_scos(database, "stix-imported")


@pytest.fixture(scope="module")
def stix(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("instruments")
    made.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIC_INSTRUMENTS", str(folder))
        yield load("stix-imported")


@pytest.fixture(scope="module")
def hex_packets(shared_data):
    files = sorted((shared_data / "packets/stix/hex").glob("*.hex"))
    return [bytes.fromhex(file.read_text().strip().removeprefix("0x")) for file in files]


def index_of(stix, raw):
    return index_packets(
        raw,
        [PacketHeaderRule(h.apid, h.checksum, h.secondary, h.coarse_bits, h.fine_bits) for h in stix.headers],
    )


def decoded(stix, raw):
    """Each packet alone: row, layout, what was decoded."""
    index = index_of(stix, raw)
    assert index.good.all()
    for name, kind in stix.packets.items():
        layout = PacketLayout.read(stix.layout_file(name))
        for row in np.flatnonzero(select(raw, index, kind, layout)):
            yield int(row), name, layout, decode(raw, index[[row]], layout)


class Oracle:
    """Reads a packet straight from the database."""

    def __init__(self, file):
        self.db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def rows(self, question, *values):
        return self.db.execute(question, values).fetchall()

    def read(self, packet):
        """Numbers of each parameter in order of the packet, and the packet's id and first bit not read."""
        self.bits = "".join(f"{octet:08b}" for octet in packet)
        self.values = defaultdict(list)
        apid = int(self.bits[5:16], 2)
        kind, subtype = packet[7], packet[8]
        ((offset, width),) = self.rows(
            "select PIC_PI1_OFF, PIC_PI1_WID from PIC where PIC_TYPE=? and PIC_STYPE=?", kind, subtype
        )
        value = int(self.bits[8 * offset : 8 * offset + width], 2) if offset >= 0 else 0
        ((spid, tpsd),) = self.rows(
            "select PID_SPID, PID_TPSD from PID where PID_APID=? and PID_TYPE=? and PID_STYPE=? "
            "and PID_PI1_VAL=?", apid, kind, subtype, value,
        )  # fmt: skip
        if tpsd == -1:
            placed = self.rows(
                "select PLF_NAME, 8*PLF_OFFBY+PLF_OFFBI, PCF_PTC, PCF_PFC, PCF_WIDTH from PLF join PCF "
                "on PCF_NAME=PLF_NAME where PLF_SPID=?", spid,
            )  # fmt: skip
            return spid, max(self.take(name, bit, *form) for name, bit, *form in placed)
        entries = self.rows(
            "select VPD_NAME, VPD_GRPSIZE, VPD_OFFSET, PCF_PTC, PCF_PFC, PCF_WIDTH from VPD join PCF "
            "on PCF_NAME=VPD_NAME where VPD_TPSD=? order by VPD_POS", tpsd,
        )  # fmt: skip
        return spid, self.walk(entries, 128)

    def take(self, name, bit, ptc, pfc, slot):
        width = 8 * pfc if ptc == 7 else 48 if ptc == 9 else BITS[pfc] if ptc in {3, 4} else max(pfc, 1)
        assert bit + width <= len(self.bits), name
        number = int(self.bits[bit : bit + width], 2)
        if ptc == 4 and number >> width - 1:
            number -= 1 << width
        self.values[name].append(number)
        return bit + max(width, slot)

    def walk(self, entries, bit):
        k = 0
        while k < len(entries):
            name, size, offset, *form = entries[k]
            bit = self.take(name, bit + offset, *form)
            k += 1
            if size:
                for _ in range(self.values[name][-1]):
                    bit = self.walk(entries[k : k + size], bit)
                k += size
        return bit


def numbers(column, spec):
    """A column as whole numbers; bytes as one number."""
    if spec.kind == "bytes":
        return [int.from_bytes(row.tobytes(), "big") for row in column]
    return column.tolist()


def test_every_parameter_of_the_27_single_packets_is_as_the_database_says(stix, hex_packets, database):
    assert len(hex_packets) == 27
    raw = b"".join(hex_packets)
    oracle = Oracle(database)
    seen = []
    values = 0
    for row, name, layout, back in decoded(stix, raw):
        spid, end = oracle.read(hex_packets[row])
        assert name == f"spid-{spid}"
        found = {**back.columns, **back.repeated}
        assert {n for n, column in found.items() if len(column)} == set(oracle.values)
        for parameter, expected in oracle.values.items():
            assert numbers(found[parameter], layout[parameter]) == expected, (name, parameter)
            values += len(expected)
        # Every byte: read, or named as not in the database.
        assert back.complete.all()
        assert back.unread.tolist() == [0]
        named = int(back.groups["NOT_IN_DATABASE"].counts[0]) if "NOT_IN_DATABASE" in back.groups else 0
        assert 8 * (len(hex_packets[row]) - named) == end
        assert named == (160 if name == "spid-54138" else 0)
        seen.append(row)
    assert sorted(seen) == list(range(27))
    assert values > 30_000


def test_no_bit_before_the_end_is_left_out(stix, hex_packets):
    """Fields of a section cover it from its base to its end, pads included."""
    kinds = {name for _, name, _, _ in decoded(stix, b"".join(hex_packets))}
    for name in kinds:
        layout = PacketLayout.read(stix.layout_file(name))
        waiting = [layout.sections]
        while waiting:
            for section in waiting.pop():
                covered = np.zeros(section.bits, dtype=bool)
                for spec, bit in section.fields:
                    covered[bit : bit + spec.bits] = True
                assert covered.all(), name
                waiting += [group.sections for group in section.groups]


def test_the_light_curve_is_that_of_the_published_product(stix, shared_data):
    folder = shared_data / "packets/stix"
    raw = (folder / "stix_21_6_30_lb_packets.bin").read_bytes()
    index = index_of(stix, raw)
    assert len(index) == 36
    assert index.good.all()
    layout = PacketLayout.read(stix.layout_file("spid-54118"))
    assert select(raw, index, stix.packets["spid-54118"], layout).all()
    with fits.open(folder / "products/solo_L0_stix-ql-LightCurve_0664070400_V01.fits") as product:
        control, data = product["CONTROL"].data, product["DATA"].data
        coarse = decode(raw, index, layout).columns["NIX00445"].tolist()
        rows = [coarse.index(second) for second in control["scet_coarse"].tolist()]
        assert len(rows) == 5
        back = decode(raw, index[rows], layout)
        assert back.complete.all()
        assert back.unread.tolist() == [0] * 5
        assert back.columns["NIX00446"].tolist() == control["scet_fine"].tolist()
        assert back.columns["NIX00270"].tolist() == control["num_energies"].tolist() == [5] * 5
        assert back.groups["NIX00274"].counts.tolist() == control["num_samples"].tolist()
        samples = back.groups["NIX00274"].counts
        assert back.groups["NIX00272"].within.tolist() == np.repeat(samples, 5).tolist()
        # Packet by packet: energy after energy, and sample after sample in each.
        pieces = np.split(back.repeated["NIX00272"], np.cumsum(5 * samples)[:-1])
        counts = np.concatenate([piece.reshape(5, -1).T for piece in pieces])
        assert len(data) == 2654
        # The product holds one day, which ends within the fifth packet.
        assert np.array_equal(counts[:2654], data["counts"])
        assert np.array_equal(back.repeated["NIX00274"][:2654], data["triggers"])
        assert np.array_equal(back.repeated["NIX00276"][:2654], data["rcr"])
        assert np.array_equal(back.groups["NIX00274"].packet[:2654], data["control_index"])


def test_headers_calibrations_and_what_could_not_be_said(stix, made):
    assert len(made.packets) == 246
    assert {h.apid: h.secondary for h in stix.headers}[1500] == "pus-a"
    assert "release 2, issue 26" in stix.note
    assert "2.26.34" in stix.note
    assert "2020-05-16" in stix.note
    assert set(stix.housekeeping.packets) == {"spid-54101", "spid-54102", "spid-54103"}
    layout = PacketLayout.read(stix.layout_file("spid-54101"))
    # Two points of the curve CIXP0024TM; a polynomial; limits of table OCP, given as raw numbers.
    assert layout["NIXD0025"].unit == "degC"
    assert layout.calibrate("NIXD0025", np.array([1196, 3921])) == pytest.approx([55.0, -35.01])
    polynomial = PacketLayout.read(stix.layout_file("spid-54309"))
    assert polynomial.calibrate("NIX00436", np.array([1000])) == pytest.approx([0.735043])
    low, high = layout.calibrate("NIXD0027", np.array([132, 4037])).tolist()
    limits = layout.limits["NIXD0027"]
    assert (limits.warning_low, limits.warning_high) == pytest.approx((low, high))
    assert low < high
    assert (
        PacketLayout.read(stix.layout_file("spid-54118")).texts("NIX00120", np.array([30]))[0] == "QL sum LC"
    )
    places = {shortfall.place for shortfall in made.shortfalls}
    assert places == {
        *(f"limits of NIXD00{k}" for k in (29, 30, 31, 32, 50, 58, 75)),
        "parameter NIXS0001",
        "parameter NIXS0002",
        "parameter NIXS0003",
        "100 telecommands",
        "curves of 42 parameters",
    }
