"""Parallel projections: there and back, and what a cone takes of them."""

from __future__ import annotations

import math

import pytest
import torch

from bioreco.errors import UserError
from bioreco.operators import parallel, variation

SIDE = 24


def blobs(apart: float = 0.0) -> torch.Tensor:
    at = torch.arange(SIDE, dtype=torch.float32) - SIDE // 2
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    one = torch.exp(-((x - 3) ** 2 + y**2 + (z + 2 + apart) ** 2) / 8)
    return one + 0.5 * torch.exp(-(x**2 + (y + 3) ** 2 + (z - 4 - apart) ** 2) / 6)


@pytest.mark.parametrize("axes", [("z",), ("x", "y", "z")])
def test_projections_make_the_volume_again(axes):
    volume = blobs()
    poses = parallel.around(axes, 48)
    assert len(poses) == 48 * len(axes)
    again = parallel.back_project(parallel.project(volume, poses), poses)
    assert float((again - volume).norm()) < 0.01 * float(volume.norm())


def test_a_volume_keeps_its_scale_far_from_the_centre_along_an_axis_of_the_images():
    volume = blobs(apart=4.0)
    poses = parallel.around(("z",), 48)
    again = parallel.back_project(parallel.project(volume, poses), poses)
    scale = float((again * volume).sum() / volume.square().sum())
    assert scale == pytest.approx(1, abs=0.02)


def test_poses_are_rotations_that_show_z_along_y():
    for poses in (parallel.around(("x", "y", "z"), 7), parallel.near_axis(9, 0.3)):
        unit = torch.eye(3, dtype=torch.float64).expand(len(poses), 3, 3)
        torch.testing.assert_close(poses @ poses.mT, unit)
        torch.testing.assert_close(torch.linalg.det(poses), torch.ones(len(poses)).double())
    seen = parallel.around(("x", "y", "z"), 7)
    assert float(seen[:, 0, 2].abs().max()) < 1e-12  # z has no part along the image's x


def test_near_directions_are_near():
    assert float(parallel.tilts(parallel.near_axis(50, 0.3)).max()) <= 0.3


def test_a_cone_is_seen_from_the_side_only():
    k = torch.fft.fftfreq(SIDE)
    kz, ky, kx = torch.meshgrid(k, k, k, indexing="ij")
    region = (torch.hypot(kx, ky) > kz.abs() * math.tan(0.4)).float()
    along, across = parallel.looking(torch.zeros(2), torch.tensor([0.0, math.pi / 2])).double()
    masks = parallel.planes(region, torch.stack([along, across]))
    near = torch.hypot(kx[0], ky[0]) < 0.4
    assert float(masks[0][near].sum()) == float(near.sum()) - 1  # all but the mean
    assert float(masks[1][:5, 0].sum()) == 0  # up the image, where z is
    assert float(masks[1][0, 1:5].min()) == 1


def test_what_is_kept_and_what_is_not_make_the_image():
    images, mask = torch.randn(3, 8, 8), (torch.rand(3, 8, 8) > 0.5).float()
    mask = torch.maximum(mask, mask.flip((1, 2)).roll((1, 1), (1, 2)))
    both = parallel.kept(images, mask) + parallel.kept(images, 1 - mask)
    torch.testing.assert_close(both, images)


def test_nothing_makes_no_volume():
    with pytest.raises(UserError, match="no projections"):
        parallel.back_project(torch.zeros(0, 8, 8), torch.zeros(0, 3, 3))


@pytest.mark.parametrize("axes", [2, 3])
def test_the_divergence_is_minus_the_adjoint_of_the_gradient(axes):
    x = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    p = torch.randn(axes, 2, 5, 6, 7, dtype=torch.float64)
    left = (variation.gradient(x, axes) * p).sum()
    torch.testing.assert_close(left, -(x * variation.divergence(p)).sum())


def test_volumes_are_smoothed_as_scikit_image_does_it():
    from skimage.restoration import denoise_tv_chambolle

    noisy = blobs() + 0.1 * torch.randn(
        SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(0)
    )
    found = variation.smooth(noisy, 0.1, iterations=100, axes=3)
    right = torch.from_numpy(
        denoise_tv_chambolle(noisy.numpy(), weight=0.1, eps=0, max_num_iter=1000)
    )
    assert float((found - right).norm()) < 0.01 * float(right.norm())
