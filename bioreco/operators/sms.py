"""Slices excited together, each shifted along y by CAIPI, and received as one sum.

y(ky, kx) = sum_s exp(-2 pi i ky D_s / Ny) F{x_s}, ky = index - Ny // 2. D_s is in pixels and may
be fractional (Setsompop et al., blipped CAIPI, MRM 67, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.fourier import PLANE, frequencies, turn
from bioreco.operators.linear import LinearOperator


def phases(caipi: Tensor, lines: int) -> Tensor:
    """Return exp(-2 pi i ky D_s / Ny) of shifts (b, S), as (b, S, 1, ky, 1) complex128."""
    ky = frequencies(lines, device=caipi.device)
    return turn(-caipi.double()[:, :, None] * ky / lines)[:, :, None, :, None]


def whole(caipi: Tensor) -> tuple[int, ...] | None:
    """Return the shifts of the bands if they are whole pixels, alike in the batch, else None."""
    first = caipi[0]
    if bool(((caipi == first) & (caipi == caipi.round())).all()):
        return tuple(int(shift) for shift in first.tolist())
    return None


def rolled(x: Tensor, shifts: Sequence[int]) -> Tensor:
    """Shift bands (b, S, ..., y, x) by whole pixels along y."""
    if not any(shifts):
        return x
    pairs = zip(x.unbind(1), shifts, strict=True)
    return torch.stack([band.roll(shift, -2) for band, shift in pairs], 1)


def shifted(x: Tensor, caipi: Tensor) -> Tensor:
    """Shift bands (b, S, ..., y, x) by D_s pixels along y; periodic, and exact for fractions too.

    The slices of a multiband image as the scanner sees them; the shifts -D_s undo it.
    """
    known = whole(caipi)
    if known is not None:
        return rolled(x, known)
    ramp = torch.fft.ifftshift(phases(caipi, x.shape[-2]), dim=-2).to(x.dtype)
    ramp = ramp if x.ndim == 5 else ramp[:, :, 0]
    moved: Tensor = torch.fft.ifft(torch.fft.fft(x, dim=-2) * ramp, dim=-2)
    return moved


@dataclass(frozen=True, eq=False)
class Shift(LinearOperator):
    """Shift each band along y.

    Attributes
    ----------
    caipi
        D_s in pixels, (b, S).

    """

    caipi: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the coil images (b, S, C, y, x), shifted."""
        return shifted(x, self.caipi)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the coil images (b, S, C, y, x), shifted back."""
        return shifted(y, -self.caipi)


@dataclass(frozen=True, eq=False)
class Collapse(LinearOperator):
    """Sum the k-spaces of the bands, each with the phase of its shift.

    Attributes
    ----------
    caipi
        D_s in pixels, (b, S).

    """

    caipi: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum (b, C, ky, kx) of the bands (b, S, C, ky, kx)."""
        return (x * phases(self.caipi, x.shape[PLANE[0]]).to(x.dtype)).sum(1)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return what each band would have measured (b, S, C, ky, kx)."""
        return y.unsqueeze(1) * phases(-self.caipi, y.shape[PLANE[0]]).to(y.dtype)
