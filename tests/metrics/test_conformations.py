"""The comparison of conformations: exact, turned, mirrored, rigid, and by chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.particles.blobs import chain
from bioreco.data.particles.hinge import Hinged
from bioreco.errors import UserError
from bioreco.metrics.conformations import compare, rigid
from bioreco.metrics.fsc import soft_sphere
from bioreco.operators.resample import mirror, rotate
from bioreco.operators.rotations import random_rotations

BOX = 24


@pytest.fixture(scope="module")
def truths() -> list[np.ndarray]:
    moving = Hinged(chain(0, count=60, radius=36.0, width=7.0), 60.0)
    return [moving.at(state).volume(BOX, 5.0) for state in (0.0, 0.5, 1.0)]


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    return soft_sphere(BOX, 0.45 * BOX)


def test_conformations_are_found_however_they_lie(truths, mask):
    turn = random_rotations(1, torch.Generator().manual_seed(1))
    laid = np.stack([rotate(mirror(torch.from_numpy(v)), turn)[0].numpy() for v in truths[::-1]])
    found = compare(3 * laid, truths, mask)
    assert found.crossings.shape == (3, 3)
    assert found.crossings.argmax(1).tolist() == [2, 1, 0]
    assert found.motion > 0.95
    assert found.reach == pytest.approx(1, abs=0.1)
    assert found.chance[0] < found.chance[1] < found.motion


def test_a_volume_that_stands_still_has_no_motion(truths, mask):
    found = compare(np.stack([truths[1]] * 3), truths, mask)
    assert found.motion == found.reach == 0
    assert found.crossings.max(0).mean() < rigid(truths, mask) + 0.1 < 1.1


def test_a_hinge_turns_half_of_a_chain():
    still = chain(3, count=60, radius=36.0, width=6.0)
    moving = Hinged(still, 60.0)
    np.testing.assert_allclose(moving.at(0.5).centres, still.centres, atol=1e-9)
    first, last = (moving.at(state).centres for state in (0.0, 1.0))
    for half in (slice(0, 30), slice(30, 60)):  # each half is rigid
        apart = [np.linalg.norm(c[half, None] - c[None, half], axis=-1) for c in (first, last)]
        np.testing.assert_allclose(*apart, atol=1e-9)
    aims = [c[59] - c[30] for c in (first, last)]
    ends = [c[0] - c[29] for c in (first, last)]
    np.testing.assert_allclose(*ends, atol=1e-9)
    assert not np.allclose(*aims, atol=1.0)
    assert moving.radius >= still.radius
    with pytest.raises(UserError, match="hinge:200"):
        Hinged(still, 200.0)
