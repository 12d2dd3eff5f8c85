"""Particles of Gaussians, whose projections are known in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def centres(count: int, radius: float, seed: int) -> Tensor:
    """Draw points (count, 3) = (x, y, z) within a sphere."""
    g = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=g).double(), dim=1)
    return direction * radius * torch.rand(count, 1, generator=g).double() ** (1 / 3)


def gaussians(size: int, places: Tensor, sigma: float = 1.6) -> Tensor:
    """Return a volume (z, y, x) of Gaussians about its centre size // 2."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    square = [(x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2 for p in places]
    return sum(torch.exp(-s / (2 * sigma**2)) for s in square)


def projections(size: int, places: Tensor, poses: Tensor, sigma: float = 1.6) -> Tensor:
    """Return the projections (b, 1, y, x) of such a volume, x_image = A x_reference."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    images = []
    for pose in poses.double():
        square = [(x - p[0]) ** 2 + (y - p[1]) ** 2 for p in places @ pose.T]
        images.append(sum(torch.exp(-s / (2 * sigma**2)) for s in square))
    return torch.stack(images)[:, None] * math.sqrt(2 * math.pi) * sigma


def error(found: Tensor, expected: Tensor) -> float:
    """Return the root-mean-square error as a share of what is expected."""
    return float((found.double() - expected).norm() / expected.norm())
