"""The measurement comes back where a reconstruction lacks more than noise, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.data.normalisation import Normalisation
from bioreco.data.synthetic import scene
from bioreco.engine import wiener
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError
from bioreco.methods.blindspot import BlindSpot
from bioreco.methods.method import Estimate
from bioreco.metrics.noise import Noise


class Blur(BlindSpot):
    """A box filter of 5 pixels, which takes away noise and texture alike."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())

    def reconstruct(self, batch):
        padded = torch.nn.functional.pad(batch["y"], (2, 2, 2, 2), mode="reflect")
        return Estimate(torch.nn.functional.avg_pool2d(padded, 5, stride=1))

    halo = (2, 2)
    stride = (1, 1)


def blurred(y, run_whole, as_frames, sigma, **inference):
    """Return what the box filter makes of an image, with and without the measurement back."""
    predictor = Predictor(
        Blur(),
        Normalisation.of([y[None]]),
        Runtime("cpu"),
        inference=Inference(**inference),
        allowed="turn",
        joint=False,
    )
    variance = wiener.noise_variance([Noise(sigma=sigma, read_noise=sigma)])
    plain = run_whole(predictor, as_frames(y))[0, 0]
    return plain, run_whole(predictor, as_frames(y), variance=variance)[0, 0]


def mse(found, truth):
    return float(np.mean((found - truth) ** 2))


def test_a_change_depends_on_the_position_alone():
    whole = wiener.change(np.full((2, 30, 40), 4.0), 5, (-3, 7))
    part = wiener.change(np.full((2, 10, 12), 4.0), 5, (7, 20))
    assert np.array_equal(whole[:, 10:20, 13:25], part)
    assert np.allclose(np.abs(whole), 2 * wiener.STEP)
    assert abs(np.sign(whole).mean()) < 0.1
    assert abs(np.mean(np.sign(whole[0]) * np.sign(whole[1]))) < 0.1
    assert abs(np.mean(np.sign(whole[..., 1:]) * np.sign(whole[..., :-1]))) < 0.1
    assert not np.array_equal(whole, wiener.change(np.full((2, 30, 40), 4.0), 6, (-3, 7)))


def test_texture_that_was_taken_comes_back(run_whole, as_frames):
    rng = np.random.default_rng(0)
    truth = (100 * rng.random((96, 96))).astype(np.float32)  # unpredictable, and no noise
    y = truth + rng.normal(0, 5, truth.shape).astype(np.float32)
    plain, found = blurred(y, run_whole, as_frames, 5.0)
    assert mse(found, truth) < 1.1 * mse(y, truth)
    assert mse(found, truth) < 0.1 * mse(plain, truth)


def test_noise_stays_away_where_the_reconstruction_is_right(run_whole, as_frames):
    rng = np.random.default_rng(0)
    y = rng.normal(50, 8, (128, 128)).astype(np.float32)
    plain, found = blurred(y, run_whole, as_frames, 8.0)
    assert mse(found, plain) < 0.01 * mse(y, plain)


def test_the_weight_is_nearly_the_best_one():
    """Between a poor reconstruction and the noise, no constant weight does much better."""
    rng = np.random.default_rng(1)
    truth = (200 * scene((160, 160), rng)).astype(np.float32)
    y = (truth + rng.normal(0, 6, truth.shape)).astype(np.float32)
    found = ndimage.gaussian_filter(y, 2.0)
    variance = np.full_like(y[None], 36.0)
    changed = wiener.change(variance, 0, (0, 0))
    response = ndimage.gaussian_filter(y + changed[0], 2.0) - found
    mixed = wiener.restore(y[None], found[None], variance, changed, response[None])[0]
    best = min(mse(found + k * (y - found), truth) for k in np.linspace(0, 1, 41))
    assert mse(mixed, truth) < best
    assert mse(mixed, truth) < 0.8 * min(mse(found, truth), mse(y, truth))


@pytest.mark.parametrize("tile", [48, 64, 100])
def test_tiles_leave_no_seam(run_whole, as_frames, tile):
    rng = np.random.default_rng(2)
    y = (200 * scene((150, 130), rng) + rng.normal(0, 5, (150, 130))).astype(np.float32)
    _, whole = blurred(y, run_whole, as_frames, 5.0)
    _, tiled = blurred(y, run_whole, as_frames, 5.0, tile=tile)
    assert np.abs(whole - tiled).max() <= 1e-5 * np.ptp(y)


def test_stacks_and_channels_have_neighbourhoods_of_their_own():
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1, (2, 6, 40, 40)).astype(np.float32)
    y[1] *= 20  # texture in this channel
    found, variance = np.zeros_like(y), np.ones_like(y)
    changed = wiener.change(variance, 0, (0, 0, 0))
    mixed = wiener.restore(y, found, variance, changed, np.zeros_like(y))
    assert np.abs(mixed[0]).max() < 0.2 * np.abs(y[0]).max()
    assert mse(mixed[1], y[1]) < 1e-4 * mse(y[1], 0)


def test_counts_keep_their_mean(run_whole, as_frames):
    y = np.random.default_rng(4).poisson(0.5, (128, 128)).astype(np.float32)
    _, found = blurred(y, run_whole, as_frames, float(np.sqrt(0.5)))
    assert found.mean() == pytest.approx(y.mean(), rel=0.02)


def test_unknown_noise_gives_nothing_back():
    assert wiener.noise_variance([Noise(sigma=2.0, read_noise=2.0), Noise()]) is None
    assert wiener.noise_variance([Noise(sigma=0.0, read_noise=0.0)]) is None
    shared = Noise(sigma=2.0, read_noise=2.0, correlation={"X": (0.5, 0.2)})
    assert wiener.noise_variance([shared]) is None


def test_the_noise_of_dark_parts_is_not_trusted_below_a_tenth():
    variance = wiener.noise_variance([Noise(gain=2.0, offset=100.0, read_noise=0.0, sigma=10.0)])
    assert variance is not None
    assert variance(np.array([[[0.0, 100.0, 200.0]]])).ravel() == pytest.approx([10, 10, 200])


def test_it_can_be_left_out(run_whole, as_frames):
    y = (100 * np.random.default_rng(0).random((64, 64))).astype(np.float32)
    plain, found = blurred(y, run_whole, as_frames, 1.0, wiener=False)
    assert np.array_equal(plain, found)
    with pytest.raises(UserError, match=r"inference.wiener=yes: choose one of auto, true, false"):
        Inference(wiener="yes")
