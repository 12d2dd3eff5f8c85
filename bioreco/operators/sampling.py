"""Which points of k-space were measured: M of y = M F C x, in-plane acceleration included."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True, eq=False)
class Sampling(LinearOperator):
    """Keep the points of Omega, and set the others to 0.

    Attributes
    ----------
    mask
        Omega, (b, 1, ky, kx) bool.

    """

    mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return M x."""
        return x * self.mask

    def adjoint(self, y: Tensor) -> Tensor:
        """Return M y."""
        return y * self.mask

    def normal(self, x: Tensor) -> Tensor:
        """Return M M x = M x."""
        return x * self.mask

    def restrict(self, subset: Tensor) -> LinearOperator:
        """Return the sampling of Omega and `subset` (b, 1, ky, kx)."""
        return Sampling(self.mask & subset.bool())
