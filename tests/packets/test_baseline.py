"""Photon packets of MeDDEA come with three words a photon, or with four: its baseline. Nothing says which."""

import numpy as np
import pytest
from astropy.io import fits

from eicpy.decoding.decode import photons
from eicpy.errors import BadDataError
from eicpy.instruments import load
from eicpy.packets import (
    PacketHeaders,
    PacketLayout,
    check_alternatives,
    decode,
    decode_alternatives,
    encode,
    index_packets,
)

FIELDS = {"TIME_STEP": 65_536, "ASIC": 8, "ASIC_CHANNEL": 32, "BASELINE": 4096, "ADC": 4096}


@pytest.fixture(scope="module")
def meddea():
    return load("meddea")


@pytest.fixture(scope="module")
def layouts(meddea):
    return [PacketLayout.read(file) for file in meddea.layout_files("photons")]


def some_photons(n, rng, lowest_baseline=300):
    columns = {name: rng.integers(0, end, n) for name, end in FIELDS.items()}
    return columns | {"BASELINE": rng.integers(lowest_baseline, 4096, n)}


def photon_packet(meddea, layout, count, columns, **header):
    """A packet of all the photons of some columns, with as many words as its layout says."""
    single = dict.fromkeys(layout.single, 0) | header
    for name in ("INTEGRATION_OVERFLOW", "DECIMATION_LEVEL", "DROPPED"):
        single.pop(name)  # they lie in FLAGS
    records = {name: columns[name] for name in layout.repeated}
    counts = np.array([len(columns["ADC"])])
    time = single["TIME_S"], single["TIME_CLOCKS"]
    headers = PacketHeaders(160, np.array([count]), *(np.array([n]) for n in time))
    return encode(layout, headers, single, records, counts, header=meddea.header(160)).tobytes()


def stream(meddea, layouts, forms, sizes, seed):
    """Packets of these forms and sizes, and the photons that are in them."""
    rng = np.random.default_rng(seed)
    truth = [some_photons(size, rng) for size in sizes]
    raw = b"".join(
        photon_packet(meddea, layouts[form], n, columns)
        for n, (form, columns) in enumerate(zip(forms, truth, strict=True))
    )
    for form, columns in zip(forms, truth, strict=True):
        columns["BASELINE"] = columns["BASELINE"] if form else np.full(len(columns["ADC"]), -1)
    whole = {name: np.concatenate([columns[name] for columns in truth]) for name in FIELDS}
    return raw, index_packets(raw, meddea.headers), whole


@pytest.mark.parametrize("forms", ["0", "1", "01", "000011"], ids=["without", "with", "in turn", "switched"])
def test_every_photon_is_decoded_with_its_baseline_or_without(meddea, layouts, forms):
    sizes = np.arange(121)
    switched = len(forms) > 2
    pattern = [int(forms[n * len(forms) // 121 if switched else n % len(forms)]) for n in range(121)]
    raw, index, truth = stream(meddea, layouts, pattern, sizes, seed=61)
    assert index.good.all()
    found = photons(raw, index, meddea)
    assert (found.damaged_packets, found.bad_pixel, found.bad_channel) == (0, 0, 0)
    assert found.undecided_packets == 0
    assert found.detnum.tolist() == (32 * truth["ASIC"] + truth["ASIC_CHANNEL"]).tolist()
    assert found.channel.tolist() == truth["ADC"].tolist()
    assert found.baseline.tolist() == truth["BASELINE"].tolist()
    packets = decode_alternatives(raw, index, layouts)
    assert packets.decoded.counts.tolist() == sizes.tolist()
    assert packets.decoded.repeated["TIME_STEP"].tolist() == truth["TIME_STEP"].tolist()
    assert packets.absent["BASELINE"].tolist() == (truth["BASELINE"] < 0).tolist()
    assert packets.chosen[1:].tolist() == pattern[1:]


def test_photons_in_orbit_are_those_of_the_level_0_files(meddea, layouts, shared_data):
    """Packets made again of the first rows of published files: photons of 2025-05-04, all with a baseline."""
    seen = 0
    for file in sorted((shared_data / "packets/padre_meddea/l0_fits").glob("*photon*.fits")):
        with fits.open(file) as hdus:
            rows, headers = hdus["SCI"].data, hdus["PKT"].data
            assert (rows["baseline"] > 3500).all()
            said = headers[headers["seqcount"] == rows["seqcount"][0]][0]
            assert (np.diff(rows["seqcount"]) == 0).all()
            columns = {
                "TIME_STEP": rows["clocks"], "ASIC": rows["asic"], "ASIC_CHANNEL": rows["channel"],
                "BASELINE": rows["baseline"], "ADC": rows["atod"],
            }  # fmt: skip
            values = {
                "TIME_S": said["pkttimes"], "TIME_CLOCKS": said["pktclock"], "LIVE_TIME": said["livetime"],
                "INTEGRATION_TIME": said["inttime"], "FLAGS": said["flags"],
            }  # fmt: skip
            raw = photon_packet(meddea, layouts[1], int(said["seqcount"]), columns, **values)
            index = index_packets(raw, meddea.headers)
            assert index.good.all()
            found = photons(raw, index, meddea)
            assert (len(found), found.damaged_packets, found.undecided_packets) == (len(rows), 0, 0)
            assert found.detnum.tolist() == (32 * rows["asic"].astype(int) + rows["channel"]).tolist()
            assert found.channel.tolist() == rows["atod"].tolist()
            assert found.baseline.tolist() == rows["baseline"].tolist()
            ticks = (found.time - found.time[0]) / 12.8e-6
            assert ticks == pytest.approx(rows["clocks"].astype(float) - rows["clocks"][0], abs=0.05)
            seen += len(found)
    assert seen == 40


def test_real_photons_without_a_baseline_stay_without(meddea, shared_data):
    raw = (shared_data / "packets/padre_meddea/padreMDA0_240916122901.dat").read_bytes()
    found = photons(raw, index_packets(raw, meddea.headers), meddea)
    assert (len(found), found.damaged_packets, found.undecided_packets) == (767, 0, 0)
    assert (found.baseline == -1).all()


class TestBothFit:
    """Twelve words all of which are small: four photons without a baseline, or three with one."""

    @staticmethod
    def read(meddea, layouts, forms):
        rng = np.random.default_rng(7)
        parts = []
        small = {name: np.full(4, 5) for name in FIELDS}
        for n, form in enumerate(forms):
            columns = small if form == "?" else some_photons(5, rng)
            parts.append(photon_packet(meddea, layouts[0 if form == "?" else int(form)], n, columns))
        raw = b"".join(parts)
        index = index_packets(raw, meddea.headers)
        return decode_alternatives(raw, index, layouts), photons(raw, index, meddea)

    def test_the_nearest_packet_that_is_sure_decides(self, meddea, layouts):
        packets, found = self.read(meddea, layouts, "?01?1??0")
        assert packets.chosen.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
        assert not packets.undecided.any()
        assert found.undecided_packets == 0

    def test_alone_it_is_read_as_the_first_and_counted(self, meddea, layouts):
        packets, found = self.read(meddea, layouts, "??")
        assert packets.chosen.tolist() == [0, 0]
        assert (len(found), found.undecided_packets, found.damaged_packets) == (8, 2, 0)


def test_what_fits_neither_is_counted_as_damaged(meddea, layouts):
    raw, index, _ = stream(meddea, layouts, [1, 0], [5, 5], seed=3)
    high = bytearray(raw)
    for bit in (0x80,):  # in a spare bit, of both halves of the checksum's word: the packet stays intact
        high[28] ^= bit
        high[20] ^= bit
    index = index_packets(bytes(high), meddea.headers)
    assert index.good.all()
    found = photons(bytes(high), index, meddea)
    assert (len(found), found.damaged_packets) == (5, 1)
    assert (found.baseline == -1).all()


def test_photons_of_no_channel_take_their_baseline_with_them(meddea, layouts):
    raw, index, truth = stream(meddea, layouts, [1, 0, 1], [50, 50, 50], seed=4)
    few = meddea.model_copy(update={"energy": meddea.energy.model_copy(update={"channels": 1000})})
    found = photons(raw, index, few)
    kept = truth["ADC"] < 1000
    assert found.bad_channel == np.count_nonzero(~kept)
    assert found.baseline.tolist() == truth["BASELINE"][kept].tolist()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("A,16,uint,\nN,8,uint,fill\nM,8,uint,fill\n", "single fields"),
        ("A,8,uint,\nM,8,uint,fill\n", "records"),
        ("A,8,uint,\nN,16,uint,fill\n", "another type"),
    ],
)
def test_layouts_that_cannot_stand_for_one_another_are_refused(other, words):
    head = "name,bit_width,type,repeat\n"
    first = PacketLayout.parse(head + "A,8,uint,\nN,8,uint,fill\n")
    with pytest.raises(BadDataError, match=words):
        check_alternatives([first, PacketLayout.parse(head + other)])


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
