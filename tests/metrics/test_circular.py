"""Correlation of angles: what it must be, and its definition by pairs as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bioreco.metrics.circular import circular_correlation


def angles(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, count)


def by_pairs(a: np.ndarray, b: np.ndarray) -> float:
    i, j = np.triu_indices(len(a), 1)
    one, other = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def test_the_same_up_to_a_turn_and_the_way_round():
    a = angles(200)
    assert circular_correlation(a + 2.5, a) == pytest.approx(1)
    assert circular_correlation(0.3 - a, a) == pytest.approx(-1)
    assert circular_correlation(a + 4 * np.pi, a) == pytest.approx(1)


def test_it_is_what_pairs_say():
    a = angles(60)
    b = a + np.random.default_rng(1).normal(0, 0.7, 60)
    assert circular_correlation(b, a) == pytest.approx(by_pairs(b, a))


def test_angles_of_one_another_or_upside_down_know_nothing():
    a = angles(5000)
    assert abs(circular_correlation(angles(5000, 1), a)) < 0.01
    half = np.where(np.arange(5000) % 2, a, a + np.pi)
    assert abs(circular_correlation(half, a)) < 0.01


def test_what_does_not_vary_has_no_correlation():
    assert math.isnan(circular_correlation(np.zeros(5), angles(5)))
    assert math.isnan(circular_correlation([1.0], [1.0]))
