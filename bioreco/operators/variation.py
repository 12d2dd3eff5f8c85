"""Total variation: images of few, sharp edges.

TV(x) = sum over pixels of the length of the gradient (Rudin, Osher and Fatemi, 1992), of real and
imaginary part together, so that an edge of either is one edge.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gradient(x: Tensor, axes: int = 2) -> Tensor:
    """Return the differences to the next pixel (axes, ..., [z,] y, x), 0 at the far border."""
    found = torch.zeros(axes, *x.shape, dtype=x.dtype, device=x.device)
    for part, axis in zip(found, range(-axes, 0), strict=True):
        n = x.shape[axis] - 1
        part.narrow(axis, 0, n).copy_(x.narrow(axis, 1, n) - x.narrow(axis, 0, n))
    return found


def divergence(p: Tensor) -> Tensor:
    """Return -gradient^H p of (axes, ..., [z,] y, x)."""
    found = torch.zeros_like(p[0])
    for part, axis in zip(p, range(-len(p), 0), strict=True):
        n = part.shape[axis] - 1
        inner = part.narrow(axis, 0, n)
        found.narrow(axis, 0, n).add_(inner)
        found.narrow(axis, 1, n).sub_(inner)
    return found


def length(p: Tensor) -> Tensor:
    """Return the length of gradients (2, ..., y, x), as (..., y, x)."""
    return p.abs().square().sum(0).sqrt()


def variation(x: Tensor) -> Tensor:
    """Return TV of each sample (b, ..., y, x), as (b,)."""
    return length(gradient(x)).flatten(1).sum(1)


def smooth(z: Tensor, weight: float, *, iterations: int = 20, axes: int = 2) -> Tensor:
    """Return argmin_x 1/2 ||x - z||^2 + weight TV(x).

    Chambolle's dual (2004) with Nesterov's momentum (Beck and Teboulle, IEEE TIP 18, 2009).

    Parameters
    ----------
    z
        Images (..., y, x), real or complex.
    weight
        In the units of z, >= 0.
    iterations
        Steps; 20 are enough inside another iteration.
    axes
        2, or 3 for volumes (..., z, y, x).

    """
    if weight == 0:
        return z
    p = torch.zeros(axes, *z.shape, dtype=z.dtype, device=z.device)
    ahead, t = p, 1.0
    for _ in range(iterations):
        step = ahead + gradient(z / weight + divergence(ahead), axes) / (4 * axes)
        new = step / length(step).clamp(min=1)
        after = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = new + (t - 1) / after * (new - p)
        p, t = new, after
    return z + weight * divergence(p)
