"""Conjugate gradients against a dense solver, and their two gradients against differences."""

from __future__ import annotations

import pytest
import torch
from kspace import normal, problem
from scipy.sparse.linalg import cg

from bioreco.operators.conjugate_gradient import conjugate_gradient, solve
from bioreco.operators.sense import Sense


def system(bands: int = 2, *, batch: int = 2) -> tuple[Sense, torch.Tensor]:
    maps = normal(batch, bands, 4, 6, 5)
    maps = maps / maps.abs().pow(2).sum(2, keepdim=True).sqrt()
    maps[:, :, :, 0] = 0
    mask = torch.rand(batch, 1, 6, 5, generator=torch.Generator().manual_seed(4)) < 0.8
    H = Sense.of(maps, mask, torch.tensor([[0.0, 2.5][:bands]]).expand(batch, -1))
    return H, H.adjoint(normal(batch, 4, 6, 5, seed=1))


def test_the_solution_is_that_of_a_dense_solver():
    H, b = system(batch=1)
    basis = torch.eye(60, dtype=torch.complex128).view(60, 2, 6, 5)
    A = torch.cat([H.normal(one[None]).flatten(1) for one in basis]).T
    x = torch.linalg.solve(A + 0.1 * torch.eye(60), b.flatten())
    found = conjugate_gradient(H.normal, b, mu=0.1, iterations=60)
    torch.testing.assert_close(found.flatten(), x)
    seven, _ = cg(A.numpy() + 0.1 * torch.eye(60).numpy(), b.flatten().numpy(), maxiter=7, rtol=0)
    torch.testing.assert_close(
        conjugate_gradient(H.normal, b, mu=0.1, iterations=7).flatten(), torch.from_numpy(seven)
    )


def test_real_systems_are_solved_too():
    A = normal(4, 4, dtype=torch.float64)
    A = A @ A.T
    b = normal(3, 4, dtype=torch.float64, seed=1)
    x = conjugate_gradient(lambda v: v @ A, b, mu=0.5, iterations=20)
    torch.testing.assert_close(x @ (A + 0.5 * torch.eye(4)), b)


def test_outside_the_object_the_solution_stays_0():
    H, b = system()
    x = conjugate_gradient(H.normal, b, iterations=80)
    assert torch.isfinite(x).all()
    assert x[:, :, 0].abs().max() == 0
    torch.testing.assert_close(H.normal(x), b)
    assert torch.equal(conjugate_gradient(H.normal, 0 * b, iterations=3), 0 * b)


def test_a_sample_does_not_depend_on_the_others():
    p, q = (problem(2, 8, (12, 12), seed=seed, noise=0.1) for seed in (0, 1))
    both = {key: torch.cat([p.batch[key], q.batch[key]]) for key in ("maps", "mask", "caipi", "y")}
    both["mask"] = both["mask"].clone()
    both["mask"][1, :, ::2] = False  # harder to solve
    H = Sense.of(both["maps"], both["mask"], both["caipi"])
    found = conjugate_gradient(H.normal, H.adjoint(both["y"]), iterations=50, tolerance=1e-2)
    alone = conjugate_gradient(p.H.normal, p.H.adjoint(p.batch["y"]), iterations=50, tolerance=1e-2)
    torch.testing.assert_close(found[:1], alone)


def test_tolerance_stops_early_and_bounds_the_residual():
    H, b = system()
    calls = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return H.normal(x)

    x = conjugate_gradient(counted, b, mu=0.1, iterations=100, tolerance=1e-3)
    assert len(calls) < 40
    residual = (H.normal(x) + 0.1 * x - b).flatten(1).norm(dim=1)
    assert (residual <= 1.001e-3 * b.flatten(1).norm(dim=1)).all()


def test_mu_may_differ_between_samples():
    H, b = system()
    found = conjugate_gradient(H.normal, b, mu=torch.tensor([0.1, 0.7]), iterations=40)
    for k, mu in enumerate((0.1, 0.7)):
        right = conjugate_gradient(H.normal, b, mu=mu, iterations=40)[k]
        torch.testing.assert_close(found[k], right)


@pytest.mark.parametrize(("gradient", "iterations"), [("exact", 5), ("implicit", 70)])
@pytest.mark.parametrize("mu", [0.2, [0.2], [0.2, 0.5]])
def test_the_gradients_are_those_of_differences(gradient, iterations, mu):
    H, b = system()
    known = torch.tensor(mu, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda b, mu: solve(H, b, mu, iterations=iterations, gradient=gradient),
        (b.requires_grad_(), known),
        fast_mode=True,
    )


def test_the_implicit_gradient_reaches_z_and_mu_as_told():
    H, b = system()
    z = normal(*b.shape, seed=9).requires_grad_()
    mu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x = solve(H, b + mu * z, mu, iterations=80, gradient="implicit")
    above = normal(*b.shape, seed=10)
    by_z, by_mu = torch.autograd.grad(x, (z, mu), above)
    g = conjugate_gradient(H.normal, above, mu=mu.detach(), iterations=80)
    torch.testing.assert_close(by_z, 0.3 * g)
    torch.testing.assert_close(by_mu, (g.conj() * (z - x)).real.sum().detach())


def test_gradcheck_through_two_unrolls():
    H, b = system(1)
    mu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def unrolled(z: torch.Tensor, mu: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            z = torch.complex(torch.tanh(z.real), torch.tanh(z.imag))
            z = solve(H, b + mu * z, mu, iterations=4)
        return z

    z = normal(*b.shape, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(unrolled, (z, mu), fast_mode=True)
