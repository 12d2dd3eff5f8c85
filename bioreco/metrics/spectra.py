"""Radial power spectra of images: how much of each fineness they hold.

Real and simulated particles must agree in them, whatever else a critic sees.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from bioreco.metrics.shells import doubled, shell_numbers


def radial_power(images: Tensor) -> Tensor:
    """Return the mean power of images at each length of frequency.

    Parameters
    ----------
    images
        (b, c, y, x) or (b, c, z, y, x).

    Returns
    -------
    Tensor
        (b, c, n): rings from zero frequency up to Nyquist. White noise of variance s has s in each;
        the mean of the image is in the first. Differentiable.

    """
    shape = tuple(images.shape[2:])
    number, share = _rings(shape, images.device)
    axes = tuple(range(2, images.ndim))
    power: Tensor = torch.fft.rfftn(images, dim=axes, norm="ortho").abs().square()
    count = int(number.max())  # the last holds what lies beyond Nyquist
    sums = power.new_zeros(*images.shape[:2], count + 1)
    sums = sums.index_add(2, number, power.flatten(2) * share.to(power))
    return sums[..., :count]


@lru_cache(maxsize=16)
def _rings(shape: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the ring of each frequency, and its share in the mean over that ring."""
    with torch.inference_mode(mode=False):
        number = torch.from_numpy(shell_numbers(shape)[0]).flatten()
        weight = torch.from_numpy(doubled(shape)).flatten()
        total = torch.zeros(int(number.max()) + 1, dtype=weight.dtype)
        total = total.index_add(0, number, weight)
        return number.to(device), (weight / total[number]).to(device)
