"""What is known to be right about real packets (../shared/data/MANIFEST.md), and two other readers."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from eicpy.packets import (
    FieldSpec,
    PacketHeaderRule,
    PacketLayout,
    continuity,
    decode,
    index_packets,
    inspect_file,
    map_file,
    segment_groups,
    select,
)

# The published files are input to the tests alone, so their XML is trusted as much as they are.


def xtce_layout(path, container):
    """Layout of one container of an XTCE file: fields without conditions, primary header left out."""
    text = re.sub(r"\sxmlns(:\w+)?=\"[^\"]*\"", "", path.read_text())
    root = ET.fromstring(re.sub(r"<(/?)\w+:", r"<\1", text))  # noqa: S314  # see above
    types = {}
    for kind in root.iter():
        encoding = kind.find("IntegerDataEncoding")
        form = kind.find("FloatDataEncoding")
        if encoding is not None:
            signed = encoding.get("encoding", "unsigned") not in {"unsigned", "unsignedInteger"}
            types[kind.get("name")] = ("int" if signed else "uint", int(encoding.get("sizeInBits", "8")))
        elif form is not None:
            types[kind.get("name")] = ("float", int(form.get("sizeInBits", "32")))
    parameters = {p.get("name"): p.get("parameterTypeRef") for p in root.iter("Parameter")}
    chosen = next(c for c in root.iter("SequenceContainer") if c.get("name") == container)
    names = [e.get("parameterRef") for e in chosen.iter("ParameterRefEntry")]
    fields = []
    for name in names:
        kind, width = types[parameters[name]]
        fields.append(FieldSpec(name.split(".")[-1], None, width, kind))
    return PacketLayout(fields, container)


def test_every_europa_clipper_packet_has_a_right_crc_and_its_apid(shared_data):
    folder = shared_data / "packets/europa_clipper"
    raw = map_file(folder / "ecm_raw2.bin")
    index = index_packets(raw)
    assert len(index) == 1030
    assert index.good.all()
    assert {d.checksum.name for d in index.decisions.values()} == {"CRC16"}
    for apid in (1216, 1217, 1219, 1223, 1227, 1232):
        rows = np.flatnonzero(index.apid == apid)
        pieces = [raw[index.offset[r] : index.offset[r] + index.length[r]].tobytes() for r in rows]
        assert b"".join(pieces) == (folder / f"apid{apid:05d}.tlm").read_bytes()
    assert inspect_file(folder / "ecm_raw2.bin").exit_code == 0


def test_imap_hit_housekeeping_is_right_in_every_column(shared_data):
    folder = shared_data / "packets/imap/hit"
    raw = map_file(folder / "imap_hit_l0_hk_20100105_v001.pkts")
    index = index_packets(raw)
    layout = xtce_layout(folder / "hit_packet_definitions.xml", "HIT_HSKP")
    with (folder / "hskp_sample_raw.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 87
    back = decode(raw, index, layout)
    assert back.complete.all()
    # The published table holds the packets from the second one on, or all but one: find where it begins.
    counts = [int(row["CCSDS_SEQ_CNT"]) for row in rows]
    start = int(np.flatnonzero(index.sequence_count == counts[0])[0])
    part = slice(start, start + len(rows))
    assert index.sequence_count[part].tolist() == counts
    checked = 0
    for name in layout.names:
        if name in rows[0]:
            assert back.columns[name][part].tolist() == [int(row[name]) for row in rows], name
            checked += 1
    assert (index.apid[part] == 1251).all()
    assert back.columns["SC_TICK"][part].tolist() == [int(row["SHCOARSE"]) for row in rows]
    assert checked == 118


def test_imap_hit_science_comes_in_87_groups(shared_data):
    raw = map_file(shared_data / "packets/imap/hit/sci_sample.ccsds")
    index = index_packets(raw)
    groups = segment_groups(index)[1252]
    # 87 first and 87 last segments; the file begins within one group and ends within another.
    assert (len(index), int(groups.begun.sum()), int(groups.ended.sum())) == (1740, 87, 87)
    assert int(groups.complete.sum()) == 86
    assert [not g.complete for g in groups] == [True] + [False] * 86 + [True]
    assert all(len(g.rows) == 20 for g in groups if g.complete)
    assert sum(len(g.rows) for g in groups) == 1740


def test_imap_mag_headers_are_right(shared_data):
    folder = shared_data / "packets/imap/mag"
    raw = map_file(folder / "mag_l0_test_data.pkts")
    rules = [PacketHeaderRule(apid, "none", "own", 32, 0, 1.0, 6) for apid in (1052, 1068)]
    index = index_packets(raw, rules)
    layout = PacketLayout.parse(
        "name,bit_offset,bit_width,type\nSHCOARSE,0,32,uint\nSPARE1,,1,uint\nVERSION,,3,uint\nSPARE4,,4,uint\n"
        "PUS_STYPE,,8,uint\nPUS_SSUBTYPE,,8,uint\nCOMPRESSION,,1,uint\n"
    )
    with (folder / "mag_l0_test_output.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: (int(r["PHAPID"]), int(r["PHSEQCNT"])))
    assert len(rows) == len(index) == 36
    order = np.lexsort((index.sequence_count, index.apid))
    back = decode(raw, index[order], layout)
    assert index.apid[order].tolist() == [int(r["PHAPID"]) for r in rows]
    assert index.sequence_count[order].tolist() == [int(r["PHSEQCNT"]) for r in rows]
    assert (index.length[order] - 7).tolist() == [int(r["PHDLEN"]) for r in rows]
    assert index.coarse[order].tolist() == [int(r["SHCOARSE"]) for r in rows]
    for name in ("SHCOARSE", "PUS_STYPE", "PUS_SSUBTYPE", "COMPRESSION"):
        assert back.columns[name].tolist() == [int(r[name]) for r in rows]
    for row, start, length in zip(rows, index.offset[order], index.length[order], strict=True):
        packet = raw[start : start + length].tobytes()
        published = bytes.fromhex(row["CCSDS_HEX"])
        assert packet.startswith(published)
        assert not any(packet[len(published) :])


STIX_HEAD = """name,bit_offset,bit_width,type,repeat
SSID,80,8,structure,
COARSE,,32,uint,
FINE,,16,uint,
DURATION,,16,uint,
DETECTORS,,32,uint,
GLOBAL3,,16,uint,
PIXELS,188,12,uint,
GLOBAL7,200,8,uint,
SCHEME_S,201,1,uint,
SCHEME_K,,3,uint,
SCHEME_M,,3,uint,
GLOBAL8,208,8,uint,
TRIGGER_S,208,1,uint,
TRIGGER_K,,3,uint,
TRIGGER_M,,3,uint,
EDGE_HIGH,,1,uint,
EDGE_LOW,,32,uint,
ENERGIES,,8,uint,
"""


def stix_layout():
    """Quick-look light curves (21, 6, structure 30): five light curves, triggers and rate control."""
    rows = [
        f"N_{name},,16,uint,\n{name},,8,uint,N_{name}\n"
        for name in ("LC0", "LC1", "LC2", "LC3", "LC4", "TRIGGERS", "RCR")
    ]
    return PacketLayout.parse(STIX_HEAD + "".join(rows))


class LightCurveKind:
    apid, service, subservice, structure, command = 1500, 21, 6, 30, False


def test_stix_light_curves_are_the_published_ones(shared_data):
    from astropy.io import fits

    folder = shared_data / "packets/stix"
    raw = map_file(folder / "stix_21_6_30_lb_packets.bin")
    index = index_packets(raw)
    assert len(index) == 36
    assert index.decisions[1500].checksum.name == "NONE"
    assert index.decisions[1500].secondary == "pus-a"
    assert set(zip(index.service.tolist(), index.subservice.tolist(), strict=True)) == {(21, 6)}
    layout = stix_layout()
    with fits.open(folder / "products/solo_L0_stix-ql-LightCurve_0664070400_V01.fits") as hdus:
        control, data = hdus["CONTROL"].data, hdus["DATA"].data
        wanted = {int(coarse) for coarse in control["scet_coarse"]}
        found = index[select(raw, index, LightCurveKind, layout)]
        back = decode(raw, found, layout)
        mine = np.array([int(c) in wanted for c in back.columns["COARSE"]])
        found = found[mine][np.argsort(back.columns["COARSE"][mine])]
        back = decode(raw, found, layout)
        assert back.complete.all()
        assert back.columns["COARSE"].tolist() == control["scet_coarse"].tolist()
        assert back.columns["FINE"].tolist() == control["scet_fine"].tolist()
        assert back.groups["LC0"].counts.tolist() == control["num_samples"].tolist()
        # The product ends with the day, within the last of the five packets.
        assert len(data) == 2654 == 4 * 580 + 334
        for energy in range(5):
            assert back.repeated[f"LC{energy}"][:2654].tolist() == data["counts"][:, energy].tolist()
        assert back.repeated["TRIGGERS"][:2654].tolist() == data["triggers"].tolist()
        assert back.repeated["RCR"][:2654].tolist() == data["rcr"].tolist()


def test_each_stix_hex_packet_is_one_pus_packet(shared_data):
    files = sorted((shared_data / "packets/stix/hex").glob("*.hex"))
    assert len(files) == 27
    for file in files:
        raw = bytes.fromhex(file.read_text().strip().removeprefix("0x"))
        index = index_packets(raw, [PacketHeaderRule(a, "none", "pus-a") for a in range(2048)])
        assert len(index) == 1, file.name
        assert index.length[0] == len(raw)


def test_jpss_is_bit_identical_to_ccsdspy_and_space_packet_parser(shared_data):
    import ccsdspy
    import space_packet_parser as spp

    folder = shared_data / "packets/jpss"
    file = folder / "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1"
    raw = map_file(file)
    index = index_packets(raw)
    judged = continuity(index)[11]
    assert (judged.received, judged.lost) == (7200, 0)
    with (folder / "ccsdspy_jpss1_geolocation.csv").open() as table:
        rows = list(csv.DictReader(table))
    layout = PacketLayout(FieldSpec(r["name"], None, int(r["bit_length"]), r["data_type"]) for r in rows)
    back = decode(raw, index, layout)
    peer = ccsdspy.FixedLength.from_file(str(folder / "ccsdspy_jpss1_geolocation.csv"))
    with file.open("rb") as stream:
        theirs = peer.load(stream, include_primary_header=True)
    assert index.sequence_count.tolist() == theirs["CCSDS_SEQUENCE_COUNT"].tolist()
    for name in layout.names:
        expected = np.ascontiguousarray(theirs[name]).astype(back.columns[name].dtype)
        assert back.columns[name].tobytes() == expected.tobytes(), name
    definition = spp.load_xtce(folder / "jpss1_geolocation_xtce_v1.xml")
    with file.open("rb") as stream:
        packets = [
            definition.parse_bytes(data)
            for _, data in zip(range(300), spp.ccsds_generator(stream), strict=False)
        ]
    for name in layout.names:
        expected = [packet[name] for packet in packets if name in packet]
        assert len(expected) == 300
        values = [getattr(v, "raw_value", v) for v in expected]
        assert back.columns[name][:300].tolist() == values, name


def test_europa_clipper_splits_like_ccsdspy(shared_data):
    from ccsdspy.utils import iter_packet_bytes

    raw = map_file(shared_data / "packets/europa_clipper/ecm_raw2.bin")
    index = index_packets(raw)
    theirs = list(iter_packet_bytes(io.BytesIO(raw.tobytes())))
    ours = [raw[o : o + n].tobytes() for o, n in zip(index.offset, index.length, strict=True)]
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "apid", "packets"),
    [
        ("padreMDA0_240916122901.dat", 160, 4),
        ("padreMDA2_240916122851.dat", 162, 4),
        ("padreMDU8_240916122904.dat", 163, 4),
    ],
)
def test_meddea_packets_are_found_by_their_exclusive_or(shared_data, name, apid, packets):
    report = inspect_file(shared_data / "packets/padre_meddea" / name)
    assert report.packets == packets
    assert report.apids[apid].checksum == "xor16"
    assert report.exit_code == 0
