"""Measurement operators as values: y = H(x) + w, Eq. (1) of the review.

An operator is a frozen dataclass built from tensors. It is never changed in place and holds no
noise; `@` composes, `.H` is the adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Solved(Protocol):
    """A factorised system, for many right sides."""

    def solve(self, b: Tensor) -> Tensor:
        """Return the solution."""


class LinearOperator:
    """A linear map with its adjoint.

    Subclasses are frozen dataclasses that give `forward` and `adjoint`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return H x."""
        raise NotImplementedError

    def adjoint(self, y: Tensor) -> Tensor:
        """Return H^* y."""
        raise NotImplementedError

    def __call__(self, x: Tensor) -> Tensor:
        """Return H x."""
        return self.forward(x)

    def __matmul__(self, inner: LinearOperator) -> LinearOperator:
        return Composition(self, inner)

    @property
    def H(self) -> LinearOperator:
        """The adjoint as an operator."""
        return Adjoint(self)

    def normal(self, x: Tensor) -> Tensor:
        """Return H^* H x."""
        return self.adjoint(self.forward(x))

    def restrict(self, subset: Tensor) -> LinearOperator:
        """Return H_Theta of Eq. (16): the operator that measures `subset` of what H measures.

        Raises
        ------
        NotImplementedError
            If the measurements of this operator can't be split.

        """
        raise NotImplementedError(f"the measurements of {type(self).__name__} can't be split")

    def factorised(self, mu: float) -> Solved | None:
        """Return what solves (H^* H + mu I) x = b exactly; None where only iterating helps."""
        del mu
        return None


@dataclass(frozen=True)
class Adjoint(LinearOperator):
    """The adjoint of an operator."""

    of: LinearOperator

    def forward(self, x: Tensor) -> Tensor:
        """Return H^* x."""
        return self.of.adjoint(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return H y."""
        return self.of.forward(y)

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self.of


@dataclass(frozen=True)
class Composition(LinearOperator):
    """Apply `inner`, then `outer`."""

    outer: LinearOperator
    inner: LinearOperator

    def forward(self, x: Tensor) -> Tensor:
        """Return outer(inner(x))."""
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return inner^*(outer^*(y))."""
        return self.inner.adjoint(self.outer.adjoint(y))

    def restrict(self, subset: Tensor) -> LinearOperator:
        """Return the composition with fewer measurements."""
        return Composition(self.outer.restrict(subset), self.inner)
