"""The U-Net looks as far as it says, and follows shifts by its stride."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from bioreco.errors import UserError
from bioreco.networks.blurpool import BlurPool
from bioreco.networks.unet import NORMS, UNet

N2V2 = {"pool": "blur", "top_skip": False}
KINDS = [{}, {"pool": "blur"}, {"top_skip": False}, N2V2]
NETWORKS = [(2, depth) for depth in range(4)] + [(3, depth) for depth in range(3)]
tried = pytest.mark.parametrize(
    ("dims", "depth", "options"),
    [
        pytest.param(dims, depth, options, id="-".join([f"{dims}-{depth}", *options]))
        for dims, depth in NETWORKS
        for options in (KINDS if depth == 1 else [{}, N2V2][: 4 - dims])
    ],
)


def network(dims: int, depth: int, norm: str = "none", channels: int = 2, **options) -> UNet:
    """Return a network without dead ends, in double precision."""
    torch.manual_seed(depth)
    net = UNet(1, 1, dims, channels=channels, depth=depth, norm=norm, **options).double().eval()
    for parameter in net.parameters():  # all positive: no ReLU hides what reaches a pixel
        parameter.data.abs_().add_(0.01)
    return net


def room(net: UNet) -> list[int]:
    """Return the size of an image with room for the halo around each cell, at least."""
    assert net.halo is not None
    return [2 * (h // s + 2) * s for h, s in zip(net.halo, net.stride, strict=True)]


@torch.no_grad()
def changed(net: UNet, size: list[int], at: tuple[int, ...]) -> Tensor:
    """Return where the output changes when one pixel does; the pixel is raised and lowered."""
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = net(x)
    found = torch.zeros_like(before, dtype=torch.bool)
    for by in (1.0, 100.0):
        other = x.clone()
        other[(0, 0, *at)] += by
        found |= net(other) != before
    return found[0, 0].nonzero()


@tried
def test_nothing_outside_the_halo_changes_and_the_halo_is_no_wider_than_it_must_be(
    dims, depth, options
):
    net = network(dims, depth, **options)
    size = room(net)
    cell = [
        range(n // 2 // s * s, n // 2 // s * s + s) for n, s in zip(size, net.stride, strict=True)
    ]
    diagonal = [tuple(min(axis[0] + k, axis[-1]) for axis in cell) for k in range(2**depth)]
    furthest = [0] * dims
    for at in diagonal:  # all phases along each axis
        where = changed(net, size, at)
        assert len(where) > 0
        for axis in range(dims):
            far = (where[:, axis] - at[axis]).abs().max().item()
            assert far <= net.halo[axis]
            furthest[axis] = max(furthest[axis], far)
    assert all(far >= h - 1 for far, h in zip(furthest, net.halo, strict=True)), furthest


@tried
def test_shifts_by_the_stride_shift_the_output(dims, depth, options):
    net = network(dims, depth, **options)
    big = [n + 2 * s for n, s in zip(room(net), net.stride, strict=True)]
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 1, *big, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        whole = net(x)
    for corner in itertools.product(*[(0, s, 2 * s) for s in net.stride]):
        part = tuple(slice(c, c + n) for c, n in zip(corner, room(net), strict=True))
        with torch.no_grad():
            cut = net(x[:, :, *part])
        inner = tuple(slice(h, n - h) for h, n in zip(net.halo, room(net), strict=True))
        torch.testing.assert_close(cut[:, :, *inner], whole[:, :, *part][:, :, *inner])


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shift_by_less_than_the_stride_is_another_matter(depth):
    net = network(2, depth)
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        shifted = net(x.roll(1, -1)).roll(-1, -1)
        assert not torch.allclose(net(x)[..., 12:20, 12:20], shifted[..., 12:20, 12:20])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dims", [2, 3])
def test_every_norm_maps_channels_to_channels_and_trains(dims, norm):
    torch.manual_seed(0)
    net = UNet(3, 2, dims, channels=4, depth=1, norm=norm)
    x = torch.randn(2, 3, *[3, 8, 6][3 - dims :])
    y = net(x)
    assert y.shape == (2, 2, *x.shape[2:])
    y.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_instance_norm_looks_at_everything_and_says_so():
    net = network(2, 1, "instance")
    assert net.halo is None
    where = changed(net, [64, 64], (32, 32))
    assert (where - 32).abs().max() == 32


def test_batch_norm_looks_no_further_once_trained():
    net = network(2, 1, "batch")
    assert net.halo == network(2, 1).halo
    where = changed(net, [64, 64], (32, 32))
    assert (where - 32).abs().max() <= net.halo[0]


@pytest.mark.parametrize("depth", range(4))
def test_stacks_are_pooled_in_the_plane_only(depth):
    net = UNet(1, 1, 3, channels=1, depth=depth)
    assert net.stride == (1, 2**depth, 2**depth)
    assert net.halo == (2 * (2 * depth + 1), *UNet(1, 1, 2, channels=1, depth=depth).halo)
    side = 2**depth
    assert net(torch.zeros(1, 1, 1, side, side)).shape == (1, 1, 1, side, side)


def test_no_path_leads_from_the_input_straight_to_the_output():
    net = UNet(1, 1, 2, channels=2, depth=1)
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    assert (net(torch.ones(1, 1, 8, 8)) == 0).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_blurred_pooling_is_the_maximum_then_a_blur_then_every_second_pixel(dims):
    x = torch.rand(2, 3, *[4, 10, 12][3 - dims :], dtype=torch.float64)
    found = BlurPool(dims).double()(x).numpy()
    padded = np.pad(x.numpy(), [(0, 0)] * dims + [(1, 1), (1, 1)], mode="edge")
    most = np.maximum.reduce(
        [padded[..., a : a - 1 or None, b : b - 1 or None] for a in (0, 1) for b in (0, 1)]
    )
    for axis in (-1, -2):
        most = ndimage.convolve1d(most, [0.25, 0.5, 0.25], axis=axis)
    np.testing.assert_allclose(found, most[..., 1:-1:2, 1:-1:2])


def test_blurred_pooling_follows_mirrorings_and_is_never_trained():
    pool = BlurPool(2)
    x = torch.rand(1, 2, 8, 6)
    torch.testing.assert_close(pool(x.flip(-1, -2)), pool(x).flip(-1, -2))
    assert list(pool.parameters()) == []
    net = UNet(1, 1, 2, channels=4, depth=2, **N2V2)
    assert not any("kernel" in name for name in net.state_dict())
    assert torch.equal(net.pool.kernel, net.pool.kernel.flip(-1))


def test_without_the_top_skip_the_features_at_full_resolution_reach_nothing_directly():
    net = network(2, 2, **N2V2)
    assert [block[0].in_channels for block in net.decoder] == [8 + 4, 4]
    assert [block[0].in_channels for block in network(2, 2).decoder] == [8 + 4, 4 + 2]
    seen = {}
    net.encoder[0].register_forward_hook(lambda _, __, out: seen.update(top=out))
    net.encoder[1].register_forward_pre_hook(lambda _, given: (given[0] * 0,))
    out = net(torch.rand(1, 1, 16, 16, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(out.sum(), seen["top"], allow_unused=True)
    assert not gradient.any()


def test_less_is_folded_from_fine_patterns_into_coarse_ones():
    """A pattern just above the new limit of resolution comes through weaker."""
    fine = torch.cos(0.75 * torch.pi * torch.arange(64.0)).expand(1, 1, 64, 64)
    plain = torch.nn.functional.max_pool2d(fine, 2)
    assert BlurPool(2)(fine)[..., 4:-4].std() < 0.4 * plain[..., 4:-4].std()


def test_features_double_at_each_level():
    widths = [block[0].out_channels for block in UNet(1, 1, 2, channels=5, depth=3).encoder]
    assert widths == [5, 10, 20, 40]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dims": 4}, "network.dims=4: images have 2 or 3 spatial axes"),
        (
            {"channels": 0},
            "network.channels=0 network.depth=2: channels is at least 1, depth is 0 to 6",
        ),
        (
            {"depth": 7},
            "network.channels=16 network.depth=7: channels is at least 1, depth is 0 to 6",
        ),
        (
            {"depth": -1},
            "network.channels=16 network.depth=-1: channels is at least 1, depth is 0 to 6",
        ),
        (
            {"pool": "blurr"},
            "network.pool=blurr: choose one of max, blur. Did you mean 'blur'?",
        ),
        ({"norm": "bach"}, "network.norm=bach: choose one of none, batch, instance"),
    ],
)
def test_wrong_options_are_told(options, text):
    with pytest.raises(UserError) as said:
        UNet(1, 1, **{"dims": 2, **options})
    assert str(said.value) == text
