"""A model of another camera is told, and so are frames that a noise model can't be made from."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise, estimate_noise
from bioreco.noise.checks import check
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.mixture import Mixture
from bioreco.noise.poisson_gaussian import PoissonGaussian
from bioreco.noise.series import blocks, still_pairs

X, Y = np.mgrid[0:96, 0:96]
CLEAN = 200 + 80 * np.sin(X / 15) * np.cos(Y / 20)


def measured(gain: float = 4.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(CLEAN / gain) * gain + 0.0


def told(model, image: np.ndarray, noise: list[Noise] | None = None) -> str:
    with pytest.raises(UserError) as said:
        check(model, [torch.from_numpy(image)[None]], [noise or [estimate_noise(image)]])
    assert str(said.value).count("\n") <= 2
    return str(said.value)


def test_the_right_model_passes(caplog):
    image = torch.from_numpy(measured())[None]
    noise = [[estimate_noise(image[0].numpy())]]
    with caplog.at_level(logging.WARNING, "bioreco"):
        check(PoissonGaussian(gain=4.0, offset=0.0, read=0.0), [image], noise)
        check(PoissonGaussian(gain=4.0, offset=0.0, read=0.0), [], [])
        check(Gaussian(sigma=1e3), [image], [[Noise()]])  # nothing is known of the image
    assert caplog.text == ""


def test_another_gain_is_told(caplog):
    text = told(PoissonGaussian(gain=40.0, offset=0.0, read=1.0), measured())
    assert text.startswith("the noise model says noise of ")
    assert "another camera or gain" in text
    image = torch.from_numpy(measured())[None]
    with caplog.at_level(logging.WARNING, "bioreco"):
        check(PoissonGaussian(gain=10.0, offset=0.0, read=1.0), [image],
              [[estimate_noise(image[0].numpy())]])  # fmt: skip
    assert "Mind: the noise model says noise of 4" in caplog.text


def test_another_range_is_told():
    s = torch.linspace(1000, 2000, 5000)
    model = Mixture(components=1)
    model.calibrate(s + 28 * torch.randn(5000, generator=torch.Generator().manual_seed(0)), s)
    text = told(model, measured())
    assert "measured at signals from 1005 to 1995 grey levels, but the images have" in text
    assert "another camera, gain or exposure" in text


def test_what_can_t_be_counts_is_told():
    pure = PoissonGaussian(gain=1.0, offset=0.0, read=0.0)
    assert "the images go down to -" in told(pure, measured(1.0) - 250)
    assert "these are not counts" in told(pure, measured(1.0) - 250)
    assert "not multiples of noise.gain=1" in told(pure, measured(1.0) / 255)
    noise = [Noise(sigma=200**0.5)]
    check(pure, [torch.from_numpy(measured(1.0))[None]], [noise])


def series(count: int = 20, gain: float = 4.0, scene: np.ndarray = CLEAN) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.poisson(scene / gain, (count, *scene.shape)) * gain).astype(np.float32)


def test_a_still_series_gives_the_noise():
    y, s = still_pairs(series(), "a.tif")
    assert float((y - s).square().mean()) == pytest.approx(4 * CLEAN.mean(), rel=0.02)
    model = PoissonGaussian()
    model.calibrate(y, s)
    assert model.gain == pytest.approx(4, rel=0.1)
    few = still_pairs(series(2), "a.tif")
    assert float((few[0] - few[1]).square().mean()) == pytest.approx(4 * CLEAN.mean(), rel=0.05)


def test_broken_pixels_are_left_out():
    values = series(5)
    values[2, 3, 4] = np.nan
    y, _ = still_pairs(values, "a.tif")
    assert len(y) == 5 * (96 * 96 - 1)


def test_what_moves_or_fades_is_told():
    rng = np.random.default_rng(0)
    moving = np.stack([np.roll(CLEAN, 2 * k, 0) for k in range(20)])
    jumping = np.stack([np.roll(CLEAN, int(k), 1) for k in rng.integers(0, 90, 20)])
    fading = CLEAN * np.linspace(1, 0.6, 20)[:, None, None]
    shared = ndimage.uniform_filter(rng.normal(200, 30, (20, 96, 96)), (0, 3, 3))
    for values, text in (
        (rng.poisson(moving / 4) * 4.0, "the target moves or fades"),
        (rng.poisson(fading / 4) * 4.0, "the target moves or fades"),
        (rng.poisson(jumping / 4) * 4.0, "neighbouring pixels change together"),
        (shared, "the camera's pixels share their noise"),
        (np.repeat(CLEAN[None], 3, 0), "all frames are the same"),
    ):
        with pytest.raises(UserError) as said:
            still_pairs(values, "a.tif")
        assert text in str(said.value)
        assert str(said.value).startswith("a.tif: ")


def test_large_frames_are_looked_at_in_blocks():
    frames = (np.full((700, 900), k, np.float32) for k in range(200))
    cut = blocks(frames, 200)
    assert cut.shape == (200, 4, 64, 64)
    assert (cut == np.arange(200)[:, None, None, None]).all()
    assert blocks([np.zeros((5, 300), np.float32)] * 2, 2).shape == (2, 4, 5, 64)
