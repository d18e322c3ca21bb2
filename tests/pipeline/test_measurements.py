"""What a scientist asks of a night in one line, against plain numpy on the same photons and samples."""

import inspect

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from eicpy_fixtures.multiples import joined, photon_of_each
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.events import EventFile
from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.pipeline import NightProducts, night_files, run_nights
from eicpy.pipeline.against import Against
from eicpy.pipeline.energy_spectrum import sum_on_nominal_scale
from eicpy.pipeline.parameter_series import ParameterSeries
from eicpy.pipeline.rate import Rate, over_good_time
from eicpy.settings import Settings
from eicpy.times import to_seconds, to_time


@pytest.fixture(scope="module")
def night(tmp_path_factory, simulated):
    """The simulated minute as a night, two of it in fact: it goes over midnight. The later one is taken."""
    home = Settings.at(tmp_path_factory.mktemp("measured") / "home")
    ingest([simulated.packets], "eclairs", home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
        run_nights("eclairs", None, None, home)
    return NightProducts.open(home=home)


@pytest.fixture(scope="module")
def photons(night):
    """Time, pixel and energy of the photons in good time, as numpy finds them."""
    (file,) = night.photon_files
    read = EventFile(file).read()
    gain, offset = (a[read.detnum] for a in (night.treatment.scale.gain, night.treatment.scale.offset))
    gti = night.good_time
    good = ((read.time[:, None] >= gti.start) & (read.time[:, None] < gti.stop)).any(axis=1)
    assert good.sum() > 0
    energy = gain * (read.channel + 0.5) + offset
    return read.time[good], read.detnum[good], energy[good], read.multiplicity[good]


@pytest.fixture(scope="module")
def whole(photons, night):
    """The same with each photon once, and which events made their sector dead."""
    time, detnum, energy, multiplicity = photons
    tick = np.rint(time / 2e-5)
    chosen, total = joined(tick, detnum, multiplicity, energy)
    assert len(chosen) < len(time)
    number = photon_of_each(tick, detnum, multiplicity)
    sector = night.instrument.pixels.sector(detnum.astype(int))
    once = np.unique(np.stack([number, sector]), axis=1, return_index=True)[1]
    pixel = detnum[chosen]
    gain, offset = (a[pixel] for a in (night.treatment.scale.gain, night.treatment.scale.offset))
    channel = np.floor((total - offset) / gain)
    return time[chosen], pixel, gain * (channel + 0.5) + offset, np.sort(once)


@pytest.mark.parametrize("step", [1.0, 2.5, 7.0])
def test_the_rate_in_a_band_is_that_of_numpy(night, photons, whole, step):
    time, _, energy, once = whole
    found = night.rate(4, 21.3, step)
    edges = np.append(found.time - step / 2, found.time[-1] + step / 2)
    counts, _ = np.histogram(time[(energy >= 4) & (energy < 21.3)], edges)
    assert np.array_equal(found.counts, counts)
    gti = night.good_time
    overlap = np.minimum(edges[1:, None], gti.stop) - np.maximum(edges[:-1, None], gti.start)
    exposure = np.clip(overlap, 0, None).sum(axis=1)
    assert np.allclose(found.exposure, exposure, atol=1e-6)
    full = exposure > 0.1 * step
    assert np.allclose(found.rate[full], counts[full] / found.live[full])
    detnum = photons[1][once]
    load = np.bincount(night.instrument.pixels.sector(detnum), minlength=8) / detnum.size
    recorded, _ = np.histogram(photons[0][once], edges)
    assert np.allclose(found.live, exposure - 20e-6 * recorded * (load**2).sum(), atol=1e-6)
    assert np.isnan(found.rate[~full]).all()
    phase = (edges[0] - night.span[0]) / step
    assert phase == pytest.approx(round(phase)), "bins begin at whole steps from the begin of the night"


@pytest.mark.parametrize("multiples", ["single", "all"])
def test_other_ways_to_count_what_hit_several_pixels(night, photons, multiples):
    time, _, energy, multiplicity = photons
    found = night.rate(4, 21.3, 1.0, multiples=multiples)
    chosen = (energy >= 4) & (energy < 21.3) & ((multiplicity == 1) | (multiples == "all"))
    edges = np.append(found.time - 0.5, found.time[-1] + 0.5)
    assert np.array_equal(found.counts, np.histogram(time[chosen], edges)[0])
    assert found.multiples == multiples
    with pytest.raises(BadArgumentError, match="single, all, combine"):
        night.rate(4, 20, multiples="twice")


def test_modules_and_pixels_add_up_to_the_whole(night, whole):
    _, detnum, energy, _ = whole
    whole = night.rate(8, 50, 5)
    grid = night.instrument.pixels
    half = list(range(grid.modules // 2))
    parts = night.rate(8, 50, 5, module=half), night.rate(8, 50, 5, module=range(len(half), grid.modules))
    assert np.array_equal(sum(part.counts for part in parts), whole.counts)
    chosen = [0, 17, 6399]
    few = night.rate(8, 50, 60, pixels=chosen)
    assert few.counts.sum() == np.count_nonzero(np.isin(detnum, chosen) & (energy >= 8) & (energy < 50))
    mask = grid.module(np.arange(grid.count)) == 5
    assert np.array_equal(night.rate(8, 50, 5, pixels=mask).counts, night.rate(8, 50, 5, module=5).counts)
    assert "module 5" in repr(night.rate(8, 50, 5, module=5))


def test_quantities_and_times_are_understood(night):
    start, stop = night.good_time.span
    middle = 0.5 * (start + stop)
    plain = night.rate(4, 20, 2.0, time=(middle, stop))
    same = night.rate(4000 * u.eV, 20 * u.keV, 2 * u.s, time=(to_time(middle), to_time(stop).utc))
    assert np.array_equal(plain.counts, same.counts)
    gti = night.good_time
    assert plain.exposure.sum() == pytest.approx((gti.stop.clip(middle) - gti.start.clip(middle)).sum())


def test_the_spectrum_of_a_module_is_on_the_calibrated_scale(night, photons, whole):
    _, detnum, energy, multiplicity = photons
    scale, grid = night.instrument.energy, night.instrument.pixels
    inside = (grid.module(detnum) == 5) & (multiplicity == 1)
    span = night.good_time.span
    found = night.spectrum(module=5, join=1, time=span)
    bins = np.clip(np.floor((energy[inside] - scale.offset) / scale.gain), 0, scale.channels - 1).astype(int)
    assert np.array_equal(found.counts, np.bincount(bins, minlength=scale.channels))
    assert found.exposure == pytest.approx(night.good_time.exposure)
    assert np.allclose(found.rate, found.counts / found.live / scale.gain)
    made_dead = detnum[whole[3]]
    own = grid.sector(made_dead) == grid.sector(np.flatnonzero(grid.module(np.arange(grid.count)) == 5)[0])
    assert found.live == pytest.approx(found.exposure - 20e-6 * own.sum())
    all_of_them = sum(night.spectrum(module=m, join=1).counts for m in range(grid.modules))
    assert np.array_equal(all_of_them, night.spectrum(join=1).counts)
    assert np.array_equal(night.energy_spectrum(join=8)[1], night.spectrum(join=8).counts)


def test_a_line_stands_at_its_energy_however_the_pixels_differ():
    """Each pixel has a line at 60 keV, in another channel for each."""
    nominal = load("eclairs").energy
    random = np.random.default_rng(3)

    class Scale:
        gain = nominal.gain * random.normal(1, 0.03, 500)
        offset = random.normal(nominal.offset, 0.5, 500)

    spectra = np.zeros((500, nominal.channels), int)
    spectra[np.arange(500), np.floor((60.0 - Scale.offset) / Scale.gain).astype(int)] = 7
    edges, counts = sum_on_nominal_scale(spectra, Scale(), nominal, np.ones(500, bool), 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    assert counts.sum() == 3500
    assert abs((counts * middle).sum() / 3500 - 60.0) < nominal.gain
    assert np.ptp(middle[counts > 0]) < 3 * nominal.gain


def test_an_astropy_time_series_is_in_tt_and_plain_columns_are_in_utc(night):
    rate = night.rate(4, 20, 10)
    series = rate.to_timeseries()
    assert series.time.scale == "tt"
    assert np.allclose(to_seconds(series.time), rate.time, atol=1e-6)
    assert series["rate"].unit == u.ct / u.s
    columns = rate.to_columns()
    assert columns["time"].dtype.kind == "M"
    assert Time(str(columns["time"][0]), scale="utc").tt.isot[:21] == series.time[0].isot[:21]
    assert set(map(len, columns.values())) == {len(rate)}
    table = night.spectrum().to_table()
    assert table["energy_low"].unit == u.keV
    assert table.meta["exposure_s"] == night.good_time.exposure


def test_a_parameter_has_its_unit_and_goes_against_a_rate(night):
    found = night.parameter("ECL_TEMPTH01")
    assert (found.unit, found.is_state) == ("deg_C", False)
    assert found.limits is not None
    assert found.to_timeseries()["ECL_TEMPTH01"].unit == u.deg_C
    both = night.against("ECL_TEMPTH01", 4, 20, step=10)
    series = both.to_timeseries()
    assert {"ECL_TEMPTH01", "rate", "exposure"} <= set(series.colnames)
    for k, middle in enumerate(both.rate.time):
        inside = (found.time >= middle - 5) & (found.time < middle + 5)
        if inside.any():
            assert both.values[k] == pytest.approx(found.values[inside].mean())
    assert night.parameter("ECL_MODE").is_state
    assert [made.title.text for made in (both.plot(), found.plot())]
    with pytest.raises(NotFoundError, match="ECL_TEMPTH1"):
        night.parameter("ECL_TEMPTH1")


def series(time, values, **more):
    return ParameterSeries("P", "V", "", np.array(time, float), np.array(values), None, **more)


def test_a_parameter_on_other_bins():
    sampled = series([0, 10, 20, 100], [1.0, 2.0, 3.0, 9.0])
    middles = np.array([-5.0, 0.0, 5.0, 10.0, 15.0, 60.0, 100.0, 105.0])
    assert np.array_equal(
        sampled.binned(middles, 4.0).values, [np.nan, 1, 1.5, 2, 2.5, np.nan, 9, np.nan], equal_nan=True
    )
    assert sampled.binned(np.array([6.0]), 30.0).values == [2.0], "the mean of the samples within"
    state = series([0, 10, 20, 100], [1.0, 2.0, 1.0, 4.0], is_state=True).binned(middles, 4.0)
    assert np.array_equal(state.values, [np.nan, 1, 1, 2, 2, np.nan, 4, 4], equal_nan=True)
    texts = series([0, 10, 20, 100], ["A", "B", "C", "D"]).binned(middles, 4.0)
    assert texts.values.tolist() == ["", "A", "A", "B", "B", "", "D", "D"]
    holes = series([0, 10, 20], [1.0, np.nan, 3.0]).binned(np.array([10.0]), 4.0)
    assert holes.values == [2.0]
    for few in ([], [4.0]):
        assert np.isnan(series(few, few).binned(np.array([40.0]), 4.0).values).all()


@given(
    samples=st.lists(st.tuples(st.floats(0, 100), st.floats(-5, 5)), max_size=12),
    middles=st.lists(st.floats(-20, 120), max_size=8),
    step=st.floats(0.5, 30),
)
def test_a_binned_value_is_between_the_samples(samples, middles, step):
    """Whatever the times are: nothing is made up beyond what was measured, and nothing raises."""
    time, values = np.array(sorted(samples)).reshape(-1, 2).T
    found = series(time, values).binned(np.array(middles), step).values
    known = found[np.isfinite(found)]
    assert len(found) == len(middles)
    assert not known.size or (values.min() - 1e-9 <= known.min() and known.max() <= values.max() + 1e-9)


def test_correlation_is_of_the_bins_that_have_both():
    rate = Rate(4, 8, 1.0, np.arange(5.0), np.array([10, 20, 30, 40, 0]), np.array([1.0, 1, 1, 1, 0]))
    linear = series(range(5), [1.0, 2.0, 3.0, np.nan, 7.0])
    both = Against(linear, rate)
    assert both.correlation == pytest.approx(1.0)
    assert both.known.tolist() == [True, True, True, False, False]
    assert np.isnan(Against(series(range(5), [1.0] * 5), rate).correlation)
    with pytest.raises(BadArgumentError, match="texts"):
        Against(series(range(5), list("abcde")), rate)


def test_a_rate_with_hardly_any_good_time_is_not_known():
    rate = over_good_time(np.array([5, 5, 5]), np.array([10.0, 1.0, 1.1]), 10.0)
    assert np.array_equal(rate, [0.5, np.nan, 5 / 1.1], equal_nan=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"low": 20, "high": 4}, "low < high"),
        ({"low": np.nan}, "low < high"),
        ({"step": 0}, "more than 0 s"),
        ({"step": -5}, "more than 0 s"),
        ({"step": np.nan}, "more than 0 s"),
        ({"step": 1e-9}, "at most 10,000,000"),
        ({"step": 5 * u.keV}, "expected one in s"),
        ({"module": 200}, "got module 200, expected whole numbers from 0 to 199"),
        ({"module": -1}, "module -1"),
        ({"module": []}, "module none"),
        ({"pixels": [6400]}, "pixel 6400"),
        ({"pixels": [0.5]}, "whole numbers"),
        ({"pixels": np.ones(3, bool)}, "a mask of shape"),
        ({"time": (10.0, 10.0)}, "an end after the begin"),
    ],
)
def test_what_cannot_be_measured_is_refused(night, arguments, words):
    with pytest.raises(BadArgumentError, match=words):
        night.rate(**arguments)


@pytest.mark.parametrize("step", [0, -5, 1.5, np.nan])
def test_a_light_curve_of_no_such_step_is_refused(night, step):
    with pytest.raises(BadArgumentError, match="whole seconds, at least 1"):
        night.light_curve(step)


def test_a_night_without_photons_has_no_rate_and_an_empty_spectrum(night, tmp_path):
    empty = NightProducts(tmp_path / "products/eclairs/20260101", night.record, night.instrument)
    assert len(empty.rate(4, 20)) == 0
    assert empty.rate(4, 20).to_timeseries()["rate"].shape == (0,)
    assert empty.spectrum().counts.sum() == 0
    assert np.isnan(empty.spectrum().rate).all()
    shown = (empty.rate(4, 20), empty.spectrum(), night.rate(4, 20), night.spectrum())
    for found in (*shown, night.parameter("ECL_MODE")):
        assert "<table>" in found._repr_html_()
        assert len(repr(found)) < 200


def test_printing_a_night_is_a_page_and_asking_what_it_has_reads_nothing(night, monkeypatch):
    assert len(str(night)) < 2000
    assert night.record.headline in str(night)
    assert len(repr(night).splitlines()) == 1
    fresh = NightProducts(night.folder, night.record, night.instrument)
    monkeypatch.setattr(night_files, "read_product", lambda *_: pytest.fail("a product was read"))
    assert {"rate", "spectrum", "parameter", "against", "spectra"} <= set(dir(fresh))
    with pytest.raises(AttributeError):
        fresh.__wrapped__  # noqa: B018, completion asks for it
    for name in ("spectra", "treatment", "good_time", "excursions"):
        found = inspect.getattr_static(fresh, name)
        assert isinstance(found, property), "jedi runs any other descriptor to see what can follow"
        assert "return" in found.fget.__annotations__
