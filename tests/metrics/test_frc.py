from __future__ import annotations

import numpy as np
import pytest

from bioreco.metrics.frc import frc


def band_limited(shape: tuple[int, ...], cutoff: float, seed: int) -> np.ndarray:
    """Return noise without frequencies above a cutoff."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")
    keep = sum(g**2 for g in grid) < cutoff**2
    return np.fft.ifftn(np.fft.fftn(rng.normal(size=shape)) * keep).real


@pytest.mark.parametrize("shape", [(128, 128), (96, 151), (48, 64, 64)])
@pytest.mark.parametrize("cutoff", [0.15, 0.3])
def test_the_crossing_is_where_the_common_signal_ends(shape, cutoff):
    signal = band_limited(shape, cutoff, 0)
    a, b = (signal + 0.5 * band_limited(shape, 9, s) for s in (1, 2))
    found = frc(a, b)
    assert found.crossing == pytest.approx(cutoff, abs=0.04)
    assert found.resolution == pytest.approx(1 / found.crossing)
    assert np.all(np.abs(found.correlation) <= 1 + 1e-12)


def test_correlation_is_signal_over_signal_and_noise():
    rng = np.random.default_rng(4)
    signal = rng.normal(size=(256, 256))
    found = frc(*(signal + 0.5 * rng.normal(size=signal.shape) for _ in range(2)))
    assert np.mean(found.correlation[20:]) == pytest.approx(1 / 1.25, abs=0.02)
    assert found.crossing is None
    assert found.resolution is None


def test_independent_noise_does_not_correlate():
    rng = np.random.default_rng(5)
    found = frc(rng.normal(size=(100, 140)), rng.normal(size=(100, 140)))
    assert abs(np.mean(found.correlation)) < 0.03
    assert found.crossing is not None
    assert found.crossing < 0.1


def test_scale_and_offset_do_not_matter():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 64, 64)) + band_limited((64, 64), 0.2, 7)
    assert frc(a, b).correlation == pytest.approx(frc(3 * a - 50, b + 1000).correlation)


@pytest.mark.parametrize("shapes", [((20, 20), (20, 21)), ((8, 20), (8, 20)), ((20,), (20,))])
def test_what_cannot_be_compared_is_refused(shapes):
    with pytest.raises(ValueError, match=r"shapes|at least"):
        frc(np.zeros(shapes[0]), np.zeros(shapes[1]))
