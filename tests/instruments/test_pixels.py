import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.instruments import PixelGrid, available, load

grid = PixelGrid(rows=80, columns=80, module_rows=8, module_columns=4, sectors=8)


@given(st.integers(0, 79), st.integers(0, 79))
def test_a_pixel_keeps_its_place_through_every_name(i, j):
    detnum = grid.detnum(i, j)
    assert grid.ij(detnum) == (i, j)
    assert grid.yz(detnum) == (79 - j, i)
    image = grid.image(np.arange(6400))
    assert image[i, 79 - j] == detnum


@pytest.mark.parametrize(
    ("i", "j", "what"),
    [(80, 0, "row i"), (0, 80, "column j"), (-1, 0, "row i"), (np.array([0, 90]), np.array([0, 1]), "row i")],
)
def test_rows_and_columns_that_are_not_there_are_refused(i, j, what):
    with pytest.raises(BadArgumentError, match=f"got {what} from .*, expected 0 to 79"):
        grid.detnum(i, j)


def test_bytes_of_a_file_make_pixel_numbers_beyond_a_byte():
    i, j = np.array([79, 0], np.uint8), np.array([79, 1], np.uint8)
    assert grid.detnum(i, j).tolist() == [6399, 1]


def test_modules_have_32_pixels_and_sectors_800():
    detnum = np.arange(6400)
    assert (np.bincount(grid.module(detnum)) == 32).all()
    assert grid.modules == 200
    assert (np.bincount(grid.sector(detnum)) == 800).all()
    i, j = grid.ij(detnum[grid.module(detnum) == 21])
    assert (i.min(), i.max(), j.min(), j.max()) == (8, 15, 4, 7)


def test_an_image_of_the_wrong_size_says_so():
    with pytest.raises(ValueError, match="got values for 5 pixels, expected 6400"):
        grid.image(np.zeros(5))


def test_eclairs_is_known():
    assert "eclairs" in available()
    assert load("eclairs").pixels == grid
