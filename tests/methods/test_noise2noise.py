"""What is learnt from a second image, and that held pixels have no part in it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bioreco.methods.method import Batch, Method
from bioreco.methods.noise2noise import Noise2Noise
from bioreco.methods.supervised import Supervised
from bioreco.networks.unet import UNet

METHODS = [Noise2Noise, Supervised]
SIZE = {2: (16, 16), 3: (4, 16, 16)}
each_method = pytest.mark.parametrize("kind", METHODS)
each_dims = pytest.mark.parametrize("dims", [2, 3])


class Scaled(nn.Module):
    """f(y) = a y + b."""

    def __init__(self, a: float = 1.0, b: float = 0.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, y: Tensor) -> Tensor:
        return self.a * y + self.b


def network(dims: int = 2, channels: int = 1) -> UNet:
    torch.manual_seed(0)
    return UNet(channels, channels, dims, channels=4, depth=1).double()


def batch(*size: int, samples: int = 2, channels: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def drawn() -> Tensor:
        return torch.randn(samples, channels, *size, generator=generator, dtype=torch.float64)

    held = torch.rand((samples, channels, *size), generator=generator) < 0.2
    return {
        "y": drawn(), "pair": drawn(), "x": drawn(), "target": ~held, "held": held,
        "seed": torch.arange(samples) + 11,
    }  # fmt: skip


def loss(method: Method, given: Batch) -> Tensor:
    ((player, losses),) = list(method.step(given))
    assert player == "network"
    (found,) = losses.values()
    return found


def changed(given: Batch, where: str) -> dict[str, Tensor]:
    """Change all images on the held pixels, or on those that may be trained on."""
    noise = batch(*given["y"].shape[2:], samples=len(given["y"]), seed=5)
    return dict(given) | {
        key: torch.where(given[where], 50 * noise[key], given[key]) for key in ("y", "pair", "x")
    }


@each_method
@each_dims
def test_held_pixels_are_never_a_target_in_training(kind, dims):
    """Of a network that sees nothing, the loss depends on its targets alone."""
    method = kind(Scaled(0.0, 0.3))
    given = batch(*SIZE[dims], samples=6)
    assert torch.equal(loss(method, given), loss(method, changed(given, "held")))
    assert not torch.equal(loss(method, given), loss(method, changed(given, "target")))


@each_method
@each_dims
def test_validation_compares_held_pixels_alone(kind, dims):
    method = kind(Scaled(0.0, 0.3))
    given = batch(*SIZE[dims], samples=6)
    (before,), (other,), (after,) = (
        method.validate(v).values()
        for v in (given, changed(given, "target"), changed(given, "held"))
    )
    assert torch.equal(before, other)
    assert not torch.equal(before, after)


@each_dims
def test_either_of_a_pair_is_predicted_from_the_other(dims):
    given = batch(*SIZE[dims], samples=30)
    f = network(dims)
    with torch.no_grad():
        there, back = (
            ((f(given[a]) - given[b]) ** 2 * given["target"]).flatten(1).sum(1)
            / given["target"].flatten(1).sum(1)
            for a, b in (("y", "pair"), ("pair", "y"))
        )
        found = torch.stack(
            [loss(Noise2Noise(f), {k: v[n : n + 1] for k, v in given.items()}) for n in range(30)]
        )
        ways = [torch.isclose(found, way.float(), rtol=1e-5) for way in (there, back)]
        assert (ways[0] ^ ways[1]).all()
        assert 7 < int(ways[1].sum()) < 23
        torch.testing.assert_close(loss(Noise2Noise(f), given), found.mean())
        again = given | {"seed": given["seed"] + 1000}
        assert not torch.equal(loss(Noise2Noise(f), given), loss(Noise2Noise(f), again))


def test_both_ways_are_validated():
    given = batch(16, 16)
    method = Noise2Noise(network())
    turned = given | {"y": given["pair"], "pair": given["y"]}
    assert torch.equal(method.validate(given)["mse"], method.validate(turned)["mse"])


def test_a_pair_is_averaged_and_one_alone_is_not():
    given = batch(16, 16)
    method = Noise2Noise(network())
    first, second = (method.network(given[key]) for key in ("y", "pair"))
    assert torch.equal(method.reconstruct(given).mean, (first + second) / 2)
    assert torch.equal(method.reconstruct({"y": given["y"]}).mean, first)
    assert method.reconstruct(given).std is None
    assert torch.equal(Supervised(method.network).reconstruct(given).mean, first)


def test_noisy_targets_lead_where_clean_ones_do():
    """Eqs. (8) and (9): the gradients agree but for chance, the losses differ by the noise."""
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.rand(1, 1, 1000, 1000, generator=generator, dtype=torch.float64)
    y, pair = (torch.poisson(x, generator=generator) for _ in range(2))
    everywhere = torch.ones_like(x, dtype=torch.bool)
    given = {
        "y": y, "pair": pair, "x": x, "target": everywhere, "held": everywhere,
        "seed": torch.tensor([0]),
    }  # fmt: skip
    found = {}
    for kind in METHODS:
        f = Scaled(0.8, -0.2)
        value = loss(kind(f), given)
        value.backward()
        found[kind] = value.item(), f.a.grad.item(), f.b.grad.item()
    noisy, clean = found[Noise2Noise], found[Supervised]
    assert noisy[1:] == pytest.approx(clean[1:], rel=0.02)
    assert noisy[0] - clean[0] == pytest.approx(1.5, rel=0.02)  # the variance of the counts


def test_the_best_constant_is_the_mean_of_pure_noise():
    """With nothing to see, the squared error is least at the mean, however skewed the noise."""
    generator = torch.Generator().manual_seed(0)
    y, pair = (
        torch.poisson(torch.full((8, 1, 256, 256), 0.2), generator=generator).double()
        for _ in range(2)
    )
    everywhere = torch.ones_like(y, dtype=torch.bool)
    f = Scaled(0.0, 0.0)
    f.a.requires_grad_(False)
    given = {"y": y, "pair": pair, "target": everywhere, "seed": torch.arange(8)}
    loss(Noise2Noise(f), given).backward()
    assert -f.b.grad.item() / 2 == pytest.approx(0.2, rel=0.02)


@each_method
def test_a_sample_is_treated_alike_in_any_batch(kind):
    given = batch(16, 16, samples=3)
    method = kind(network())
    alone = [loss(method, {k: v[n : n + 1] for k, v in given.items()}) for n in range(3)]
    torch.testing.assert_close(loss(method, given), torch.stack(alone).mean())


@each_method
@each_dims
def test_several_channels_are_seen_together(kind, dims):
    given = batch(*SIZE[dims], channels=2)
    method = kind(network(dims, channels=2))
    loss(method, given).backward()
    assert all(p.grad is not None for p in method.network.parameters())
    assert method.reconstruct(given).mean.shape == given["y"].shape


@each_method
def test_what_a_method_is(kind):
    method = kind(network())
    assert method.wants == {Noise2Noise: ("pair",), Supervised: ("x",)}[kind]
    assert (method.halo, method.stride) == (method.network.halo, (2, 2))
    assert kind(nn.Identity()).halo is None
    assert kind(nn.Identity()).stride is None
    assert set(method.players()) == {"network"}
