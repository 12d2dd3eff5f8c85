"""Turning volumes in real space: slower and coarser than in frequency, but simple.

Used where the volume itself is wanted, and as the oracle of the projection by Fourier slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator


def rotate(volume: Tensor, rotations: Tensor, shifts: Tensor | None = None) -> Tensor:
    """Turn a volume about its centre N // 2, then move it, with linear interpolation.

    Parameters
    ----------
    volume
        (z, y, x); it is 0 outside.
    rotations
        A (b, 3, 3): the result at r is V(A^T (r - shift)).
    shifts
        (b, 3) along (x, y, z), in voxels; None for none.

    Returns
    -------
    Tensor
        (b, z, y, x), differentiable in everything.

    """
    z, y, x = volume.shape
    axes = [torch.arange(n, dtype=volume.dtype, device=volume.device) - n // 2 for n in (z, y, x)]
    mesh = torch.meshgrid(*axes, indexing="ij")
    r = torch.stack(mesh[::-1], -1).reshape(1, -1, 3)  # (x, y, z)
    if shifts is not None:
        r = r - shifts[:, None]
    extent = torch.tensor([x, y, z], dtype=volume.dtype, device=volume.device)
    index = r @ rotations.to(volume) + extent.div(2, rounding_mode="floor")
    place = (2 * index / (extent - 1) - 1).view(-1, z, y, x, 3)
    if place.requires_grad or volume.requires_grad or len(place) > 1:
        stacked = volume[None, None].expand(len(place), -1, -1, -1, -1)
    else:
        stacked = volume[None, None]
    turned = torch.nn.functional.grid_sample(stacked, place, align_corners=True)
    return turned[:, 0]


def mirror(volume: Tensor) -> Tensor:
    """Return the other hand of volumes (..., z, y, x): z becomes -z about the centre N // 2.

    A voxel at -N / 2 of an even side has no counterpart and stays where it is.
    """
    flipped = volume.flip(-3)
    return flipped if volume.shape[-3] % 2 else flipped.roll(1, -3)


@dataclass(frozen=True)
class ProjectRealSpace(LinearOperator):
    """Project a volume (z, y, x) by turning it and summing along z: images (b, 1, y, x).

    Attributes
    ----------
    rotations
        Poses A (b, 3, 3), x_image = A x_reference.
    size
        Voxels along a side of the volume.

    """

    rotations: Tensor
    size: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the projections."""
        return rotate(x, self.rotations).sum(1)[:, None]

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the sum of images smeared back along their directions."""
        with torch.enable_grad():
            x = y.new_zeros(self.size, self.size, self.size, requires_grad=True)
            (volume,) = torch.autograd.grad(self.forward(x), x, y)
        return volume
