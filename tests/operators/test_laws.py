"""The laws of forward models, kept by ours over sizes, coils, bands and accelerations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from kspace import normal, problem
from torch import Tensor

from bioreco.operators.identity import Identity
from bioreco.operators.laws import adjoint_error, check, failures, greatest
from bioreco.operators.linear import LinearOperator
from bioreco.operators.models import SMSMRI

NAMES = {"adjoint", "unitary", "norm", "normal", "gradient", "vjp"}


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("coils", [1, 4])
@pytest.mark.parametrize("size", [(12, 12), (9, 9), (12, 9)])
def test_the_laws_hold(size, coils, bands):
    for acceleration in (1, 2, 4):
        dtype = torch.complex64 if acceleration == 2 else torch.complex128
        p = problem(bands, coils, size, acceleration=acceleration, dtype=dtype)
        complete = bands == 1 and acceleration == 1
        found = check(
            p.H,
            (1, bands, *size),
            (1, coils, *size),
            dtype,
            bound=bands,
            complete=complete,
            object_=p.batch["maps"].abs().sum(2) > 0,
        )
        assert failures(found) == []
        assert set(found) == NAMES | ({"complete"} if complete else set())


def test_the_laws_hold_for_the_extended_form():
    p = problem(2, 3, (8, 7), dtype=torch.complex128)
    H = SMSMRI(extended=True).operator(p.batch)
    assert failures(check(H, (1, 2, 8, 7), (1, 3, 8, 7), torch.complex128, bound=2)) == []


@dataclass(frozen=True)
class Mistaken(LinearOperator):
    """An operator of a user's, with a mistake."""

    mistake: str

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(1, -1) * (2 if self.mistake == "norm" else 1)

    def adjoint(self, y: Tensor) -> Tensor:
        back = y.roll(1 if self.mistake == "adjoint" else -1, -1)
        return back * (2 if self.mistake == "norm" else 1)

    def normal(self, x: Tensor) -> Tensor:
        wrong = 1.01 if self.mistake == "normal" else 1
        return wrong * self.adjoint(self.forward(x))


@pytest.mark.parametrize("mistake", ["adjoint", "norm", "normal"])
def test_mistakes_are_found_and_named(mistake):
    shape = (2, 1, 6, 5)
    assert failures(check(Mistaken("none"), shape, shape, torch.complex128)) == []
    lines = failures(check(Mistaken(mistake), shape, shape, torch.complex128))
    assert mistake in [line.split(":")[0] for line in lines]
    assert "of which rounding explains" in lines[0]


def test_an_operator_that_loses_part_of_the_image_is_not_complete():
    p = problem(1, 4, (8, 8), acceleration=2, dtype=torch.complex128)
    found = check(p.H, (1, 1, 8, 8), (1, 4, 8, 8), torch.complex128, complete=True)
    assert [line.split(":")[0] for line in failures(found)] == ["complete"]


def test_real_operators_can_be_checked():
    assert failures(check(Identity(), (2, 3, 4), (2, 3, 4), torch.float64, complete=True)) == []


def test_the_adjoint_check_alone():
    x, y = normal(3, 4), normal(3, 4, seed=1)
    assert adjoint_error(Identity(), x, y) < 1e-15
    assert adjoint_error(Mistaken("adjoint"), x, y) > 1e-3


def test_power_iterations_find_the_greatest_eigenvalue():
    p = problem(2, 1, (8, 8), dtype=torch.complex128)
    flat = replace(p.H, mask=torch.ones(1, 1, 8, 8, dtype=torch.bool))
    assert greatest(flat, normal(1, 2, 8, 8)) == pytest.approx(2, rel=1e-4)
    assert greatest(flat, torch.zeros(1, 2, 8, 8, dtype=torch.complex128)) == 0
