"""Halves of a checkerboard are a pair of measurements: what zero-shot learning rests on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bioreco.methods.zero_shot import ZeroShot, halves
from bioreco.networks.unet import UNet

each_axis = pytest.mark.parametrize("axis", [-1, -2])


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(np.prod(shape)).reshape(1, 1, *shape)


def batch(*size: int, samples: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(samples, 1, *size, generator=generator)
    held = torch.rand(y.shape, generator=generator) < 0.2
    return {"y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 11}


def test_halves_by_hand():
    values = numbered(2, 4)
    black = torch.tensor([True])
    one, other = halves(values, black, -1)
    assert one[0, 0].tolist() == [[0, 2], [5, 7]]
    assert other[0, 0].tolist() == [[1, 3], [4, 6]]
    one, other = halves(values, ~black, -2)
    assert one[0, 0].tolist() == [[4, 1, 6, 3]]
    assert other[0, 0].tolist() == [[0, 5, 2, 7]]


@each_axis
@pytest.mark.parametrize("size", [(6, 8), (7, 9), (3, 6, 6), (2, 5, 7)], ids=str)
def test_halves_share_no_pixel_and_partners_touch(axis, size):
    values = numbered(*size)
    one, other = halves(values, torch.tensor([True]), axis)
    assert not set(one.flatten().tolist()) & set(other.flatten().tolist())
    left_out = size[axis] % 2 * values.numel() // size[axis]
    assert one.numel() + other.numel() == values.numel() - left_out
    places = [torch.stack(torch.unravel_index(half, values.shape)) for half in (one, other)]
    assert ((places[0] - places[1]).abs().sum(0) == 1).all()
    colour = places[0][-2:].sum(0) % 2
    assert (colour == colour.flatten()[0]).all(), "one colour of the checkerboard"


@each_axis
def test_noise_of_the_halves_is_independent_and_as_strong(axis):
    noise = torch.randn(1, 1, 300, 300, generator=torch.Generator().manual_seed(1))
    one, other = (half.flatten() for half in halves(noise, torch.tensor([True]), axis))
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.015
    assert float(one.std()) == pytest.approx(float(noise.std()), rel=0.02)


@each_axis
def test_the_loss_counts_targets_only(axis):
    given = batch(8, 8)
    black = torch.tensor([True, False])
    method = ZeroShot(nn.Identity())
    one, other = halves(given["y"], black, axis)
    counted = halves(given["target"], black, axis)[1]
    error = (one - other) ** 2
    by_hand = torch.stack([e[m].mean() for e, m in zip(error, counted, strict=True)]).mean()
    torch.testing.assert_close(method._error(given, "target", black, axis), by_hand)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (3, 16, 16)], ids=str)
def test_steps_of_any_size_reach_the_network_and_draw_all_four_pairs(size):
    torch.manual_seed(0)
    method = ZeroShot(UNet(1, 1, len(size), channels=2, depth=0))
    ((player, losses),) = method.step(batch(*size))
    assert (player, set(losses)) == ("network", {"mse"})
    losses["mse"].backward()
    assert all(p.grad is not None for p in method.network.parameters())
    seen = {
        next(method.step(batch(*size, samples=1) | {"seed": torch.tensor([k])}))[1]["mse"].item()
        for k in range(24)
    }
    assert len(seen) == 4
    assert method.validate(batch(*size))["mse"] > 0


def test_validation_is_the_mean_over_the_four_pairs_on_held_pixels():
    given = batch(8, 8)
    method = ZeroShot(nn.Identity())
    yes = torch.ones(2, dtype=torch.bool)
    each = [method._error(given, "held", b, a) for b in (yes, ~yes) for a in (-1, -2)]
    torch.testing.assert_close(method.validate(given)["mse"], torch.stack(each).mean())


def test_halo_and_stride_are_those_of_the_network_with_room_for_halves():
    net = UNet(1, 1, 3, channels=2, depth=1)
    assert ZeroShot(net).halo == net.halo
    assert ZeroShot(net).stride == (1, 4, 4)
    assert ZeroShot(nn.Identity()).halo is None
    assert ZeroShot(nn.Identity()).stride is None
