"""What was turned, moved and mirrored is found again; what is unrelated isn't."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.metrics.alignment import align, aligned_fsc, resample
from bioreco.metrics.fsc import ShellCorrelation, fsc
from bioreco.metrics.null import Null, chain, null_distribution, radius_of_gyration, unrelated
from bioreco.operators.rotations import angle_between, random_rotations

SIZE = 28


def particle(seed: int, radius: float = 7.0, count: int = 25) -> np.ndarray:
    """Draw points (count, 3) = (x, y, z) within a sphere."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * radius * rng.random((count, 1)) ** (1 / 3)


def drawn(points: np.ndarray, size: int = SIZE, sigma: float = 1.3) -> np.ndarray:
    """Return a volume (z, y, x) of Gaussians at points about its centre."""
    axis = np.arange(size) - size // 2
    lines = np.exp(-((axis[:, None, None] - points) ** 2) / (2 * sigma**2))
    return np.einsum("zk,yk,xk->zyx", *np.moveaxis(lines, 2, 0)[::-1])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("size", "noise"), [(28, 0.0), (27, 0.5)])
def test_a_copy_is_found(mirrored, size, noise):
    points, rng = particle(3), np.random.default_rng(5)
    turn = random_rotations(1, torch.Generator().manual_seed(int(mirrored)))[0].double().numpy()
    move = np.array([1.3, -0.6, 2.1])
    hand = np.diag([1, 1, -1 if mirrored else 1])
    volume = drawn(points @ hand @ turn.T + move, size)
    volume = volume + noise * volume.std() * rng.standard_normal(volume.shape)
    curve, found = aligned_fsc(volume, drawn(points, size), voxel=2.0)
    assert found.mirrored == mirrored
    again = np.diag([1, 1, -1 if found.mirrored else 1])
    whole = torch.from_numpy(found.rotation @ again @ turn @ hand)
    assert float(angle_between(whole, torch.eye(3).double())) < 2
    back = (points @ hand @ turn.T + move) @ again @ found.rotation.T + found.shift
    assert np.sqrt(((back - points) ** 2).sum(1).mean()) < 0.3
    if not noise:
        assert curve.correlation[: size // 3].min() > 0.98
        assert curve.crossing(0.5) > 0.9
    assert np.array_equal(found.volume.shape, volume.shape)
    np.testing.assert_allclose(fsc(found.volume, drawn(points, size)).correlation,
                               curve.correlation)  # fmt: skip


def test_an_unrelated_volume_is_not_found():
    curve, found = aligned_fsc(drawn(particle(8)), drawn(particle(3)))
    assert curve.crossing(0.5) < 0.5
    assert found.score < 0.8


def test_the_hand_is_left_where_it_is_known():
    points = particle(3)
    volume = drawn(points * [1, 1, -1])
    assert not align(volume, drawn(points), hands=1).mirrored


def test_resampling_follows_detail():
    points = particle(3, radius=6)
    turn = random_rotations(1, torch.Generator().manual_seed(4))[0].double().numpy()
    move = np.array([0.4, -0.7, 1.2])
    found = resample(torch.from_numpy(drawn(points, sigma=1.2)), turn, move)
    expected = drawn(points @ turn.T + move, sigma=1.2)
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (np.zeros((8, 8, 8)), np.ones((8, 8, 8)), "constant"),
        (np.full((8, 8, 8), np.nan), np.ones((8, 8, 8)), "not finite"),
        (np.zeros((8, 8, 9)), np.ones((8, 8, 8)), "cube"),
        (drawn(particle(1), 16), drawn(particle(1), 17), "shapes"),
    ],
)
def test_what_cannot_be_aligned_is_refused(a, b, told):
    with pytest.raises(ValueError, match=told):
        align(a, b)


def test_a_chain_has_the_extent_it_is_asked_for():
    rng = np.random.default_rng(0)
    volume = chain(48, 9.0, rng)
    assert volume.shape == (48, 48, 48)
    assert radius_of_gyration(volume) == pytest.approx(9, rel=0.05)
    with pytest.raises(ValueError, match="positive"):
        radius_of_gyration(np.zeros((4, 4, 4)))


def test_unrelated_volumes_are_seeded_and_differ():
    reference = drawn(particle(3))
    one, again, other = (list(unrelated(reference, count=4, seed=s)) for s in (0, 0, 1))
    for a, b, c in zip(one, again, other, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)
    assert np.corrcoef(one[1].ravel(), one[3].ravel())[0, 1] < 0.9


def test_a_copy_stands_out_of_the_null():
    points = particle(3, radius=5)
    reference = drawn(points, 20)
    null = null_distribution(reference, unrelated(reference, count=3))
    assert null.curves.shape == (3, 10)
    assert null.mean.shape == null.deviation.shape == (10,)
    turned, _ = aligned_fsc(drawn(points[:, [1, 2, 0]], 20), reference)
    assert turned.crossing(0.5) > null.crossings.max() + 0.3
    assert null.z_score(turned) > 3
    with pytest.raises(ValueError, match="at least 2"):
        null_distribution(reference, [reference])


def test_the_z_score_counts_deviations():
    frequency = np.arange(1, 11) / 10
    null = Null(frequency, np.zeros((3, 10)), np.array([0.2, 0.3, 0.4]), 0.5)
    curve = ShellCorrelation(frequency, np.where(frequency < 0.75, 1.0, 0.0))
    assert null.z_score(curve) == pytest.approx((0.75 - 0.3) / 0.1)
    alike = Null(frequency, np.zeros((2, 10)), np.array([0.3, 0.3]), 0.5)
    assert alike.z_score(curve) == pytest.approx(0.45 / (0.1 / 12**0.5))
