"""Optical diffraction tomography: from refractive indices to holograms, and their Fourier bins.

Rytov: u_B = u_0 ln(u / u_0), for objects that are smooth, however thick; Born: u_B = u - u_0, for
objects that hardly shift the phase. Both are linear in the scattering potential f.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.operators.centred import cut, widened
from bioreco.operators.diffraction import Views
from bioreco.operators.linear import LinearOperator
from bioreco.operators.slices import gather, grid, scatter, taps_at

OPTICS = ("wavelength", "pixel_size", "medium", "na")  # nanometres, nanometres, index, aperture
APPROXIMATIONS = ("rytov", "born")
QUADRATIC = 2


@dataclass(frozen=True)
class Scatter(LinearOperator):
    """H f: the scattered fields u_B / u_0 (1, v, y, x), complex, of a potential (1, 1, z, y, x).

    Attributes
    ----------
    views
        How the object is looked at.
    size
        Voxels along a side of f.
    field
        Pixels along a side of the images, at most `pad` times as many. Light is scattered to the
        side, so that images of an object's own size lose some of it.
    pad
        How many times as large f is made before its transform.

    Notes
    -----
    f is real, so the adjoint is that of the real inner product Re <y, H f>.

    """

    views: Views
    size: int
    field: int
    pad: int = 2

    def forward(self, x: Tensor) -> Tensor:
        """Return H f."""
        g = grid(self.size, self.pad, QUADRATIC, x.device, x.dtype)
        volume = widened(x[0] * g.correction, g.side, 3)
        spectrum = torch.fft.rfftn(torch.fft.ifftshift(volume, (1, 2, 3)), dim=(1, 2, 3))
        caps = self.views.caps(g.side)
        values = gather(spectrum, taps_at(caps.k.T[:, None].to(x.dtype), g))[0]
        images = caps.spread(values, len(self.views.illumination))[None]
        return cut(images, self.field, (2, 3))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return H^T y."""
        real = y.real.dtype
        g = grid(self.size, self.pad, QUADRATIC, y.device, real)
        caps = self.views.caps(g.side)
        images = torch.fft.ifftshift(widened(y[0], g.side), dim=(1, 2))
        spectra = torch.fft.fft2(images).flatten(1) / g.side**2
        values = spectra[caps.view, caps.place] * (-0.5j / caps.kz.to(real))
        spectrum = scatter(values[None], taps_at(caps.k.T[:, None].to(real), g), 1, g)
        volume = torch.fft.irfftn(spectrum / g.doubled, s=[g.side] * 3, dim=(1, 2, 3)) * g.side**3
        volume = cut(torch.fft.fftshift(volume, (1, 2, 3)), self.size, (1, 2, 3)) * g.correction
        return volume[None]


@dataclass(frozen=True)
class ODT:
    """Optical diffraction tomography with plane waves.

    Parameters
    ----------
    approximation
        "rytov" or "born".
    pad
        How many times as large volumes and images are made before their Fourier transforms.

    Notes
    -----
    A batch holds one tomogram: y (1, v, y, x), complex, ln(u / u_0) with an unwrapped phase;
    illumination (1, v, 3) and rotation (1, v, 3, 3), see `Views`; optics (1, 4), see `OPTICS`; box
    (1,), voxels along a side of the volume. Potentials are in pixels^-2.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    approximation: Literal["rytov", "born"] = "rytov"
    pad: int = 2

    def __post_init__(self) -> None:
        if self.approximation not in APPROXIMATIONS:
            raise UserError(
                f"forward.approximation={self.approximation}: {' or '.join(APPROXIMATIONS)}."
                + nearest(self.approximation, APPROXIMATIONS)
            )
        if not 1 <= self.pad <= 4:
            raise UserError(f"forward.pad={self.pad}: 1 to 4, and 2 to be accurate")

    def operator(self, batch: Mapping[str, Tensor]) -> Scatter:
        """Return H of a batch."""
        return Scatter(views_of(batch), int(batch["box"][0]), batch["y"].shape[-1], self.pad)

    def scattered(self, y: Tensor) -> Tensor:
        """Return u_B / u_0 of measurements ln(u / u_0)."""
        return y if self.approximation == "rytov" else torch.expm1(y)


def views_of(batch: Mapping[str, Tensor]) -> Views:
    """Return how the tomogram of a batch was looked at."""
    wavelength, pixel, medium, na = map(float, batch["optics"][0].double())
    k0 = 2 * torch.pi * pixel / wavelength
    return Views(batch["illumination"][0], batch["rotation"][0], k0 * medium, k0 * na)
