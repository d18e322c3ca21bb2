"""From packets to values: against the truth that made the packets, and against a plain twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.decoding import alerts, epoch_seconds, housekeeping, is_simulated, packet_seconds, photons, spectra
from eicpy.decoding.kernels import photon_columns
from eicpy.packets import PacketHeaders, PacketLayout, encode, index_packets


def twin(ticks, detnum, channel, multiplicity, packet, start, high, bits, tick, pixels, channels):
    """The kernel in plain numpy."""
    count = ticks.astype(np.int64)
    if len(high):
        count = count + ((high[packet] - count + 2 ** (bits - 1)) // 2**bits) * 2**bits
    time = start[packet] + count * tick
    bad_pixel = (detnum < 0) | (detnum >= pixels)
    bad_channel = ~bad_pixel & ((channel < 0) | (channel >= channels))
    good = ~bad_pixel & ~bad_channel
    several = np.minimum(multiplicity, 255) if len(multiplicity) else np.ones(len(ticks))
    bad = np.array([bad_pixel.sum(), bad_channel.sum()])
    return (
        time[good],
        detnum[good].astype(np.int16),
        channel[good].astype(np.int16),
        several[good].astype(np.uint8),
        bad,
    )


@settings(max_examples=60)
@given(st.data())
def test_kernel_and_twin_agree_to_the_bit(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n, packets, bits = data.draw(st.integers(0, 300)), 7, data.draw(st.sampled_from([16, 24, 32]))
    unwrap, counted = data.draw(st.booleans()), data.draw(st.booleans())
    arguments = (
        rng.integers(0, 2**bits, n).astype(np.uint32),
        rng.integers(0, 7000, n).astype(np.uint16),
        rng.integers(0, 1100, n).astype(np.uint16),
        rng.integers(0, 16, n).astype(np.uint8) if counted else np.empty(0, np.uint8),
        np.sort(rng.integers(0, packets, n)),
        rng.uniform(0, 3e8, packets),
        rng.integers(0, 2**45, packets) if unwrap else np.empty(0, np.int64),
        bits,
        2e-5,
        6400,
        1024,
    )
    for got, expected in zip(photon_columns(*arguments), twin(*arguments), strict=True):
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)


@settings(max_examples=50)
@given(
    true=st.integers(2**33, 2**46),
    ahead=st.integers(-(2**31) + 1, 2**31 - 1),
)
def test_a_short_counter_is_made_whole_with_the_time_of_its_packet(true, ahead):
    time, *_ = photon_columns(
        np.array([true % 2**32], np.uint32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint16),
        np.empty(0, np.uint8),
        np.zeros(1, np.int64),
        np.zeros(1),
        np.array([true + ahead]),
        32,
        1.0,
        1,
        1,
    )
    assert time[0] == true


class TestEclairs:
    def test_photons_are_those_that_were_put_in(self, photon_packets, eclairs):
        truth = photon_packets(300)
        found = photons(truth.raw, index_packets(truth.raw, eclairs.headers), eclairs)
        assert np.array_equal(found.time, epoch_seconds(eclairs) + truth.ticks * 2e-5)
        assert np.array_equal(found.detnum, truth.detnum)
        assert np.array_equal(found.channel, truth.channel)
        assert np.array_equal(found.multiplicity, truth.multiplicity)
        assert [a.dtype for a in (found.time, found.detnum, found.channel, found.multiplicity)] == [
            np.float64,
            np.int16,
            np.int16,
            np.uint8,
        ]
        assert (found.bad_pixel, found.bad_channel, found.damaged_packets) == (0, 0, 0)

    def test_time_runs_on_where_the_counter_wraps(self, photon_packets, eclairs):
        wrap = 3500 * 2**32
        truth = photon_packets(200, first_tick=wrap - 5_000_000, span=10_000_000)
        assert truth.ticks[0] < wrap < truth.ticks[-1]
        found = photons(truth.raw, index_packets(truth.raw, eclairs.headers), eclairs)
        assert np.array_equal(found.time, truth.ticks * 2e-5)
        assert np.all(np.diff(found.time) >= 0)

    def test_damaged_packets_give_no_values_but_are_counted(self, photon_packets, eclairs):
        truth = photon_packets(30)
        raw = bytearray(truth.raw)
        starts = np.cumsum(truth.lengths) - truth.lengths
        full = np.flatnonzero(truth.lengths > 60)[[2, 5]]
        for i in full:
            raw[starts[i] + 50] ^= 0x10
        found = photons(bytes(raw), index_packets(bytes(raw), eclairs.headers), eclairs)
        assert found.damaged_packets == 2
        counts = (truth.lengths - _empty_length(eclairs)) // 8
        kept = ~np.isin(np.repeat(np.arange(30), counts), full)
        assert np.array_equal(found.detnum, truth.detnum[kept])

    def test_pixels_and_channels_that_do_not_exist_are_counted(self, eclairs):
        layout = PacketLayout.read(eclairs.layout_file("photons"))
        kind = eclairs.packets["photons"]
        raw = encode(
            layout,
            PacketHeaders(kind.apid, [0], [10], [0], service=kind.service, subservice=kind.subservice),
            {},
            {
                "TIME": [500_000] * 4,
                "DETNUM": [6399, 6400, 8191, 0],
                "CHANNEL": [1023] * 4,
                "MULTIPLICITY": [1] * 4,
            },
            [4],
            header=eclairs.header(kind.apid),
        ).tobytes()
        found = photons(raw, index_packets(raw, eclairs.headers), eclairs)
        assert found.detnum.tolist() == [6399, 0]
        assert (found.bad_pixel, found.bad_channel) == (2, 0)
        narrow = eclairs.model_copy(update={"energy": eclairs.energy.model_copy(update={"channels": 1000})})
        found = photons(raw, index_packets(raw, eclairs.headers), narrow)
        assert (len(found), found.bad_pixel, found.bad_channel) == (0, 2, 2)
        assert "2 of no pixel" in found._repr_html_()

    def test_housekeeping_is_told_apart_by_structure_and_calibrated(self, eclairs):
        raw = b"".join(
            _packets_of(eclairs, name, 3, first=100 * i) for i, name in enumerate(("ecl", "dpix", "ecl"))
        )
        tables = housekeeping(raw, index_packets(raw, eclairs.headers), eclairs)
        assert set(tables) == set(eclairs.housekeeping.packets)
        assert (len(tables["ecl"]), len(tables["dpix"])) == (6, 3)
        table = tables["ecl"]
        assert table.time.tolist() == [1000.0, 1001.0, 1002.0, 1200.0, 1201.0, 1202.0]
        for name, values in table.values.items():
            assert values.dtype == np.float64
            assert values.shape == (6,)
            assert np.isfinite(values).all(), name
        assert set(table.texts["ECL_MODE"].tolist()) == {"OFF"}
        assert "ECL_MODE" in table._repr_html_()

    def test_alerts(self, eclairs):
        raw = _packets_of(eclairs, "alert", 2)
        (table,) = alerts(raw, index_packets(raw, eclairs.headers), eclairs).values()
        assert len(table) == 2

    def test_nothing_gives_empty_tables(self, eclairs):
        index = index_packets(b"", eclairs.headers)
        assert len(photons(b"", index, eclairs)) == 0
        assert [len(t) for t in housekeeping(b"", index, eclairs).values()] == [0, 0]
        assert len(spectra(b"", index, eclairs)) == 0
        assert is_simulated(index, eclairs) is None

    def test_time_of_packets(self, eclairs):
        raw = _packets_of(eclairs, "ecl", 2, fine=2**23)
        index = index_packets(raw, eclairs.headers)
        assert packet_seconds(index, eclairs).tolist() == [1000.5, 1001.5]
        unknown = index_packets(bytes.fromhex("0801c0000001abcd"))
        assert np.isnan(packet_seconds(unknown, eclairs)).all()

    def test_epoch_of_any_scale(self, eclairs):
        assert epoch_seconds(eclairs) == 0.0
        for scale, expected in (("tt", -69.184), ("tai", -37.0)):
            time = eclairs.time.model_copy(update={"scale": scale})
            assert epoch_seconds(eclairs.model_copy(update={"time": time})) == pytest.approx(
                expected, abs=1e-6
            )


def _packets_of(instrument, name, n, *, first=0, fine=0):
    layout = PacketLayout.read(instrument.layout_file(name))
    kind = instrument.packets[name]
    columns = {} if layout.structure is None else {layout.structure.name: kind.structure}
    return encode(
        layout,
        PacketHeaders(
            kind.apid,
            np.arange(first, first + n),
            1000 + np.arange(first, first + n),
            fine,
            service=kind.service,
            subservice=kind.subservice,
        ),
        columns,
        {name: np.zeros(0, np.int64) for name in layout.repeated},
        np.zeros(n, np.int64),
        header=instrument.header(kind.apid),
    ).tobytes()


def _empty_length(instrument):
    return len(_packets_of(instrument, "photons", 1))


class TestMeddea:
    """Real packets of a CdTe photon counter; what is known of them stands in the manifest of the data."""

    def _read(self, shared_data, name):
        return (shared_data / "packets" / "padre_meddea" / name).read_bytes()

    def test_the_767_photons(self, shared_data, meddea):
        raw = self._read(shared_data, "padreMDA0_240916122901.dat")
        index = index_packets(raw, meddea.headers)
        found = photons(raw, index, meddea)
        assert len(found) == 767
        assert (found.bad_pixel, found.bad_channel, found.damaged_packets) == (0, 0, 0)
        assert set((found.detnum // 32).tolist()) == {7}
        assert (found.channel.min(), found.channel.max()) == (125, 4021)
        assert set(found.multiplicity.tolist()) == {1}
        # Independent: the words of each event read with numpy alone. A packet is 6 bytes of header,
        # 16 of fields and checksum, then 6 bytes an event: time step, spare and ASIC, ADC.
        first = packet_seconds(index, meddea)
        expected_time, expected_channel = [], []
        for start, length, seconds in zip(index.offset, index.length, first, strict=True):
            words = np.frombuffer(raw[start : start + length], ">u2")
            events = words[11 : 11 + (len(words) - 11) // 3 * 3].reshape(-1, 3)
            expected_time.append(seconds + events[:, 0] * 12.8e-6)
            expected_channel.append(events[:, 2] & 0xFFF)
        assert len(np.concatenate(expected_time)) == 767
        assert np.array_equal(found.time, np.concatenate(expected_time))
        assert np.array_equal(found.channel, np.concatenate(expected_channel))

    def test_spectra(self, shared_data, meddea):
        raw = self._read(shared_data, "padreMDA2_240916122851.dat")
        found = spectra(raw, index_packets(raw, meddea.headers), meddea)
        assert found.counts.shape == (4 * 24, 512)
        assert len(np.unique(found.time)) == 4
        assert found.bad_pixel == 0
        assert np.all(found.live_time > 0)
        # Independent: a histogram is 2 bytes of sync and pixel and 512 words.
        record = np.frombuffer(raw[: len(raw) // 4], np.uint8)[22:-2].reshape(24, 1026)
        assert set(record[:, 0].tolist()) == {0xCA}
        assert np.array_equal(found.counts[:24], record[:, 2:].copy().view(">u2"))

    def test_housekeeping(self, shared_data, meddea):
        raw = self._read(shared_data, "padreMDU8_240916122904.dat")
        (table,) = housekeeping(raw, index_packets(raw, meddea.headers), meddea).values()
        assert len(table) == 4
        assert np.all(np.abs(table.values["FP_TEMP"]) < 100)
        assert is_simulated(index_packets(raw, meddea.headers), meddea) is None


def test_a_detector_without_photons_or_spectra_has_none(eclairs, photon_packets):
    raw = photon_packets(3).raw
    index = index_packets(raw, eclairs.headers)
    bare = eclairs.model_copy(update={"photons": None, "spectra": None})
    found = photons(raw, index, bare)
    assert (len(found), found.bad_pixel, found.bad_channel, found.damaged_packets) == (0, 0, 0, 0)
    assert (found.detnum.dtype, found.multiplicity.dtype) == (np.int16, np.uint8)
    none = spectra(raw, index, bare)
    assert (len(none), none.bad_pixel, none.damaged_packets) == (0, 0, 0)
