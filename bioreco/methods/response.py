"""Ask of a network that small local changes come back as large as they are.

What a task changes is a few per cent of the signal, far less than the noise of a frame, and a
network that learns to lower the noise learns to lower it too: the response is underestimated. So
a known change is added to the measurements, y + H d, and what comes back is compared with it:
F(y + H d; H) - F(y; H) = d. Nothing has to be known of the task, nor of the true image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bioreco.methods import draws, fidelity
from bioreco.operators.linear import LinearOperator

STREAM = 151
SPOTS = 8  # in each slice
WIDTHS = (2.0, 8.0)  # FWHM of a spot in pixels, from and to
STRENGTH = 0.03  # of the signal, in the middle of a spot


def lost(
    network: Callable[[LinearOperator, Tensor], Tensor],
    H: LinearOperator,
    y: Tensor,
    x: Tensor,
    seeds: Tensor,
) -> Tensor:
    """Return how much of an added change doesn't come back, as a share of it.

    Parameters
    ----------
    network
        F, called with H and measurements.
    H
        The forward model of what the network sees.
    y
        What it sees.
    x
        What it makes of it, F(y; H) (b, S, y, x).
    seeds
        One for each sample (b,), from which the change is drawn.

    """
    change = spots(x, seeds) * x.detach()
    return fidelity.distance(network(H, y + H(change)) - x, change, loss="l2")


def spots(x: Tensor, seeds: Tensor) -> Tensor:
    """Draw relative changes (b, S, y, x): bright and dark spots of different widths anywhere."""
    b, bands, height, width = x.shape
    u = draws.uniform(seeds, 4 * bands * SPOTS, stream=STREAM)
    u = u.view(b, bands, SPOTS, 4, 1, 1).to(x.real.dtype)
    y, z = (torch.arange(n, device=x.device, dtype=u.dtype) for n in (height, width))
    apart = (y[:, None] - u[..., 0, :, :] * height) ** 2 + (z - u[..., 1, :, :] * width) ** 2
    fwhm = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * u[..., 2, :, :]
    sign = torch.where(u[..., 3, :, :] < 0.5, -STRENGTH, STRENGTH)
    return (sign * torch.exp(-4 * math.log(2) * apart / fwhm**2)).sum(2)
