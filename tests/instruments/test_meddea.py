"""PADRE/MeDDEA: the tables against the real packets and against ccsdspy."""

import io

import numpy as np
import pytest

from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, decode, encode, index_packets, map_file, select

FILES = {
    "photons": "padreMDA0_240916122901.dat",
    "spectra": "padreMDA2_240916122851.dat",
    "housekeeping": "padreMDU8_240916122904.dat",
}


@pytest.fixture(scope="module")
def meddea():
    return load("meddea")


@pytest.fixture
def read(shared_data, meddea):
    def decoded(kind):
        raw = map_file(shared_data / "packets/padre_meddea" / FILES[kind])
        index = index_packets(raw, meddea.headers)
        layout = PacketLayout.read(meddea.layout_file(kind))
        assert select(raw, index, meddea.packets[kind], layout).all()
        assert index.good.all()
        back = decode(raw, index, layout)
        assert back.complete.all()
        return raw, index, layout, back

    return decoded


def test_every_table_is_read_and_every_rule_names_its_fields(meddea):
    layouts = {name: PacketLayout.read(meddea.layout_file(name)) for name in meddea.packets}
    photons, spectra = layouts["photons"], layouts["spectra"]
    for field in (
        meddea.photons.time.field,
        meddea.photons.channel,
        *(t.field for t in meddea.photons.pixel),
    ):
        assert field in photons.repeated
    assert spectra[meddea.spectra.counts].elements == meddea.spectra.bins
    assert meddea.spectra.live_time in spectra.single
    assert {kind.apid for kind in meddea.packets.values()} == {h.apid for h in meddea.headers}


def test_767_photons_of_asic_7_with_rising_ticks(read):
    _, _, _, back = read("photons")
    assert back.counts.tolist() == [190, 193, 194, 190]
    assert set(back.repeated["ASIC"].tolist()) == {7}
    assert (back.repeated["ADC"].min(), back.repeated["ADC"].max()) == (125, 4021)
    ticks = back.repeated["TIME_STEP"].astype(np.int64)
    assert (np.diff(ticks)[np.diff(back.packet) == 0] >= 0).all()


def test_photons_are_bit_identical_to_ccsdspy(read):
    import ccsdspy
    from ccsdspy import PacketArray, PacketField

    raw, _, _, back = read("photons")
    names = {"TIME_S": 32, "TIME_CLOCKS": 32, "INTEGRATION_TIME": 16, "LIVE_TIME": 16, "FLAGS": 16, "SUM": 16}
    peer = ccsdspy.VariableLength(
        [PacketField(name=n, data_type="uint", bit_length=b) for n, b in names.items()]
        + [PacketArray(name="WORDS", data_type="uint", bit_length=16, array_shape="expand")]
    )
    theirs = peer.load(io.BytesIO(raw.tobytes()))
    for name in names:
        if name != "SUM":
            assert back.columns[name].tolist() == theirs[name].tolist()
    words = np.concatenate([np.asarray(w, dtype=np.int64) for w in theirs["WORDS"]]).reshape(-1, 3)
    assert back.repeated["TIME_STEP"].tolist() == words[:, 0].tolist()
    pixel = back.repeated["ASIC"].astype(np.int64) * 32 + back.repeated["ASIC_CHANNEL"]
    assert pixel.tolist() == words[:, 1].tolist()
    assert back.repeated["ADC"].tolist() == words[:, 2].tolist()


def test_spectra_hold_24_histograms_and_as_many_words_as_the_file(read):
    raw, _, _, back = read("spectra")
    assert back.counts.tolist() == [24] * 4
    words = np.frombuffer(raw.tobytes(), ">u2").reshape(4, -1)[:, 11:-1].reshape(96, 513)
    assert (back.repeated["SYNC"] == 0xCA).all()
    assert np.array_equal(back.repeated["HISTOGRAM"], words[:, 1:])
    assert np.array_equal(
        back.repeated["ASIC"].astype(int) * 32 + back.repeated["ASIC_CHANNEL"], words[:, 0] & 255
    )
    assert back.columns["INTEGRATION_TIME"].tolist() == [781250] * 4


def test_housekeeping_is_in_units(read):
    raw, _, layout, back = read("housekeeping")
    words = np.frombuffer(raw.tobytes(), ">u2").reshape(4, -1)
    names = [n for n in layout.single if layout[n].bit_width == 16]
    assert len(names) == 14
    for place, name in enumerate(names):
        assert back.columns[name].tolist() == words[:, 5 + place].tolist()
    value = {name: layout.calibrate(name, back.columns[name])[0] for name in names}
    assert value["FP_TEMP"] == pytest.approx(-15.55, abs=0.01)
    assert value["HVPS_VSENSE"] == pytest.approx(-220.41, abs=0.01)
    assert value["HVPS_CSENSE"] == pytest.approx(0.914, abs=0.001)
    assert value["HEATER_PWM_DUTY_CYCLE"] == pytest.approx(40.72, abs=0.01)
    flags = [n for n in layout.single if layout[n].bit_width == 1]
    joined = sum(back.columns[n].astype(int) << bit for bit, n in enumerate(reversed(flags)))
    assert joined.tolist() == (back.columns["ERROR_SUMMARY"] & 0x3FF).tolist()
    assert layout.texts("CALISTE_SEU", back.columns["CALISTE_SEU"]).tolist() == ["ERROR"] * 4


def test_the_time_is_that_of_the_file_name(read, meddea):
    from astropy.time import Time

    _, index, _, _ = read("photons")
    epoch = Time(meddea.time.epoch, scale=meddea.time.scale)
    start = Time(epoch.unix + index.time()[0], format="unix")
    assert abs((start - Time("2024-09-16T12:29:01")).sec) < 10


@pytest.mark.parametrize("kind", FILES)
def test_packets_are_encoded_again_as_they_were(read, meddea, kind):
    raw, index, layout, back = read(kind)
    counts = back.counts if kind == "photons" else None
    single = dict(back.columns)
    if kind == "photons":
        # The overlapping fields are written from the word that holds them.
        for name in ("INTEGRATION_OVERFLOW", "DECIMATION_LEVEL", "DROPPED"):
            single.pop(name)
    header = meddea.header(meddea.packets[kind].apid)
    again = encode(
        layout,
        PacketHeaders(header.apid, index.sequence_count, index.coarse, np.maximum(index.fine, 0)),
        single,
        back.repeated,
        counts,
        header=header,
    )
    assert again.tobytes() == raw.tobytes()
