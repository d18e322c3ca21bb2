import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from bokeh.core.validation import check_integrity

from eicpy.errors import MissingDataError
from eicpy.imaging import SkyDecoder, SkyImage, localise, random_mask
from eicpy.instruments import load
from eicpy.orbit import Pointing

G = load("eclairs").mask
MASK = random_mask(G, 80, 3)
DECODER = SkyDecoder(MASK)
POINTING = Pointing.of(82 * u.deg, 23 * u.deg, 37 * u.deg)
CRAB = SkyCoord(83.6331 * u.deg, 22.0145 * u.deg)


def counts_of_the_crab():
    ty, tz = (float(t) for t in POINTING.tangents(CRAB.ra.rad, CRAB.dec.rad))
    return np.random.default_rng(2).poisson(9.6 + 6 * MASK.shadow(ty, tz))


@pytest.fixture(scope="module")
def image() -> SkyImage:
    return DECODER.image(
        counts_of_the_crab(), exposure=20.0, pointing=POINTING, band=(4.0, 120.0), simulated=True
    )


def test_a_source_lies_at_its_coordinates_for_any_reader_of_the_file(image, tmp_path):
    image.to_hdus().writeto(tmp_path / "sky.fits")
    with fits.open(tmp_path / "sky.fits") as hdus:
        significance, wcs = hdus["SIGNIF"].data, WCS(hdus["SIGNIF"].header)
        assert hdus["SIGNIF"].header["SIMULATE"] is True
        z, y = np.unravel_index(np.nanargmax(significance), significance.shape)
        assert hdus["FLUX"].data[z, y] == pytest.approx(6.0, rel=0.1)
    assert wcs.pixel_to_world(y, z).separation(CRAB) < 0.4 * u.deg  # half a pixel's diagonal
    peak = image.peaks(6.0)[0]
    assert image.direction(peak.ty, peak.tz).separation(CRAB) < 5 * u.arcmin  # a parabola
    source = localise(MASK, counts_of_the_crab(), [(peak.ty, peak.tz)]).sources[0]
    assert image.direction(source.ty, source.tz).separation(CRAB) < 3 * source.radius() * u.rad
    assert source.radius() * u.rad < 2 * u.arcmin


def test_the_projection_is_exact_over_the_field(image):
    """The WCS against the camera's own frame, over the whole field, to a thousandth of an arcsecond."""
    for y in (0, 37, 100, 163, 199):
        for z in (0, 21, 100, 199):
            here = image.direction(DECODER.tangent[y], DECODER.tangent[z])
            assert image.wcs.pixel_to_world(y, z).separation(here) < 1e-3 * u.arcsec
            assert image.tangents_of(here) == pytest.approx(
                (DECODER.tangent[y], DECODER.tangent[z]), abs=1e-9
            )


def test_the_rate_is_what_falls_on_a_crystal(image):
    peak = image.peaks(6.0)[0]
    cosine = 1 / np.sqrt(1 + DECODER.tangent[peak.y] ** 2 + DECODER.tangent[peak.z] ** 2)
    assert image.rate()[peak.z, peak.y] == pytest.approx(6.0 / (20 * 0.16 * cosine), rel=0.1)


def test_without_attitude_it_is_an_image_of_the_camera_and_says_so():
    image = DECODER.image(np.full((80, 80), 3.0))
    header = image.to_hdus()["SIGNIF"].header
    assert header["CTYPE1"] == "TY"
    assert "attitude not known" in header.comments["CTYPE1"]
    for ask in (lambda: image.wcs, lambda: image.direction(0, 0), lambda: image.tangents_of(CRAB)):
        with pytest.raises(MissingDataError, match="without an attitude"):
            ask()
    with pytest.raises(MissingDataError, match="without an exposure"):
        image.rate()


def test_peaks_are_local_maxima_within_the_searched_field():
    flux = np.zeros((200, 200))
    flux[100, 100], flux[100, 101], flux[3, 3], flux[50, 60] = 9, 8, 30, 7
    image = SkyImage(flux, np.ones((200, 200)), DECODER.tangent, DECODER.coded, 0.16)
    peaks = image.peaks(5.0)
    assert [(p.y, p.z) for p in peaks] == [(100, 100), (60, 50)]
    assert DECODER.tangent[100] < peaks[0].ty < DECODER.tangent[101]  # pulled to the higher neighbour
    assert image.peaks(20.0) == []


def test_the_picture_marks_the_highest_peak_alone_and_is_whole(image):
    plot = image.plot()
    assert plot.title.text == "Sky, 4–120 keV, 20 s, simulated (SNR)"
    marked = plot.select_one({"name": "places"}).data_source.data
    assert marked["name"] == [f"{image.peaks(6.5)[0].significance:.1f} σ"]
    found = check_integrity(plot.references())
    assert (found.error, found.warning) == ([], [])
    assert "20 s, simulated" in image._repr_html_()
    assert DECODER.image(np.zeros((80, 80))).plot().select_one({"name": "places"}) is None
