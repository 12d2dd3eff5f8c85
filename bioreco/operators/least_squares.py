"""Regularised least squares, argmin_x 1/2 ||y - H x||^2 + R(x), for any operator: Eqs. (2)-(5).

(The review leaves out the half, which is a weight of R twice as large.) All start from x = 0.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.laws import greatest
from bioreco.operators.linear import LinearOperator
from bioreco.operators.regularisers import Regulariser

INNER = 6  # conjugate gradient steps of a data consistency step, which starts where the last ended
MARGIN = 1.02  # by which power iterations may underestimate


class Solver(Protocol):
    """A way to solve Eq. (2)."""

    def __call__(
        self, H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float
    ) -> Tensor:
        """Return x."""


def gradient_descent(
    H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float = 1.0
) -> Tensor:
    """Go downhill, Eq. (3), with Nesterov's momentum; mu bounds the curvature of R."""
    b = H.adjoint(y)
    step = 1 / (curvature(H, b) + mu)
    x, ahead, t = torch.zeros_like(b), torch.zeros_like(b), 1.0
    for _ in range(iterations):
        new = ahead - step * (H.normal(ahead) - b + R.gradient(ahead))
        after = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = new + (t - 1) / after * (new - x)
        x, t = new, after
    return x


def proximal_gradient(
    H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float = 0.0
) -> Tensor:
    """Go downhill in the data, then the proximal step of R (ISTA; Daubechies et al., 2004).

    mu is added to the curvature of the data: shorter steps.
    """
    b = H.adjoint(y)
    step = 1 / (curvature(H, b) + mu)
    x = torch.zeros_like(b)
    for _ in range(iterations):
        x = R.proximal(x - step * (H.normal(x) - b), step)
    return x


def accelerated(
    H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float = 0.0
) -> Tensor:
    """Proximal gradient with momentum (FISTA; Beck and Teboulle, SIAM JIS 2, 2009)."""
    b = H.adjoint(y)
    step = 1 / (curvature(H, b) + mu)
    x, ahead, t = torch.zeros_like(b), torch.zeros_like(b), 1.0
    for _ in range(iterations):
        new = R.proximal(ahead - step * (H.normal(ahead) - b), step)
        after = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = new + (t - 1) / after * (new - x)
        x, t = new, after
    return x


def variable_splitting(
    H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float = 0.1
) -> Tensor:
    """Alternate Eqs. (5a) and (5b), tied by mu / 2 ||x - z||^2: half-quadratic splitting."""
    b = H.adjoint(y)
    x = torch.zeros_like(b)
    for k in range(iterations):
        z = R.proximal(x, 1 / mu) if k else x
        x = consistent(H, b, z, mu, x)
    return R.proximal(x, 1 / mu)


def admm(
    H: LinearOperator, y: Tensor, R: Regulariser, *, iterations: int, mu: float = 0.1
) -> Tensor:
    """Alternate as in Eqs. (5a) and (5b), with a multiplier for x = z (Boyd et al., 2011)."""
    b = H.adjoint(y)
    x, z, u = torch.zeros_like(b), torch.zeros_like(b), torch.zeros_like(b)
    for _ in range(iterations):
        x = consistent(H, b, z - u, mu, x)
        z = R.proximal(x + u, 1 / mu)
        u = u + x - z
    return z


def consistent(H: LinearOperator, b: Tensor, z: Tensor, mu: float, start: Tensor) -> Tensor:
    """Return argmin_x ||y - H x||^2 + mu ||x - z||^2, Eq. (5b), from `start`; b is H^H y."""
    rest = b - H.normal(start) + mu * (z - start)
    return start + conjugate_gradient(H.normal, rest, mu=mu, iterations=INNER)


def curvature(H: LinearOperator, like: Tensor) -> float:
    """Return the greatest eigenvalue of H^H H, with a margin, at least a tiny number."""
    return max(MARGIN * greatest(H, like), 1e-12)
