"""Ask of a network that it reconstructs a turned image as well as the image itself.

Equivariant imaging: Chen, Tachella and Davies, ICCV 2021. T x1 - F(H T x1) for the reconstruction
x1 and a turn T that makes one image of the kind into another. T acts on the image alone: coil maps
and mask stay, which is why it tells something of what they don't see.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bioreco.methods import draws, fidelity
from bioreco.operators.linear import LinearOperator

STREAM = 131
REACH = 0.1  # of the image: the largest shift along an axis


def disagreement(
    network: Callable[[LinearOperator, Tensor], Tensor],
    H: LinearOperator,
    x: Tensor,
    seeds: Tensor,
    *,
    loss: str,
) -> Tensor:
    """Return the normalised norm of T x - F(H T x).

    Parameters
    ----------
    network
        F, called with H and measurements.
    H
        The forward model with all measurements.
    x
        Reconstructions (b, S, y, x).
    seeds
        One for each sample (b,), from which T is drawn.
    loss
        See `fidelity.distance`.

    """
    turned = turn(x, seeds)
    return fidelity.distance(network(H, H(turned)), turned, loss=loss)


def turn(x: Tensor, seeds: Tensor) -> Tensor:
    """Mirror, rotate by quarter turns and shift each sample at random, exactly.

    Images that aren't square are rotated by half turns only. What leaves at one side comes in at
    the other.
    """
    u = draws.uniform(seeds, 4, stream=STREAM).tolist()
    return torch.stack([_turned(image, *numbers) for image, numbers in zip(x, u, strict=True)])


def _turned(x: Tensor, mirrored: float, rotated: float, down: float, right: float) -> Tensor:
    height, width = x.shape[-2:]
    x = x.flip(-1) if mirrored < 0.5 else x
    quarters = int(4 * rotated) if height == width else 2 * int(2 * rotated)
    shifts = [round((2 * by - 1) * REACH * n) for by, n in ((down, height), (right, width))]
    return x.rot90(quarters, (-2, -1)).roll(shifts, (-2, -1))
