"""Networks of stacks that are not one U-Net: plane by plane, and switchable."""

from __future__ import annotations

import pytest
import torch

from bioreco.errors import UserError
from bioreco.networks.planar import Planar
from bioreco.networks.switchable import Switchable


def test_planes_are_restored_along_each_axis_and_averaged():
    torch.manual_seed(0)
    network = Planar(1, 2, 3, channels=2, depth=1)
    x = torch.randn(2, 1, 8, 10, 12)
    assert network(x).shape == (2, 2, 8, 10, 12)
    xy, xz, yz = network.views(x)
    assert torch.allclose(network(x), (xy + xz + yz) / 3, atol=1e-6)
    assert torch.allclose(xy[:, :, 3], network.each[0](x[:, :, 3]), atol=1e-5)
    assert torch.allclose(xz[:, :, :, 5], network.each[1](x[:, :, :, 5]), atol=1e-5)
    assert torch.allclose(yz[..., 7], network.each[2](x[..., 7]), atol=1e-5)


@pytest.mark.parametrize(
    ("planes", "stride", "halo"), [(("xy",), (1, 2, 2), 0), (("xz", "yz"), (2, 2, 2), 1)]
)
def test_how_far_it_looks_follows_from_its_planes(planes, stride, halo):
    network = Planar(1, 1, 3, planes=planes, channels=1, depth=1)
    assert network.stride == stride
    assert network.halo is not None
    assert (network.halo[0] > 0) == bool(halo)
    assert min(network.halo[1:]) > 0


def test_a_pixel_is_changed_from_within_the_halo_alone():
    torch.manual_seed(0)
    network = Planar(1, 1, 3, channels=2, depth=1)
    x = torch.randn(1, 1, 32, 32, 32, requires_grad=True)
    network(x)[0, 0, 15, 16, 15].backward()
    seen = x.grad[0, 0].nonzero()
    away = (seen - torch.tensor([15, 16, 15])).abs().amax(0)
    assert all(int(a) <= h for a, h in zip(away, network.halo, strict=True))


def test_images_have_no_planes_and_orientations_are_known():
    with pytest.raises(UserError, match="network=planar goes along the planes of stacks"):
        Planar(1, 1, 2)
    with pytest.raises(UserError, match=r"network\.planes=\['xx'\]: any of xy, xz, yz"):
        Planar(1, 1, 3, planes=["xx"])
    with pytest.raises(UserError, match=r"network\.planes=\[\]: at least one"):
        Planar(1, 1, 3, planes=[])


@pytest.mark.parametrize("dims", [2, 3])
def test_the_code_switches_and_all_between_is_between(dims):
    torch.manual_seed(0)
    network = Switchable(1, 1, dims, channels=2, depth=1)
    x = torch.randn(1, 1, *[8] * dims)
    assert network(x).shape == x.shape
    assert torch.equal(network(x, 0.0), network(x, 1.0))  # alike until trained
    with torch.no_grad():
        for block in (*network.encoder, *network.decoder):
            block.mean[1] += 1.0
    ends = network(x, 0.0), network(x)
    assert not torch.allclose(*ends)
    assert not torch.allclose(network(x, 0.5), ends[1])
    network.strength = 0.5
    assert torch.equal(network(x), network(x, 0.5))


def test_a_wrong_strength_is_told():
    with pytest.raises(UserError, match=r"network\.strength=2"):
        Switchable(1, 1, 2, strength=2.0)
