"""Numbers of functional series against numpy, scipy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bioreco.metrics.circular import circular_error, circular_mean, wrapped
from bioreco.metrics.coherence import coherence
from bioreco.metrics.detection import auc, rates, true_positive_rate
from bioreco.metrics.functional import CONVENTIONS, Task, evaluate, smoothness
from bioreco.metrics.glm import autocorrelation, glm
from bioreco.metrics.series import design
from bioreco.metrics.smoothed import equally_smooth
from bioreco.metrics.tsnr import tsnr

FRAMES = 80
TASK = (np.arange(FRAMES) % 20 >= 10).astype(float)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_tsnr_is_mean_over_noise_whatever_the_drift_and_the_task(rng):
    noise = rng.standard_normal((FRAMES, 200))
    plain = 50 + noise
    changed = plain + 4 * np.linspace(-1, 1, FRAMES)[:, None] ** 2 + 3 * TASK[:, None]
    model = design(FRAMES, TASK)
    fitted = model @ np.linalg.lstsq(model, changed, rcond=None)[0]
    freedom = FRAMES - model.shape[1]
    expected = changed.mean(0) / np.sqrt(((changed - fitted) ** 2).sum(0) / freedom)
    np.testing.assert_allclose(tsnr(changed, TASK), expected)
    assert np.median(tsnr(plain, TASK)) == pytest.approx(50, rel=0.03)
    assert np.median(tsnr(changed)) < 40


def test_tsnr_of_nothing_is_nothing_and_of_a_constant_infinite():
    series = np.stack([np.zeros(FRAMES), np.full(FRAMES, 3.0)], 1)
    assert tsnr(series).tolist() == [0, np.inf]


def test_t_and_beta_agree_with_linear_regression(rng):
    y = 100 + 2 * TASK[:, None] + rng.standard_normal((FRAMES, 30))
    found = glm(y, TASK, drift=0)
    for k in range(30):
        line = stats.linregress(TASK, y[:, k])
        assert found.t[k] == pytest.approx(line.slope / line.stderr)
        assert found.beta[k] == pytest.approx(100 * line.slope / y[:, k].mean())


def test_whitening_restores_the_false_positives_of_noise_with_memory(rng):
    fresh = rng.standard_normal((400, 3000))
    for k in range(1, 400):
        fresh[k] += 0.5 * fresh[k - 1]
    task = (np.arange(400) % 40 >= 20).astype(float)
    plain, white = glm(100 + fresh, task), glm(100 + fresh, task, ar1=True)
    assert plain.t.std() > 1.5
    assert white.t.std() == pytest.approx(1, abs=0.1)
    assert np.median(autocorrelation(plain.residual)) == pytest.approx(0.5, abs=0.03)


def test_auc_counts_pairs(rng):
    score = rng.integers(0, 12, 90).astype(float)
    active = rng.random(90) < 0.3
    pairs = np.subtract.outer(score[active], score[~active])
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert auc(score, active) == pytest.approx(expected)
    assert np.isnan(auc(score, np.zeros(90, dtype=bool)))


def test_rates_agree_with_the_normal_distribution(rng):
    score = np.concatenate([rng.standard_normal(100000), 3 + rng.standard_normal(20000)])
    active = np.arange(120000) >= 100000
    expected = stats.norm.sf(stats.norm.isf(0.001) - 3)
    assert true_positive_rate(score, active, false_positive_rate=0.001) == pytest.approx(
        expected, abs=0.02
    )
    hits, false = rates(score, active, threshold=2.0)
    assert hits == pytest.approx(stats.norm.sf(-1), abs=0.01)
    assert false == pytest.approx(stats.norm.sf(2), abs=0.005)


def test_the_false_positive_rate_is_kept(rng):
    score = rng.standard_normal(5000)
    active = np.arange(5000) < 1000
    quiet = score[~active]
    found = true_positive_rate(score, active, false_positive_rate=0.01)
    threshold = np.sort(quiet)[::-1][40]
    assert (quiet > threshold).mean() <= 0.01
    assert found == (score[active] > threshold).mean()


def test_coherence_and_phase_of_a_wave_in_noise(rng):
    times = np.arange(120) * 1.5
    wave = np.cos(2 * np.pi * times / 36 + 0.7)[:, None]
    share, phase = coherence(100 + wave, frequency=1 / 36, repetition_time=1.5)
    assert share[0] > 0.99
    assert phase[0] == pytest.approx(0.7, abs=0.05)
    noisy = 100 + wave + rng.standard_normal((120, 4000))
    share, _ = coherence(noisy, frequency=1 / 36, repetition_time=1.5)
    spectrum = np.abs(np.fft.rfft(noisy - noisy.mean(0), axis=0)[1:])
    rough = spectrum[4] / np.sqrt((spectrum**2).sum(0))
    np.testing.assert_allclose(np.median(share), np.median(rough), rtol=0.03)
    with pytest.raises(ValueError, match="don't hold the frequency"):
        coherence(noisy, frequency=0.5, repetition_time=1.5)


def test_angles_come_round():
    assert circular_error([np.pi - 0.1], [-np.pi + 0.1]) == pytest.approx(0.2)
    assert wrapped(3 * np.pi + 0.5) == pytest.approx(-np.pi + 0.5)
    assert circular_mean([np.pi - 0.2, -np.pi + 0.4]) == pytest.approx(-np.pi + 0.1)


def phantom(rng, noise):
    beta = np.zeros((2, 12, 12))
    beta[:, 3:6, 3:6] = 2.0
    truth = 100 * (1 + beta / 100 * TASK[:, None, None, None])
    return truth + noise * rng.standard_normal(truth.shape), truth, beta


def test_the_numbers_of_a_known_series(rng):
    series, truth, beta = phantom(rng, 1.0)
    task = Task(TASK, 1 / 20, 1.0)
    mask = np.ones(beta.shape, dtype=bool)
    found = evaluate(series, task, mask=mask, truth=truth, beta=beta)
    assert found.keys() == CONVENTIONS.keys()
    assert found["tsnr"] == pytest.approx(100, rel=0.05)
    assert abs(found["beta_bias"]) < 5
    assert found["auc"] > 0.99
    assert found["tpr_3.1"] > 0.99
    assert found["nrmse"] == pytest.approx(0.01, rel=0.05)
    assert found["phase_error"] < 0.3
    assert 18 <= found["coherent"] < 40
    assert found["smoothness_fwhm"] < 0.6


def test_what_is_not_known_is_not_told(rng):
    series, _, beta = phantom(rng, 1.0)
    found = evaluate(series, Task(TASK), mask=np.ones(beta.shape, dtype=bool))
    assert found.keys() == {"tsnr", "smoothness_fwhm"}
    with pytest.raises(ValueError, match="the mask has shape"):
        evaluate(series, Task(TASK), mask=np.ones((3, 12, 12)))


def test_a_series_is_read_slice_by_slice_from_a_file(rng, tmp_path):
    import h5py

    series, truth, beta = phantom(rng, 1.0)
    mask, task = np.ones(beta.shape, dtype=bool), Task(TASK, 1 / 20, 1.0)
    with h5py.File(tmp_path / "series.h5", "w") as file:
        stored = file.create_dataset("series", data=series.astype(complex))
        found = evaluate(stored, task, mask=mask, truth=truth, beta=beta)
    assert found == pytest.approx(evaluate(series, task, mask=mask, truth=truth, beta=beta))


def test_a_wrong_regressor_and_a_short_series_are_told():
    with pytest.raises(ValueError, match="the regressor has shape"):
        design(10, np.zeros(9))
    with pytest.raises(ValueError, match="too few to fit"):
        design(4, np.arange(4))


def test_the_control_is_as_smooth_as_asked_and_read_by_slice(rng):
    series = 100 + rng.standard_normal((FRAMES, 3, 24, 24))
    mask = np.ones((3, 24, 24), dtype=bool)
    control = equally_smooth(series, TASK, mask=mask, target=2.0)
    assert control.shape == series.shape
    assert smoothness(control, Task(TASK), mask) == pytest.approx(2.0, abs=0.1)
    plain, smoothed = (evaluate(each, Task(TASK), mask=mask) for each in (series, control))
    assert smoothed["tsnr"] > 2 * plain["tsnr"]
    untouched = equally_smooth(series, TASK, mask=mask, target=0.0)
    np.testing.assert_allclose(untouched[:, 1], series[:, 1])
