"""Components that stand out of noise are found where planted, and weakened as it hides them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bioreco.networks.polar_critic import PolarCritic
from bioreco.networks.principal import covariance, principal

RADII, ANGLES, FREQUENCIES = 10, 16, 8  # without the last, which is real


def unrolled(strength: float, images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return noisy images (b, radii, angles) of a profile thrice around, turned, and noise."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.arange(ANGLES) / ANGLES
    turn = 2 * math.pi * torch.rand(images, 1, 1, generator=generator)
    wave = math.sqrt(2) * torch.cos(3 * (angle - turn))
    noise = torch.randn(2, images, RADII, ANGLES, generator=generator)
    return strength * profile()[:, None] * wave + noise[0], noise[1]


def profile() -> Tensor:
    shape = torch.exp(-0.5 * ((torch.arange(RADII) - 4) / 1.5) ** 2)
    return shape / shape.norm()


def found(strength: float, images: int = 4000, whiten: float = 0.0) -> Tensor:
    seen, empty = (covariance(part, FREQUENCIES) for part in unrolled(strength, images))
    return principal(seen, empty, images, 4, whiten)


def test_the_covariance_is_that_of_numpy():
    images, _ = unrolled(1.0, 50)
    x = np.fft.rfft(images.double().numpy(), axis=2, norm="ortho")
    oracle = np.einsum("bim,bjm->mij", x, x.conj()).real / 50
    np.testing.assert_allclose(covariance(images, 9), oracle, atol=1e-12)
    np.testing.assert_allclose(covariance(images, 5), oracle[:5], atol=1e-12)


def test_a_planted_profile_is_found_and_noise_is_left_out():
    profiles = found(1.0)
    kept = profiles.norm(dim=2) > 0
    assert kept.nonzero().tolist() == [[3, 0]]
    match = profiles[3, 0] @ profile().double() / profiles[3, 0].norm()
    assert abs(float(match)) > 0.99


# A wave of strength s has s^2 * angles / 2 of power at its frequency, beside noise of 1.
def test_components_are_weakened_as_noise_hides_them():
    images, empty = unrolled(0.5, 20000)
    other = 3 * torch.randn(1, RADII, 1) * torch.randn(20000, 1, 1) * torch.ones(ANGLES)
    seen = covariance(images + other, FREQUENCIES)
    profiles = principal(seen, covariance(empty, FREQUENCIES), 20000, 4, 0.0)
    signal = 0.5**2 * ANGLES / 2
    share = profiles[3, 0].norm() / profiles[0, 0].norm()
    assert float(share) == pytest.approx(signal / (1 + signal), rel=0.05)


@pytest.mark.parametrize("whiten", [0.0, 0.5, 1.0])
def test_the_mean_square_of_images_stays_as_it_is(whiten):
    images, empty = unrolled(1.0, 4000)
    profiles = principal(
        *(covariance(part, FREQUENCIES) for part in (images, empty)), 4000, 4, whiten
    )
    x = torch.fft.rfft(images.double(), dim=2, norm="ortho")[..., :FREQUENCIES]
    seen = torch.einsum("mqr,brm->bqm", profiles.to(x.dtype), x)
    whole, left = (
        (part[..., 0].abs() ** 2).sum() + 2 * (part[..., 1:].abs() ** 2).sum() for part in (x, seen)
    )
    assert float(left) == pytest.approx(float(whole))


def test_whitened_components_are_equally_strong():
    images, empty = unrolled(2.0, 4000)
    images = images + 5 * torch.randn(4000, 1, 1) * torch.ones(RADII, ANGLES)
    seen = covariance(images, FREQUENCIES)
    profiles = principal(seen, covariance(empty, FREQUENCIES), 4000, 4, 1.0)
    power = torch.einsum("mqi,mij,mqj->mq", profiles, seen, profiles)
    assert float(power[3, 0] / power[0, 0]) == pytest.approx(1.0, abs=0.2)


def test_where_nothing_stands_out_all_is_shown():
    _, empty = unrolled(1.0, 500)
    noise = covariance(empty, FREQUENCIES)
    assert bool((principal(noise, noise, 500, 4, 0.25).norm(dim=2) > 0).all())


def test_a_critic_sees_by_what_stands_out_of_noise_on_grids_of_any_size():
    y, x = torch.meshgrid(*[torch.arange(32) - 16] * 2, indexing="ij")
    ring = torch.exp(-(((x**2 + y**2).sqrt() - 8) ** 2) / 8)
    turn = 2 * math.pi * torch.rand(600, 1, 1, generator=torch.Generator().manual_seed(1))
    image = (ring * torch.cos(2 * torch.atan2(y, x) - turn))[:, None]
    noise = torch.randn(2, 600, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    critic = PolarCritic(
        components=3, radii=12, angles=32, channels=8, kernel=5, blocks=3, hidden=8
    )
    before = critic.look(image[:1])
    critic.settle([(image[:300] + noise[0, :300], noise[1, :300])] * 2)
    seen = critic.look(image[:4])
    assert seen.shape == (4, 3, 32)
    assert not torch.equal(before, seen[:1])
    spectrum = torch.fft.rfft(seen, dim=2).abs().square().sum((0, 1))
    assert float(spectrum[2] / spectrum.sum()) > 0.95
    assert float(critic.look(noise[1, :4]).square().mean()) < 0.2 * float(seen.square().mean())
    other = PolarCritic(components=3, radii=12, angles=32, channels=8, kernel=5, blocks=3, hidden=8)
    other.look(image[:1])
    other.load_state_dict(critic.state_dict())
    assert torch.equal(other.look(image[:4]), seen)
