"""Operators obey the laws of linear maps and their adjoints."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bioreco.operators.identity import Identity
from bioreco.operators.linear import Adjoint, Composition, LinearOperator

law = settings(max_examples=25, deadline=None, derandomize=True)
sizes = st.integers(1, 6)


@dataclass(frozen=True)
class Matrix(LinearOperator):
    """A dense matrix, real or complex."""

    matrix: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return self.matrix @ x

    def adjoint(self, y: Tensor) -> Tensor:
        return self.matrix.mH @ y


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.complex128)


def operators(a: int, b: int, c: int) -> list[tuple[LinearOperator, int, int]]:
    """Return operators with the lengths of what goes in and comes out."""
    outer, inner = Matrix(random(a, b)), Matrix(random(b, c, seed=1))
    return [
        (Identity(), b, b),
        (outer, b, a),
        (outer.H, a, b),
        (outer @ inner, c, a),
        ((outer @ inner).H, a, c),
        (inner.H @ outer.H @ outer, b, c),
        (outer @ Identity(), b, a),
    ]


@law
@given(sizes, sizes, sizes)
def test_adjoint_moves_to_the_other_side_of_the_inner_product(a, b, c):
    for operator, inputs, outputs in operators(a, b, c):
        x, y = random(inputs, seed=2), random(outputs, seed=3)
        left, right = torch.vdot(operator(x), y), torch.vdot(x, operator.adjoint(y))
        torch.testing.assert_close(left, right)


@law
@given(sizes, sizes, sizes)
def test_an_adjoint_is_an_operator_whose_adjoint_is_the_first(a, b, c):
    for operator, inputs, outputs in operators(a, b, c):
        x, y = random(inputs, seed=2), random(outputs, seed=3)
        assert torch.equal(operator.H(y), operator.adjoint(y))
        assert torch.equal(operator.H.adjoint(x), operator(x))
        assert operator.H.H is operator or operator == operator.H.H
        assert torch.equal(operator.H.H(x), operator(x))


@law
@given(sizes, sizes, sizes)
def test_the_normal_operator_is_forth_and_back(a, b, c):
    for operator, inputs, _ in operators(a, b, c):
        x = random(inputs, seed=2)
        assert torch.equal(operator.normal(x), operator.adjoint(operator.forward(x)))
        assert torch.vdot(x, operator.normal(x)).real >= 0


def test_a_composition_applies_the_inner_one_first():
    outer, inner = Matrix(random(2, 3)), Matrix(random(3, 4, seed=1))
    x = random(4, seed=2)
    both = outer @ inner
    assert isinstance(both, Composition)
    torch.testing.assert_close(both(x), outer.matrix @ inner.matrix @ x)
    other = Matrix(random(4, 4, seed=5))
    torch.testing.assert_close(((outer @ inner) @ other)(x), (outer @ (inner @ other))(x))


def test_autograd_of_an_operator_is_its_adjoint():
    operator = Matrix(random(3, 4).real) @ Matrix(random(4, 5, seed=1).real)
    x, y = random(5, seed=2).real.requires_grad_(), random(3, seed=3).real
    (gradient,) = torch.autograd.grad((operator(x) * y).sum(), x)
    torch.testing.assert_close(gradient, operator.adjoint(y))


def test_the_identity_hands_on_what_it_gets():
    x = random(3)
    assert Identity()(x) is x
    assert Identity().adjoint(x) is x
    assert isinstance(Identity().H, Adjoint)
    assert Identity() == Identity()


def test_operators_are_values():
    with pytest.raises(FrozenInstanceError):
        Matrix(random(2, 2)).matrix = random(2, 2)  # type: ignore[misc]


def test_an_operator_without_a_map_says_so():
    for call in (LinearOperator().forward, LinearOperator().adjoint, LinearOperator()):
        with pytest.raises(NotImplementedError):
            call(random(1))
