"""The critic takes images of any size, has a second derivative, and does what its options say."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from bioreco.errors import UserError
from bioreco.networks.critic import Critic, _means


@pytest.mark.parametrize("size", [(24, 24), (32, 32), (33, 47), (48, 48), (5, 9)])
@pytest.mark.parametrize("options", [{}, {"head": "gap"}, {"pool": "max", "blocks": 2}])
def test_images_of_any_size_get_one_number(size, options):
    critic = Critic(channels=2, **options)
    assert critic(torch.randn(3, 1, *size)).shape == (3, 1)


def test_the_means_are_those_of_adaptive_pooling_where_cells_fit():
    x = torch.randn(2, 3, 12, 8)
    expected = functional.adaptive_avg_pool2d(x, 4).flatten(1)
    torch.testing.assert_close(_means(x, 4), expected, atol=1e-6, rtol=1e-5)


def test_pixels_on_a_border_are_shared_so_that_all_count_alike():
    pixel = torch.zeros(7, 1, 7, 7)
    pixel[torch.arange(7), 0, torch.arange(7), 2] = 1
    torch.testing.assert_close(_means(pixel, 4).sum(1), torch.full((7,), 16 / 49))


def test_only_the_grid_knows_where_something_is():
    torch.manual_seed(0)
    x = torch.zeros(1, 1, 64, 64)
    x[..., 20:24, 20:24] = 1
    moved = x.roll((16, 16), (2, 3))
    for head, alike in (("gap", True), ("grid", False)):
        critic = Critic(channels=4, head=head, hidden=8)
        assert torch.allclose(critic(x), critic(moved), atol=1e-6) == alike


def test_a_block_halves_and_doubles():
    critic = Critic(channels=4, blocks=3, kernel=3)
    assert [c.out_channels for c in critic.convolutions] == [4, 8, 16]
    assert [c.stride for c in critic.convolutions] == [(2, 2)] * 3
    assert {c.stride for c in Critic(pool="max").convolutions} == {(1, 1)}


def test_there_is_no_normalisation_over_the_batch():
    critic = Critic(channels=4).double()
    x = torch.randn(5, 1, 24, 24).double()
    torch.testing.assert_close(critic(x)[2:3], critic(x[2:3]))
    assert not any("norm" in type(m).__name__.lower() for m in critic.modules())


def test_spectral_weights_have_a_largest_singular_value_of_one():
    torch.manual_seed(0)
    critic = Critic(channels=4, spectral=True)
    for _ in range(50):  # one step of the power iteration in each pass
        critic(torch.randn(1, 1, 16, 16))
    for layer in (m for m in critic.modules() if isinstance(m, nn.Linear | nn.Conv2d)):
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) < 1.02


@pytest.mark.parametrize("options", [{}, {"pool": "max"}, {"spectral": True}, {"head": "gap"}])
def test_the_slope_has_a_gradient_itself(options):
    critic = Critic(channels=2, **options)
    x = torch.randn(2, 1, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    gradients = [p.grad for p in critic.convolutions.parameters() if p.grad is not None]
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0


def test_the_slope_at_the_start_is_neither_lost_nor_exploding():
    torch.manual_seed(0)
    x = torch.randn(16, 1, 48, 48, requires_grad=True)
    (slope,) = torch.autograd.grad(Critic()(x).sum(), x)
    assert 0.05 < float(slope.flatten(1).norm(dim=1).mean()) < 5


def test_the_leak_is_the_slope_below_zero():
    torch.manual_seed(0)
    x = torch.randn(1, 1, 16, 16)
    values = []
    for leak in (0.0, 0.5):
        torch.manual_seed(1)
        critic = Critic(channels=2, leak=0.1)
        critic.leak = leak
        values.append(float(critic(x)))
    assert values[0] != values[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pool": "maxx"}, "Did you mean 'max'"),
        ({"head": "grids"}, "Did you mean 'grid'"),
        ({"channels": 0}, "at least 1"),
        ({"blocks": 0}, "blocks 1 to 8"),
        ({"kernel": 4}, "odd"),
        ({"leak": 1.0}, "below 1"),
    ],
)
def test_a_wrong_option_is_told(options, told):
    with pytest.raises(UserError, match=told):
        Critic(**options)


def test_images_that_are_too_small_for_max_pooling_are_refused():
    with pytest.raises(UserError, match="can't be halved 3 times"):
        Critic(pool="max")(torch.zeros(1, 1, 6, 24))
