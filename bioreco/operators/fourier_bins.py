"""Fourier binning: every measured frequency is put into the nearest cell of a volume's spectrum.

The object is real, F(-k) = F(k)*, so each measurement is put at k and its conjugate at -k; cells
with several get their mean. What no view has measured stays unknown: the missing cone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from bioreco.operators.centred import cut, widened
from bioreco.operators.diffraction import Views


@dataclass(frozen=True)
class Bins:
    """The known part of the spectrum of a volume, on a grid that is finer than its own.

    Attributes
    ----------
    values
        (P, P, P // 2 + 1): means, 0 where nothing is known; the layout of `rfftn`.
    count
        Of the same shape: measurements in each cell.
    size
        Voxels along a side of the volume; P is a multiple of it.

    """

    values: Tensor
    count: Tensor
    size: int

    @property
    def known(self) -> Tensor:
        """Where anything was measured."""
        return self.count > 0

    def volume(self, spectrum: Tensor) -> Tensor:
        """Return the volume (z, y, x) of a spectrum on the fine grid, cut to size."""
        whole = torch.fft.irfftn(spectrum, s=[len(spectrum)] * 3, dim=(0, 1, 2))
        return cut(torch.fft.fftshift(whole), self.size, (0, 1, 2))

    def spectrum(self, volume: Tensor) -> Tensor:
        """Return the spectrum of a volume (z, y, x) on the fine grid."""
        whole = widened(volume, len(self.values), 3)
        found: Tensor = torch.fft.rfftn(torch.fft.ifftshift(whole), dim=(0, 1, 2))
        return found

    def imposed(self, volume: Tensor) -> Tensor:
        """Return a volume (z, y, x) with what was measured put in the place of what it has."""
        return self.volume(torch.where(self.known, self.values, self.spectrum(volume)))

    def region(self, reach: int = 2) -> Tensor:
        """Return where the spectrum is known on the grid of the volume itself, (z, y, x).

        1 or 0 in the order of `fftn`. Holes between measurements, up to twice `reach` cells of the
        fine grid wide, count as known: the size of the object fixes what is in them.
        """
        side = len(self.count)
        opposite = -torch.arange(side, device=self.count.device) % side
        known = self.known.to(self.values.real.dtype)
        rest = known[opposite][:, opposite][..., 1 : side - known.shape[-1] + 1].flip(-1)
        whole = torch.fft.fftshift(torch.cat([known, rest], -1))[None, None]
        wide = 2 * reach + 1
        grown = max_pool3d(whole, wide, 1, reach)
        closed = -max_pool3d(-grown, wide, 1, reach)
        step = side // self.size
        region = torch.fft.ifftshift(closed[0, 0])[::step, ::step, ::step]
        there = -torch.arange(self.size, device=region.device) % self.size
        return torch.minimum(region, region[there][:, there][:, :, there])


def bin_caps(scattered: Tensor, views: Views, size: int, *, pad: int = 2) -> Bins:
    """Sort fields u_B / u_0 (v, y, x) into the spectrum of a volume, `pad` times as fine.

    The images have at most `pad` times as many pixels along a side as the volume has voxels.
    """
    side = size * pad
    caps = views.caps(side)
    values = caps.collect(widened(scattered, side))
    k = caps.k.round().long()
    k, values = torch.cat([k, -k]) % side, torch.cat([values, values.conj()])
    half = side // 2 + 1
    kept = k[:, 0] < half
    x, y, z = k[kept].T
    cell = (z * side + y) * half + x
    total = values.new_zeros(side * side * half).index_add(0, cell, values[kept])
    count = torch.bincount(cell, minlength=len(total)).to(values.real.dtype)
    shape = (side, side, half)
    return Bins((total / count.clamp(min=1)).view(shape), count.view(shape), size)
