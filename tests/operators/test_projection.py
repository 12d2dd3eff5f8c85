"""Projections are those of closed forms, and their adjoint is one."""

from __future__ import annotations

import pytest
import torch
from gaussian_particles import centres, error, gaussians, projections
from torch import Tensor

from bioreco.operators.fourier_filter import phase_ramp
from bioreco.operators.fourier_slice import Project
from bioreco.operators.resample import ProjectRealSpace, mirror, rotate
from bioreco.operators.rotations import euler_to_matrix, random_rotations, vector_to_matrix
from bioreco.operators.slices import padded_size

POSES = random_rotations(8, torch.Generator().manual_seed(1))


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize(
    ("pad", "order", "limit"), [(2, 2, 0.0015), (2, 1, 0.015), (3, 1, 0.006), (1, 2, 0.04)]
)
def test_projections_of_gaussians(size, pad, order, limit):
    places = centres(12, 10, seed=size)
    expected = projections(size, places, POSES)
    volume = gaussians(size, places).float()
    assert error(Project(POSES, size, pad, order)(volume), expected) < limit


def test_the_default_is_within_half_a_percent():
    places = centres(60, 16, seed=3)
    found = Project(POSES, 48)(gaussians(48, places).float())
    assert error(found, projections(48, places, POSES)) < 0.002


@pytest.mark.parametrize("size", [24, 25])
def test_real_space_agrees(size):
    places = centres(5, 6, seed=0)
    volume = gaussians(size, places, sigma=2.5)
    expected = projections(size, places, POSES, sigma=2.5)
    assert error(ProjectRealSpace(POSES, size)(volume), expected) < 0.02
    assert error(Project(POSES, size)(volume), expected) < 0.002


@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize(
    "angles", [[0, 0, 180], [180, 0, 0], [0, 180, 0], [90, 180, 0], [0, 0, 90]]
)
def test_right_angles_are_exact(size, angles):
    """Turned by right angles about the voxel at N // 2, samples fall on samples."""
    volume = gaussians(size, centres(4, 3, seed=2), sigma=1.2)
    if size % 2 == 0:  # voxels at -N / 2 have no counterpart
        volume[0], volume[:, 0], volume[:, :, 0] = 0, 0, 0
    pose = euler_to_matrix(torch.tensor([angles]).double())
    axis = torch.arange(size) - size // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    at = torch.stack([x, y, z], -1).double() @ pose[0]
    i, j, k = (at.round().long() + size // 2).remainder(size).unbind(-1)
    turned = volume[k, j, i]
    straight = Project(torch.eye(3)[None], size)(turned)
    torch.testing.assert_close(Project(pose, size)(volume), straight, atol=1e-9, rtol=0)
    float32 = Project(pose.float(), size)(volume.float())
    assert error(float32, straight) < 1e-5


def test_an_unturned_projection_is_a_sum():
    volume = gaussians(24, centres(4, 5, seed=2))
    found = Project(torch.eye(3)[None], 24, 3)(volume)
    assert error(found[0, 0], volume.sum(0)) < 1e-3


def test_hands_cannot_be_told_apart():
    """The mirror image, seen from behind, gives the same images."""
    volume = gaussians(25, centres(6, 6, seed=4))
    flip = torch.diag(torch.tensor([1.0, 1, -1]))
    one, other = (Project(p, 25) for p in (POSES, flip @ POSES @ flip))
    torch.testing.assert_close(one(volume), other(mirror(volume)))
    assert torch.equal(mirror(mirror(volume)), volume)
    even = noise(8, 8, 8)
    assert torch.equal(mirror(mirror(even)), even)
    assert torch.equal(mirror(even)[5], even[3])


CASES = [
    {},
    {"pad": 1, "order": 1},
    {"pad": 3},
    {"order": 1},
    {"transfer": "shift"},
    {"transfer": "one"},
    {"volumes": 4},
]


def operator(case: dict, size: int, dtype: torch.dtype) -> Project:
    options = dict(case)
    side = padded_size(size, options.get("pad", 2))
    if "transfer" in options:
        count = 8 if options["transfer"] == "shift" else 1
        options["transfer"] = phase_ramp(noise(count, 2, seed=9, dtype=dtype), side)
    return Project(POSES.to(dtype), size, **options)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("size", [10, 11])
def test_the_adjoint_is_the_adjoint(case, size):
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 1e-5)):
        H = operator(case, size, dtype)
        shape = (H.volumes, *[size] * 3) if H.volumes > 1 else (size,) * 3
        x, y = noise(*shape, dtype=dtype), noise(8, 1, size, size, seed=1, dtype=dtype)
        left, right = torch.sum(H(x) * y), torch.sum(x * H.adjoint(y))
        assert abs(left - right) < tolerance * H(x).norm() * y.norm()
        seen = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(H(seen), seen, y)
        torch.testing.assert_close(gradient, H.adjoint(y))


def test_the_real_space_adjoint_is_one():
    H = ProjectRealSpace(POSES.double(), 9)
    x, y = noise(9, 9, 9), noise(8, 1, 9, 9, seed=1)
    torch.testing.assert_close(torch.sum(H(x) * y), torch.sum(x * H.adjoint(y)))


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_derivatives_exist(order):
    H = Project(POSES[:2].double(), 5, order=order)
    x = noise(5, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(H, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda v: H(v) ** 2, x, fast_mode=True)
    y = noise(2, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(H.adjoint, y, fast_mode=True)


def test_poses_have_gradients_where_asked():
    volume = gaussians(12, centres(4, 3, seed=2))
    vector = noise(2, 3).requires_grad_()

    def images(v: Tensor) -> Tensor:
        return Project(vector_to_matrix(v), 12)(volume)

    assert torch.autograd.gradcheck(images, vector, fast_mode=True)
    with torch.no_grad():
        plain = images(vector)
    torch.testing.assert_close(images(vector), plain)
    y = noise(2, 1, 12, 12)
    back = Project(vector_to_matrix(vector), 12).adjoint(y)
    torch.testing.assert_close(back, Project(vector_to_matrix(vector.detach()), 12).adjoint(y))


def test_several_volumes_share_the_poses():
    volumes = noise(4, 9, 9, 9)
    found = Project(POSES.double(), 9, volumes=4)(volumes)
    for k in range(4):
        expected = Project(POSES.double()[2 * k : 2 * k + 2], 9)(volumes[k])
        torch.testing.assert_close(found[2 * k : 2 * k + 2], expected)


def test_some_of_the_images():
    x = noise(9, 9, 9)
    ramp = phase_ramp(noise(8, 2, seed=9), 18)
    keep = torch.tensor([True, False] * 4)
    H = Project(POSES.double(), 9, transfer=ramp)
    torch.testing.assert_close(H.restrict(keep)(x), H(x)[keep])
    one = Project(POSES.double(), 9, transfer=ramp[:1])
    torch.testing.assert_close(one.restrict(torch.tensor([3]))(x), one(x)[3:4])
    with pytest.raises(NotImplementedError, match="several volumes"):
        Project(POSES, 9, volumes=2).restrict(keep)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="side 9"):
        Project(POSES, 9)(noise(8, 8, 8))
    with pytest.raises(ValueError, match="shared"):
        Project(POSES, 9, volumes=3)(noise(3, 9, 9, 9))


def test_operators_made_for_inference_can_be_trained_with():
    with torch.inference_mode():
        Project(POSES, 7)(noise(7, 7, 7, dtype=torch.float32))
    x = noise(7, 7, 7, dtype=torch.float32).requires_grad_()
    Project(POSES, 7)(x).sum().backward()
    assert x.grad is not None


def test_volumes_turn_as_their_points_do():
    places, size = centres(5, 6, seed=0), 24
    move = torch.tensor([[2.0, -1, 3]]).double()
    found = rotate(gaussians(size, places, 2.5), POSES[:1].double(), move)
    expected = gaussians(size, places @ POSES[0].double().T + move, 2.5)
    assert error(found[0], expected) < 0.06
