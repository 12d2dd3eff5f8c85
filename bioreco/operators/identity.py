"""The camera sees the object itself: denoising, H = I."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True)
class Identity(LinearOperator):
    """H = I, the forward model of denoising."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return y."""
        return y
