from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from bioreco.metrics.residual import autocorrelation, residual

RNG = np.random.default_rng(0)
CLEAN = 100 * ndimage.gaussian_filter(RNG.normal(size=(256, 256)), 12)
NOISY = CLEAN + RNG.normal(size=CLEAN.shape)


def test_a_perfect_denoiser_takes_away_the_noise_alone():
    found = residual(NOISY, CLEAN)
    assert found.sigma == pytest.approx(1, rel=0.02)
    assert found.over_noise == pytest.approx(1, abs=0.1)
    assert found.likeness == pytest.approx(0, abs=0.03)
    for one, two in found.correlation.values():
        assert one == pytest.approx(0, abs=0.02)
        assert two == pytest.approx(0, abs=0.02)


def test_smoothing_too_much_takes_structure_away():
    found = residual(NOISY, ndimage.gaussian_filter(NOISY, 12))
    assert found.over_noise > 1.3
    assert found.correlation["X"][0] > 0.2


def test_smoothing_too_little_leaves_noise():
    found = residual(NOISY, ndimage.gaussian_filter(NOISY, 0.5))
    assert found.over_noise < 0.7
    assert found.correlation["X"][0] < -0.1


def test_dimming_looks_like_the_result():
    assert residual(NOISY, 0.5 * CLEAN).likeness > 0.6


def test_nothing_taken_away():
    found = residual(NOISY, NOISY)
    assert found.sigma == 0
    assert found.correlation == {}
    assert math.isnan(found.likeness)


def test_missing_pixels_are_left_out():
    holed = NOISY.copy()
    holed[5:9] = np.nan
    assert residual(holed, CLEAN).sigma == pytest.approx(1, rel=0.02)
    assert math.isnan(residual(np.full((9, 9), np.nan), np.zeros((9, 9))).sigma)


def test_autocorrelation_agrees_with_numpy():
    kernel = np.array([1.0, 2.0, 1.0])
    image = ndimage.correlate1d(RNG.normal(size=(8, 100, 300)), kernel, axis=2, mode="wrap")
    found = autocorrelation(image)
    assert found["X"] == pytest.approx((4 / 6, 1 / 6), abs=0.02)
    assert found["Z"] == pytest.approx((0, 0), abs=0.02)
    expected = np.corrcoef(image[..., 1:].ravel(), image[..., :-1].ravel())[0, 1]
    assert found["X"][0] == pytest.approx(expected, abs=1e-3)
    assert list(autocorrelation(np.eye(3))) == []


def test_shapes_must_match():
    with pytest.raises(ValueError, match="shape"):
        residual(NOISY, CLEAN[1:])
