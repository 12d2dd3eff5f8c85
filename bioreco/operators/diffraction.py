"""Where a hologram lies in the spectrum of a transparent object: on caps of the Ewald sphere.

The field scattered by a weak object f = k_m^2 ((n / n_m)^2 - 1), illuminated by a plane wave k_in,
has the spectrum U_B(kx, ky) = i / (2 kz) F(k - k_in) in the plane through the centre, with
kz = sqrt(k_m^2 - kx^2 - ky^2) (the Fourier diffraction theorem; transforms are sums of
f exp(-i k r)). Divided by the illumination, its frequencies are q = (kx, ky) - k_in.

References
----------
.. [1] E. Wolf, "Three-dimensional structure determination of semi-transparent objects from
   holographic data", Optics Communications 1, 1969.
.. [2] Y. Sung et al., "Optical diffraction tomography for high resolution live cell imaging",
   Optics Express 17, 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

GRAZING = 0.999  # of k_m: waves that leave nearer to the plane of the detector carry no detail


@dataclass(frozen=True)
class Views:
    """How an object was looked at.

    Attributes
    ----------
    illumination
        Directions of the light (v, 3) = (x, y, z) before the object, unit vectors; z points to the
        detector.
    rotations
        (v, 3, 3): how the object was turned, r = A r_object.
    wavenumber
        k_m = 2 pi n_m / wavelength, in radians per pixel.
    aperture
        Largest lateral wavenumber that the objective takes, k_0 NA, in radians per pixel.

    """

    illumination: Tensor
    rotations: Tensor
    wavenumber: float
    aperture: float

    def caps(self, side: int) -> Caps:
        """Return the caps at the frequencies of images of `side` pixels."""
        exact = torch.float64
        light = self.wavenumber * self.illumination.to(exact)[:, :, None, None]  # (v, 3, 1, 1)
        q = 2 * math.pi * torch.fft.fftfreq(side, dtype=exact, device=light.device)
        qy, qx = torch.meshgrid(q, q, indexing="ij")
        lateral = (qx + light[:, 0]) ** 2 + (qy + light[:, 1]) ** 2
        widest = min(self.aperture, GRAZING * self.wavenumber)
        passed = lateral <= widest**2
        kz = (self.wavenumber**2 - lateral).clamp(min=0).sqrt()
        k = torch.stack([qx.expand_as(kz), qy.expand_as(kz), kz - light[:, 2]], -1)
        k = torch.einsum("vji,vyxj->vyxi", self.rotations.to(exact), k) * (side / (2 * math.pi))
        passed &= (k.abs() < side / 2).all(-1) & (torch.maximum(qx.abs(), qy.abs()) < math.pi)
        view, place = passed.flatten(1).nonzero(as_tuple=True)
        return Caps(side, view, place, k.flatten(1, 2)[view, place], kz.flatten(1)[view, place])


@dataclass(frozen=True)
class Caps:
    """The frequencies that were measured, one after another.

    Attributes
    ----------
    side
        Pixels along a side of the images.
    view, place
        (n,): the view of each, and its place in a spectrum (y, x) that is laid out flat.
    k
        (n, 3): kx, ky, kz in the frame of the object, in units of 1 / side.
    kz
        (n,): that of the scattered wave, in radians per pixel.

    """

    side: int
    view: Tensor
    place: Tensor
    k: Tensor
    kz: Tensor

    def collect(self, images: Tensor) -> Tensor:
        """Return F (n,) at the frequencies, of fields u_B / u_0 (v, side, side), centred."""
        spectra = torch.fft.fft2(torch.fft.ifftshift(images, dim=(1, 2)))
        weight = -2j * self.kz.to(images.real.dtype)
        found: Tensor = weight * spectra.flatten(1)[self.view, self.place]
        return found

    def spread(self, values: Tensor, views: int) -> Tensor:
        """Return the fields u_B / u_0 (v, side, side), centred, of F (n,)."""
        flat = values.new_zeros(views, self.side**2)
        seen = values * (0.5j / self.kz.to(values.real.dtype))
        flat = flat.index_put((self.view, self.place), seen)
        images = torch.fft.ifft2(flat.view(views, self.side, self.side))
        found: Tensor = torch.fft.fftshift(images, dim=(1, 2))
        return found


def potential(index: Tensor, medium: float, wavenumber: float) -> Tensor:
    """Return f = k_m^2 ((n / n_m)^2 - 1) of refractive indices, in the units of k_m squared."""
    return wavenumber**2 * ((index / medium) ** 2 - 1)


def refractive_index(f: Tensor, medium: float, wavenumber: float) -> Tensor:
    """Return n = n_m sqrt(1 + f / k_m^2); f below -k_m^2 gives 0."""
    return medium * (1 + f / wavenumber**2).clamp(min=0).sqrt()
