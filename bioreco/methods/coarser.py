"""Images and volumes on a coarser grid: the same field of view with fewer, larger pixels.

Spectra are cut, so that what is left is exact. The scale is such that white noise keeps its
variance, and that projections of a coarser volume are the coarser projections.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bioreco.methods.method import Batch
from bioreco.operators.ctf import PARAMETERS

_PIXEL = PARAMETERS.index("pixel_size")
_IMAGES = ("y", "background")


def coarser(values: Tensor, size: int, dims: int = 2) -> Tensor:
    """Return values on fewer pixels.

    Parameters
    ----------
    values
        (..., [z,] y, x), sides of n pixels with the centre at n // 2.
    size
        Pixels along a side that are kept, even.
    dims
        2 or 3 axes.

    Returns
    -------
    Tensor
        (..., [size,] size, size).

    """
    n = values.shape[-1]
    if size >= n:
        return values
    axes = tuple(range(-dims, 0))
    spectrum = torch.fft.fftn(torch.fft.ifftshift(values, axes), dim=axes, norm="ortho")
    kept = torch.arange(-(size // 2) + 1, size // 2, device=values.device)  # without Nyquist
    for axis in axes:
        part = spectrum.index_select(axis, kept % n)
        shape = list(part.shape)
        shape[axis] = size
        spectrum = part.new_zeros(shape).index_copy(axis, kept % size, part)
    found = torch.fft.ifftn(spectrum, dim=axes, norm="ortho").real
    centred: Tensor = torch.fft.fftshift(found, axes)
    return centred


def coarser_volume(volume: Tensor, size: int) -> Tensor:
    """Return a volume (z, y, x) whose projections are the coarser projections."""
    n = volume.shape[-1]
    return coarser(volume, size, 3) * (n / size) ** 0.5 if size < n else volume


def coarser_batch(batch: Batch, size: int) -> Batch:
    """Return a batch of particles on fewer pixels, which are larger."""
    n = batch["y"].shape[-1]
    if size >= n:
        return batch
    ctf = batch["ctf"].clone()
    ctf[:, _PIXEL] *= n / size
    images = {key: coarser(batch[key], size) for key in _IMAGES if key in batch}
    return {**batch, "ctf": ctf, **images}
