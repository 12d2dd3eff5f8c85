"""How far predicted k-space, or an image, is from what was measured: normalised l1 and l2.

The loss of Yaman et al., Magn. Reson. Med. 2020: 1/2 ||u - v||_2 / ||u||_2 + 1/2 ||u - v||_1 /
||u||_1 over all coils and points of one sample. The modulus here is that of complex numbers,
|a + ib| = sqrt(a^2 + b^2), which doesn't depend on the phase of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bioreco.errors import UserError, nearest

LOSSES = ("l1_l2", "l1", "l2")
SMALLEST = 1e-6  # of the mean modulus, below which the l1 norm is smooth


def check(loss: str) -> None:
    """Refuse a loss that isn't known.

    Raises
    ------
    UserError
        If it isn't one of "l1_l2", "l1" and "l2".

    """
    if loss not in LOSSES:
        raise UserError(
            f"method.loss={loss}: choose one of {', '.join(LOSSES)}." + nearest(loss, LOSSES)
        )


def distance(v: Tensor, u: Tensor, *, loss: str = "l1_l2", weight: Tensor | None = None) -> Tensor:
    """Return the mean over the samples of a normalised norm of u - v.

    Parameters
    ----------
    v
        What is predicted (b, ...), complex or real.
    u
        What was measured, of the same shape; where it is unknown both are 0.
    loss
        "l2": ||u - v||_2 / ||u||_2; "l1": the same with the sum of the moduli; "l1_l2": half the
        sum of both.
    weight
        What |u - v| and |u| are multiplied by, that goes with their shape; None: 1.

    Notes
    -----
    Samples are normalised one by one. Where nothing differs the gradient is 0, and where nothing
    was measured the loss is 0. No gradient goes through the norm of u.

    """
    weight = u.real.new_ones(()) if weight is None else weight
    size = (_square(u.detach()) * weight**2).flatten(1)
    difference = (_square(u - v) * weight**2).flatten(1)
    known = size.sum(1) > 0
    total: Tensor = size.new_zeros(len(u))
    if "l2" in loss:
        square = torch.where(known, size.sum(1), 1)
        total = total + _root(difference.sum(1) / square, torch.full_like(total, SMALLEST**2))
    if "l1" in loss:
        modulus = torch.where(known, size.sqrt().sum(1), 1)
        eps = SMALLEST * modulus / (size > 0).sum(1).clamp(min=1)
        total = total + _root(difference, (eps**2)[:, None]).sum(1) / modulus
    return (torch.where(known, total, 0) / (2 if loss == "l1_l2" else 1)).mean()


def _square(values: Tensor) -> Tensor:
    return values.real**2 + values.imag**2 if values.is_complex() else values**2


def _root(square: Tensor, eps: Tensor) -> Tensor:
    """Return a square root whose gradient at 0 is finite."""
    return (square + eps).sqrt() - eps.sqrt()
