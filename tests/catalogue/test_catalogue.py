"""Catalogues and spectra: against published numbers, the public table, and laws that must hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.catalogue import (
    CATALOGUES,
    CatalogueSource,
    SourceCatalogue,
    Spectrum,
    absorption,
    load_catalogue,
    read_bat_catalogue,
    read_catalogue,
    typical_spectrum,
)
from eicpy.errors import BadArgumentError, BadDataError, MissingDataError, NotFoundError

SKY = load_catalogue("hard-x-ray")
CRAB_2_10 = 2.16e-8
"""erg cm⁻² s⁻¹ of 9.7·E^−2.1."""


def test_the_hundred_brightest_have_a_reference_each():
    assert len(SKY) == 100
    assert [s.name for s in SKY][:3] == ["Crab", "Sco X-1", "Cyg X-1"]
    assert all("ApJS 235, 4, row " in s.reference for s in SKY)
    assert (np.diff([s.flux for s in SKY]) <= 0).all()
    assert len({s.reference for s in SKY}) == 100
    assert set(CATALOGUES) == {"hard-x-ray", "active-stars"}


def test_it_is_that_of_the_public_table(shared_data):
    (file,) = (shared_data / "catalogues").glob("BAT_105m*.txt")
    theirs = read_bat_catalogue(file)
    assert len(theirs) == 1632
    assert sum(s.kind == "LMXB" for s in theirs) == 109
    for ours in SKY:
        public = theirs[ours.name]
        assert (ours.ra, ours.dec) == pytest.approx((public.ra, public.dec), abs=1e-4)
        assert ours.flux == pytest.approx(public.flux, rel=1e-4)
        assert (ours.index, ours.kind, ours.reference) == (public.index, public.kind, public.reference)
    assert {s.name for s in theirs.brighter(SKY.sources[-1].flux)} <= {s.name for s in SKY}


def test_stars_have_a_place_and_no_mean_flux():
    stars = load_catalogue("active-stars")
    assert stars.near(47.05, 40.95, 0.1)[0].name == "Algol"
    with pytest.raises(NotFoundError, match="got Algol, which has no mean flux"):
        _ = stars["Algol"].spectrum


def test_spectra_are_plausible_down_to_4_kev():
    """In units of the Crab in 2-10 keV. A power law of index 5.7 would give Sco X-1 a thousand of them."""
    crabs = {
        name: SKY[name].spectrum.energy_flux(2, 10) / CRAB_2_10 for name in ("Crab", "Sco X-1", "GX 5-1")
    }
    assert crabs["Crab"] == pytest.approx(1.0, abs=0.1)
    assert 5 < crabs["Sco X-1"] < 20
    assert 0.3 < crabs["GX 5-1"] < 2


@given(st.floats(1e-12, 1e-7), st.floats(0.5, 7.0))
def test_a_typical_spectrum_keeps_what_was_measured(flux, index):
    spectrum = typical_spectrum(flux, index)
    assert spectrum.energy_flux(14, 195) == pytest.approx(flux, rel=1e-6)
    e = np.array([24.99, 25.01])
    slope = -np.diff(np.log(spectrum.density(e)))[0] / np.diff(np.log(e))[0]
    assert slope == pytest.approx(index, abs=0.02)


def test_integrals_are_those_of_the_formula():
    law = Spectrum("power law", 9.7, 2.1)
    assert law.photon_flux(4, 120) == pytest.approx(9.7 / 1.1 * (4**-1.1 - 120**-1.1), rel=1e-4)
    assert law.with_photon_flux(3.0, 4, 120).photon_flux(4, 120) == pytest.approx(3.0)
    assert law.with_energy_flux(1e-9, 2, 10).energy_flux(2, 10) == pytest.approx(1e-9)


@given(st.floats(0.1, 1.8), st.floats(2.05, 4.0), st.floats(5.0, 800.0))
@settings(max_examples=50)
def test_a_band_peaks_where_it_says_and_is_smooth(index, beta, peak):
    band = Spectrum("band", 1.0, index, peak, beta)
    e = peak * np.linspace(0.9, 1.1, 2001)
    assert e[np.argmax(band.density(e) * e**2)] == pytest.approx(peak, rel=1e-3)
    join = (beta - index) * peak / (2 - index)
    around = band.density(join * (1 + np.array([-1e-6, 1e-6])))
    assert around[1] == pytest.approx(around[0], rel=1e-4)
    far = band.density(join * np.array([2.0, 4.0]))
    assert math.log2(far[0] / far[1]) == pytest.approx(beta, abs=1e-9)


def test_a_black_body_has_wiens_peak():
    e = np.linspace(0.5, 20, 20_000)
    body = Spectrum("black body", energy=2.0)
    assert e[np.argmax(body.density(e) * e)] == pytest.approx(2.821 * 2.0, rel=1e-3)


def test_absorption_is_that_of_the_reference():
    """σ·E³ of Morrison & McCammon 1983, table 2, and the jump at the K edge of iron, 7.111 keV."""
    assert -np.log(absorption(np.array([5.0]), 1.0)[0]) == pytest.approx(
        0.01 * (433.9 - 2.4 * 5 + 0.75 * 25) / 125, rel=1e-9
    )
    tau = -np.log(absorption(np.array([7.1109, 7.1111]), 10.0))
    assert 1.7 < tau[1] / tau[0] < 2.0
    assert (absorption(np.array([4.0, 100.0]), 0.0) == 1).all()
    for low, high in ((4.04, 7.11), (7.12, 8.33), (8.34, 100.0)):
        assert (np.diff(absorption(np.linspace(low, high, 400), 5.0)) > 0).all()
    thick = Spectrum("power law", 1.0, 2.0, nh=50.0)
    assert thick.photon_flux(4, 8) < 0.4 * Spectrum("power law", 1.0, 2.0).photon_flux(4, 8)
    assert thick.photon_flux(20, 120) == pytest.approx(
        Spectrum("power law", 1.0, 2.0).photon_flux(20, 120), rel=0.05
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": "cut-off"}, "got energy inf of a cut-off spectrum"),
        ({"shape": "band", "energy": 100.0, "index": 2.1}, "expected one below and one above 2"),
        ({"norm": -1.0}, "expected both 0 or more"),
        ({"nh": -1.0}, "expected both 0 or more"),
    ],
)
def test_a_spectrum_that_cannot_be_is_refused(fields, message):
    with pytest.raises(BadArgumentError, match=message):
        Spectrum(**fields)


def test_what_is_near_is_found():
    assert [s.name for s in SKY.near(83.6, 22.0, 5.0)] == ["Crab", "1A 0535+262"]
    assert SKY.separations(83.6332, 22.0145)[0] == pytest.approx(0, abs=1e-6)
    assert "Crab" in SKY
    assert len(SKY.brighter(4e-9)) == 5
    assert "100 sources" in SKY._repr_html_()
    with pytest.raises(NotFoundError, match="got source 'Vulcan', expected one of the 100"):
        SKY["Vulcan"]
    with pytest.raises(NotFoundError, match="got catalogue 'soft', expected one of hard-x-ray"):
        load_catalogue("soft")


HEAD = "# mine\nname,kind,ra_deg,dec_deg,flux_14_195,photon_index,reference\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,kind\na,b\n", "got no column dec_deg"),
        (HEAD + "a,b,north,2,3,2,me\n", "a: could not convert"),
        (HEAD + "a,b,1,91,3,2,me\n", "got a at 1.0, 91.0"),
        (HEAD + "a,b,1,2,-3,2,me\n", "a flux of 0 or more"),
        (HEAD + "a,b,nan,2,3,2,me\n", "got a at nan"),
        (HEAD + "a,b,1,2,3,2,\n", "without name or reference"),
        (HEAD + "a,b,1,2,3,2,me\na,b,1,2,3,2,me\n", "got 'a' twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(BadDataError, match=message) as caught:
        read_catalogue(file)
    assert caught.value.file == file


def test_a_catalogue_of_ones_own(tmp_path):
    (tmp_path / "mine.csv").write_text(HEAD + "faint,star,1,2,3,,me\nbright,star,3,-4,30,2.0,me\n")
    mine = read_catalogue(tmp_path / "mine.csv")
    assert [s.name for s in mine] == ["bright", "faint"]
    assert mine.name == "mine"
    assert mine["bright"].flux == pytest.approx(3e-11)
    with pytest.raises(MissingDataError):
        read_catalogue(tmp_path / "none.csv")
    with pytest.raises(BadDataError, match="expected the 105-month table"):
        read_bat_catalogue(tmp_path / "mine.csv")


def test_a_line_of_the_public_table_that_is_cut_is_named(tmp_path, shared_data):
    (file,) = (shared_data / "catalogues").glob("BAT_105m*.txt")
    lines = file.read_text().splitlines()[:6]
    lines[4] = lines[4][:60]
    (tmp_path / "cut.txt").write_text("\n".join(lines))
    with pytest.raises(BadDataError, match=r"cut.txt: line 5: "):
        read_bat_catalogue(tmp_path / "cut.txt")


def test_two_of_a_name_are_refused():
    one = CatalogueSource("a", "star", 1.0, 2.0, 0.0, math.nan, "me")
    with pytest.raises(BadDataError, match="got 'a' twice"):
        SourceCatalogue("mine", [one, one])
