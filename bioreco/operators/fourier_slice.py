"""Projections of a volume, as a microscope takes them, by the Fourier slice theorem.

The spectrum of a projection is a plane through the centre of the spectrum of the volume:
P_A V(x, y) = sum_z V(A^T r). The volume is padded and divided by sinc^2 (sinc^3), which is what
linear (quadratic) interpolation between frequencies would multiply it by; its spectrum, computed
once for the whole batch, is interpolated at k = A^T (kx, ky, 0). Beyond the Nyquist frequency a
projection is 0.

References
----------
.. [1] R. N. Bracewell, "Strip integration in radio astronomy", Australian Journal of Physics 9,
   1956.
.. [2] S. H. W. Scheres, "RELION: Implementation of a Bayesian approach to cryo-EM structure
   determination", Journal of Structural Biology 180, 2012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator
from bioreco.operators.slices import Grid, Taps, find_taps, gather, grid, scatter


@dataclass(frozen=True)
class Project(LinearOperator):
    """Project a volume (z, y, x) along given directions: images (b, 1, y, x).

    Attributes
    ----------
    rotations
        Poses A (b, 3, 3), x_image = A x_reference.
    size
        Voxels along a side of the volume and of the images, even or odd.
    pad
        How many times as large the volume is made before its transform, at least 1.
    order
        Of the splines that interpolate between frequencies: 1, linear, or 2, quadratic.
    transfer
        What the spectra of the images are multiplied by before they are cut to size, or None:
        (b or 1, P, P // 2 + 1) with P = `padded_size(size, pad)`, real or complex.
    volumes
        1, or a divisor of b for a volume (volumes, z, y, x): each has b / volumes of the poses, in
        that order.

    Notes
    -----
    Against the projections of Gaussians within two thirds of the box, the error (root mean square)
    is 11 % at pad 1, 1.0 % at 2 and 0.3 % at 3 with linear interpolation, and 2.5 %, 0.1 % and
    0.02 % with quadratic interpolation, which takes about twice the time.

    Images are linear in the volume, and any number of derivatives exist in it. They are
    differentiable in the rotations too, more slowly, where these require a gradient.

    """

    rotations: Tensor
    size: int
    pad: int = 2
    order: int = 2
    transfer: Tensor | None = None
    volumes: int = 1

    def forward(self, x: Tensor) -> Tensor:
        """Return the projections (b, 1, y, x) of a volume (z, y, x) or (volumes, z, y, x)."""
        size = self.size
        if x.shape not in ((self.volumes, *[size] * 3), *([(size,) * 3] * (self.volumes == 1))):
            raise ValueError(f"expected {self.volumes} volumes of side {size}, got {x.shape}")
        g = grid(size, self.pad, self.order, x.device, x.dtype)
        volume = x.reshape(-1, size, size, size) * g.correction
        before, after = g.margin
        padded = torch.nn.functional.pad(volume, [before, after] * 3)
        spectrum = torch.fft.rfftn(torch.fft.ifftshift(padded, (1, 2, 3)), dim=(1, 2, 3))
        planes = g.spread(gather(spectrum, self._taps(g)))
        if self.transfer is not None:
            planes = planes * self.transfer
        images: Tensor = torch.fft.fftshift(torch.fft.irfft2(planes, s=(g.side, g.side)), (1, 2))
        return images[:, None, before : before + size, before : before + size]

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the sum of images (b, 1, y, x) smeared back along their directions."""
        g = grid(self.size, self.pad, self.order, y.device, y.dtype)
        before, after = g.margin
        padded = torch.nn.functional.pad(y[:, 0], [before, after] * 2)
        planes = torch.fft.rfft2(torch.fft.ifftshift(padded, (1, 2))) * g.doubled
        if self.transfer is not None:
            planes = planes * self.transfer.conj()
        spectrum = scatter(g.collect(planes), self._taps(g), self.volumes, g)
        spectrum = spectrum * (g.side / g.doubled)  # the scales of irfft2 and irfftn: 1/P^2, P^3
        padded = torch.fft.irfftn(spectrum, s=[g.side] * 3, dim=(1, 2, 3))
        inside = slice(before, before + self.size)
        volume: Tensor = torch.fft.fftshift(padded, (1, 2, 3))[:, inside, inside, inside]
        volume = volume * g.correction
        return volume[0] if self.volumes == 1 else volume

    def restrict(self, subset: Tensor) -> Project:
        """Return the operator that takes some of the images; `subset` (b,) is a mask or numbers."""
        if self.volumes > 1:
            raise NotImplementedError("the images of several volumes can't be split")
        transfer = self.transfer
        if transfer is not None and len(transfer) > 1:
            transfer = transfer[subset]
        return replace(self, rotations=self.rotations[subset], transfer=transfer)

    def _taps(self, g: Grid) -> Taps:
        return find_taps(self.rotations, g, self.volumes)
