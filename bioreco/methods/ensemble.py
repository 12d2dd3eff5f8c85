"""What many draws say together: their mean, their deviation, and the most likely image.

Where an image may be one thing or another, the mean of both is neither. Mean shift (Fukunaga and
Hostetler, IEEE TIT 21, 1975) climbs from the mean to the densest place among the draws; DivNoising
does so in small tiles, here each pixel has its own window, so that nothing is cut.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from bioreco.methods.method import Estimate

RADIUS = 3  # pixels of the window around each pixel
ITERATIONS = 8
FIRST, SHRINK = 1.0, 0.9  # bandwidth in terms of the spread of the draws, and its course
REACH = RADIUS * ITERATIONS  # pixels from one whose draws change its estimate


def welford(drawn: Iterable[Tensor]) -> Estimate:
    """Return mean and standard deviation of images that are seen one at a time."""
    mean, squares, count = torch.zeros(()), torch.zeros(()), 0
    for x in drawn:
        count += 1
        gap = x - mean
        mean = mean + gap / count
        squares = squares + gap * (x - mean)
    return Estimate(mean, (squares / max(count - 1, 1)).sqrt())


def mean_shift(drawn: Tensor) -> Estimate:
    """Return the mode of the draws (n, b, c, [z,] y, x), and their standard deviation.

    Notes
    -----
    x <- sum of w_k x_k with w_k = exp(-d_k / 2 h**2), where d_k is the squared distance of x from
    draw x_k, averaged over the window. The bandwidth h is the spread of the draws in the window,
    and shrinks by a tenth in each iteration.

    """
    mean, std = drawn.mean(0), drawn.std(0)
    spread = _windowed(((drawn - mean) ** 2).mean(0)).clamp(min=1e-20)
    x, width = mean, FIRST
    for _ in range(ITERATIONS):
        near = torch.stack([_windowed((x - one) ** 2) for one in drawn])
        weight = torch.softmax(-near / (2 * width**2 * spread), 0)
        x, width = (weight * drawn).sum(0), width * SHRINK
    return Estimate(x, std)


def _windowed(values: Tensor) -> Tensor:
    """Average over the window of each pixel, in the plane."""
    side = 2 * RADIUS + 1
    flat = values.reshape(-1, 1, *values.shape[-2:])
    padded = functional.pad(flat, [RADIUS] * 4, mode="replicate")
    return functional.avg_pool2d(padded, side, stride=1).view_as(values)
