"""SMS as one image with a wide field of view, undersampled along the readout.

The shifted slices are laid side by side along x, (b, C, y, S x). Every S-th column of the
k-space of that image is, times sqrt(S) and a phase, the sum that was measured: SMS with in-plane
acceleration is ordinary 2D SENSE (Demirel et al., EMBC 2021; ROCK-SPIRiT).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.coils import Coils
from bioreco.operators.fourier import fft2, frequencies, ifft2, turn
from bioreco.operators.linear import LinearOperator
from bioreco.operators.sampling import Sampling
from bioreco.operators.sms import Shift


@dataclass(frozen=True)
class Readout(LinearOperator):
    """Lay bands side by side along the readout, and measure the columns that SMS measures.

    Attributes
    ----------
    bands
        S, slices excited together.

    Notes
    -----
    Column kx of the sum is column S kx of the wide image, both counted from the centre, times
    sqrt(S) exp(-2 pi i kx (S Nx // 2 - Nx // 2) / Nx). That phase is 1 for odd S and (-1)^kx for
    even S where Nx is even; where S is even and Nx odd, the centres are half a pixel apart and it
    is neither: a ramp. With it the form equals the direct one for every S and every size.

    """

    bands: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum (b, C, ky, kx) of shifted coil images (b, S, C, y, x)."""
        wide = torch.cat(x.unbind(1), -1)
        return fft2(wide)[..., self._columns(x.shape[-1])] * self._phase(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return coil images (b, S, C, y, x) of k-space (b, C, ky, kx)."""
        n = y.shape[-1]
        wide = y.new_zeros(*y.shape[:-1], self.bands * n)
        wide[..., self._columns(n)] = y * self._phase(y).conj()
        return torch.stack(ifft2(wide).tensor_split(self.bands, -1), 1)

    def _columns(self, n: int) -> slice:
        first = self.bands * n // 2 - self.bands * (n // 2)
        return slice(first, first + self.bands * (n - 1) + 1, self.bands)

    def _phase(self, like: Tensor) -> Tensor:
        n = like.shape[-1]
        apart = self.bands * n // 2 - n // 2
        ramp = turn(-frequencies(n, device=like.device) * apart / n)
        return (math.sqrt(self.bands) * ramp).to(like.dtype)


def extended_sense(maps: Tensor, mask: Tensor, caipi: Tensor) -> LinearOperator:
    """Return the readout-extended form of `Sense`, which it equals.

    Parameters
    ----------
    maps
        (b, S, C, y, x) complex.
    mask
        Omega, (b, 1, ky, kx) bool.
    caipi
        Shifts in pixels, (b, S).

    """
    return Sampling(mask) @ Readout(maps.shape[1]) @ Shift(caipi) @ Coils(maps)
