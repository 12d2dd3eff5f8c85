"""Poses follow RELION, and random ones have no preferred direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from bioreco.errors import UserError
from bioreco.operators.rotations import (
    angle_between,
    euler_to_matrix,
    matrix_to_euler,
    matrix_to_quaternion,
    quaternion_to_matrix,
    random_rotations,
    rotation_grid,
    uniform_rotations,
    vector_to_matrix,
)
from bioreco.operators.symmetry import symmetry_group

RIGHT_ANGLES = torch.tensor([[0.0, 0, 0], [90, 0, 0], [0, 90, 0], [0, 0, 90], [30, 180, 50]])


def draw(count: int, seed: int = 0) -> torch.Tensor:
    return random_rotations(count, torch.Generator().manual_seed(seed)).double()


def test_the_angles_are_those_of_relion():
    """Passive turns about z, y, z: scipy's active matrices, transposed."""
    angles = 360 * torch.rand(50, 3, dtype=torch.float64) * torch.tensor([1, 0.5, 1])
    z1, y, z2 = (
        Rotation.from_euler(axis, angles[:, k : k + 1].numpy(), degrees=True).as_matrix()
        for k, axis in enumerate("zyz")
    )
    expected = z2.transpose(0, 2, 1) @ y.transpose(0, 2, 1) @ z1.transpose(0, 2, 1)
    np.testing.assert_allclose(euler_to_matrix(angles), expected, atol=1e-12)
    found = euler_to_matrix(torch.tensor([[90.0, 0, 0], [0, 90, 0]]))
    expected = [[[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[0, 0, -1], [0, 1, 0], [1, 0, 0]]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["euler", "quaternion"])
def test_there_and_back(kind):
    to, back = {
        "euler": (matrix_to_euler, euler_to_matrix),
        "quaternion": (matrix_to_quaternion, quaternion_to_matrix),
    }[kind]
    for poses in (draw(200), euler_to_matrix(RIGHT_ANGLES.double()), symmetry_group("I")):
        torch.testing.assert_close(back(to(poses)), poses, atol=1e-7, rtol=0)


def test_a_quaternion_turns_as_scipy_does():
    q = torch.randn(30, 4, dtype=torch.float64)
    expected = Rotation.from_quat(q[:, [1, 2, 3, 0]].numpy()).as_matrix()
    np.testing.assert_allclose(quaternion_to_matrix(q), expected, atol=1e-12)


def test_a_vector_turns_as_scipy_does():
    v = torch.randn(30, 3, dtype=torch.float64)
    expected = Rotation.from_rotvec(v.numpy()).as_matrix()
    np.testing.assert_allclose(vector_to_matrix(v), expected, atol=1e-12)
    found = angle_between(vector_to_matrix(v), torch.eye(3).double())
    folded = np.degrees(Rotation.from_rotvec(v.numpy()).magnitude())
    np.testing.assert_allclose(found, folded, atol=1e-5)


def test_random_rotations_have_no_preferred_direction():
    poses = draw(40_000)
    torch.testing.assert_close(poses @ poses.mT, torch.eye(3).double().expand_as(poses))
    assert torch.linalg.det(poses).min() > 0.999
    assert poses.mean(0).abs().max() < 0.015
    assert (poses**2).mean(0).sub(1 / 3).abs().max() < 0.01
    turned = angle_between(poses, torch.eye(3).double().expand_as(poses)).deg2rad()
    assert turned.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.02)  # Haar measure


def test_the_same_draws_are_the_same_rotations():
    assert torch.equal(draw(5, 3), draw(5, 3))
    assert not torch.equal(draw(5, 3), draw(5, 4))
    one = uniform_rotations(torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]]))
    assert torch.equal(one[:1], uniform_rotations(torch.tensor([[0.1, 0.2, 0.3]])))


@pytest.mark.parametrize("step", [15.0, 30.0])
def test_a_grid_leaves_no_gap(step):
    grid = rotation_grid(step)
    assert len(grid) == pytest.approx(8 * np.pi**2 / np.radians(step) ** 3, rel=0.01)
    nearest = (draw(300).flatten(1) @ grid.flatten(1).T).amax(1)
    gaps = torch.rad2deg(torch.acos((nearest - 1) / 2))
    assert gaps.max() < 1.1 * step


@pytest.mark.parametrize(
    ("name", "order"),
    [("C1", 1), ("c2", 2), ("C7", 7), ("D1", 2), ("D2", 4), ("D7", 14), ("T", 12), ("O", 24),
     ("I", 60)],
)  # fmt: skip
def test_a_symmetry_group_is_a_group(name, order):
    group = symmetry_group(name)
    assert group.shape == (order, 3, 3)
    assert torch.equal(group[0], torch.eye(3).double())
    torch.testing.assert_close(torch.linalg.det(group), torch.ones(order).double())
    products = (group[:, None] @ group).flatten(0, 1)
    apart = (products[:, None] - group).abs().amax((2, 3))
    assert apart.amin(1).max() < 1e-9
    assert ((apart < 1e-6).sum(0) == order).all()


def test_the_axes_are_those_of_relion():
    d3 = symmetry_group("D3")
    assert any(torch.allclose(g, torch.diag(torch.tensor([1.0, -1, -1]).double())) for g in d3)
    five = torch.tensor([0.525731114, 0, 0.850650807]).double()
    kept = [g for g in symmetry_group("I") if torch.allclose(g @ five, five, atol=1e-6)]
    assert len(kept) == 5


@pytest.mark.parametrize("name", ["C0", "D", "X2", "", "C-1", "C1.5"])
def test_a_group_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="expected C1"):
        symmetry_group(name)
