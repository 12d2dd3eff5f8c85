"""The polar critic forgets how an image is turned, and unrolls what is band-limited exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.networks.polar_critic import PolarCritic


def made(**options: object) -> PolarCritic:
    torch.manual_seed(0)
    return PolarCritic(
        **{
            "components": 0, "radii": 12, "angles": 32, "channels": 8, "kernel": 5, "blocks": 3,
            "hidden": 8, "mirror": False,
            **options,
        }
    )  # fmt: skip


def spots(size: int, turn: float) -> Tensor:
    """Return an image of Gaussian spots (1, 1, y, x) turned about the pixel N // 2."""
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    image = torch.zeros(size, size)
    for radius, angle, height in ((0.3, 0.2, 1.0), (0.45, 2.1, -0.7), (0.2, 4.0, 0.5)):
        r, a = radius * size / 2, angle + turn
        away = (y - r * math.sin(a)) ** 2 + (x - r * math.cos(a)) ** 2
        image += height * torch.exp(-away / (2 * (size / 16) ** 2))
    return image[None, None]


@pytest.mark.parametrize("size", [16, 24, 33, 48])
def test_images_of_any_size_get_one_number(size):
    critic = made()
    seen = critic.look(torch.randn(3, 1, size, size))
    assert seen.shape == (3, 12, 32)
    assert critic(seen).shape == (3, 1)


@pytest.mark.parametrize("size", [32, 33])
def test_a_turned_image_is_a_rolled_one(size):
    critic = made()
    step = 2 * math.pi / 32
    one, other = critic.look(spots(size, 0.0)), critic.look(spots(size, 5 * step))
    np.testing.assert_allclose(other, one.roll(5, 2), atol=2e-3)


def test_turning_does_not_change_what_the_critic_finds():
    critic = made()
    found = [critic(critic.look(spots(32, 8 * k * 2 * math.pi / 32))) for k in range(4)]
    np.testing.assert_allclose(torch.cat(found).detach(), found[0].detach().expand(4, 1), atol=1e-3)
    mirrored = critic(critic.look(spots(33, 0.0).flip(3)))
    assert abs(float(mirrored.detach() - critic(critic.look(spots(33, 0.0))).detach())) > 1e-3


def test_images_are_mirrored_at_random_while_training_alone():
    critic = made(mirror=True)
    seen = critic.look(spots(33, 0.4))
    behind, front = (float(made()(x).detach()) for x in (seen.flip(2), seen))
    found = critic(seen.expand(64, -1, -1)).detach()[:, 0]
    front_or_behind = torch.minimum((found - front).abs(), (found - behind).abs())
    assert float(front_or_behind.max()) < 1e-5
    assert 16 < int(((found - behind).abs() < 1e-5).sum()) < 48
    told = critic.eval()(seen.expand(64, -1, -1)).detach()
    np.testing.assert_allclose(told, front, atol=1e-5)


def test_an_image_looks_the_same_on_any_grid():
    critic = made()
    fine, coarse = critic.look(spots(48, 0.3)) / 48, critic.look(spots(24, 0.3)) / 24
    np.testing.assert_allclose(fine, coarse, atol=1e-4)


def test_the_sum_of_squares_is_that_over_the_disc():
    critic = made(radii=16, angles=64)
    image = spots(32, 0.0)
    seen = critic.look(image)
    assert float(seen.square().sum()) == pytest.approx(float(image.square().sum()), rel=0.02)


def test_values_at_the_radii_are_those_of_the_image():
    along = torch.arange(32) - 16
    wave = torch.cos(2 * math.pi * 3 * along / 32)
    seen = made(radii=16, angles=64).look(wave[None, None, None].expand(1, 1, 32, 32))[0]
    radius = torch.arange(16) + 0.5
    weight = (radius * 2 * math.pi / 64).sqrt()
    np.testing.assert_allclose(
        seen[:, 0] / weight, torch.cos(2 * math.pi * 3 * radius / 32), atol=1e-4
    )


def test_convolutions_go_round_and_halve_the_angles():
    critic = made(blocks=2, channels=8, kernel=9)
    assert [c.out_channels for c in critic.convolutions] == [8, 16]
    assert [c.kernel_size for c in critic.convolutions] == [(9,), (5,)]
    x = torch.randn(1, 12, 32)
    for convolution in critic.convolutions:
        x = convolution(x)
    assert x.shape == (1, 16, 8)


def test_the_slope_has_a_gradient_itself():
    for spectral in (False, True):
        critic = made(spectral=spectral)
        x = torch.randn(2, 12, 32, requires_grad=True)
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        slope.square().sum().backward()
        slopes = [p.grad for p in critic.convolutions.parameters() if p.grad is not None]
        assert max(float(g.abs().max()) for g in slopes) > 0


def test_spectral_weights_have_a_largest_singular_value_of_one():
    critic = made(spectral=True)
    for _ in range(80):
        critic(torch.randn(1, 12, 32))
    for layer in (m for m in critic.modules() if isinstance(m, nn.Linear | nn.Conv1d)):
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) < 1.02


def test_the_leak_is_the_slope_below_zero():
    x = torch.randn(1, 12, 32)
    assert float(made(leak=0.0)(x).detach()) != float(made(leak=0.5)(x).detach())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"radii": 0}, "at least 1"),
        ({"kernel": 4}, "odd kernel"),
        ({"angles": 30}, "a multiple of 2\\^blocks = 8"),
        ({"angles": 16}, "kernel \\* 2"),
        ({"leak": 1.0}, "below 1"),
    ],
)
def test_a_wrong_option_is_told(options, told):
    with pytest.raises(UserError, match=told):
        made(**options)
