"""The average of the weights."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from bioreco.engine.average import Average


def test_the_average_is_exponential_with_a_fast_start():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average, expected = Average(module, 0.9), 0.0
    for step in range(60):
        module.weight.data.fill_(float(step % 7))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step % 7)
    assert average.state()["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_no_decay_keeps_the_current_weights():
    module = nn.Linear(2, 2)
    average = Average(module, 0.0)
    module.weight.data.add_(1)
    average.update(5)
    assert torch.equal(average.state()["weight"], module.weight)


def test_it_takes_the_modules_place_for_a_while():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(module, 0.5)
    old = module[0].weight.detach().clone()
    module[0].weight.data.add_(1)
    module[1].running_mean.add_(3)
    new = module[0].weight.detach().clone()
    with average.applied():
        assert torch.equal(module[0].weight, old)
        assert (module[1].running_mean == 3).all()  # buffers are the current ones
        assert not module.training
    with contextlib.suppress(ZeroDivisionError), average.applied():
        raise ZeroDivisionError
    assert torch.equal(module[0].weight, new)
    assert torch.equal(average.state()["0.weight"], old)
    assert module.training


def test_state_and_load_are_inverse():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    first, second = Average(one, 0.9), Average(two, 0.9)
    second.load(first.state())
    second.hand_over()
    assert torch.equal(two.weight, one.weight)
