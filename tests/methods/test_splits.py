"""Theta and Lambda: disjoint, complete, drawn as asked, the same from the same seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bioreco.errors import UserError
from bioreco.methods.splits import Split
from bioreco.methods.weighting import weights

SIZES = [(32, 32), (33, 20), (9, 41)]


def omega(size, b=3, every=2):
    mask = torch.zeros(b, 1, *size, dtype=torch.bool)
    for k in range(b):
        mask[k, 0, k % every :: every] = True
    mask[..., size[0] // 2 - 2 : size[0] // 2 + 2, :] = True
    return mask


def seeds(b=3, first=0):
    return torch.arange(first, first + b)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("density", ["gaussian", "uniform"])
@pytest.mark.parametrize("target", ["loss", "dc"])
@pytest.mark.parametrize("unit", ["point", "line"])
def test_lambda_is_the_asked_share_of_omega_and_leaves_the_centre(size, density, target, unit):
    split = Split(rho=0.3, density=density, gaussian_target=target, unit=unit)
    mask = omega(size)
    held = split.loss_set(mask, seeds())
    assert held.dtype == torch.bool
    assert held.shape == mask.shape
    assert not (held & ~mask).any()
    middle = tuple(slice(n // 2 - 2, n // 2 + 2) for n in size)
    assert not held[..., middle[0], middle[1]].any()
    free = mask.clone()
    free[..., middle[0], slice(None) if unit == "line" else middle[1]] = False
    if unit == "line":
        assert torch.equal(held, held.any(-1, keepdim=True) & mask)
        held, free = held.any(-1), free.any(-1)
    assert held.flatten(1).sum(1).tolist() == [max(1, int(0.3 * n)) for n in free.flatten(1).sum(1)]


def test_the_same_seed_is_the_same_split_and_samples_do_not_matter_to_each_other():
    mask, split = omega((24, 24)), Split()
    held = split.loss_set(mask, seeds())
    assert torch.equal(held, split.loss_set(mask, seeds()))
    assert torch.equal(held[1:2], split.loss_set(mask[1:2], seeds()[1:2]))
    assert not torch.equal(held, split.loss_set(mask, seeds(first=7)))
    assert not torch.equal(held, split.loss_set(mask, seeds(), number=1))


def test_a_pool_of_one_never_changes_and_none_always_does():
    item, fresh = torch.tensor([5, 6]), torch.arange(100, 102)
    fixed, new = Split(pool=1), Split(pool=None)
    assert torch.equal(fixed.seeds(item, fresh), fixed.seeds(item, fresh + 50))
    assert torch.equal(new.seeds(item, fresh), fresh)
    few = Split(pool=3)
    found = {int(few.seeds(item, fresh + k)[0]) for k in range(64)}
    assert found == {15, 16, 17}


def radius(held):
    ky, kx = (torch.arange(n) - n // 2 for n in held.shape[-2:])
    return [float((held * a.abs()).sum() / held.sum()) for a in (ky[:, None], kx)]


def test_the_gaussian_prefers_low_frequencies_along_its_direction():
    mask = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    for target, sign in (("loss", -1), ("dc", 1)):
        split = Split(rho=0.2, density="gaussian", gaussian_target=target)
        flat = radius(replace(split, density="uniform").loss_set(mask, seeds(1)))
        for direction, along in (("both", (0, 1)), ("ky", (0,)), ("kx", (1,))):
            found = radius(replace(split, direction=direction).loss_set(mask, seeds(1)))
            for axis in (0, 1):
                change = (found[axis] - flat[axis]) * sign
                assert change > 0.7 if axis in along else abs(change) < 0.7, (target, direction)


def test_a_wider_gaussian_is_flatter():
    mask = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    assert radius(Split(density="gaussian", width=6).loss_set(mask, seeds(1))) < radius(
        Split(density="gaussian", width=2).loss_set(mask, seeds(1))
    )


def test_draws_follow_the_density():
    """Drawing one by one without replacement is the oracle."""
    mask = torch.ones(1, 1, 1, 9, dtype=torch.bool)
    split = Split(rho=0.35, density="gaussian", centre=0, width=3.0)
    held = split.loss_set(mask.expand(20000, 1, 1, 9), seeds(20000)).double().mean(0).flatten()
    rng = np.random.default_rng(0)
    p = np.exp(-0.5 * ((np.arange(9) - 4) * 3 / 8) ** 2)
    drawn = np.zeros(9)
    for _ in range(20000):
        drawn[rng.choice(9, 3, replace=False, p=p / p.sum())] += 1
    assert held.numpy() == pytest.approx(drawn / 20000, abs=0.015)


@pytest.mark.parametrize(
    "options",
    [
        {"density": "uniform"},
        {"density": "gaussian"},
        {"density": "gaussian", "gaussian_target": "dc"},
        {"density": "gaussian", "unit": "line", "rho": 0.3},
    ],
)
def test_the_stated_probability_is_that_of_the_draws(options):
    split, mask = Split(**options), omega((24, 16), b=1)
    held = split.loss_set(mask.expand(1000, -1, -1, -1), seeds(1000)).float().mean(0, keepdim=True)
    q = split.probability(mask)
    assert (q - held).abs().max() < 0.09
    assert float((q - held).abs().mean()) < 0.02
    assert ((q > 0) == (held > 0)).all()


def test_weights_make_the_loss_uniform_over_what_is_not_seen():
    """Monte Carlo of random Omega and Lambda: E[w^2 in Lambda] = P(not in Theta), p known."""
    generator = torch.Generator().manual_seed(0)
    p, rho, n = 0.25, 0.4, 64
    total = unseen = torch.zeros(n, n)
    for seed in range(40):
        mask = torch.rand(1, 1, n, n, generator=generator) < p
        split = Split(rho=rho, density="gaussian", width=2.0)
        held = split.loss_set(mask, torch.tensor([seed]))
        w = weights(mask, split.probability(mask))
        assert bool((w[held] >= 1 - 1e-6).all())
        total = total + (w**2 * held)[0, 0]
        unseen = unseen + (~(mask & ~held))[0, 0]
    inner, outer = slice(20, 44), slice(0, 12)
    for region in (inner, outer):
        assert float(total[region].mean() / unseen[region].mean()) == pytest.approx(1, abs=0.08)


def test_weights_are_one_where_all_is_acquired():
    mask = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    w = weights(mask, Split(density="gaussian").probability(mask))
    assert w[w > 0].numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rho": 1.0}, "method.split.rho=1.0: above 0, below 1"),
        ({"width": 0.0}, "method.split.width=0.0"),
        ({"centre": -1}, "method.split.centre=-1"),
        ({"pool": 0}, "method.split.pool=0: at least 1, or null"),
        ({"density": "gausian"}, "Did you mean 'gaussian'"),
        ({"gaussian_target": "theta"}, "choose one of loss, dc"),
        ({"direction": "y"}, "choose one of both, ky, kx"),
        ({"unit": "lines"}, "Did you mean 'line'"),
    ],
)
def test_wrong_options_are_told(options, told):
    with pytest.raises(UserError, match=told):
        Split(**options)


@pytest.mark.parametrize("unit", ["point", "line"])
def test_too_few_points_are_told(unit):
    mask = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    mask[0] = True
    mask[1, 0, 4, 4] = True
    with pytest.raises(UserError, match=f"0 {unit}s of k-space to split"):
        Split(unit=unit).loss_set(mask, seeds(2))


@pytest.mark.parametrize("rho", [0.01, 0.99])
def test_neither_part_is_ever_empty(rho):
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[0, 0, 0, :2] = True
    held = Split(rho=rho, centre=0).loss_set(mask, seeds(1))
    assert int(held.sum()) == int((mask & ~held).sum()) == 1
