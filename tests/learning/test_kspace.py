"""Learning from k-space alone: SSDU beats least squares, the naive loss repeats the noise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from multicoil import error, scans
from torch import Tensor

from bioreco.methods.kspace import Reconstruction
from bioreco.methods.multimask_ssdu import MultiMaskSSDU
from bioreco.methods.naive_ssl import NaiveSSL
from bioreco.methods.splits import Split
from bioreco.methods.splitting import Splitting
from bioreco.methods.ssdu import SSDU
from bioreco.networks.unrolled import Unrolled
from bioreco.operators.conjugate_gradient import solve
from bioreco.operators.models import MRI


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    return scans(range(4), sigma=0.03)


def network() -> Unrolled:
    torch.manual_seed(0)
    return Unrolled(1, 1, 2, unrolls=3, blocks=1, channels=16, checkpoint=False)


def training(method: Reconstruction, batch: dict[str, Tensor], steps: int) -> Iterator[int]:
    """Make steps on all scans at once."""
    adam = torch.optim.Adam(method.parameters(), 3e-3)
    for step in range(steps):
        for _, losses in method.step({**batch, "seed": batch["seed"] + 1000 * step}):
            adam.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            adam.step()
        yield step


@torch.no_grad()
def score(method: Reconstruction, batch: dict[str, Tensor]) -> float:
    return error(method.reconstruct(batch).mean, batch["x"])


@torch.no_grad()
def consistency(method: Splitting, batch: dict[str, Tensor]) -> float:
    x = method.reconstruct(batch).mean
    return float(method.distance(batch, x, batch["mask"]))


def test_ssdu_beats_least_squares_and_the_naive_loss(batch):
    H = MRI().operator(batch)
    zero_filled = H.adjoint(batch["y"])
    best = min(
        error(solve(H, zero_filled, mu, iterations=30), batch["x"]) for mu in (0.0, 0.01, 0.03, 0.1)
    )
    ssdu, naive = SSDU(network(), MRI()), NaiveSSL(network(), MRI())
    for _ in training(ssdu, batch, 60):
        pass
    errors, losses = [], []
    for step in training(naive, batch, 60):
        if step in (1, 59):
            errors.append(score(naive, batch))
            losses.append(consistency(naive, batch))
    found = score(ssdu, batch)
    assert found < 0.85 * best < best < error(zero_filled, batch["x"])
    assert losses[1] < losses[0]
    assert errors[1] > errors[0] > found
