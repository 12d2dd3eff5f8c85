"""Tweedie's formulas against posteriors that can be written down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import digamma

from bioreco.methods import tweedie


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def test_gaussian_noise_gaussian_prior_gives_the_posterior_mean():
    """s ~ N(m, p), y ~ N(s, v): y ~ N(m, p + v), E[s|y] = (p y + v m) / (p + v)."""
    m, p, v = 3.0, 2.0, 0.7
    y = tensor(np.linspace(-5, 9, 50))
    score = -(y - m) / (p + v)
    found = tweedie.gaussian(y, score, variance=tensor(v))
    torch.testing.assert_close(found, (p * y + v * m) / (p + v))


@pytest.mark.parametrize(("a", "rate"), [(0.7, 0.5), (4.0, 1.0), (50.0, 2.0)])
@pytest.mark.parametrize(("gain", "dark"), [(1.0, 0.0), (12.0, -100.0)])
def test_counts_of_a_gamma_prior(a, rate, gain, dark):
    """s ~ Gamma(a, rate) counts: p(k) ~ G(a+k) / k! (1+rate)^-k, s|k ~ Gamma(a + k, 1 + rate)."""
    k = np.arange(0, 60.0)
    score = (digamma(a + k) - digamma(k + 1) - np.log1p(rate)) / gain
    found = tweedie.poisson(tensor(gain * k - dark), tensor(score), gain=tensor(gain),
                            dark=tensor(dark)).numpy()  # fmt: skip
    counts = (found + dark) / gain
    np.testing.assert_allclose(counts, np.exp(digamma(a + k)) / (1 + rate))
    mean = (a + k) / (1 + rate)
    below = mean - counts  # half of the posterior's variance over its mean, 1 / (1 + rate)
    assert (below > 0).all()
    np.testing.assert_allclose(below[a + k > 4], 0.5 / (1 + rate), rtol=0.05)


def test_the_posterior_mean_is_approached_as_the_signal_becomes_known():
    k = np.arange(0, 8.0)
    for rate in (10.0, 1000.0):
        a = 2 * rate  # a signal of 2 counts, known better and better
        score = digamma(a + k) - digamma(k + 1) - np.log1p(rate)
        found = tweedie.poisson(tensor(k), tensor(score), gain=tensor(1.0), dark=tensor(0.0))
        np.testing.assert_allclose(found.numpy(), (a + k) / (1 + rate), rtol=0.3 / rate)


def test_many_counts_are_gaussian_noise():
    y, score, gain, read = tensor([5000.0]), tensor([0.002]), 0.05, 30.0
    dark = tensor(read**2 / gain)
    found = tweedie.poisson(y, score, gain=tensor(gain), dark=dark)
    variance = gain * y + read**2
    torch.testing.assert_close(found, tweedie.gaussian(y, score, variance=variance), rtol=1e-4,
                               atol=0)  # fmt: skip


@pytest.mark.parametrize("looks", [1.0, 4.0, 30.0])
def test_speckle_of_an_inverse_gamma_prior(looks):
    """s ~ IG(a, b): p(y) ~ y^(k-1) / (b + k y)^(a + k), s|y ~ IG(a + k, b + k y)."""
    a, b, k = 6.0, 20.0, looks
    y = np.linspace(0.2, 30, 50)
    score = (k - 1) / y - k * (a + k) / (b + k * y)
    found = tweedie.gamma(
        tensor(y), tensor(1 + y * score), looks=tensor(k), least=tensor(0.01)
    ).numpy()
    harmonic = (b + k * y) / (a + k)
    np.testing.assert_allclose(found, harmonic)
    mean = (b + k * y) / (a + k - 1)
    assert ((found < mean) & (found > mean * (1 - 1.01 / (a + k)))).all()
    recalled = k * y / (k - 1 - y * score)
    np.testing.assert_allclose(found, recalled)


def test_a_wrong_score_of_counts_or_speckle_is_bounded():
    y, score, one = tensor([0.0, 3.0]), tensor([900.0, 900.0]), tensor(1.0)
    for found in (
        tweedie.poisson(y, score, gain=one, dark=tensor(0.0)),
        tweedie.gamma(y, score, looks=one, least=tensor(0.1)),
    ):
        assert found.isfinite().all()
        assert float(found.max()) < 1000
