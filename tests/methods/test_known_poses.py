"""Back-projection with known poses finds the volume again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.methods.known_poses import BackProjection, known_poses, spherical_average
from bioreco.metrics.fsc import HALVES, TRUTH, fsc
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.rotations import random_rotations


def volume(size: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    points, axis = rng.uniform(-5, 5, (20, 3)), np.arange(size) - size // 2
    lines = np.exp(-((axis[:, None, None] - points) ** 2) / (2 * 1.2**2))
    return torch.from_numpy(np.einsum("zk,yk,xk->zyx", *np.moveaxis(lines, 2, 0))).float()


def particles(size: int, count: int, noise: float) -> list[tuple[int, dict[str, torch.Tensor]]]:
    g = torch.Generator().manual_seed(0)
    batches = []
    for k in range(4):
        defocus = 8000 + 8000 * torch.rand(count // 4, generator=g)
        ctf = torch.tensor([[0, 0, 0.5, 300, 2.7, 0.1, 0, 0, 4.0]]).repeat(count // 4, 1)
        ctf[:, 0], ctf[:, 1] = defocus, defocus - 400
        batch = {
            "ctf": ctf,
            "pose": random_rotations(count // 4, g),
            "origin": 4 * torch.randn(count // 4, 2, generator=g),
            "y": torch.zeros(count // 4, 1, size, size),
        }
        y = CryoEM().operator(batch)(volume(size))
        batches.append((k % 2, {**batch, "y": y + noise * torch.randn(y.shape, generator=g)}))
    return batches


@pytest.mark.parametrize("size", [24, 25])
def test_the_volume_is_found_again(size):
    truth = volume(size).numpy()
    found = known_poses(particles(size, 400, 0.0), size)
    assert np.linalg.norm(found.volume - truth) < 0.05 * np.linalg.norm(truth)
    assert fsc(found.volume, truth).crossing(TRUTH) > 0.9


def test_noise_limits_what_is_found_and_the_halves_say_so():
    truth = volume(24).numpy()
    found = known_poses(particles(24, 400, 2.0), 24)
    of_truth = fsc(found.volume, truth).crossing(TRUTH)
    between = fsc(*found.halves).crossing(HALVES)
    assert 0.3 < of_truth < 0.95
    assert between == pytest.approx(of_truth, abs=0.15)
    error = np.linalg.norm(found.volume - truth)
    halves = [np.linalg.norm(half - truth) for half in found.halves]
    assert error < 0.8 * min(halves)


def test_sums_add_up():
    batches = [batch for _, batch in particles(16, 40, 0.5)]
    one, two, whole = (BackProjection(16) for _ in range(3))
    for k, batch in enumerate(batches):
        (one if k % 2 else two).add(batch)
        whole.add(batch)
    np.testing.assert_allclose((one + two).volume(0.1), whole.volume(0.1), atol=1e-5)
    assert np.abs(whole.volume(10.0)).max() < 0.3 * np.abs(whole.volume(0.1)).max()
    shells = whole.volume(np.full(9, 0.1))
    np.testing.assert_allclose(shells, whole.volume(0.1), atol=1e-6)


def test_an_origin_that_is_left_out_is_zero():
    batch = particles(16, 40, 0.0)[0][1]
    one, two = BackProjection(16), BackProjection(16)
    one.add({k: v for k, v in batch.items() if k != "origin"})
    two.add({**batch, "origin": torch.zeros_like(batch["origin"])})
    np.testing.assert_allclose(one.volume(0.1), two.volume(0.1), atol=1e-6)


def test_a_sphere_is_all_that_is_left_of_an_average_over_directions():
    truth = volume(17).numpy()
    floor = spherical_average(truth)
    assert floor.sum() == pytest.approx(truth.sum(), rel=1e-4)
    np.testing.assert_allclose(floor, floor.transpose(2, 1, 0), atol=1e-9)
    np.testing.assert_allclose(spherical_average(floor), floor, atol=1e-9)
