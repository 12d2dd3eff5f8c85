"""How strong a filter should be, found in the noisy image alone by hiding pixels from it.

Batson and Royer, ICML 2019, section 3: a grid of pixels is replaced by something made of their
neighbours, the image is filtered, and what comes out at those pixels is compared with what was
measured there. Noise that is independent from pixel to pixel can't be predicted, so that the error
is that against the truth plus the variance of the noise, and the best strength is the same.

Notes
-----
The mean of the neighbours is less noisy than a pixel. A filter that does nothing would then look
like a good one, most of all in stacks, and one that compares patches would meet an image it will
never see. So noise of the estimated variance is drawn and added to the replacement, until it is as
noisy as the pixel was. It stays independent of the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bioreco.methods import draws, masking

WIDTH = 4  # pixels between hidden pixels
SHARE = {2: 5 / 36, 3: 19 / 392}  # of a pixel's noise variance is left in its neighbours' mean
SLICES = 16  # of a stack that are looked at
MOST = 4  # blocks that are looked at

Variance = Callable[[Tensor], Tensor]


def crops(images: Sequence[Tensor], pixels: int) -> list[Tensor]:
    """Cut pieces from all over the images, of about so many pixels together.

    Parameters
    ----------
    images
        (c, [z,] y, x) each.
    pixels
        How many, not counting channels.

    """
    chosen = [images[k * len(images) // MOST] for k in range(MOST)]
    if len(images) < MOST:
        chosen = list(images)
    return [piece for image in chosen for piece in _pieces(image, pixels // len(chosen))]


def _pieces(image: Tensor, pixels: int) -> list[Tensor]:
    """Return the image, or the middles of its four quarters if it is too large."""
    if image.dim() == 4:
        first = max(0, (image.shape[1] - SLICES) // 2)
        image = image[:, first : first + SLICES]
    depth = math.prod(image.shape[1:-2])
    if image[0].numel() <= pixels:
        return [image]
    side = max(32, math.isqrt(pixels // depth // 4))
    places = []
    for size in image.shape[-2:]:
        length = min(side, size)
        middles = (size // 4, 3 * size // 4) if size >= 2 * length else (size // 2,)
        starts = [min(max(0, m - length // 2), size - length) for m in middles]
        places.append([slice(a, a + length) for a in starts])
    return [image[..., rows, columns] for rows in places[0] for columns in places[1]]


def hide(y: Tensor, phase: int, variance: Variance | None) -> tuple[Tensor, Tensor]:
    """Replace a grid of pixels by the mean of their neighbours, as noisy as they were.

    Parameters
    ----------
    y
        A measurement (c, [z,] y, x).
    phase
        Which of the 16 grids.
    variance
        The variance of the noise at a given signal, both of the shape of y; None: add no noise.

    Returns
    -------
    tuple of Tensor
        The measurement with pixels replaced, and the mask of these.

    """
    batch = y[None]
    mask = masking.grid(batch, WIDTH, torch.tensor([phase], device=y.device))
    mean = masking.interpolate(batch, mask)[0]
    if variance is None:
        return mean, mask[0]
    u = draws.uniform(torch.tensor([phase]), y.numel(), stream=5)
    normal = torch.special.ndtri(u.clamp(min=1e-12)).view(y.shape)
    noise = normal * ((1 - SHARE[y.dim() - 1]) * variance(mean)).clamp(min=0).sqrt()
    return torch.where(mask[0], mean + noise.to(mean.dtype), mean), mask[0]


def best(loss: Callable[[float], float], grid: Sequence[float]) -> tuple[float, float]:
    """Return the value of a rising grid with the least loss, and the loss.

    Each third value is tried, then those near the best of them.
    """
    found: dict[int, float] = {}

    def at(k: int) -> float:
        if not 0 <= k < len(grid):
            return math.inf
        if k not in found:
            found[k] = loss(grid[k])
        return found[k]

    here = min(range(min(1, len(grid) - 1), len(grid), 3), key=at)
    while True:
        lowest = min((here, here - 1, here + 1), key=at)
        if lowest == here:
            return grid[here], found[here]
        here = lowest
