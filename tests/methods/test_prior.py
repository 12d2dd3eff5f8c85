"""A trained denoiser of real images as the prior of complex ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kspace import normal, nrmse, problem

from bioreco.methods.method import Batch, Estimate, Method
from bioreco.methods.noise2self import Noise2Self
from bioreco.methods.prior import TrainedPrior
from bioreco.methods.regularised import Regularised
from bioreco.networks.unet import UNet
from bioreco.operators.models import SMSMRI


class Half(Method):
    """A denoiser that keeps what it was shown and halves it."""

    def __init__(self, stride: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.shown: list[torch.Tensor] = []
        self._stride = stride

    def reconstruct(self, batch: Batch) -> Estimate:
        self.shown.append(batch["y"])
        assert {"shift", "unit", "seed", "start"} <= batch.keys()
        return Estimate(batch["y"] / 2)

    @property
    def stride(self) -> tuple[int, ...] | None:
        return self._stride


def test_both_parts_are_denoised_at_one_scale():
    z = normal(2, 3, 9, 7, dtype=torch.complex64) * torch.tensor([1.0, 100.0])[:, None, None, None]
    half = Half()
    torch.testing.assert_close(TrainedPrior(half)(z), z / 2)
    (y,) = half.shown
    assert y.shape == (12, 1, 9, 7)
    assert y.dtype == torch.float32
    sizes = y.view(2, 2, 3, 9, 7).square().mean((0, 2, 3, 4))
    torch.testing.assert_close(sizes, torch.ones(2))
    turned = TrainedPrior(Half())(1j * z)
    torch.testing.assert_close(turned, 1j * z / 2)


def test_images_are_mirrored_to_a_size_that_the_network_takes():
    half = Half((8, 4))
    z = normal(1, 1, 9, 7)
    torch.testing.assert_close(TrainedPrior(half)(z), z / 2, rtol=1e-5, atol=1e-6)
    assert half.shown[0].shape == (2, 1, 16, 8)


def test_nothing_stays_nothing():
    assert TrainedPrior(Half())(torch.zeros(1, 2, 4, 4, dtype=torch.complex64)).abs().max() == 0


@pytest.mark.parametrize("regulariser", ["pnp", "red"])
def test_a_network_is_a_prior_that_is_no_part_of_the_method(regulariser):
    torch.manual_seed(0)
    network: Any = UNet(1, 1, 2, channels=4)
    prior = TrainedPrior(Noise2Self(network))
    p = problem(2, 4, (18, 15), noise=0.1)
    weight = 1.0 if regulariser == "pnp" else 0.2
    method = Regularised(
        SMSMRI(), prior, regulariser=regulariser, solver="admm", weight=weight, iterations=2
    )
    found = method.reconstruct(p.batch).mean
    assert torch.isfinite(found).all()
    assert torch.equal(found, method.reconstruct(p.batch).mean)
    assert list(method.parameters()) == []
    bare = Regularised(SMSMRI(), None, regulariser=regulariser, solver="admm", iterations=2)
    assert nrmse(found, bare.reconstruct(p.batch).mean) > 1e-3
