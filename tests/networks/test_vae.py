"""The variational autoencoder looks as far as it says; its divergences are exact."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from bioreco.errors import UserError
from bioreco.networks.vae import VAE

NETWORKS = [(2, 0, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2), (2, 2, 3), (2, 3, 2),
            (3, 0, 1), (3, 1, 1), (3, 1, 2)]  # fmt: skip
tried = pytest.mark.parametrize(("dims", "depth", "levels"), NETWORKS)


def network(dims: int, depth: int, levels: int = 1, channels: int = 1, latent: int = 2) -> VAE:
    """Return a network without dead ends, in double precision."""
    torch.manual_seed(depth)
    net = VAE(channels, channels, dims, channels=2, depth=depth, latent=latent, levels=levels)
    for parameter in net.double().parameters():  # all positive: no ReLU hides what reaches a pixel
        parameter.data.abs_().add_(0.01)
    return net


def room(net: VAE) -> list[int]:
    """Return the size of an image with room for the halo around each cell, at least."""
    return [2 * (h // s + 2) * s for h, s in zip(net.halo, net.stride, strict=True)]


def decoded(net: VAE, x: Tensor) -> Tensor:
    """Decode the most likely codes, which reach as far as any."""
    means, seen = net.encode(x), []

    def none(level: int, like: Tensor) -> Tensor:
        seen.append(level)
        return torch.zeros_like(like)

    found = net.decode(means, none)[0]
    assert seen == list(range(net.levels))
    return found


@torch.no_grad()
def changed(net: VAE, size: list[int], at: tuple[int, ...]) -> Tensor:
    """Return where the output changes when one pixel does; the pixel is raised and lowered."""
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = decoded(net, x)
    found = torch.zeros_like(before, dtype=torch.bool)
    for by in (1.0, 100.0):
        other = x.clone()
        other[(0, 0, *at)] += by
        found |= decoded(net, other) != before
    return found[0, 0].nonzero()


@tried
def test_the_halo_is_as_wide_as_it_must_be_and_no_wider(dims, depth, levels):
    net = network(dims, depth, levels)
    size = room(net)
    cell = [
        range(n // 2 // s * s, n // 2 // s * s + s) for n, s in zip(size, net.stride, strict=True)
    ]
    furthest = [0] * dims
    for k in range(2**depth):  # all phases along each axis
        at = tuple(min(axis[0] + k, axis[-1]) for axis in cell)
        where = changed(net, size, at)
        assert len(where) > 0
        for axis in range(dims):
            far = (where[:, axis] - at[axis]).abs().max().item()
            furthest[axis] = max(furthest[axis], far)
    assert tuple(furthest) == net.halo


@tried
def test_shifts_by_the_stride_shift_the_output(dims, depth, levels):
    net = network(dims, depth, levels)
    big = [n + s for n, s in zip(room(net), net.stride, strict=True)]
    x = torch.randn(1, 1, *big, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = net(x)
        for corner in itertools.product(*[(0, s) for s in net.stride]):
            part = tuple(slice(c, c + n) for c, n in zip(corner, room(net), strict=True))
            inner = tuple(slice(h, n - h) for h, n in zip(net.halo, room(net), strict=True))
            cut = net(x[:, :, *part])[:, :, *inner]
            torch.testing.assert_close(cut, whole[:, :, *part][:, :, *inner])


@pytest.mark.parametrize(("dims", "levels", "channels"), [(2, 1, 1), (2, 3, 2), (3, 2, 2)])
def test_codes_lie_on_grids_from_coarse_to_fine_and_all_of_it_trains(dims, levels, channels):
    torch.manual_seed(0)
    net = VAE(channels, channels, dims, channels=4, depth=2, latent=3, levels=levels)
    x = torch.randn(2, channels, *(4, 16, 24)[-dims:])
    shapes = []

    def noise(level: int, like: Tensor) -> Tensor:
        shapes.append(tuple(like.shape))
        return torch.randn_like(like)

    signal, divergences = net.decode(net.encode(x), noise)
    assert signal.shape == x.shape
    deep = (4,) if dims == 3 else ()
    assert shapes == [(2, 3, *deep, 4 * 2**k, 6 * 2**k) for k in range(levels)]
    assert [kl.shape for kl in divergences] == [(2,)] * levels
    (signal.square().mean() + sum(kl.mean() for kl in divergences)).backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_divergences_are_those_of_normal_distributions():
    torch.manual_seed(0)
    net = VAE(1, 1, 2, channels=4, depth=1, latent=2, levels=2).double()
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    said: list[Tensor] = []
    for part in (*net.posterior, *net.prior):
        part.register_forward_hook(lambda _, __, out: said.append(out.detach()))
    with torch.no_grad():
        _, divergences = net.decode(net.encode(x), lambda _, like: torch.zeros_like(like))
    coarse, fine, prior = [Normal(m, (v / 2).exp()) for m, v in (o.chunk(2, 1) for o in said)]
    one = torch.ones(1, dtype=torch.float64)
    standard = Normal(0 * one, one)
    for found, q, p in zip(divergences, (coarse, fine), (standard, prior), strict=True):
        torch.testing.assert_close(found, kl_divergence(q, p).flatten(1).sum(1))


def test_the_forward_pass_decodes_the_means():
    net = network(2, 2, 3)
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    assert torch.equal(net(x), decoded(net, x))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"dims": 1}, "network.dims=1: images have 2 or 3 spatial axes"),
        ({"channels": 0}, "network.channels=0 network.latent=16 network.depth=2: channels and"
                          " latent are at least 1, depth is 0 to 6"),
        ({"latent": 0}, "network.channels=16 network.latent=0 network.depth=2: channels and latent"
                        " are at least 1, depth is 0 to 6"),
        ({"levels": 4}, "network.levels=4: 1 to network.depth + 1 = 3"),
        ({"levels": 0}, "network.levels=0: 1 to network.depth + 1 = 3"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(given, text):
    with pytest.raises(UserError) as said:
        VAE(1, 1, **{"dims": 2} | given)
    assert str(said.value) == text
