"""The Fourier transform between an image and k-space, centred and orthonormal.

F x = fftshift(fft2(ifftshift(x))) / sqrt(Ny Nx): the centre of both is at index N // 2, for odd
sizes too, and F^H F = I.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator

PLANE = (-2, -1)


def fft2(x: Tensor) -> Tensor:
    """Return the k-space (..., ky, kx) of images (..., y, x)."""
    inside = torch.fft.ifftshift(x, dim=PLANE)
    k: Tensor = torch.fft.fftshift(torch.fft.fft2(inside, norm="ortho"), dim=PLANE)
    return k


def ifft2(k: Tensor) -> Tensor:
    """Return the images (..., y, x) of k-space (..., ky, kx); the inverse and adjoint of `fft2`."""
    inside = torch.fft.ifftshift(k, dim=PLANE)
    x: Tensor = torch.fft.fftshift(torch.fft.ifft2(inside, norm="ortho"), dim=PLANE)
    return x


def frequencies(n: int, *, device: torch.device | None = None) -> Tensor:
    """Return the whole numbers k = index - n // 2 of a centred axis (n,), float64."""
    return torch.arange(n, dtype=torch.float64, device=device) - n // 2


def turn(cycles: Tensor) -> Tensor:
    """Return exp(2 pi i cycles), complex128; whole cycles are taken off first, to be exact."""
    return torch.polar(torch.ones_like(cycles), 2 * math.pi * (cycles - cycles.round()))


@dataclass(frozen=True)
class Fourier(LinearOperator):
    """F: images (..., y, x) to k-space (..., ky, kx)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return F x."""
        return fft2(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return F^H y."""
        return ifft2(y)

    def normal(self, x: Tensor) -> Tensor:
        """Return F^H F x = x."""
        return x
