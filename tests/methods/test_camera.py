"""The noise of a camera, found where a blur leaves nothing of the signal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.methods.camera import Camera
from bioreco.methods.method import Facts
from bioreco.methods.passage import Microscope
from bioreco.metrics.noise import Noise
from bioreco.operators.blur import Blur

SIGMA = 20.0
KNOWN = Noise(read_noise=SIGMA, sigma=SIGMA)


def facts(*images: np.ndarray, unit: float = 20.0, shift: float = 150.0) -> Facts:
    scaled = [torch.from_numpy((x[None] - shift) / unit).float() for x in images]
    scale = (torch.tensor([shift]), torch.tensor([unit]))
    return Facts(scaled, [scale] * len(images), [[KNOWN]] * len(images))


def blurred(seed: int, shape: tuple[int, ...] = (96, 96)) -> np.ndarray:
    """Photons of dots, blurred by 1.4 pixels."""
    rng = np.random.default_rng(seed)
    x = ndimage.gaussian_filter(1.0 * (rng.random(shape) > 0.98), 1.4)
    return 5 + 100 * x / x.max()


def taken(clean: np.ndarray, seed: int, gain: float, read: float) -> np.ndarray:
    rng = np.random.default_rng([7, seed])
    return 100 + gain * rng.poisson(clean) + read * rng.standard_normal(clean.shape)


@pytest.mark.parametrize("shape", [(96, 96), (12, 48, 48)])
@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_gain_and_read_noise_are_found_from_blurred_images(shape, gain):
    images = [taken(blurred(k, shape), k, gain, 2.0) for k in range(8)]
    camera = Camera.of_blurred(facts(*images))
    assert camera.gain == pytest.approx(gain, rel=0.1)
    for photons in (5, 60):
        level = 100 + gain * photons
        found = camera.gain * (level - camera.offset) + camera.read**2
        assert found == pytest.approx(gain**2 * photons + 4, rel=0.1)


def test_even_noise_has_hardly_any_gain():
    rng = np.random.default_rng(0)
    images = [100 + blurred(k) + 6 * rng.standard_normal((96, 96)) for k in range(8)]
    camera = Camera.of_blurred(facts(*images))
    assert camera.sigma == pytest.approx(6, rel=0.02)
    assert camera.gain * 60 < 0.15 * 36


def test_images_of_one_level_tell_nothing_of_blurred_noise():
    assert Camera.of_blurred(facts(np.full((32, 32), 7.0))) is None
    assert Camera.of_blurred(Facts()) is None


@pytest.mark.parametrize(("width", "hides"), [(0.6, False), (1.4, True)])
def test_noise_is_looked_for_at_fine_detail_where_the_blur_hides_it(width, hides):
    seen = Microscope(Blur(2, None, None, psf="gaussian", sigma=width))
    seen.prepare(facts(*[taken(blurred(k), k, 1.0, 2.0) for k in range(8)]))
    if hides:
        assert seen.camera.gain == pytest.approx(1, rel=0.15)
    else:
        assert seen.camera.read == SIGMA


def test_coarse_pixels_and_networks_hide_nothing():
    images = facts(*[taken(blurred(k), k, 1.0, 2.0) for k in range(8)])
    for model in (Blur(2, None, None, psf="gaussian", sigma=2.0, down=2), torch.nn.Identity()):
        seen = Microscope(model)
        seen.prepare(images)
        assert seen.camera.read == SIGMA
