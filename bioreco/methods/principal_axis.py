"""The angle of an image from its moments: the longest axis, and which way along it is heavier."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_FAINT = 2.0  # standard deviations of the noise; what is darker doesn't count
_SMOOTH = 3  # pixels along a side that are averaged before


def principal_axis(images: Tensor) -> Tensor:
    """Return psi (b,) in radians of images (b, 1, y, x) with noise of deviation 1.

    x_image = R(psi) x_reference, with the passive rotation: in the frame of the reference the long
    axis is x, and what lies on its far side is fainter and further off.
    """
    n = images.shape[-1]
    along = (torch.arange(n) - n // 2).to(images)
    smooth = functional.avg_pool2d(images, _SMOOTH, 1, _SMOOTH // 2)[:, 0]
    disc = along[:, None] ** 2 + along**2 < (n / 2) ** 2
    weight = (smooth - _FAINT / _SMOOTH).clamp(min=0) * disc
    total = weight.sum((1, 2)).clamp(min=1e-6)
    x = (weight.sum(1) * along).sum(1) / total
    y = (weight.sum(2) * along).sum(1) / total
    dx, dy = along - x[:, None], along - y[:, None]
    xx = (weight.sum(1) * dx**2).sum(1)
    yy = (weight.sum(2) * dy**2).sum(1)
    xy = torch.einsum("byx,by,bx->b", weight, dy, dx)
    axis = 0.5 * torch.atan2(2 * xy, xx - yy)
    place = axis.cos()[:, None, None] * dx[:, None] + axis.sin()[:, None, None] * dy[:, :, None]
    skew = (weight * place**3).sum((1, 2))
    direction = torch.where(skew < 0, axis + torch.pi, axis)
    return -direction
