"""Camera noise becomes alike everywhere, and the way back keeps the mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from bioreco.metrics.anscombe import Anscombe, Unit

CAMERAS = [Anscombe(1.0), Anscombe(10.0, 100.0, 4.0), Anscombe(2.5, -30.0, 20.0)]
each_camera = pytest.mark.parametrize("camera", CAMERAS, ids=str)


def measured(camera: Anscombe, counts: float, size: int = 200_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    read = camera.read_noise * rng.standard_normal(size)
    return camera.gain * rng.poisson(counts, size) + camera.offset + read


@each_camera
@pytest.mark.parametrize("counts", [4, 20, 300, 5000])
def test_the_noise_becomes_one(camera, counts):
    assert camera.forward(measured(camera, counts)).std() == pytest.approx(1, abs=0.05)


@each_camera
@pytest.mark.parametrize("counts", [0, 0.2, 1, 5, 90, 110, 2000])
def test_the_inverse_of_the_mean_is_the_mean_of_what_was_measured(camera, counts):
    y = measured(camera, counts)
    found = camera.inverse(camera.forward(y).mean())
    assert found == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(y.size) + 2e-3 * camera.gain)


def test_the_algebraic_inverse_would_be_too_dark():
    y = measured(CAMERAS[0], 0.5)
    mean = CAMERAS[0].forward(y).mean()
    assert mean**2 / 4 - 3 / 8 < 0.9 * y.mean()
    assert CAMERAS[0].inverse(mean) == pytest.approx(y.mean(), rel=0.01)


def test_without_read_noise_the_table_is_a_sum_over_counts():
    counts, means = Anscombe(1.0)._table
    for k in (0, 50, 300, 599):
        n = np.arange(400)
        expected = np.sum(poisson.pmf(n, counts[k]) * 2 * np.sqrt(n + 3 / 8))
        assert means[k] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("counts", [2.0, 10.0, 60.0, 500.0])
def test_it_agrees_with_the_closed_form(counts):
    """Makitalo and Foi, IEEE TIP 20, 2011: an approximation of the exact unbiased inverse."""
    d = float(Anscombe(1.0).forward(counts))
    root = np.sqrt(3 / 2)
    closed = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    assert Anscombe(1.0).inverse(d) == pytest.approx(closed, abs=0.02)


@each_camera
def test_both_ways_rise_without_a_step(camera):
    levels = camera.offset + camera.gain * np.linspace(-20, 300, 20_001)
    there = camera.forward(levels)
    assert (np.diff(there) > 0).all()
    back = camera.inverse(np.linspace(there.min(), there.max(), 20_001))
    assert (np.diff(back) > 0).all()
    assert np.diff(back).max() < 0.05 * np.ptp(back)


def test_dark_pixels_are_not_clipped():
    camera = Anscombe(10.0, 100.0, 4.0)
    low = camera.forward([-500.0, 0.0, 50.0])
    assert np.all(np.diff(low) > 0)
    at, slope = camera.forward(100.0), (camera.forward(100.01) - camera.forward(100.0)) / 0.01
    assert camera.forward(90.0) == pytest.approx(at - 10 * slope, abs=2e-3)


def test_noise_of_one_strength_is_divided_by_it():
    assert Unit(4.0).forward([8.0]) == 2
    assert Unit(4.0).inverse(Unit(4.0).forward([8.0])) == 8


@pytest.mark.parametrize("wrong", [{"gain": 0.0}, {"gain": 1.0, "read_noise": -1.0}])
def test_an_impossible_camera_is_refused(wrong):
    with pytest.raises(ValueError, match="gain"):
        Anscombe(**wrong)
