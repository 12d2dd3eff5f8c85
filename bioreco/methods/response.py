"""How much of a small local change comes back from a reconstruction.

What a task changes is a few per cent of the signal, far less than the noise of a frame, and a
network that learns to lower the noise learns to lower it too: the response is underestimated. So
a known change is added to the measurements, y + H d, and what it adds to the result is compared
with it: F(y + H d; H) - F(y; H) against d. Nothing has to be known of the task, nor of the true
image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bioreco.methods import draws
from bioreco.operators.linear import LinearOperator

STREAM = 151
PIXELS = 200  # of a slice for each spot
WIDTHS = (2.0, 7.0)  # FWHM of a spot in pixels, from and to
STRENGTH = 0.03  # of the signal, in the middle of a spot
DARK = 0.15  # of the brightest pixels: darker ones tell nothing


def measured(
    network: Callable[[LinearOperator, Tensor], Tensor],
    H: LinearOperator,
    y: Tensor,
    seeds: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return F(y; H), and what came back of changes where they are strong beside what was added.

    Parameters
    ----------
    network
        F, called with H and measurements.
    H
        The forward model.
    y
        Measurements.
    seeds
        One for each sample (b,), from which the changes are drawn.

    Returns
    -------
    (image, found, added)
        The image, and relative changes within half of the maximum of the spots, 0 elsewhere, all
        (b, S, y, x). The ratio of their sums over a region is the share that came back there, as
        the mean of active voxels is read.

    """
    x = network(H, y)
    relative = spots(x, seeds)
    found = network(H, y + H(relative * x)) - x
    size = x.abs().square()
    bright = size > DARK**2 * size.flatten(1).amax(1).view(-1, 1, 1, 1)
    inside = bright & (relative.abs() >= STRENGTH / 2)
    back = (found * x.conj()).real / torch.where(inside, size, 1) * relative.sign()
    return x, torch.where(inside, back, 0), torch.where(inside, relative.abs(), 0)


def spots(x: Tensor, seeds: Tensor) -> Tensor:
    """Draw relative changes (b, S, y, x): bright and dark spots of different widths anywhere."""
    b, bands, height, width = x.shape
    count = max(1, height * width // PIXELS)
    u = draws.uniform(seeds, 4 * bands * count, stream=STREAM)
    u = u.view(b, bands, count, 4, 1, 1).to(x.real.dtype)
    y, z = (torch.arange(n, device=x.device, dtype=u.dtype) for n in (height, width))
    apart = (y[:, None] - u[..., 0, :, :] * height) ** 2 + (z - u[..., 1, :, :] * width) ** 2
    fwhm = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * u[..., 2, :, :]
    sign = torch.where(u[..., 3, :, :] < 0.5, -STRENGTH, STRENGTH)
    return (sign * torch.exp(-4 * math.log(2) * apart / fwhm**2)).sum(2)
