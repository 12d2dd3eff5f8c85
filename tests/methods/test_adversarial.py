"""Divergences are conjugate, the estimated distance is true, the critic's slope is held at 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.adversarial import KINDS, Adversarial
from bioreco.methods.divergences import DIVERGENCES

members = pytest.mark.parametrize("name", sorted(DIVERGENCES))
kinds = pytest.mark.parametrize("distance", KINDS)


def grid(low: float, high: float, number: int) -> Tensor:
    return torch.linspace(low, high, number, dtype=torch.float64)


def inside(domain: tuple[float, float]) -> Tensor:
    """Return numbers of a domain, not too close to its borders."""
    low, high = max(domain[0], -3.0), min(domain[1], 3.0)
    edge = 0.02 * (high - low)
    return grid(low + edge, high - edge, 25)


@members
def test_f_is_convex_and_zero_where_the_densities_are_alike(name):
    f = DIVERGENCES[name].f
    u = grid(0.05, 8, 200)
    away = 2 * math.log(2) if name == "gan" else 0.0  # of the first GAN: a constant is left out
    assert float(f(torch.ones(1, dtype=torch.float64))) == pytest.approx(-away, abs=1e-12)
    assert (f(u[:-2]) + f(u[2:]) - 2 * f(u[1:-1]) > -1e-9).all()


@members
def test_the_conjugate_is_the_largest_of_ut_minus_f(name):
    member = DIVERGENCES[name]
    t, u = inside(member.domain), torch.logspace(-8, 8, 200001, dtype=torch.float64)
    found = torch.stack([(u * each - member.f(u)).max() for each in t])
    np.testing.assert_allclose(found, member.conjugate(t), atol=2e-3, rtol=2e-3)


@members
def test_f_is_the_conjugate_of_its_conjugate(name):
    member = DIVERGENCES[name]
    low, high = max(member.domain[0], -40.0), min(member.domain[1], 40.0)
    t, u = grid(low, high, 400003)[1:-1], grid(0.2, 4, 15)
    found = torch.stack([(each * t - member.conjugate(t)).max() for each in u])
    np.testing.assert_allclose(found, member.f(u), atol=2e-3)


@members
def test_the_last_layer_stays_in_the_domain(name):
    member, v = DIVERGENCES[name], grid(-6, 6, 121)
    v = v[v > -2] if name == "pearson" else v  # below, f* goes on as if densities were negative
    t = member.g(v)
    assert (t > member.domain[0]).all()
    assert (t < member.domain[1]).all()
    assert (t.diff() > 0).all()
    np.testing.assert_allclose(member.paid(v), member.conjugate(t), rtol=1e-8, atol=1e-9)


@members
def test_the_bound_is_tight_for_the_best_critic(name):
    """The best V has g(V) = f'(mu / nu); two normal distributions, by quadrature."""
    member, x = DIVERGENCES[name], grid(-9, 9, 20001)
    mu, nu = (torch.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0.3, -0.3))
    ratio = (mu / nu).requires_grad_()
    (t,) = torch.autograd.grad(member.f(ratio).sum(), ratio)
    t = t.clamp(member.domain[0], member.domain[1])
    true = torch.trapezoid(member.f(mu / nu) * nu, x)
    found = torch.trapezoid(t * mu - member.conjugate(t) * nu, x)
    assert float(found) == pytest.approx(float(true), abs=1e-4)


def learn(adversarial: Adversarial, steps: int = 300) -> dict[str, float]:
    """Teach a critic 16 x 16 images of noise that differ by a shift with W1 = 5.3."""
    torch.manual_seed(0)
    side, far = 16, 5.3
    shift = torch.full((1, 1, side, side), far / side)
    critic = nn.Sequential(
        nn.Flatten(), nn.Linear(side**2, 64), nn.LeakyReLU(0.1), nn.Linear(64, 1)
    )
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.5, 0.9))
    kept: list[dict[str, float]] = []
    for _ in range(steps):
        y, z = torch.randn(64, 1, side, side) + shift, torch.randn(64, 1, side, side)
        losses = adversarial.critic_losses(critic, y, z)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        kept.append({key: float(value.detach()) for key, value in losses.items()})
    return {key: float(np.mean([row[key] for row in kept[-20:]])) for key in kept[-1]}


def test_the_distance_of_two_normal_distributions_is_their_shift():
    """The best critic is linear with the slope a that makes 5.3 a - 10 (a - 1)^2 the largest."""
    found = learn(Adversarial())
    assert found["gradient"] == pytest.approx(1 + 5.3 / 20, abs=0.05)
    assert found["distance"] / found["gradient"] == pytest.approx(5.3, rel=0.05)
    assert found["critic"] == pytest.approx(-found["distance"], rel=1e-5)


def test_a_heavy_penalty_gives_the_distance_itself():
    found = learn(Adversarial(penalty=100.0))
    assert found["gradient"] == pytest.approx(1, abs=0.05)
    assert found["distance"] == pytest.approx(5.3, rel=0.06)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_a_heavy_penalty_holds_the_slope_that_is_asked_for(slope):
    found = learn(Adversarial("gan", penalty=100.0, slope=slope))
    assert found["gradient"] == pytest.approx(slope, abs=0.02)


def test_the_norm_of_each_pixel_lets_the_slope_grow_with_the_image():
    """Each of 256 pixels has the slope 1 + 5.3 * 16 / 20, the image 16 times as much."""
    found = learn(Adversarial(norm="pixel"))
    assert found["gradient"] == pytest.approx(16 * (1 + 5.3 * 16 / 20), rel=0.1)
    assert found["distance"] / found["gradient"] == pytest.approx(5.3, rel=0.1)


def images(number: int = 4) -> tuple[Tensor, Tensor, nn.Module]:
    torch.manual_seed(1)
    critic = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(108, 1))
    return torch.randn(number, 1, 8, 8), torch.randn(number, 1, 8, 8), critic


@kinds
def test_every_distance_gives_gradients_to_critic_and_simulation(distance):
    real, fake, critic = images()
    adversarial = Adversarial(distance)
    fake.requires_grad_()
    losses = adversarial.critic_losses(critic, real, fake)
    torch.stack(list(losses.values())).sum().backward()
    assert fake.grad is None
    for parameter in critic.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    sum(adversarial.generator_losses(critic, fake).values()).backward()
    assert fake.grad is not None
    assert float(fake.grad.abs().max()) > 0


def test_what_is_only_logged_has_no_gradient():
    real, fake, critic = images()
    losses = Adversarial().critic_losses(critic, real, fake)
    assert {key for key, loss in losses.items() if not loss.requires_grad} == {
        "distance",
        "gradient",
    }


@pytest.mark.parametrize("norm", ["sample", "pixel"])
def test_the_penalty_is_differentiated_twice(norm):
    real, fake, critic = (v.double() for v in images())
    adversarial = Adversarial(norm=norm)
    weight = next(critic.parameters())

    def penalty() -> Tensor:
        torch.manual_seed(3)
        return adversarial.critic_losses(critic, real, fake)["penalty"]

    (found,) = torch.autograd.grad(penalty(), weight)
    step = 1e-6
    with torch.no_grad():
        weight.view(-1)[5] += step
        up = penalty().detach()
        weight.view(-1)[5] -= 2 * step
        down = penalty().detach()
    assert float(found.view(-1)[5]) == pytest.approx(float(up - down) / (2 * step), rel=1e-5)


def test_without_a_penalty_there_is_no_second_gradient():
    real, fake, critic = images()
    assert set(Adversarial(penalty=0.0).critic_losses(critic, real, fake)) == {"critic", "distance"}


def test_the_penalty_draws_one_share_for_each_sample():
    real, fake, _ = images(64)
    seen: list[Tensor] = []

    def critic(u: Tensor) -> Tensor:
        seen.append(u.detach())
        return u.flatten(1).sum(1, keepdim=True)

    Adversarial(share=1.0).critic_losses(critic, real, fake)
    share = ((seen[1] - fake) / (real - fake)).flatten(1)
    spread = share.max(1).values - share.min(1).values
    assert float(spread.median()) < 1e-3
    assert float(share.median(1).values.std()) > 0.2


def test_the_penalty_may_be_computed_on_some_of_the_samples():
    seen: list[int] = []

    def critic(u: Tensor) -> Tensor:
        seen.append(len(u))
        return u.flatten(1).sum(1, keepdim=True)

    real, fake, _ = images(10)
    found = Adversarial(share=0.25).critic_losses(critic, real, fake)
    assert seen == [20, 3]
    assert float(found["gradient"]) == pytest.approx(8)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"share": 0.0}, "above 0, at most 1"),
        ({"distance": "wassertsein"}, "Did you mean 'wasserstein'"),
        ({"norm": "samples"}, "Did you mean 'sample'"),
        ({"penalty": -1.0}, "at least 0"),
    ],
)
def test_a_wrong_option_is_told(options, told):
    with pytest.raises(UserError, match=told):
        Adversarial(**options)
