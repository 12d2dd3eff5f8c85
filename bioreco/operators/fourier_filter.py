"""Filters as products in frequency: the transfer function of a microscope, and shifts.

Spectra of images are half planes as `torch.fft.rfft2` orders them, (b, y, x // 2 + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True)
class FourierFilter(LinearOperator):
    """Multiply the spectra of images (b, c, y, x), with periodic borders.

    Attributes
    ----------
    transfer
        (b, y, x // 2 + 1) or (1, y, x // 2 + 1), real or complex: `contrast_transfer`,
        `phase_ramp`, or a product of such.

    """

    transfer: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the filtered images."""
        return self._times(x, self.transfer)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the images filtered with the conjugate."""
        return self._times(y, self.transfer.conj())

    @staticmethod
    def _times(image: Tensor, transfer: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(image) * transfer[:, None]
        filtered: Tensor = torch.fft.irfft2(spectrum, s=image.shape[-2:])
        return filtered

    def restrict(self, subset: Tensor) -> FourierFilter:
        """Return the filter of some of the images; `subset` (b,) is a mask or numbers."""
        return FourierFilter(self.transfer if len(self.transfer) == 1 else self.transfer[subset])


def half_plane(size: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the frequencies (size, 1) along y and (1, size // 2 + 1) along x, in cycles per pixel.

    They are float64, in the order of `torch.fft.rfft2`.
    """
    y = torch.fft.fftfreq(size, dtype=torch.float64, device=device)
    x = torch.fft.rfftfreq(size, dtype=torch.float64, device=device)
    return y[:, None], x[None]


def phase_ramp(shifts: Tensor, size: int) -> Tensor:
    """Return what the spectra of images are multiplied by to move the images.

    Parameters
    ----------
    shifts
        (b, 2): how far each image moves along (x, y), in pixels.
    size
        Pixels along a side of the image.

    Returns
    -------
    Tensor
        (b, size, size // 2 + 1), complex64, or complex128 for shifts in float64.

    """
    y, x = half_plane(size, shifts.device)
    along = shifts.double()
    turns = x * along[:, 0, None, None] + y * along[:, 1, None, None]
    ramp = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    return ramp if shifts.dtype == torch.float64 else ramp.to(torch.complex64)
