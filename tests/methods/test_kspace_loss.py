"""The normalised l1-l2 loss: numbers, normalisation by sample, gradients that are numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.errors import UserError
from bioreco.methods import fidelity


def pair(b=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, b, 4, 6, 5, dtype=torch.complex64, generator=generator)


def test_it_is_the_mean_of_the_normalised_norms_of_each_sample():
    v, u = pair()
    flat = [(a.numpy().ravel(), c.numpy().ravel()) for a, c in zip(u, v, strict=True)]
    norms = {
        order: np.mean([np.linalg.norm(a - c, order) / np.linalg.norm(a, order) for a, c in flat])
        for order in (1, 2)
    }
    assert float(fidelity.distance(v, u, loss="l2")) == pytest.approx(norms[2], rel=1e-5)
    assert float(fidelity.distance(v, u, loss="l1")) == pytest.approx(norms[1], rel=1e-5)
    both = (norms[1] + norms[2]) / 2
    assert float(fidelity.distance(v, u)) == pytest.approx(both, rel=1e-5)


def test_units_phase_and_other_samples_do_not_matter():
    v, u = pair()
    loss = fidelity.distance(v, u)
    scale = torch.tensor([1e-6, 1.0, 1e5]).view(3, 1, 1, 1) * torch.exp(torch.tensor(1j))
    torch.testing.assert_close(fidelity.distance(v * scale, u * scale), loss)
    each = torch.stack([fidelity.distance(v[k : k + 1], u[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(each.mean(), loss)


def test_weights_are_those_of_the_moduli():
    v, u = pair()
    w = torch.rand(3, 1, 6, 5) + 0.5
    torch.testing.assert_close(fidelity.distance(v, u, weight=w), fidelity.distance(w * v, w * u))


@pytest.mark.parametrize("loss", fidelity.LOSSES)
def test_gradients_are_finite_where_nothing_differs_and_where_nothing_is_measured(loss):
    v, u = pair()
    v[1], u[1], u[2] = u[1], u[1], 0
    v.requires_grad_()
    fidelity.distance(v, u, loss=loss).backward()
    assert bool(torch.view_as_real(v.grad).isfinite().all())
    assert float(v.grad[1].abs().max()) == 0
    assert float(v.grad[2].abs().max()) == 0
    assert float(v.grad[0].abs().max()) > 0


def test_an_unknown_loss_is_told():
    with pytest.raises(UserError, match=r"method.loss=l1-l2: choose one of l1_l2, l1, l2\. Did"):
        fidelity.check("l1-l2")
