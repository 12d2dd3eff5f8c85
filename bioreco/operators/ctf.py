"""The contrast transfer function of an electron microscope: what it does to each frequency.

chi(k, a) = -pi lambda Df(a) k^2 + pi/2 Cs lambda^3 k^4 - phase_shift - atan(w / sqrt(1 - w^2))
CTF = -sin(chi) exp(-B k^2 / 4), Df(a) = [U + V + (U - V) cos 2(a - a_U)] / 2

With RELION's sign: underfocus is positive and the CTF at zero frequency is +w, so that a particle
of positive density is white in an image that this CTF explains.

References
----------
.. [1] A. Rohou, N. Grigorieff, "CTFFIND4: Fast and accurate defocus estimation from electron
   micrographs", Journal of Structural Biology 192, 2015.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bioreco.operators.fourier_filter import half_plane

PARAMETERS = (
    "defocus_u",  # Angstrom, underfocus > 0
    "defocus_v",  # Angstrom
    "defocus_angle",  # radians from x to y, of the axis of defocus_u
    "voltage",  # kV
    "spherical_aberration",  # mm
    "amplitude_contrast",  # w, a fraction
    "phase_shift",  # radians
    "b_factor",  # Angstrom^2
    "pixel_size",  # Angstrom
)


def wavelength(voltage: Tensor) -> Tensor:
    """Return the wavelength of electrons in Angstrom; the voltage is in kV."""
    volts = 1e3 * voltage
    return 12.2643247 / (volts * (1 + 0.978466e-6 * volts)).sqrt()


def contrast_transfer(parameters: Tensor, size: int) -> Tensor:
    """Return the CTF of each particle on the half plane of an image.

    Parameters
    ----------
    parameters
        (b, 9) in the order of `PARAMETERS`; each particle may have its own optics.
    size
        Pixels along a side of the image. A padded image is passed with its padded size.

    Returns
    -------
    Tensor
        (b, size, size // 2 + 1), of the parameters' type; computed in float64, since the phase
        reaches hundreds of radians.

    """
    if parameters.ndim != 2 or parameters.shape[1] != len(PARAMETERS):
        raise ValueError(f"CTF parameters have shape {tuple(parameters.shape)}, expected (b, 9)")
    columns = parameters.double()[:, :, None, None].unbind(1)
    u, v, angle, voltage, aberration, w, phase, b_factor, pixel = columns
    ky, kx = (k / pixel for k in half_plane(size, parameters.device))
    square = kx**2 + ky**2
    astigmatic = (kx**2 - ky**2) * (2 * angle).cos() + 2 * kx * ky * (2 * angle).sin()
    defocus = 0.5 * ((u + v) * square + (u - v) * astigmatic)  # Df(a) k^2
    length = wavelength(voltage)
    chi = math.pi * length * (0.5e7 * aberration * (length * square) ** 2 - defocus)
    chi = chi - phase - torch.asin(w)
    return (-torch.sin(chi) * torch.exp(-0.25 * b_factor * square)).to(parameters.dtype)


def least_box(parameters: Tensor) -> Tensor:
    """Return the pixels (b,) along a side below which the CTF aliases: L > 2 lambda Df k_max.

    A point of the object is spread over a disc of radius lambda Df k, and the rings of the CTF are
    finer than the frequencies of a box that doesn't hold it. k_max is the Nyquist frequency.
    """
    defocus = parameters[:, :2].abs().amax(1)
    pixel = parameters[:, 8]
    side = 2 * wavelength(parameters[:, 3]) * defocus / (2 * pixel)
    return torch.ceil(side / pixel)


def aliasing(parameters: Tensor, size: int) -> str:
    """Say in words whether a box is too small for the CTF; "" if it is large enough.

    Parameters
    ----------
    parameters
        (n, 9) of all particles.
    size
        Pixels along a side of the box.

    """
    needed = least_box(parameters)
    short = needed > size
    if not bool(short.any()):
        return ""
    worst = int(needed.argmax())
    pixel = float(parameters[worst, 8])
    defocus = float(parameters[worst, :2].abs().amax())
    limit = 2 * pixel * float(needed[worst]) / size
    return (
        f"{int(short.sum())} of {len(parameters)} particles have a CTF that a box of {size} pixels"
        f" can't hold: at {defocus:.0f} A defocus and {pixel:.3g} A per pixel it needs"
        f" {int(needed[worst])} pixels. Use larger boxes or pixels, or expect nothing finer than"
        f" {limit:.1f} A."
    )
