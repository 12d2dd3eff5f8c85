"""A trained denoiser as the prior of a reconstruction: complex images through a real network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from bioreco.methods.method import Method


class TrainedPrior:
    """A denoiser of real images, applied to real and imaginary part.

    Both parts are divided by one number, their common standard deviation, so that the phase
    stays: networks work on images of unit variance.

    Parameters
    ----------
    method
        A trained method of denoising, for single-channel images in the plane.

    """

    def __init__(self, method: Method) -> None:
        self.method = method.eval()

    def __call__(self, z: Tensor) -> Tensor:
        """Return the denoised images (b, S, y, x), complex."""
        self.method.to(z.device)
        parts = torch.view_as_real(z).movedim(-1, 0)
        unit = parts.square().mean((0, 2, 3, 4), keepdim=True).sqrt()
        unit = unit.clamp(min=torch.finfo(unit.dtype).tiny)
        y = (parts / unit).flatten(0, 2).unsqueeze(1).float()
        with torch.no_grad():
            found = self._denoised(y).view(parts.shape).to(parts.dtype) * unit
        return torch.complex(found[0], found[1])

    def _denoised(self, y: Tensor) -> Tensor:
        """Return single-channel images (n, 1, y, x), mirrored to a size that the network takes."""
        height, width = y.shape[-2:]
        steps = self.method.stride or (1, 1)
        more = [-n % step for n, step in zip((height, width), steps, strict=True)]
        wide = pad(y, (0, more[1], 0, more[0]), mode="reflect") if any(more) else y
        n = len(y)
        batch = {"y": wide, "shift": y.new_zeros(n, 1), "unit": y.new_ones(n, 1)}
        batch["seed"] = torch.zeros(n, dtype=torch.int64, device=y.device)
        batch["start"] = torch.zeros(n, 2, dtype=torch.int64, device=y.device)
        return self.method.reconstruct(batch).mean[..., :height, :width]
