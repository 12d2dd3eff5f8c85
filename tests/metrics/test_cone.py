"""Correlations within a cone of frequencies, and the bias of indices."""

from __future__ import annotations

import numpy as np
import pytest

from bioreco.metrics import cone

SIDE = 16
RNG = np.random.default_rng(0)
VOLUME = RNG.normal(size=(SIDE,) * 3)


def test_a_cone_is_about_z_and_has_no_mean():
    region = cone.cone(SIDE, 30.0, 0.5)
    assert not region[0, 0, 0]
    assert region[3, 0, 0]
    assert region[-3, 1, 0]
    assert not region[3, 2, 1]
    assert not region[0, 3, 0]
    share = 1 - np.cos(np.radians(30))
    ball = cone.cone(SIDE, 90.1, 0.5).sum()
    assert region.sum() / ball == pytest.approx(share, rel=0.3)


def test_correlations_against_numpy():
    region = cone.cone(SIDE, 40.0, 0.4)
    other = VOLUME + RNG.normal(size=VOLUME.shape)
    mean, energy, each = cone.correlations(other, VOLUME, region)
    a, b = (np.fft.fftn(np.fft.ifftshift(v)) for v in (other, VOLUME))
    shell = cone.shells(SIDE) == 4
    inside = region & shell
    right = np.corrcoef(
        np.r_[a[inside].real, a[inside].imag], np.r_[b[inside].real, b[inside].imag]
    )[0, 1]
    assert each[4] == pytest.approx(right, abs=0.1)
    assert mean == pytest.approx(np.nanmean(each))
    assert 0.4 < energy < 0.95


def test_the_same_volume_correlates_wholly_and_scale_does_not_matter():
    region = cone.cone(SIDE, 40.0, 0.4)
    assert cone.correlations(3 * VOLUME, VOLUME, region)[:2] == pytest.approx((1, 1))
    assert cone.correlations(-VOLUME, VOLUME, region)[:2] == pytest.approx((-1, -1))
    assert cone.correlations(0 * VOLUME, VOLUME, region)[:2] == (0, 0)


def test_every_shell_counts_the_same():
    """One strong low frequency decides the energy, not the mean over shells."""
    region = cone.cone(SIDE, 40.0, 0.4)
    at = np.arange(SIDE) - SIDE // 2
    wave = 100 * np.cos(2 * np.pi * at / SIDE)[:, None, None]
    other = RNG.normal(size=VOLUME.shape)
    mean, energy, _ = cone.correlations(wave + other, wave + VOLUME, region)
    assert energy > 0.99
    assert mean < 0.5


def test_the_bias_is_of_the_contrast_of_each_part():
    labels = np.zeros((4, 4, 4), dtype=int)
    labels[0], labels[1] = 1, 2
    truth = 1.33 + 0.02 * labels
    found = cone.index_bias(1.33 + 0.018 * labels, truth, labels, ("medium", "a", "b", "c"), 1.33)
    assert found == pytest.approx({"index_bias": 0.1, "index_bias_a": -0.1, "index_bias_b": -0.1})
    assert cone.index_bias(truth, truth, 0 * labels, ("medium",), 1.33) == {}
