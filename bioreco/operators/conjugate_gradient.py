"""Least squares by conjugate gradients: (A + mu I) x = b, Eq. (5b) of the review.

Each sample of a batch is a problem of its own: what is found for it doesn't depend on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bioreco.operators.linear import LinearOperator

Gradient = Literal["exact", "implicit"]


def conjugate_gradient(
    normal: Callable[[Tensor], Tensor],
    b: Tensor,
    *,
    mu: Tensor | float = 0.0,
    iterations: int,
    tolerance: float = 0.0,
) -> Tensor:
    """Solve (A + mu I) x = b from x = 0 (Hestenes and Stiefel, 1952).

    Parameters
    ----------
    normal
        A, positive semi-definite, such as H.normal.
    b
        The right side, (b, ...) real or complex.
    mu
        Number, or one for each sample (b,), >= 0.
    iterations
        Steps at most.
    tolerance
        A sample is left as it is once ||b - A x|| <= tolerance ||b||; 0: only when it is solved.

    Returns
    -------
    Tensor
        x, of the shape of b. Where A and b are 0, outside the object, x is 0.

    """
    mu = _alike(mu, b)
    x, r, p = torch.zeros_like(b), b, b
    energy = _inner(r, r)
    enough = tolerance**2 * energy.detach()
    for _ in range(iterations):
        going = energy.detach() > enough
        if tolerance > 0 and not bool(going.any()):
            break
        image = normal(p) + mu * p
        alpha = _over(energy, _inner(p, image), going)
        x = x + alpha * p
        r = r - alpha * image
        before, energy = energy, _inner(r, r)
        p = r + _over(energy, before, going) * p
    return x


def solve(
    H: LinearOperator,
    b: Tensor,
    mu: Tensor | float,
    *,
    iterations: int,
    tolerance: float = 0.0,
    gradient: Gradient = "exact",
) -> Tensor:
    """Return x = (H^H H + mu I)^-1 b, differentiable in b and mu.

    Parameters
    ----------
    H
        The forward model; gradients don't reach what it is made of.
    b
        H^H y + mu z, (b, ...).
    mu
        Number, or one for each sample (b,), >= 0.
    iterations, tolerance
        See `conjugate_gradient`.
    gradient
        "exact": through every iteration. "implicit": the adjoint system is solved backwards by as
        many iterations, which needs no memory of the forward ones, and is right as far as both
        have converged.

    Notes
    -----
    With g = (H^H H + mu I)^-1 dL/dx, dL/db = g and dL/dmu = -Re<g, x>; so through b = H^H y + mu z
    it is dL/dz = mu g and dL/dmu = Re<g, z - x>.

    """
    if gradient == "exact":
        return conjugate_gradient(H.normal, b, mu=mu, iterations=iterations, tolerance=tolerance)
    known = torch.as_tensor(mu, dtype=_real(b), device=b.device)
    apply: Callable[..., Tensor] = _Implicit.apply
    return apply(b, known, H.normal, iterations, tolerance)


class _Implicit(torch.autograd.Function):
    """The solution, with the gradient of a solved system."""

    @staticmethod
    def forward(
        ctx: Any,
        b: Tensor,
        mu: Tensor,
        normal: Callable[[Tensor], Tensor],
        iterations: int,
        tolerance: float,
    ) -> Tensor:
        options = {"iterations": iterations, "tolerance": tolerance}
        x = conjugate_gradient(normal, b, mu=mu, iterations=iterations, tolerance=tolerance)
        ctx.save_for_backward(x, mu)
        ctx.normal, ctx.options = normal, options
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mu = ctx.saved_tensors
        g = conjugate_gradient(ctx.normal, grad, mu=mu, **ctx.options)
        along = -_inner(g, x).flatten()
        along = along if mu.numel() == len(along) else along.sum()
        return g, along.view(mu.shape), None, None, None


def _inner(u: Tensor, v: Tensor) -> Tensor:
    """Return Re<u, v> of each sample, to be broadcast over it."""
    shape = (-1, *[1] * (u.ndim - 1))
    if u.is_complex():
        u, v = torch.view_as_real(u), torch.view_as_real(v)
    return (u * v).flatten(1).sum(1).view(shape)


def _over(above: Tensor, below: Tensor, going: Tensor) -> Tensor:
    """Return the ratio where it goes on, else 0; no gradient is lost to a division by 0."""
    good = going & (below > 0)
    return torch.where(good, above / torch.where(good, below, 1), 0)


def _real(b: Tensor) -> torch.dtype:
    return b.real.dtype if b.is_complex() else b.dtype


def _alike(mu: Tensor | float, b: Tensor) -> Tensor:
    """Return mu as a tensor to be broadcast over samples."""
    known = torch.as_tensor(mu, dtype=_real(b), device=b.device)
    return known.view(-1, *[1] * (b.ndim - 1)) if known.ndim else known
