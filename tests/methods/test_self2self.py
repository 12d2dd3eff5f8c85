"""What Self2Self hides, drops and averages, and what its spread is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import draws
from bioreco.methods.self2self import Self2Self
from bioreco.networks.unet import UNet


def network(dims: int = 2, channels: int = 1) -> UNet:
    torch.manual_seed(0)
    return UNet(channels, channels, dims, channels=4, depth=1)


def batch(*size: int, samples: int = 2, channels: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(samples, channels, *size, generator=generator)
    held = torch.rand(y.shape, generator=generator) < 0.2
    return {"y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 11}


class Spy(nn.Module):
    """A network that keeps what it saw and said."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x: Tensor, drop: object = None) -> Tensor:
        y: Tensor = self.inner(x, drop=drop)
        self.seen.append((x, y))
        return y


class Same(nn.Module):
    def forward(self, x: Tensor, drop: object = None) -> Tensor:
        return x


@pytest.mark.parametrize("size", [(16, 16), (4, 16, 16)], ids=str)
def test_nothing_of_what_is_predicted_is_seen_and_only_targets_count(size):
    method = Self2Self(Spy(network(len(size))))
    given = batch(*size)
    hidden = method._hidden(given, 0)
    noise = batch(*size, seed=5)["y"] * 50
    losses = [
        next(method.step(given | {"y": torch.where(m, noise, given["y"])}))[1]["mse"].item()
        for m in (torch.zeros_like(hidden), hidden, hidden & given["held"])
    ]
    (seen, said), (again, _), _ = method.network.seen
    assert torch.equal(seen, again)
    assert torch.equal(seen[~hidden], given["y"][~hidden])
    assert losses[0] == losses[2] != losses[1]
    counted = hidden & given["target"]
    errors = zip(said, given["y"], counted, strict=True)
    by_hand = torch.stack([((x - y)[m] ** 2).mean() for x, y, m in errors]).mean()
    assert losses[0] == pytest.approx(by_hand.item(), rel=1e-5)


def test_validation_hides_the_held_pixels():
    method = Self2Self(network())
    given = batch(16, 16)
    other = given | {"y": given["y"] + 50 * given["held"]}
    spies = []
    for one in (given, other):
        method.network = Spy(network())
        method.validate(one)
        spies.append([seen for seen, _ in method.network.seen])
    assert len(spies[0]) == 4
    assert all(torch.equal(a, b) for a, b in zip(*spies, strict=True))


@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_as_many_pixels_are_seen_as_said_and_channels_differ(keep):
    given = batch(64, 64, channels=2)
    hidden = Self2Self(network(channels=2), keep=keep)._hidden(given, 0)
    assert float((~hidden).double().mean()) == pytest.approx(keep, abs=0.02)
    assert not torch.equal(hidden[:, 0], hidden[:, 1])
    assert not torch.equal(hidden[0], hidden[1])


def test_brightness_is_kept_whatever_is_hidden():
    """Zeros divided by what is kept would make the image brighter or darker."""
    for value in (0.0, 3.0):
        given = batch(32, 32) | {"y": torch.full((2, 1, 32, 32), value)}
        found = Self2Self(Same(), passes=4).reconstruct(given).mean
        assert float(found.mean()) == pytest.approx(value, rel=1e-3)


def test_dropout_keeps_the_mean_of_features():
    seen = []

    class Net(nn.Module):
        def forward(self, x: Tensor, drop: object) -> Tensor:
            seen.append(drop(torch.ones(2, 20, 64, 64), 1))
            return x

    Self2Self(Net(), dropout=0.3, passes=2).reconstruct(batch(128, 128))
    assert float(seen[0].mean()) == pytest.approx(1, abs=0.01)
    assert float((seen[0] == 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    assert not torch.equal(seen[0], seen[1])


def test_mean_and_spread_are_those_of_the_predictions():
    method = Self2Self(Spy(network()), passes=5)
    found = method.reconstruct(batch(16, 16))
    said = torch.stack([y for _, y in method.network.seen])
    torch.testing.assert_close(found.mean, said.mean(0))
    torch.testing.assert_close(found.std, said.std(0))
    assert method.uncertain


@pytest.mark.parametrize("option", [{"keep": 0.5}, {"dropout": 0.0}, {"passes": 3}], ids=str)
def test_each_option_changes_the_result(option):
    given = batch(16, 16)
    base, other = (Self2Self(network(), **o).reconstruct(given).mean for o in ({}, option))
    assert not torch.equal(base, other)
    assert torch.equal(base, Self2Self(network()).reconstruct(given).mean)


def test_what_is_drawn_by_place_is_the_same_in_every_tile():
    seeds, size = torch.tensor([3, 4]), (9, 20, 24)
    whole = draws.chosen_at(seeds, torch.zeros(2, 3, dtype=torch.int64), size, 11, share=0.4)
    start = torch.tensor([[2, 5, 7]] * 2)
    part = draws.chosen_at(seeds, start, (4, 6, 8), 11, share=0.4)
    assert torch.equal(part, whole[:, :, 2:6, 5:11, 7:15])
    other = draws.chosen_at(seeds, start, (4, 6, 8), 11, share=0.4, stream=1)
    assert not torch.equal(part, other)


def test_what_is_drawn_by_place_is_white():
    one = torch.tensor([7])
    drawn = draws.chosen_at(one, -torch.ones(1, 2, dtype=torch.int64), (256, 256), 16, share=0.5)
    values = drawn[0].double() - 0.5
    assert abs(float(values.mean())) < 0.002
    for other in (values.roll(1, -1), values.roll(1, -2), values.roll(1, 0)):
        assert abs(float((values * other).mean())) < 0.002


def test_halo_and_stride():
    net = network()
    assert Self2Self(net).halo == tuple(n + 1 for n in net.halo)
    assert Self2Self(net).stride == net.stride
    assert Self2Self(Same()).halo is None
    assert Self2Self(Same()).stride is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"keep": 1.0}, "method.keep=1.0: a share of the pixels, 0.1 to 0.95"),
        ({"dropout": -0.1}, "method.dropout=-0.1: a share of the features, 0 to 0.9"),
        ({"passes": 1}, "method.passes=1: at least 2, to know their spread"),
    ],
)
def test_wrong_options_are_told(options, text):
    with pytest.raises(UserError) as said:
        Self2Self(network(), **options)
    assert str(said.value) == text


def test_a_network_without_room_for_dropout_is_refused():
    with pytest.raises(UserError, match="needs a network that can drop features: network=unet"):
        Self2Self(nn.Identity())
