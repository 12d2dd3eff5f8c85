"""The distance of images in a cost of transport: a norm whose slope is 1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_TINY = 1e-8


def distance(a: Tensor, b: Tensor, noise: Tensor | None = None) -> Tensor:
    """Return the mean over samples of the norm over all pixels of a - b.

    `noise` (b, ...), standard deviations, is what they may differ by: what is less than its norm
    counts as nothing.
    """
    norms = ((a - b).flatten(1).square().sum(1) + _TINY).sqrt()
    if noise is not None:
        norms = functional.relu(norms - noise.flatten(1).square().sum(1).sqrt())
    return norms.mean()
