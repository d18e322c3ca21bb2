"""Photon packets of MeDDEA come with three words a photon, or with four: its baseline. Nothing says which."""

import numpy as np
import pytest

from eicpy.decoding.decode import photons
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, decode, encode, index_packets

WITH_BASELINE = PacketLayout.parse(
    "name,bit_width,type,repeat\nHEADER,64,uint,\nTIMES,32,uint,\nFLAGS,16,uint,\nCHECKSUM,16,checksum,\n"
    "TIME_STEP,16,uint,fill\nPIXEL,16,uint,fill\nBASELINE,16,uint,fill\nADC,16,uint,fill\n"
)


def some_photons(n, rng):
    return {
        "TIME_STEP": np.sort(rng.integers(0, 65_536, n)),
        "PIXEL": rng.integers(0, 256, n),
        "BASELINE": rng.integers(200, 600, n),
        "ADC": rng.integers(0, 4096, n),
    }


@pytest.fixture(scope="module")
def meddea():
    return load("meddea")


@pytest.fixture(scope="module")
def layout(meddea):
    return PacketLayout.read(meddea.layout_file("photons"))


def packets(meddea, table, counts, columns):
    header = next(h for h in meddea.headers if h.apid == 160)
    n = len(counts)
    names = {"HEADER": 0, "TIMES": 0, "FLAGS": 0} if "TIMES" in table else dict.fromkeys(table.single, 0)
    raw = encode(
        table, PacketHeaders(160, np.arange(n), np.arange(n), 0), names, columns, counts, header=header
    )
    return raw, index_packets(raw, meddea.headers)


def test_photons_with_a_baseline_are_not_taken_for_photons_without(meddea, layout):
    """A multiple of twelve words fits both; then the bits that must be 0 tell."""
    rng = np.random.default_rng(61)
    counts = np.arange(1, 121)
    raw, index = packets(meddea, WITH_BASELINE, counts, some_photons(counts.sum(), rng))
    assert index.good.all()
    fits = counts * 4 % 3 == 0
    assert fits.sum() == 40
    assert not decode(raw, index, layout).complete.any()
    found = photons(raw, index, meddea)
    assert len(found.time) == 0
    assert found.damaged_packets == len(counts)


def test_photons_without_a_baseline_are_all_taken(meddea, layout):
    rng = np.random.default_rng(62)
    counts = np.arange(1, 121)
    n = int(counts.sum())
    columns = {
        "TIME_STEP": rng.integers(0, 65_536, n),
        "ASIC": rng.integers(0, 8, n),
        "ASIC_CHANNEL": rng.integers(0, 32, n),
        "ADC": rng.integers(0, 4096, n),
    }
    raw, index = packets(meddea, layout, counts, columns)
    back = decode(raw, index, layout)
    assert back.complete.all()
    assert list(back.repeated) == ["TIME_STEP", "ASIC", "ASIC_CHANNEL", "ADC"]
    assert back.repeated["ADC"].tolist() == columns["ADC"].tolist()
    assert photons(raw, index, meddea).damaged_packets == 0


def test_a_part_that_must_be_zero_flags_its_packet_alone(packet):
    table = PacketLayout.parse(
        "name,bit_width,type,repeat\nA,4,uint,\nNOTHING,4,zero,\nB,4,uint,2\nNOTHING,4,zero,2\nC,8,uint,fill\n"
    )
    good = bytes.fromhex("1020304455")
    raw = b""
    wrong = [None, 0, 1, 2, 3, None]
    for n, place in enumerate(wrong):
        data = bytearray(good)
        if place is not None:
            data[place] |= 8
        raw += packet(5, n, bytes(data))
    index = index_packets(raw, checksum="crc16")
    back = decode(raw, index, table)
    assert back.complete.tolist() == [place in (None, 3) for place in wrong]
    assert "NOTHING" not in {**back.columns, **back.repeated}
