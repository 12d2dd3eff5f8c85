"""Sliced Wasserstein: known distances, and what it doesn't depend on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from bioreco.metrics.distributions import sliced_wasserstein


def images(count: int, seed: int, size: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, size, size)).astype(np.float32)


def test_a_shift_by_a_constant_is_its_mean_projection():
    a = images(4000, 0)
    shift = np.full((6, 6), 0.5, np.float32)
    drawn = np.random.default_rng(0).standard_normal((36, 512))
    drawn /= np.linalg.norm(drawn, axis=0)
    wanted = np.abs(drawn.sum(0) * 0.5).mean()
    assert sliced_wasserstein(a + shift, a) == pytest.approx(wanted, rel=1e-4)


def test_noise_adds_its_deviation_along_each_direction():
    """Gaussians of deviations 1 and s are |s - 1| E|g| apart along each."""
    a, b = images(6000, 0), 1.5 * images(6000, 1)
    assert sliced_wasserstein(a, b) == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.04)


def test_along_one_direction_it_is_scipys():
    a, b = images(300, 0, 1), images(500, 1, 1) ** 2
    found = sliced_wasserstein(a, b, directions=1)
    assert found == pytest.approx(wasserstein_distance(a.ravel(), b.ravel()), rel=0.03)


def test_the_order_does_not_matter_and_the_same_is_at_no_distance():
    a = images(200, 0)
    assert sliced_wasserstein(a, a[::-1]) == pytest.approx(0, abs=1e-9)
    assert sliced_wasserstein(a, images(200, 1)) < 0.2
    with pytest.raises(ValueError, match="shapes"):
        sliced_wasserstein(a, images(200, 0, 5))
