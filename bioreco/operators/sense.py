"""What multi-coil MRI measures of slices excited together: the fast form.

y_c = M sum_s exp(-2 pi i ky D_s / Ny) F{C_{s,c} x_s}; one slice without shift is ordinary SENSE
(Pruessmann et al., MRM 42, 1999). It is `Sampling @ Collapse @ Fourier @ Coils`, faster: shifts of
whole pixels are folded into the maps, so that the bands are summed before one transform for each
coil; in H^H H the shifts that centre F cancel; and a mask of whole lines leaves x untransformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from bioreco.operators.coils import Coils
from bioreco.operators.columns import Columns, fits, gram
from bioreco.operators.fourier import PLANE, frequencies, turn
from bioreco.operators.linear import LinearOperator
from bioreco.operators.sms import phases, rolled, whole

LINES = (-2,)


class Bands(Protocol):
    """Bands to the transform of their sum, along both axes or along y alone, not centred."""

    def forward(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Return (b, C, ky, kx or x) of images (b, S, y, x)."""

    def adjoint(self, k: Tensor, axes: Sequence[int]) -> Tensor:
        """Return images (b, S, y, x) of (b, C, ky, kx or x)."""

    def columns(self, weight: Tensor, mu: float) -> Columns | None:
        """Factorise H^H H + mu I of lines with this weight, not centred (b, 1, ky, 1)."""


@dataclass(frozen=True, eq=False)
class WholeShifts:
    """Shifts of whole pixels: maps (b, S, C, y, x) are shifted once, images as they come."""

    coils: Coils
    shifts: tuple[int, ...]

    @classmethod
    def of(cls, maps: Tensor, shifts: tuple[int, ...]) -> WholeShifts:
        """Shift the maps."""
        return cls(Coils(rolled(maps, shifts)), shifts)

    def forward(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Sum the shifted bands, then transform."""
        seen = self.coils(rolled(x, self.shifts))
        k: Tensor = torch.fft.fftn(seen.sum(1) if len(self.shifts) > 1 else seen[:, 0], dim=axes)
        return k

    def adjoint(self, k: Tensor, axes: Sequence[int]) -> Tensor:
        """Transform back, weight, and undo the shifts."""
        back = torch.fft.ifftn(k, dim=axes, norm="forward").unsqueeze(1)
        return rolled(self.coils.adjoint(back), tuple(-shift for shift in self.shifts))

    def columns(self, weight: Tensor, mu: float) -> Columns | None:
        """Factorise, with the shifts as phases."""
        maps = rolled(self.coils.maps, tuple(-shift for shift in self.shifts))
        caipi = torch.tensor(self.shifts, device=maps.device).expand(len(maps), -1)
        return AnyShifts(Coils(maps), caipi).columns(weight, mu)


@dataclass(frozen=True, eq=False)
class AnyShifts:
    """Shifts by fractions of a pixel, or other ones in each sample: phases along ky."""

    coils: Coils
    caipi: Tensor

    @cached_property
    def _phase(self) -> Tensor:
        maps = self.coils.maps
        ramp: Tensor = torch.fft.ifftshift(phases(self.caipi, maps.shape[-2]), dim=-2)
        return ramp.to(maps.dtype)

    @cached_property
    def _conjugate(self) -> Tensor:
        return torch.conj_physical(self._phase)

    def forward(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Transform each band along y, sum, and transform the sum along x."""
        k: Tensor = (torch.fft.fft(self.coils(x), dim=-2) * self._phase).sum(1)
        if -1 in axes:
            k = torch.fft.fft(k, dim=-1)
        return k

    def adjoint(self, k: Tensor, axes: Sequence[int]) -> Tensor:
        """Transform back along x, then each band along y."""
        k = torch.fft.ifft(k, dim=-1, norm="forward") if -1 in axes else k
        bands = k.unsqueeze(1) * self._conjugate
        return self.coils.adjoint(torch.fft.ifft(bands, dim=-2, norm="forward"))

    def columns(self, weight: Tensor, mu: float) -> Columns | None:
        """Factorise, where the factors aren't too large to be kept."""
        maps = self.coils.maps
        return Columns.of(gram(maps, self._phase, weight), mu) if fits(maps) else None


@dataclass(frozen=True, eq=False)
class Sense(LinearOperator):
    """H x = M sum_s P_s F C_s x_s. Build it with `Sense.of`.

    Attributes
    ----------
    bands
        Coils, shifts and the transform.
    mask
        Omega, (b, 1, ky, kx) bool.

    """

    bands: Bands
    mask: Tensor

    @classmethod
    def of(cls, maps: Tensor, mask: Tensor, caipi: Tensor) -> Sense:
        """Return the operator of coil maps, sampling and shifts.

        Parameters
        ----------
        maps
            (b, S, C, y, x) complex.
        mask
            Omega, (b, 1, ky, kx) bool.
        caipi
            Shifts in pixels, (b, S).

        """
        shifts = whole(caipi)
        bands = WholeShifts.of(maps, shifts) if shifts else AnyShifts(Coils(maps), caipi)
        return cls(bands, mask.bool())

    def forward(self, x: Tensor) -> Tensor:
        """Return the k-space (b, C, ky, kx) of images (b, S, y, x); 0 outside Omega."""
        k = self.bands.forward(x, PLANE)
        y: Tensor = torch.fft.fftshift(k * self._centred.to(k.dtype), dim=PLANE)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the images (b, S, y, x) of k-space (b, C, ky, kx): zero-filled, coil-combined."""
        k = torch.fft.ifftshift(y, dim=PLANE)
        return self.bands.adjoint(k * self._centred.conj().to(y.dtype), PLANE)

    def normal(self, x: Tensor) -> Tensor:
        """Return H^H H x, without centring, and along y alone if Omega is whole lines."""
        weight, axes = self._weight
        return self.bands.adjoint(self.bands.forward(x, axes) * weight.to(x.dtype), axes)

    def restrict(self, subset: Tensor) -> Sense:
        """Return the operator that measures Omega and `subset` (b, 1, ky, kx)."""
        return replace(self, mask=self.mask & subset.bool())

    def factorised(self, mu: float) -> Columns | None:
        """Return the exact solution of whole lines, column by column, where there is one."""
        weight, axes = self._weight
        return self.bands.columns(weight, mu) if axes is LINES else None

    @cached_property
    def _centred(self) -> Tensor:
        """M, not centred, with the ramp that centring the image makes of it, and 1 / sqrt(N)."""
        height, width = self.mask.shape[-2:]
        device = self.mask.device
        along_y = frequencies(height, device=device)[:, None] * (height // 2) / height
        along_x = frequencies(width, device=device) * (width // 2) / width
        ramp = turn(along_y + along_x) / (height * width) ** 0.5
        weight: Tensor = torch.fft.ifftshift(self.mask * ramp, dim=PLANE)
        return weight

    @cached_property
    def _weight(self) -> tuple[Tensor, Sequence[int]]:
        """M, not centred, over the number of points that are transformed; and along which axes."""
        height, width = self.mask.shape[-2:]
        inside = torch.fft.ifftshift(self.mask.double(), dim=PLANE)
        if bool((inside == inside[..., :1]).all()):
            return inside[..., :1] / height, LINES
        return inside / (height * width), PLANE
