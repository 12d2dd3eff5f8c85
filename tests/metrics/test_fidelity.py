from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.metrics.fidelity import CONVENTIONS, nrmse, psnr, scores, si_psnr, ssim

oracle = pytest.importorskip("skimage.metrics")


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    reference = rng.gamma(2.0, 20.0, size=(40, 33))
    return reference + rng.normal(0, 5, reference.shape), reference


def test_psnr_agrees_with_scikit_image(pair):
    x, reference = pair
    span = float(np.ptp(reference))
    expected = oracle.peak_signal_noise_ratio(reference, x, data_range=span)
    assert psnr(x, reference) == pytest.approx(expected)
    assert psnr(x, reference, data_range=255) == pytest.approx(
        oracle.peak_signal_noise_ratio(reference, x, data_range=255)
    )


def test_ssim_agrees_with_scikit_image_in_2d_and_3d(pair):
    rng = np.random.default_rng(1)
    volume = rng.normal(size=(12, 20, 16))
    for x, reference in (pair, (volume + 0.3 * rng.normal(size=volume.shape), volume)):
        expected = oracle.structural_similarity(
            reference,
            x,
            data_range=float(np.ptp(reference)),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ssim(x, reference) == pytest.approx(expected)


def test_ssim_of_a_thin_volume_is_the_mean_over_its_slices():
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(3, 24, 24))
    x = reference + 0.2 * rng.normal(size=reference.shape)
    span = float(np.ptp(reference))
    expected = [ssim(p, q, data_range=span) for p, q in zip(x, reference, strict=True)]
    assert ssim(x, reference) == pytest.approx(np.mean(expected))


def test_nrmse_agrees_with_scikit_image(pair):
    x, reference = pair
    expected = oracle.normalized_root_mse(reference, x, normalization="euclidean")
    assert nrmse(x, reference) == pytest.approx(expected)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(0.1, 10), st.floats(-100, 100))
def test_si_psnr_ignores_scale_and_offset(scale, offset):
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(16, 16))
    x = reference + 0.1 * rng.normal(size=reference.shape)
    assert si_psnr(scale * x + offset, reference) == pytest.approx(si_psnr(x, reference))
    assert si_psnr(x, reference) >= psnr(x, reference) - 1e-9


def test_integers_do_not_overflow():
    reference = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    assert psnr(255 - reference, reference) == pytest.approx(0)


def test_equal_images_are_infinitely_good(pair):
    _, reference = pair
    found = scores(reference, reference)
    assert found["psnr"] == math.inf
    assert found["ssim"] == pytest.approx(1)
    assert found["nrmse"] == 0


def test_scores_have_a_convention_each(pair):
    x, reference = pair
    assert set(scores(x, reference)) == {"psnr", "si_psnr", "ssim", "nrmse"}
    eight_bit = reference.clip(0, 255).astype(np.uint8)
    assert set(scores(x, eight_bit)) == set(CONVENTIONS)


def test_what_cannot_be_measured_is_absent(pair):
    x, reference = pair
    constant = np.full_like(reference, 3.0)
    assert set(scores(x, constant)) == {"nrmse"}
    assert "ssim" not in scores(x[:5, :5], reference[:5, :5])
    assert scores(np.full((4, 4), np.nan), np.ones((4, 4))) == {}


def test_missing_pixels_are_left_out(pair):
    x, reference = pair
    holed = x.copy()
    holed[3, :7] = np.nan
    kept = np.isfinite(holed)
    found = scores(holed, reference)
    assert found["psnr"] == pytest.approx(psnr(x[kept], reference[kept]))
    assert "ssim" not in found


def test_shapes_must_match():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), the reference \(3, 2\)"):
        psnr(np.zeros((2, 3)), np.zeros((3, 2)))
