"""Columns solved exactly: what conjugate gradients converge to, for all shifts and lines."""

from __future__ import annotations

import pytest
import torch
from kspace import Problem, normal, problem
from torch import Tensor

from bioreco.methods.least_squares import LeastSquares
from bioreco.operators import columns
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.models import SMSMRI
from bioreco.operators.sense import Sense


def double(p: Problem, caipi: Tensor, mask: Tensor | None = None) -> Sense:
    known = p.batch["mask"] if mask is None else mask
    return Sense.of(p.batch["maps"].to(torch.complex128), known, caipi)


def apart(found: Tensor, right: Tensor) -> float:
    return float((found - right).abs().max() / right.abs().max())


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("how", ["whole", "fractions", "none"])
@pytest.mark.parametrize("mu", [0.0, 0.02])
def test_columns_are_what_conjugate_gradients_converge_to(bands, how, mu):
    p = problem(bands, 16, (18, 15), acceleration=2, noise=0.1)
    turn = {"whole": 3.0, "fractions": 18 / 7, "none": 0.0}[how]
    H = double(p, turn * torch.arange(bands)[None])
    b = H.adjoint(H(normal(1, bands, 18, 15)) + H.restrict(H.mask)(normal(1, bands, 18, 15)))
    weight = mu or (0.0 if how != "none" else 1e-3)
    solved = H.factorised(weight)
    assert solved is not None
    right = conjugate_gradient(H.normal, b, mu=weight, iterations=3000, tolerance=1e-13)
    assert apart(solved.solve(b), right) < 1e-9


def test_the_gram_matrix_is_the_normal_operator():
    p = problem(3, 4, (9, 8), acceleration=2)
    H = double(p, torch.tensor([[0.0, 1.5, 3.2]]))
    x = normal(1, 3, 9, 8, seed=4)
    weight, _ = H._weight
    matrix = columns.gram(H.bands.coils.maps, H.bands._phase, weight)
    found = torch.einsum("bxij,bjx->bix", matrix, x.flatten(1, 2)).unflatten(1, (3, 9))
    assert apart(found, H.normal(x)) < 1e-12


def test_lines_may_be_irregular_but_points_are_left_to_conjugate_gradients():
    p = problem(1, 8, (24, 20))
    lines = torch.rand(1, 1, 24, 1, generator=torch.Generator().manual_seed(1)) < 0.6
    H = double(p, torch.zeros(1, 1), lines.expand(-1, -1, -1, 20))
    b = H.adjoint(H(normal(1, 1, 24, 20)))
    right = conjugate_gradient(H.normal, b, mu=0.01, iterations=2000, tolerance=1e-13)
    solved = H.factorised(0.01)
    assert solved is not None
    assert apart(solved.solve(b), right) < 1e-9
    points = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(1)) < 0.6
    assert double(p, torch.zeros(1, 1), points).factorised(0.01) is None


def test_what_the_coils_cant_tell_apart_is_left_to_conjugate_gradients():
    H = double(problem(1, 1, (16, 16), acceleration=4), torch.zeros(1, 1))
    assert H.factorised(0.0) is None
    assert H.factorised(0.1) is not None


def test_factors_too_large_to_keep_arent_made(monkeypatch):
    H = double(problem(1, 4, (16, 16)), torch.zeros(1, 1))
    assert H.factorised(0.0) is not None
    monkeypatch.setattr(columns, "ROOM", 16 * 16 * 16 * 16 - 1)
    assert H.factorised(0.0) is None


@pytest.mark.parametrize("weight", [0.0, 0.02])
def test_least_squares_of_many_frames_is_that_of_each(weight):
    p, q = (problem(3, 16, (16, 12), acceleration=2, noise=0.05, seed=seed) for seed in (0, 1))
    frames = {key: torch.cat([p.batch[key]] * 2) for key in p.batch}
    frames["y"] = torch.cat([p.batch["y"], q.batch["y"]])
    exact = LeastSquares(SMSMRI(), weight=weight)
    iterated = LeastSquares(SMSMRI(), weight=weight, solver="cg", iterations=1000, tolerance=1e-6)
    for batch in (frames, p.batch, frames):
        found, right = exact.reconstruct(batch).mean, iterated.reconstruct(batch).mean
        assert apart(found, right) < 1e-4
    assert len(exact._known) == 1


def test_samples_that_differ_are_solved_each_for_itself():
    p = problem(1, 8, (16, 12), acceleration=2, noise=0.05)
    both = {key: torch.cat([p.batch[key]] * 2) for key in p.batch}
    both["mask"] = torch.cat([p.batch["mask"], p.batch["mask"].roll(1, -2)])
    exact = LeastSquares(SMSMRI(), weight=0.01)
    iterated = LeastSquares(SMSMRI(), weight=0.01, solver="cg", iterations=500, tolerance=1e-6)
    assert apart(exact.reconstruct(both).mean, iterated.reconstruct(both).mean) < 1e-4
