"""Shifts are found where two images show the same, and not where they don't."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bioreco.data.synthetic import scene
from bioreco.metrics.shift import find_shift


def moved(shape: tuple[int, ...], by: tuple[float, ...], noise: float, seed: int = 0):
    """Return two noisy images, the second moved against the first."""
    rng = np.random.default_rng(seed)
    wide = scene(tuple(n + 20 for n in shape), rng)
    inside = tuple(slice(10, -10) for _ in shape)
    one, two = wide[inside], ndimage.shift(wide, by, order=3)[inside]
    spread = noise * one.std()
    return tuple((v + spread * rng.standard_normal(shape))[None] for v in (one, two))


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("by", [(0, 0), (0.5, -0.25), (3, -7), (-40, 20.5)])
def test_the_shift_of_two_noisy_images_is_found(by, noise):
    found = find_shift(*moved((160, 192), by, noise))
    assert found.sure
    assert found.pixels == pytest.approx(by, abs=0.2)


@pytest.mark.parametrize("by", [(0, 0, 0), (1, -4, 2.5)])
def test_the_shift_of_two_volumes_is_found(by):
    found = find_shift(*moved((16, 64, 64), by, 1.0))
    assert found.sure
    assert found.pixels == pytest.approx(by, abs=0.35)


def test_what_is_not_moved_is_at_least_zero_moved():
    assert find_shift(*moved((128, 128), (0, 0), 1.0)).least == 0
    far = find_shift(*moved((128, 128), (5, 0), 1.0))
    assert 4.5 < far.least < np.linalg.norm(far.pixels)


@pytest.mark.parametrize("shape", [(24, 24), (128, 128), (8, 32, 32)])
def test_noise_shows_no_shift(shape):
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert not find_shift(*rng.standard_normal((2, 1, *shape))).sure


def test_different_scenes_show_no_shift():
    one, _ = moved((128, 128), (0, 0), 0.3)
    two, _ = moved((128, 128), (0, 0), 0.3, seed=1)
    assert not find_shift(one, two).sure


def test_noise_that_neighbours_share_shows_no_shift():
    rng = np.random.default_rng(0)
    noise = ndimage.uniform_filter1d(rng.standard_normal((2, 1, 128, 128)), 3, axis=-1)
    assert not find_shift(*noise).sure


def test_missing_and_constant_pixels_do_no_harm():
    one, two = moved((128, 128), (0, 3), 0.3)
    two[0, 40:44, 50:60] = np.nan
    one[0, 5, 5] = np.inf
    assert find_shift(one, two).pixels == pytest.approx((0, 3), abs=0.2)
    flat = np.ones((1, 32, 32))
    assert not find_shift(flat, flat).sure
    assert not find_shift(flat * np.nan, flat).sure


def test_channels_help_each_other():
    one, two = moved((64, 64), (2, 0), 1.5)
    many = [
        np.concatenate(v)
        for v in zip(*[moved((64, 64), (2, 0), 1.5, s) for s in range(3)], strict=True)
    ]
    assert find_shift(*many).height > find_shift(one, two).height
