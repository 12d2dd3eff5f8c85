"""Coverage and calibration against scipy on simulated Gaussian errors."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from bioreco.metrics.coverage import LEAST, WIDTHS, calibrate, noise_between

RNG = np.random.default_rng(0)
SHAPE = (300, 400)
TRUTH = RNG.gamma(3, 20, SHAPE)
STD = RNG.uniform(0.5, 8, SHAPE)


def result(factor: float = 1.0) -> np.ndarray:
    """Return a reconstruction whose errors are `factor` times what STD says."""
    return TRUTH + factor * STD * RNG.normal(size=SHAPE)


def test_widths_are_those_of_the_normal_distribution():
    for level, width in WIDTHS.items():
        assert width == pytest.approx(stats.norm.ppf(0.5 + level / 200), abs=6e-6)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_coverage_is_the_share_that_the_normal_distribution_gives(factor):
    found = calibrate(result(factor), STD, TRUTH).scores()
    for level, width in WIDTHS.items():
        expected = 2 * stats.norm.cdf(width / factor) - 1
        assert found[f"coverage_{level}"] == pytest.approx(expected, abs=0.005)
    assert found["std_scale"] == pytest.approx(factor, rel=0.01)
    assert "implied_90" not in found


def test_the_scale_makes_the_coverage_90_percent_whatever_the_errors_are():
    heavy = TRUTH + STD * RNG.standard_t(3, SHAPE)
    scale = calibrate(heavy, STD, TRUTH).scores()["std_scale"]
    again = calibrate(heavy, STD * scale, TRUTH).scores()
    assert again["coverage_90"] == pytest.approx(0.9, abs=1e-3)
    assert again["std_scale"] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.8])
def test_a_second_frame_tells_the_same_as_the_truth(factor):
    noise = 0.5 * TRUTH + 4
    x = result(factor)
    second = TRUTH + np.sqrt(noise) * RNG.normal(size=SHAPE)
    found = calibrate(x, STD, second, noise=noise).scores()
    spread = np.sqrt((factor * STD) ** 2 + noise)
    inside = 2 * stats.norm.cdf(1.6449 * np.sqrt(STD**2 + noise) / spread) - 1
    assert found["coverage_90"] == pytest.approx(inside.mean(), abs=0.005)
    error = calibrate(x, STD, second, noise=noise).scale_error
    assert 0.001 < error < 0.02
    assert abs(found["std_scale"] - factor) < 4 * error
    assert found["implied_90"] == pytest.approx(
        calibrate(x, STD, TRUTH).scores()["coverage_90"], abs=0.02
    )


def test_noise_that_hides_the_errors_is_not_taken_for_a_scale():
    second = TRUTH + 500 * RNG.normal(size=SHAPE)
    found = calibrate(result(), STD, second, noise=np.full(SHAPE, 500.0**2)).scores()
    assert "std_scale" not in found
    assert "implied_90" not in found
    assert found["coverage_90"] == pytest.approx(0.9, abs=0.005)


def test_the_table_has_the_spread_of_each_bin():
    x = TRUTH + (1 + 0.1 * STD) * STD * RNG.normal(size=SHAPE)
    rows = calibrate(x, STD, TRUTH).rows()
    assert len(rows) == 8
    assert sum(row.pixels for row in rows) == TRUTH.size
    assert min(row.pixels for row in rows) > 0.08 * TRUTH.size
    for row in rows:
        ratio = 1 + 0.1 * row.predicted
        assert row.observed == pytest.approx(ratio * row.predicted, rel=0.03)
        expected = 2 * stats.norm.cdf(1.6449 / ratio) - 1
        assert row.coverage_90 == pytest.approx(expected, abs=0.015)
    assert len(calibrate(x[:4, :50], STD[:4, :50], TRUTH[:4, :50]).rows()) == 1
    assert len(calibrate(x[:5, :], STD[:5, :], TRUTH[:5, :]).rows()) == 2000 // LEAST


def test_frames_add_up():
    x = result()
    whole = calibrate(x, STD, TRUTH)
    parts = calibrate(x[:100], STD[:100], TRUTH[:100]) + calibrate(x[100:], STD[100:], TRUTH[100:])
    assert whole.scores() == pytest.approx(parts.scores())
    for one, other in zip(whole.rows(), parts.rows(), strict=True):
        assert asdict(one) == pytest.approx(asdict(other))


def test_missing_pixels_do_not_count_and_sure_ones_must_be_right():
    x, std = result(), STD.copy()
    x[0, 0], std[0, 1] = np.nan, np.inf
    assert calibrate(x, std, TRUTH).count.sum() == TRUTH.size - 2
    assert calibrate(np.full((4, 4), np.nan), np.ones((4, 4)), np.ones((4, 4))).scores() == {}
    sure = calibrate([[1.0, 2.0]], [[0.0, 0.0]], [[1.0, 3.0]])
    assert sure.scores()["coverage_95"] == 0.5
    assert math.isnan(sure.scale())


def test_what_is_no_deviation_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        calibrate([[1.0]], [[-1.0]], [[1.0]])
    with pytest.raises(ValueError, match="differ"):
        calibrate([[1.0]], [[1.0]], [[1.0, 2.0]])


def test_two_frames_tell_their_noise_at_each_brightness():
    variance = 2 * TRUTH + 9
    one, two = (TRUTH + np.sqrt(variance) * RNG.normal(size=SHAPE) for _ in "ab")
    one[3, 3] = np.nan
    found = noise_between(one, two, TRUTH)
    assert np.isnan(found[3, 3])
    keep = np.isfinite(found)
    assert np.abs(found[keep] / variance[keep] - 1).mean() < 0.05
    assert found[keep].mean() == pytest.approx(variance[keep].mean(), rel=0.02)
