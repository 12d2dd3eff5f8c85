"""Losses that are gathered one by one have the values and gradients of their mean."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioreco.methods.gathering import gathered


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))


def each(network, count=5):
    for number in range(count):
        x = torch.full((1, 4), float(number))
        yield {"a": network(x).square().mean(), "b": 0.1 * network(x).abs().mean()}


def test_values_and_gradients_are_those_of_the_mean(network):
    losses = list(each(network))
    means = {key: torch.stack([one[key] for one in losses]).mean() for key in ("a", "b")}
    (means["a"] + means["b"]).backward()
    wanted = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    found = gathered(each(network), list(network.parameters()))
    torch.testing.assert_close({k: v.detach() for k, v in found.items()},
                               {k: v.detach() for k, v in means.items()})  # fmt: skip
    (2 * sum(found.values())).backward(inputs=list(network.parameters()))
    for parameter, gradient in zip(network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)


def test_only_one_graph_is_kept_at_a_time(network):
    alive, most = [0], [0]

    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            alive[0] -= 1
            return grad

    def one():
        return {"a": Kept.apply(network(torch.ones(1, 4)).mean())}

    gathered((one() for _ in range(4)), list(network.parameters()))
    assert most == [1]
    assert alive == [0]


def test_values_alone_are_given_where_no_gradients_are_wanted(network):
    with torch.no_grad():
        found = gathered(each(network, 2), list(network.parameters()))
    assert not found["a"].requires_grad
    assert float(found["a"]) > 0


def test_parameters_without_a_part_get_zero(network):
    spare = nn.Parameter(torch.ones(2))
    found = gathered(each(network), [*network.parameters(), spare])
    sum(found.values()).backward()
    assert spare.grad.tolist() == [0, 0]
