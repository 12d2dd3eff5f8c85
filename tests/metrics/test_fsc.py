"""Fourier shell correlation: crossings, masks, spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.metrics.frc import frc
from bioreco.metrics.fsc import (
    HALVES,
    TRUTH,
    ShellCorrelation,
    fsc,
    masked_fsc,
    randomise_phases,
    soft_sphere,
)
from bioreco.metrics.spectra import radial_power


def noise(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((size,) * 3)


def band_limited(size: int, cutoff: float, seed: int) -> np.ndarray:
    """Return noise up to a fraction of Nyquist."""
    axes = np.meshgrid(*[2 * np.fft.fftfreq(size)] * 3, indexing="ij")
    keep = sum(a**2 for a in axes) <= cutoff**2
    return np.fft.ifftn(np.fft.fftn(noise(size, seed)) * keep).real


@pytest.mark.parametrize("size", [32, 33])
def test_each_shell_is_what_a_loop_over_frequencies_gives(size):
    a = noise(size, 0)
    b = a + noise(size, 1)
    one, two = np.fft.fftn(a), np.fft.fftn(b)
    axes = np.meshgrid(*[np.fft.fftfreq(size) * size] * 3, indexing="ij")
    radius = np.rint(np.sqrt(sum(x**2 for x in axes))).astype(int)
    found = fsc(a, b)
    assert len(found.correlation) == size // 2
    np.testing.assert_allclose(found.frequency, 2 * np.arange(1, size // 2 + 1) / size)
    for k in (1, 4, size // 2):
        here = radius == k
        cross = (one[here] * two[here].conj()).sum().real
        norm = np.sqrt((abs(one[here]) ** 2).sum() * (abs(two[here]) ** 2).sum())
        assert found.correlation[k - 1] == pytest.approx(cross / norm)
    assert fsc(a, a).correlation == pytest.approx(1)
    assert fsc(3 * a - 7, b).correlation == pytest.approx(found.correlation)


def test_the_crossing_is_the_first_and_lies_between_shells():
    curve = ShellCorrelation(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 0.8, 0.4, 0.9]), 2.0)
    assert curve.crossing(0.5) == pytest.approx(0.275)
    assert curve.resolution(0.5) == pytest.approx(4 / 0.275)
    assert curve.crossing(0.3) == pytest.approx(0.4)  # never
    assert curve.crossing(0.9) == pytest.approx(0.15)
    at_once = ShellCorrelation(np.array([0.1, 0.2]), np.array([0.0, 0.9]))
    assert at_once.crossing(0.5) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="size of a voxel"):
        at_once.resolution(0.5)


@pytest.mark.parametrize("cutoff", [0.4, 0.7])
def test_common_detail_ends_where_it_ends(cutoff):
    signal = 3 * band_limited(48, cutoff, 0)
    a, b = signal + noise(48, 1), signal + noise(48, 2)
    found = fsc(a, b, voxel=5.0)
    assert found.crossing(HALVES) == pytest.approx(cutoff, abs=0.06)
    assert found.resolution(TRUTH) == pytest.approx(10 / cutoff, rel=0.1)


def test_a_mask_alone_is_taken_out():
    """Noise in one tight mask correlates; corrected, it doesn't."""
    signal = 4 * band_limited(32, 0.3, 0)
    mask = soft_sphere(32, 5, 4)
    found = masked_fsc(signal + noise(32, 1), signal + noise(32, 2), mask)
    same = fsc(signal + noise(32, 1), signal + noise(32, 2), mask=mask)
    assert found.masked.correlation == pytest.approx(same.correlation)
    assert found.beyond == pytest.approx(0.3, abs=0.1)
    first = round(found.beyond * 16)
    assert found.corrected.correlation[: first + 1] == pytest.approx(
        found.masked.correlation[: first + 1]
    )
    late = slice(first + 1, None)
    assert np.mean(found.randomised.correlation[late]) < 0.4
    assert abs(np.mean(found.corrected.correlation[late])) < 0.2


def test_a_shared_artefact_of_the_mask_does_not_count():
    """Both halves are noise, but for an offset that the mask turns into detail."""
    mask = soft_sphere(32, 8, 0.1)
    a, b = noise(32, 1) + 3, noise(32, 2) + 3
    found = masked_fsc(a, b, mask)
    assert found.masked.correlation[2:6].max() > 0.8
    assert np.mean(found.corrected.correlation[4:]) < np.mean(found.masked.correlation[4:]) - 0.2


def test_random_phases_keep_amplitudes():
    a = noise(17, 0)
    turned = randomise_phases(a, 3, np.random.default_rng(9))
    np.testing.assert_allclose(abs(np.fft.fftn(turned)), abs(np.fft.fftn(a)), atol=1e-8)
    curve = fsc(a, turned).correlation
    assert curve[:2] == pytest.approx(1)
    assert abs(curve[3:].mean()) < 0.15


def test_a_soft_sphere():
    mask = soft_sphere(21, 5, 4)
    assert mask[10, 10, 15] == 1
    assert mask[10, 10, 17] == pytest.approx(0.5)
    assert mask[10, 10, 19] == pytest.approx(0, abs=1e-12)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        fsc(noise(16, 0), noise(17, 0))
    with pytest.raises(ValueError, match="at least"):
        fsc(noise(4, 0), noise(4, 0))


def test_it_is_the_ring_correlation_without_a_taper():
    a, b = band_limited(32, 0.9, 0), band_limited(32, 0.9, 1)
    window = soft_sphere(32, 9, 5)
    a, b = (a + b) * window, a * window
    assert frc(a, b).correlation == pytest.approx(fsc(a, b).correlation, abs=0.1)


@pytest.mark.parametrize("shape", [(32, 32), (33, 33), (16, 16, 16)])
def test_white_noise_has_a_flat_spectrum(shape):
    g = torch.Generator().manual_seed(0)
    images = 2 * torch.randn(200, 2, *shape, generator=g)
    power = radial_power(images)
    assert power.shape == (200, 2, min(shape) // 2 + 1)
    torch.testing.assert_close(power.mean((0, 1)), torch.full((power.shape[2],), 4.0), rtol=0.2,
                               atol=0)  # fmt: skip
    constant = radial_power(torch.ones(1, 1, *shape))[0, 0]
    assert float(constant[0]) == pytest.approx(np.prod(shape), rel=1e-5)
    assert float(constant[1:].max()) < 1e-6


def test_the_spectrum_is_that_of_numpy():
    image = np.random.default_rng(0).standard_normal((12, 12))
    power = abs(np.fft.fft2(image, norm="ortho")) ** 2
    y, x = np.meshgrid(*[np.fft.fftfreq(12) * 12] * 2, indexing="ij")
    ring = np.rint(np.hypot(y, x)).astype(int)
    expected = [power[ring == k].mean() for k in range(7)]
    given = torch.from_numpy(image)[None, None].requires_grad_()
    found = radial_power(given)
    np.testing.assert_allclose(found.detach()[0, 0], expected)
    assert torch.autograd.gradcheck(radial_power, given, fast_mode=True)
