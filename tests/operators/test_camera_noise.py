"""The noise of a camera has the variance it says it has."""

from __future__ import annotations

import numpy as np
import pytest

from bioreco.operators.noise import PoissonGaussian

COUNT = 400_000


@pytest.mark.parametrize("gain", [0.0, 0.5, 10.0])
@pytest.mark.parametrize("read", [0.0, 4.0])
@pytest.mark.parametrize("signal", [0.0, 3.0, 200.0])
def test_samples_have_the_mean_and_the_variance_of_the_model(gain, read, signal):
    noise = PoissonGaussian(gain=gain, read=read)
    x = np.full(COUNT, signal, dtype=np.float32)
    y = noise.sample(x, np.random.default_rng(0)).astype(np.float64)
    variance = float(noise.variance(x[:1])[0])
    assert variance == pytest.approx(gain * signal + read**2)
    assert y.mean() == pytest.approx(signal, abs=5 * np.sqrt(variance / COUNT) + 1e-6)
    assert y.var() == pytest.approx(variance, rel=0.02, abs=1e-6)


def test_noise_is_independent_from_pixel_to_pixel():
    x = np.full((600, 600), 20.0, dtype=np.float32)
    w = PoissonGaussian(gain=2.0, read=1.0).sample(x, np.random.default_rng(1)) - x
    for shifted in (w[1:] * w[:-1], w[:, 1:] * w[:, :-1]):
        assert abs(shifted.mean() / w.var()) < 0.01


def test_counts_are_multiples_of_the_gain():
    y = PoissonGaussian(gain=3.0).sample(
        np.full((50, 50), 7.0, dtype=np.float32), np.random.default_rng(2)
    )
    assert np.array_equal(y % 3, np.zeros_like(y))
    assert (y >= 0).all()


def test_a_sample_follows_from_its_generator_and_leaves_the_signal_alone():
    x = np.full((8, 8), 5.0, dtype=np.float32)
    noise = PoissonGaussian(gain=1.0, read=1.0)
    one, two = (noise.sample(x, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.dtype == np.float32
    assert (x == 5).all()


def test_no_noise_is_no_change():
    x = np.linspace(0, 9, 10, dtype=np.float32)
    assert np.array_equal(PoissonGaussian().sample(x, np.random.default_rng(0)), x)


def test_read_noise_may_be_shared_along_rows_alone() -> None:
    w = PoissonGaussian(read=2.0, correlation=0.6).sample(
        np.zeros((400, 500), np.float32), np.random.default_rng(0)
    )

    assert w.std() == pytest.approx(2.0, rel=0.01)
    assert (w[:, 1:] * w[:, :-1]).mean() == pytest.approx(4 * 0.6, rel=0.02)
    assert (w[:, 2:] * w[:, :-2]).mean() == pytest.approx(4 * 0.36, rel=0.03)
    assert abs((w[1:] * w[:-1]).mean()) < 0.03
