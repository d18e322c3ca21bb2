"""The random numbers of the kernels against numpy's and against their distributions."""

import numpy as np
import pytest
from scipy import stats

from eicpy.kernels import Deferred, kernel
from eicpy.simulation.camera import random_numbers
from eicpy.simulation.camera.random_numbers import bits, first_state, normal, uniform


@kernel
def drawn(state, size):
    words, uniforms = np.empty(size, np.uint64), np.empty(size)
    for n in range(size):
        words[n], state = bits(state)
    for n in range(size):
        uniforms[n], state = uniform(state)
    return words, uniforms


@kernel
def normals(state, size):
    result = np.empty(size)
    for n in range(size):
        result[n], state = normal(state)
    return result


@pytest.fixture
def plain(monkeypatch):
    """All kernels as plain Python; words of 64 bits wrap around."""
    for name in ("bits", "uniform", "normal"):
        assert isinstance(getattr(random_numbers, name), Deferred)
        monkeypatch.setattr(random_numbers, name, getattr(random_numbers, name).py_func)
        monkeypatch.setitem(globals(), name, globals()[name].py_func)
    with np.errstate(over="ignore"):
        yield


def test_words_and_uniform_numbers_are_those_of_numpy():
    seed = np.random.SeedSequence(7, spawn_key=(1, 2))
    words, uniforms = drawn(first_state(seed), 1000)
    peer = np.random.SFC64(seed)
    assert np.array_equal(words, peer.random_raw(1000))
    assert np.array_equal(uniforms, np.random.Generator(peer).random(1000))


def test_normal_numbers_are_normal_far_into_the_tail():
    z = normals(first_state(np.random.SeedSequence(3)), 2_000_000)
    edges = np.concatenate([[-np.inf], np.arange(-4.4, 4.41, 0.1), [np.inf]])
    counts = np.histogram(z, edges)[0]
    expected = np.diff(stats.norm.cdf(edges)) * len(z)
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    beyond = (np.abs(z) > 3.6541528853610088).sum()
    assert beyond == pytest.approx(2 * stats.norm.sf(3.6541528853610088) * len(z), abs=4 * np.sqrt(520))
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 4 / np.sqrt(len(z))


def test_plain_python_draws_the_same_numbers(plain):
    state = first_state(np.random.SeedSequence(3))
    compiled = drawn(state, 300), normals(state, 3000)
    twin = drawn.py_func(state, 300), normals.py_func(state, 3000)
    assert np.array_equal(compiled[0], twin[0])
    assert np.array_equal(compiled[1], twin[1])
